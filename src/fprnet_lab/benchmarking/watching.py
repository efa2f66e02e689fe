"""Films with the truth become figures of watching: speed, misses, tracking, memory.

Films are folders that ``fprnet data film --video`` wrote. Distances follow the MOT challenge: a box
is somebody's where the intersection over union is at least one half. MOTA: Bernardin and
Stiefelhagen, 2008; IDF1: Ristani et al., 2016; both by the library motmetrics.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fprnet.data.images import read_image
from fprnet.embeddings.embedder import Embedder
from fprnet.gallery.gallery import Gallery
from fprnet.watch.detections import Detections, Detector, overlaps
from fprnet.watch.frames import Frame, Say
from fprnet.watch.options import WatchOptions
from fprnet.watch.tracking import NOBODY, BoxTracker
from fprnet.watch.watching import Watched, watch

__all__ = [
    "FilmTruth",
    "Playback",
    "TruthDetector",
    "disturbed",
    "measure_memory",
    "measure_speed",
    "misses",
    "quiet",
    "read_film",
    "similarity",
    "thinned",
    "tracking_scores",
]

Floats = NDArray[np.float32]
SAME = 0.5  # intersection over union from which on a box is somebody's
TALL = 96  # pixels: what the pedestrian detector is made for


@dataclass(frozen=True, eq=False)
class FilmTruth:
    """A film and who is where in it.

    Attributes:
        name: Name of its folder.
        frames: ``(H, W, 3)`` uint8 each.
        rate: Frames a second.
        boxes: ``(n, 4)`` float32 of each frame: left, top, width, height in pixels.
        identities: ``(n,)`` int64 of each frame.
    """

    name: str
    frames: list[NDArray[np.uint8]] = field(repr=False)
    rate: float
    boxes: list[Floats] = field(repr=False)
    identities: list[NDArray[np.int64]] = field(repr=False)


def read_film(folder: Path) -> FilmTruth:
    """Read the folder of a film."""
    about = json.loads((folder / "film.json").read_text(encoding="utf-8"))
    frames = [read_image(file) for file in sorted((folder / "frames").iterdir())]
    rows: list[list[list[float]]] = [[] for _ in frames]
    with (folder / "truth.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            box = [float(row[name]) for name in ("identity", "left", "top", "width", "height")]
            rows[int(row["frame"]) - 1].append(box)
    tables = [np.array(of, np.float32).reshape(-1, 5) for of in rows]
    return FilmTruth(
        folder.name,
        frames,
        float(about["film"]["rate"]),
        [table[:, 1:] for table in tables],
        [table[:, 0].astype(np.int64) for table in tables],
    )


def thinned(film: FilmTruth, every: int) -> FilmTruth:
    """Return each so-manieth frame of a film, with its rate."""
    return FilmTruth(
        film.name,
        film.frames[::every],
        film.rate / every,
        film.boxes[::every],
        film.identities[::every],
    )


def similarity(boxes: Floats, others: Floats) -> Floats:
    """Return the intersection over union ``(n, m)`` of boxes ``(n, 4)`` and ``(m, 4)``."""
    shared = overlaps(boxes, others)
    areas, other_areas = boxes[:, 2:].prod(axis=1), others[:, 2:].prod(axis=1)
    union = areas[:, None] + other_areas[None] - shared
    share: Floats = shared / np.maximum(union, 1e-9)
    return share


def misses(film: FilmTruth, found: Sequence[Detections], score: float) -> dict[str, float]:
    """Compare detections with the truth, each box with at most one person.

    Args:
        film: The truth.
        found: Detections of each frame.
        score: Boxes below it do not count.

    Returns:
        ``people``: boxes of the truth; ``missed``: share that no detection finds; ``tall`` and
        ``missed_tall``: of those of at least 96 pixels; ``false``: detections of nobody per frame.
    """
    from scipy.optimize import linear_sum_assignment

    people = tall = hit = hit_tall = false = 0
    for boxes, one in zip(film.boxes, found, strict=True):
        sure = one.above(score)
        share = similarity(boxes, sure.boxes)
        rows, columns = linear_sum_assignment(share, maximize=True)
        same = share[rows, columns] >= SAME
        is_tall = boxes[:, 3] >= TALL
        people += len(boxes)
        tall += int(is_tall.sum())
        hit += int(same.sum())
        hit_tall += int(is_tall[rows[same]].sum())
        false += len(sure.scores) - int(same.sum())
    return {
        "people": people,
        "missed": 1 - hit / max(people, 1),
        "tall": tall,
        "missed_tall": 1 - hit_tall / max(tall, 1),
        "false": false / max(len(film.frames), 1),
    }


def disturbed(film: FilmTruth, *, missed: float, jitter: float, seed: int) -> list[Detections]:
    """Return the truth as a detector of some quality would see it.

    Args:
        film: The truth.
        missed: Share of the boxes that are left out.
        jitter: Standard deviation of the edges, as a share of the box's width and height.
        seed: Decides what is left out, and the jitter.
    """
    rng = np.random.default_rng(seed)
    result = []
    for boxes in film.boxes:
        seen = boxes[rng.random(len(boxes)) >= missed]
        size = np.tile(seen[:, 2:], 2)
        moved = (seen + rng.normal(0, jitter, seen.shape) * size).astype(np.float32)
        result.append(Detections(moved, np.ones(len(seen), np.float32)))
    return result


def tracking_scores(
    film: FilmTruth, found: Sequence[Detections], confident: float
) -> dict[str, float]:
    """Follow detections, and compare the tracks with the truth.

    Args:
        film: The truth.
        found: Detections of each frame.
        confident: Score from which the detector's boxes begin a track.

    Returns:
        mota, idf1, switches, fragmentations, misses, false, objects (boxes of the truth).
    """
    import motmetrics

    tracker = BoxTracker(confident)
    table = motmetrics.MOTAccumulator(auto_id=True)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for index, one in enumerate(found):
        numbers = tracker.update(one, begin + timedelta(seconds=index / film.rate))
        followed = numbers != NOBODY
        distance = 1 - similarity(film.boxes[index], one.boxes[followed]).astype(np.float64)
        distance[distance > 1 - SAME] = np.nan
        table.update(film.identities[index], numbers[followed], distance)
    names = ["mota", "idf1", "num_switches", "num_fragmentations", "num_misses"]
    names += ["num_false_positives", "num_objects"]
    scores = motmetrics.metrics.create().compute(table, metrics=names, return_dataframe=False)
    keys = ["mota", "idf1", "switches", "fragmentations", "misses", "false", "objects"]
    return {key: float(scores[name]) for key, name in zip(keys, names, strict=True)}


class Playback:
    """A source that plays frames: live at their rate, or as fast as they are taken.

    Args:
        frames: ``(H, W, 3)`` uint8 each.
        rate: Frames a second.
        live: Wait until each is due, with the clock of the machine.
        loops: How often the film is played.
        pause: Seconds of the film's own clock between two loops; nobody waits for them.
    """

    name = "playback"

    def __init__(
        self,
        frames: Sequence[NDArray[np.uint8]],
        rate: float,
        *,
        live: bool = False,
        loops: int = 1,
        pause: float = 0.0,
    ) -> None:
        self._frames, self._rate, self.is_live = frames, rate, live
        self._loops, self._pause = loops, pause
        self._is_stopped = False
        self.seconds: float | None = loops * (len(frames) / rate + pause)

    def frames(self, say: Say) -> Iterator[Frame]:
        """Yield the frames; see `fprnet.watch.frames.Source`."""
        del say
        begin, clock = datetime.now(UTC), time.monotonic()
        for loop in range(self._loops):
            offset = loop * (len(self._frames) / self._rate + self._pause)
            for index, pixels in enumerate(self._frames):
                if self._is_stopped:
                    return
                seconds = offset + index / self._rate
                if self.is_live:
                    time.sleep(max(0.0, clock + seconds - time.monotonic()))
                # Differs in one pixel, so that no two tracklets have the same images.
                moment = pixels if loop == 0 else _marked(pixels, loop)
                stamp = begin + timedelta(seconds=seconds)
                yield Frame(moment, stamp, index + 1, is_cut=index == 0)

    def stop(self) -> None:
        """End the frames soon."""
        self._is_stopped = True


def _marked(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(number)
    return np.bitwise_xor(pixels, rng.integers(0, 2, pixels.shape, dtype=np.uint8))


class TruthDetector:
    """Gives the boxes of a film by the number of the frame."""

    confident = 0.5

    def __init__(self, film: FilmTruth) -> None:
        self._film = film

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the truth of each frame; see `fprnet.watch.detections.Detector`."""
        of = [self._film.boxes[frame.number - 1] for frame in frames]
        return [Detections(boxes, np.ones(len(boxes), np.float32)) for boxes in of]


