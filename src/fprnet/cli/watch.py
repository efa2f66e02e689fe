"""Watch videos and cameras: who passes becomes tracklets in a gallery."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fprnet.cli.arguments import add_command, add_json, finite, mention_untrained, positive
from fprnet.cli.events import add_sinks, dispatching, sinks_of
from fprnet.cli.galleries import add_address

if TYPE_CHECKING:
    from datetime import datetime

    from tqdm import tqdm

    from fprnet.cli.arguments import Subcommands
    from fprnet.events.dispatcher import Alarm
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.tracklets import TrackletRecord
    from fprnet.watch.counts import Counts
    from fprnet.watch.detections import Detector
    from fprnet.watch.frames import Frame
    from fprnet.watch.sources import SourceOptions
    from fprnet.watch.watching import Watched

EXAMPLE = """\
  fprnet watch door.mp4 --gallery people.db --camera door --start 2026-11-28T18:00+01:00
  fprnet watch rtsp://user:secret@10.0.0.7/stream --gallery people.db --camera hall
  fprnet watch a.mp4 b.mp4 --gallery people.db --camera a --camera b --detector yolox_s.onnx
  fprnet watch frames --gallery people.db --camera gate --boxes det.txt --frame-rate 25

further options: --tracker.patience 1.0, --light.infrared 6, --quality.min_height 40,
--choice.crops 4, --detector.confident 0.6, ...; docs/watch.md lists them.
"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet watch``."""
    parser = add_command(subcommands, "watch", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="video file, folder of frames, rtsp:// or another URL of a stream, usb:0 for a "
        "camera that is plugged in",
    )
    add_address(parser, "--gallery")
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME",
        help="name of the camera; one for all sources, or one for each in their order",
    )
    parser.add_argument(
        "--location",
        action="append",
        default=[],
        metavar="NAME",
        help="location of the camera, likewise (default: the camera's name)",
    )
    parser.add_argument("--model", help="where the gallery's model lies (default: as it remembers)")
    parser.add_argument(
        "--detector",
        metavar="WHAT",
        help="file of a network (.onnx, .xml), a name of 'fprnet components detector', or "
        "package.module:Name (default: histograms, which misses many people)",
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
        "the time of its file)",
    )
    parser.add_argument(
        "--time-from",
        metavar="PATTERN",
        help="when recordings begin: a pattern of the file's name, e.g. %%Y%%m%%d_%%H%%M%%S",
    )
    parser.add_argument(
        "--time-zone", default="UTC", metavar="ZONE", help="time zone of these times (%(default)s)"
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
    for name, default, text in (
        ("--batch", 4, "frames that are looked at at once"),
        ("--queue", 16, "frames of a source that may wait; of a live one, older ones are dropped"),
    ):
        parser.add_argument(
            name, type=positive, default=default, metavar="N", help=f"{text} (default: {default})"
        )
    add_sinks(parser)
    parser.add_argument(
        "--false-match-rate",
        type=finite,
        default=0.01,
        metavar="R",
        help="share of the tracklets of people who are not on the gallery's watch list that may "
        "become events (%(default)s)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="calibration of the model (default: the one beside the model)",
    )
    add_json(parser)
    parser.set_defaults(run=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Watch until all sources end; tracklets and events are JSON lines with ``--json``."""
    from fprnet.config.layers import nested
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.opening import load_gallery_model
    from fprnet.watch.detectors import DEFAULT_DETECTOR, open_detector
    from fprnet.watch.options import parse_options
    from fprnet.watch.watching import watch

    values = nested(args.overrides)
    of_detector = values.pop("detector", {})
    options = parse_options({**values, "batch": args.batch, "queue": args.queue})
    watched = _watched(args)
    given = {**of_detector, "class_path": args.detector or DEFAULT_DETECTOR}
    detector = watched[0].detector if args.boxes else None
    detector = detector or open_detector(given)
    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        embedder, _ = load_gallery_model(gallery, args.model)
        mention_untrained(embedder)
        with (
            _Progress(watched) as progress,
            _alarm(args, gallery, progress) as alarm,
            _stopping() as stop,
        ):
            counts = watch(
                watched,
                gallery,
                embedder,
                detector,
                options,
                say=progress.say,
                done=progress.done if args.json else lambda record: None,
                seen=progress.seen,
                stop=stop,
                alarm=alarm,
            )
    for count in counts:
        print(_text(count), file=sys.stderr if args.json else sys.stdout)
    if stop.is_set() and not all(one.source.is_live for one in watched):
        return 130
    return 2 if any(count.fault for count in counts) else 0


@contextmanager
def _alarm(
    args: argparse.Namespace, gallery: Gallery, progress: _Progress
) -> Iterator[Alarm | None]:
    """Yield what makes events of whoever is on the watch list, and sends them."""
    from fprnet.errors import FprnetError
    from fprnet.events.dispatcher import Alarm
    from fprnet.events.matching import Matcher
    from fprnet.events.sinks import JsonLines
    from fprnet.events.watch_list import watch_list
    from fprnet.gallery.opening import gallery_calibration

    sinks = sinks_of(args)
    try:
        calibration = gallery_calibration(gallery, args.model, args.calibration)
        matcher = Matcher(gallery, calibration, args.false_match_rate)
    except FprnetError:
        if sinks or args.calibration is not None or watch_list(gallery):
            raise
        yield None  # nobody has asked for events, which need a calibration
        return
    if args.json:
        sinks.append(JsonLines(progress.line))
    with dispatching(gallery, sinks, progress.say) as dispatcher:
        yield Alarm(matcher, dispatcher)


def _watched(args: argparse.Namespace) -> list[Watched]:
    """Return the sources with their cameras, locations and boxes."""
    from fprnet.errors import UsageError
    from fprnet.watch.given_boxes import GivenBoxes
    from fprnet.watch.sources import open_source
    from fprnet.watch.watching import Watched

    count = len(args.sources)
    if not args.camera:
        raise UsageError("--camera is missing; name the camera, or that of each source")
    cameras = _for_each("--camera", args.camera, count)
    locations = _for_each("--location", args.location or [None], count)
    if args.boxes and len(args.boxes) != count:
        raise UsageError(f"--boxes is given {len(args.boxes)} times for {count} sources")
    if args.boxes and args.detector:
        raise UsageError("--boxes and --detector are both given; nothing is left to detect")
    detectors: list[Detector | None] = [GivenBoxes(file) for file in args.boxes]
    detectors = detectors or [None] * count
    sources = [open_source(address, _options(args, Path(address))) for address in args.sources]
    return [Watched(*of) for of in zip(sources, cameras, locations, detectors, strict=True)]


def _for_each(option: str, values: Sequence[Any], count: int) -> Sequence[Any]:
    from fprnet.errors import UsageError

    if len(values) == 1:
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


class _Progress:
    """A bar for recordings, and lines that do not tear it."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._lengths = [one.source.seconds for one in watched]
        self._first: dict[int, datetime] = {}
        self._at: dict[int, float] = {}
        self._is_live = any(one.source.is_live for one in watched)
        self._bar: tqdm[Any] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> _Progress:
        from tqdm import tqdm

        known = None if None in self._lengths else sum(filter(None, self._lengths))
        self._bar = tqdm(
            total=None if known is None else round(known),
            desc="watching",
            unit=" s of video",
            file=sys.stderr,
            disable=self._is_live,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def seen(self, source: int, frame: Frame) -> None:
        """Move the bar."""
        first = self._first.setdefault(source, frame.time)
        self._at[source] = (frame.time - first).total_seconds()
        if self._bar is not None:
            self._bar.update(int(sum(self._at.values())) - self._bar.n)

    def say(self, line: str) -> None:
        """Print a line on stderr."""
        with self._lock:
            if self._bar is not None and not self._bar.disable:
                self._bar.clear()
            print(f"fprnet: {line}", file=sys.stderr, flush=True)

    def done(self, record: TrackletRecord) -> None:
        """Print a tracklet on stdout."""
        self.line(json.dumps({"tracklet": record.model_dump(mode="json")}))

    def line(self, text: str) -> None:
        """Print a line on stdout."""
        with self._lock:
            print(text, flush=True)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Yield an event that SIGINT or SIGTERM sets; the second one ends the process at once."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {one: signal.signal(one, ask) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _rate(text: str) -> float:
    """Take a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _text(count: Counts) -> str:
    rejected = ", ".join(f"{reason} {number}" for reason, number in count.rejected.most_common())
    dropped = f", {count.dropped} dropped" if count.dropped else ""
    already = f" ({count.already} were there)" if count.already else ""
    return (
        f"{count.camera}: {count.frames} frames{dropped}, {count.boxes} boxes, {count.tracks} "
        f"tracks, {count.tracklets} tracklets in the gallery{already}, {count.without_crop} "
        f"without a good crop; crops rejected: {rejected or 'none'}"
    )
