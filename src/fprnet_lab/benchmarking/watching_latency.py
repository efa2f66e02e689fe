"""A film that is played live becomes seconds: from last frames to the gallery, and to events."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.embeddings.embedder import Embedder
from fprnet.events.dispatcher import Alarm, Dispatcher
from fprnet.events.matching import Matcher
from fprnet.events.outbox import Event
from fprnet.events.watch_list import watch_for
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord
from fprnet.gallery.tracklets import TrackletRecord
from fprnet.watch.light import Light
from fprnet.watch.options import WatchOptions
from fprnet.watch.quality import QualityLimits, measure_quality
from fprnet.watch.watching import Watched, watch
from fprnet_lab.benchmarking.watching import FilmTruth, Playback, TruthDetector, quiet

__all__ = ["enrol", "measure_latency", "spread"]

MANY = 0.5  # false-match rate with which nearly every tracklet of the enrolled is an event


def enrol(film: FilmTruth, gallery: Gallery, embedder: Embedder, *, every: int) -> None:
    """Put everybody in a film on the watch list, by their boxes in each so-manieth frame.

    Args:
        film: Who is in it.
        gallery: Writable.
        embedder: Model of the gallery's model.
        every: Frames between two looks.
    """
    modality = Light().see(film.frames[0], datetime.now(UTC))
    crops: list[NDArray[np.uint8]] = []
    records: list[GalleryRecord] = []
    for index in range(0, len(film.frames), every):
        measured = measure_quality(film.frames[index], film.boxes[index])
        for number, (box, quality) in zip(film.identities[index], measured, strict=True):
            if quality.rejected(QualityLimits()):
                continue
            left, top, width, height = box
            crops.append(film.frames[index][top : top + height, left : left + width])
            records.append(
                GalleryRecord.checked(
                    id=hashlib.sha256(f"{index} {number}".encode()).hexdigest(),
                    path=f"{film.name}#{index}",
                    modality=modality,
                    camera="enrolled",
                    identity=f"{number:04d}",
                )
            )
    gallery.add(embedder.embed(crops, modality), records)
    for identity in sorted({record.identity for record in records if record.identity}):
        watch_for(gallery, identity, by="benchmark")


class Clock:
    """A receiver of events that notes how old each is: seconds since the last frame."""

    name = "clock"

    def __init__(self) -> None:
        self.waited: list[float] = []

    def send(self, event: Event) -> None:
        """Take an event; see `fprnet.events.sinks.Sink`."""
        self.waited.append((datetime.now(UTC) - event.tracklet.end).total_seconds())

    def close(self) -> None:
        """Nothing is held."""


def measure_latency(
    film: FilmTruth,
    gallery: Gallery,
    embedder: Embedder,
    calibration: Calibration,
    *,
    loops: int,
) -> dict[str, Any]:
    """Play a film live, and time tracklets and events from the last frame on.

    Everybody in the film is put on the watch list before.

    Args:
        film: What is played.
        gallery: Writable and empty.
        embedder: Model of the gallery's model.
        calibration: Calibration of that model.
        loops: How often the film is played.

    Returns:
        ``gallery``: from the last frame to being there; ``event``: to a receiver in this process,
        both in seconds (see `spread`); frames ``dropped``; ``load``: of the machine, at the end.
    """
    enrol(film, gallery, embedder, every=5)
    waited: list[float] = []
    clock = Clock()

    def done(record: TrackletRecord) -> None:
        waited.append((datetime.now(UTC) - record.end).total_seconds())

    dispatcher = Dispatcher(gallery, [clock], quiet)
    dispatcher.start()
    source = Playback(film.frames, film.rate, live=True, loops=loops, pause=2.0)
    counts = watch(
        [Watched(source, "live")],
        gallery,
        embedder,
        TruthDetector(film),
        WatchOptions(),
        say=quiet,
        done=done,
        alarm=Alarm(Matcher(gallery, calibration, MANY), dispatcher),
    )
    dispatcher.close()
    return {
        "gallery": spread(waited),
        "event": spread(clock.waited),
        "dropped": counts[0].dropped,
        "load": os.getloadavg()[0],
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return how many there are, their median, 95th percentile and the largest; at least one."""
    median, p95 = np.quantile(seconds, [0.5, 0.95])
    return {
        "count": len(seconds),
        "median": float(median),
        "p95": float(p95),
        "worst": max(seconds),
    }
