r"""Figures of 'fprnet watch' on rendered films with the truth: speed, misses, tracking, memory.

    fprnet data film films --camera 4 --camera 5 --camera 3 --camera 6 --seconds 8 --rate 10 \
        --size 360x640
    python benchmarks/watch.py films [--part speed] [--part tracking] ...

Prints one JSON object a part. Wall-clock times are of this machine as busy as it is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fprnet.embeddings.embedder import Embedder
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.opening import gallery_calibration, load_gallery_model
from fprnet.gallery.steps import create_gallery
from fprnet.watch.detections import Detections
from fprnet.watch.detectors import open_detector
from fprnet.watch.frames import Frame
from fprnet_lab.benchmarking import watching
from fprnet_lab.benchmarking.watching import FilmTruth
from fprnet_lab.benchmarking.watching_latency import measure_latency

DETECTORS: dict[str, dict[str, str]] = {
    "histograms": {},
    "histograms, enlarged twice": {"enlarge": "2"},
}
SEEDS = (0, 1, 2)
LOOPS = 3  # of the film whose latency is measured


def found_by(film: FilmTruth, options: dict[str, str]) -> tuple[list[Detections], float]:
    """Return what the default detector finds in each frame, and its score of confidence."""
    detector = open_detector({"class_path": "histograms", **options})
    start = datetime(2026, 1, 1, tzinfo=UTC)
    frames = [Frame(pixels, start, number) for number, pixels in enumerate(film.frames, 1)]
    return detector.detect(frames), detector.confident


def misses(films: Sequence[FilmTruth]) -> dict[str, Any]:
    """Return what the default detector misses in every eighth frame of each film."""
    result: dict[str, Any] = {}
    for name, options in DETECTORS.items():
        for film in films:
            some = watching.thinned(film, 8)
            found, confident = found_by(some, options)
            result[f"{name}, {film.name}"] = watching.misses(some, found, confident)
    return result


def tracking(films: Sequence[FilmTruth]) -> dict[str, Any]:
    """Return MOTA, IDF1 and switches, at 5 frames a second, with boxes of three qualities."""
    result: dict[str, Any] = {}
    for whole in films:
        film = watching.thinned(whole, round(whole.rate / 5))
        truth = watching.disturbed(film, missed=0, jitter=0, seed=0)
        result[f"truth, {film.name}"] = watching.tracking_scores(film, truth, 0.5)
        for seed in SEEDS:
            boxes = watching.disturbed(film, missed=0.2, jitter=0.05, seed=seed)
            scores = watching.tracking_scores(film, boxes, 0.5)
            result[f"disturbed by seed {seed}, {film.name}"] = scores
        found, confident = found_by(film, {})
        result[f"histograms, {film.name}"] = watching.tracking_scores(film, found, confident)
    return result


def speed(films: Sequence[FilmTruth]) -> dict[str, Any]:
    """Return frames a second with boxes given and with the default detector."""
    result: dict[str, Any] = {}
    for name, cameras in (("boxes given", 1), ("histograms", 1), ("histograms", 2)):
        detector = None if name == "boxes given" else open_detector(name)
        with with_gallery() as (gallery, embedder):
            result[f"{name}, {cameras} camera(s)"] = watching.measure_speed(
                films[0], gallery, embedder, detector, cameras=cameras
            )
    return result


@contextmanager
def with_gallery() -> Iterator[tuple[Gallery, Embedder]]:
    """Yield an empty gallery of the shipped model, and that."""
    with (
        tempfile.TemporaryDirectory() as folder,
        create_gallery(f"{folder}/people.db", "fprnet-people") as gallery,
    ):
        embedder, _ = load_gallery_model(gallery)
        yield gallery, embedder


def latency(films: Sequence[FilmTruth]) -> dict[str, Any]:
    """Return seconds from the last frame of a tracklet to the gallery, and to its event."""
    with with_gallery() as (gallery, embedder):
        calibration = gallery_calibration(gallery)
        return measure_latency(films[0], gallery, embedder, calibration, loops=LOOPS)


def memory(films: Sequence[FilmTruth]) -> dict[str, Any]:
    """Return the memory over 24 simulated hours in which the film passes every half hour."""
    with with_gallery() as (gallery, embedder):
        return watching.measure_memory(films[0], gallery, embedder, hours=24, pause=1792)


PARTS: dict[str, Callable[[Sequence[FilmTruth]], dict[str, Any]]] = {
    "misses": misses,
    "tracking": tracking,
    "speed": speed,
    "latency": latency,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", type=Path, help="folder of films")
    parser.add_argument("--part", action="append", choices=PARTS, help="only these; repeatable")
    args = parser.parse_args()
    films = [watching.read_film(folder) for folder in sorted(args.films.iterdir())]
    for name in args.part or PARTS:
        print(json.dumps({name: PARTS[name](films)}), flush=True)


if __name__ == "__main__":
    main()
