"""Words of ``fprnet watch`` become sources, each with its cameras, location and boxes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fprnet.watch.frigate.source import Frigate
    from fprnet.watch.options import WatchOptions
    from fprnet.watch.sources import SourceOptions
    from fprnet.watch.watching import Watched

__all__ = ["add_sources", "sources_of"]

FRIGATE = ("frigate+http://", "frigate+https://")


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Declare what is watched."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="video file, folder of frames, rtsp:// or another URL of a stream, usb:0 for a "
        "camera that is plugged in, frigate+http://HOST:5000 for all cameras of a Frigate",
    )
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME",
        help="name of the camera; one for all sources, or one for each in their order; a Frigate "
        "names its own",
    )
    parser.add_argument(
        "--location",
        action="append",
        default=[],
        metavar="NAME",
        help="location of the camera, likewise (default: the camera's name)",
    )
    parser.add_argument(
        "--boxes",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="boxes of people in the format of the MOT challenge, one file for each source; "
        "nothing is detected then",
    )
    parser.add_argument(
        "--rate",
        type=_rate,
        default=5.0,
        metavar="R",
        help="frames a second that are looked at (default: %(default)g)",
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        help="when the recording begins (UTC unless it says; default: what its metadata says, or "
        "the time of its file); of a Frigate: events since then are fetched, too",
    )
    parser.add_argument(
        "--time-from",
        metavar="PATTERN",
        help="when recordings begin: a pattern of the file's name, e.g. %%Y%%m%%d_%%H%%M%%S",
    )
    parser.add_argument(
        "--time-zone",
        default="UTC",
        metavar="ZONE",
        help="time zone of times that name none (default: %(default)s)",
    )
    parser.add_argument(
        "--frame-rate",
        type=_rate,
        metavar="R",
        help="frames a second of a folder of frames (default: as its seqinfo.ini says)",
    )
    parser.add_argument(
        "--timeout",
        type=_rate,
        default=10.0,
        metavar="SECONDS",
        help="without a frame for so long a stream is called anew (default: %(default)g)",
    )
    parser.add_argument(
        "--frigate-mqtt",
        action="append",
        default=[],
        metavar="URL",
        help="where a Frigate publishes: mqtt://[USER@]HOST[:PORT][/PREFIX] or mqtts://, the "
        "password in $MQTT_PASSWORD (prefix: frigate); one for all, or one for each Frigate",
    )
    parser.add_argument(
        "--frigate-camera",
        action="append",
        type=_renamed,
        default=[],
        metavar="NAME[=NEW]",
        help="only this camera of the Frigate, with another name in the gallery after the sign = "
        "(repeatable; default: all)",
    )


def sources_of(args: argparse.Namespace, options: WatchOptions) -> list[Watched]:
    """Return the sources with their cameras, locations and boxes.

    Raises:
        UsageError: Options do not fit together, or an address names nothing.
        DataError: A recording or a file of boxes is damaged.
    """
    from fprnet.errors import UsageError
    from fprnet.watch.given_boxes import GivenBoxes
    from fprnet.watch.sources import open_source
    from fprnet.watch.watching import Watched

    if args.boxes and args.detector:
        raise UsageError("--boxes and --detector are both given; nothing is left to detect")
    addresses = [one for one in args.sources if not one.startswith(FRIGATE)]
    if addresses and not args.camera:
        raise UsageError("--camera is missing; name the camera, or that of each source")
    if not addresses and (args.camera or args.boxes or args.detector):
        raise UsageError(
            "--camera, --boxes and --detector are not for a Frigate, which names its cameras and "
            "detects; leave them out, and choose cameras with --frigate-camera"
        )
    names = _for_each("--camera", args.camera, len(addresses))
    if args.start is not None and len(set(names)) < len(names):
        raise UsageError(
            f"--start is one time for several recordings of camera {max(names, key=names.count)}; "
            "watch each with its own --start, or take the times from their names with --time-from"
        )
    cameras = iter(names)
    if args.boxes and len(args.boxes) != len(addresses):
        raise UsageError(f"--boxes is given {len(args.boxes)} times for {len(addresses)} sources")
    boxes = iter(args.boxes)
    frigates = iter(_frigates(args, options))
    locations = _for_each("--location", args.location or [None], len(args.sources))
    watched = []
    for address, location in zip(args.sources, locations, strict=True):
        if address.startswith(FRIGATE):
            watched.append(Watched(next(frigates), None, location))
            continue
        source = open_source(address, _options(args, Path(address)))
        file = next(boxes, None)
        own = None if file is None else GivenBoxes(file)
        watched.append(Watched(source, next(cameras), location, own))
    return watched


def _frigates(args: argparse.Namespace, options: WatchOptions) -> list[Frigate]:
    """Return the sources that are Frigates, in their order."""
    from fprnet.errors import UsageError
    from fprnet.events.broker import Broker
    from fprnet.watch.frigate.api import FrigateApi
    from fprnet.watch.frigate.feed import Feed
    from fprnet.watch.frigate.source import Frigate

    addresses = [one for one in args.sources if one.startswith(FRIGATE)]
    if not addresses:
        if args.frigate_mqtt or args.frigate_camera:
            raise UsageError("--frigate-mqtt and --frigate-camera are given without a Frigate")
        return []
    if not args.frigate_mqtt:
        raise UsageError(
            "--frigate-mqtt is missing; give the broker to which the Frigate publishes"
        )
    urls = _for_each("--frigate-mqtt", args.frigate_mqtt, len(addresses))
    return [
        Frigate(
            FrigateApi(address, args.timeout),
            Feed(Broker.of(url, prefix="frigate"), os.environ.get("MQTT_PASSWORD")),
            dict(args.frigate_camera),
            options,
            _options(args, Path(address)).start,
        )
        for address, url in zip(addresses, urls, strict=True)
    ]


def _for_each(option: str, values: Sequence[Any], count: int) -> Sequence[Any]:
    from fprnet.errors import UsageError

    if len(values) == 1 or count == 0:
        return list(values) * count
    if len(values) != count:
        raise UsageError(f"{option} is given {len(values)} times for {count} sources")
    return values


def _options(args: argparse.Namespace, path: Path) -> SourceOptions:
    from fprnet.errors import UsageError
    from fprnet.gallery.times import parse_time, parse_zone, time_reader
    from fprnet.watch.sources import SourceOptions

    if args.start is not None and args.time_from is not None:
        raise UsageError("--start and --time-from are both given; leave one out")
    zone = parse_zone(args.time_zone)
    start = None
    if args.start is not None:
        start = parse_time(args.start, zone=zone)
    elif args.time_from is not None and path.exists():
        start = time_reader(args.time_from, zone)(path)
        if start is None:
            raise UsageError(f"the name of {path} has no time as {args.time_from}; correct it")
    return SourceOptions(args.rate, _utc(start), args.frame_rate, args.timeout)


def _utc(time: Any) -> Any:  # noqa: ANN401
    from datetime import UTC

    return None if time is None else time.astimezone(UTC)


def _renamed(text: str) -> tuple[str, str]:
    """Take a name, or a name and the one that replaces it."""
    name, _, new = text.partition("=")
    if not name or (not new and "=" in text):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME and no NAME=NEW")
    return name, new or name


def _rate(text: str) -> float:
    """Take a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
