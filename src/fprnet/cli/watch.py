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
from fprnet.cli.watch_sources import add_sources, sources_of

if TYPE_CHECKING:
    from datetime import datetime

    from tqdm import tqdm

    from fprnet.cli.arguments import Subcommands
    from fprnet.events.dispatcher import Alarm
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.tracklets import TrackletRecord
    from fprnet.watch.counts import Counts
    from fprnet.watch.frames import Frame
    from fprnet.watch.watching import Watched

EXAMPLE = """\
  fprnet watch door.mp4 --gallery people.db --camera door --start 2026-11-28T18:00+01:00
  fprnet watch rtsp://user:secret@10.0.0.7/stream --gallery people.db --camera hall
  fprnet watch a.mp4 b.mp4 --gallery people.db --camera a --camera b --detector yolox_s.onnx
  fprnet watch frames --gallery people.db --camera gate --boxes det.txt --frame-rate 25
  fprnet watch frigate+http://10.0.0.9:5000 --gallery people.db --frigate-mqtt mqtt://10.0.0.9

further options: --tracker.patience 1.0, --light.infrared 6, --quality.min_height 40,
--choice.crops 4, --detector.confident 0.6, ...; docs/watch.md lists them.
"""
WEAK = (
    "without --detector, {} looks for people, and misses most of them; for real use give the file "
    "of a network, see docs/watch.md"
)


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet watch``."""
    parser = add_command(subcommands, "watch", summary=__doc__, example=EXAMPLE)
    add_sources(parser)
    add_address(parser, "--gallery")
    parser.add_argument("--model", help="where the gallery's model lies (default: as it remembers)")
    parser.add_argument(
        "--detector",
        metavar="WHAT",
        help="file of a network (.onnx, .xml), a name of 'fprnet components detector', or "
        "package.module:Name (default: histograms, which misses many people)",
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
        "become events (default: %(default)s)",
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
    watched = sources_of(args, options)
    detector = None
    if any(one.camera is not None and one.detector is None for one in watched):
        given = args.detector or DEFAULT_DETECTOR
        detector = open_detector({**of_detector, "class_path": given})
    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        embedder, _ = load_gallery_model(gallery, args.model)
        mention_untrained(embedder)
        with (
            _Progress(watched) as progress,
            _alarm(args, gallery, progress) as alarm,
            _stopping() as stop,
        ):
            if detector is not None and not args.detector:
                progress.say(WEAK.format(DEFAULT_DETECTOR))
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


def _text(count: Counts) -> str:
    rejected = ", ".join(f"{reason} {number}" for reason, number in count.rejected.most_common())
    dropped = f", {count.dropped} dropped" if count.dropped else ""
    already = f" ({count.already} were there)" if count.already else ""
    if count.differing:
        already = (
            f" ({count.already} were there, {count.differing} of another camera or time; to "
            "correct them, erase them with 'fprnet gallery erase --tracklet N' and watch again)"
        )
    return (
        f"{count.camera or count.source}: {count.frames} frames{dropped}, {count.boxes} boxes, "
        f"{count.tracks} tracks, {count.tracklets} tracklets in the gallery{already}, "
        f"{count.without_crop} without a good crop; crops rejected: {rejected or 'none'}"
    )