def measure_speed(
    film: FilmTruth,
    gallery: Gallery,
    embedder: Embedder,
    detector: Detector | None,
    *,
    cameras: int = 1,
) -> dict[str, float]:
    """Watch a film as fast as it goes, from frames in memory to tracklets in the gallery.

    Args:
        film: What is watched.
        gallery: Writable.
        embedder: Model of the gallery's model.
        detector: None takes the boxes as given.
        cameras: Number of cameras that show the film at once.

    Returns:
        Frames a second of all cameras together, in wall-clock time and in processor time of one
        core, and tracklets.
    """
    sources = [Watched(Playback(film.frames, film.rate), f"c{one}") for one in range(cameras)]
    start, cpu = time.perf_counter(), time.process_time()
    counts = watch(
        sources,
        gallery,
        embedder,
        detector or TruthDetector(film),
        WatchOptions(),
        say=quiet,
        done=quiet,
    )
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    frames = sum(one.frames for one in counts)
    return {
        "frames": frames,
        "frames_per_second": frames / seconds,
        "frames_per_core_second": frames / used,
        "tracklets": sum(one.tracklets for one in counts),
    }


def measure_memory(
    film: FilmTruth, gallery: Gallery, embedder: Embedder, *, hours: float, pause: float
) -> dict[str, list[float] | float]:
    """Watch a film again and again over simulated hours, and look at the memory.

    Args:
        film: What passes, over and over.
        gallery: Writable.
        embedder: Model of the gallery's model.
        hours: By the clock of the film.
        pause: Seconds between two passages, by the clock of the film.

    Returns:
        ``resident``: MiB at the end of each simulated hour; ``tracklets`` and ``frames``.
    """
    resident: list[float] = []
    begin: list[datetime] = []

    def seen(source: int, frame: Frame) -> None:
        del source
        begin[1:] = []
        if not begin:
            begin.append(frame.time)
        if (frame.time - begin[0]).total_seconds() >= 3600 * (len(resident) + 1):
            resident.append(resident_mebibytes())

    loops = round(hours * 3600 / (len(film.frames) / film.rate + pause))
    source = Playback(film.frames, film.rate, loops=loops, pause=pause)
    counts = watch(
        [Watched(source, "memory")],
        gallery,
        embedder,
        TruthDetector(film),
        WatchOptions(),
        say=quiet,
        done=quiet,
        seen=seen,
    )
    resident.append(resident_mebibytes())
    return {
        "resident": resident,
        "tracklets": counts[0].tracklets,
        "frames": counts[0].frames,
    }


def resident_mebibytes() -> float:
    """Return the memory of this process that is in use now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def quiet(_: object) -> None:
    """Take a line or a tracklet, and say nothing."""
