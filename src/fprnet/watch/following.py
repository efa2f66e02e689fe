"""Frames of one camera with their detections become finished tracks: path and best crops of each.

Shapes: a crop is h x w pixels with channels R, G, B.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import Modality
from fprnet.ranges import NonNegative, Positive, PositiveInt
from fprnet.tracklets import PathPoint
from fprnet.watch.detections import Detections
from fprnet.watch.frames import Frame
from fprnet.watch.light import Light, to_gray
from fprnet.watch.quality import QualityLimits, measure_quality
from fprnet.watch.tracking import NOBODY, BoxTracker

__all__ = ["CropChoice", "FinishedTrack", "Follower", "KeptCrop"]

MAX_POINTS = 240  # of a path; a longer one is thinned out by half
FIRST_STEP = 0.2  # seconds between the points of a path


@dataclass(frozen=True)
class CropChoice:
    """Which crops of a track are embedded.

    Attributes:
        crops: At most so many, the best ones.
        apart: Seconds between two of them, so that they do not show the same moment.
        max_seconds: A track that lasts longer is cut, so that who stays is known meanwhile.
    """

    crops: PositiveInt = 4
    apart: NonNegative = 0.4
    max_seconds: Positive = 60.0


@dataclass(frozen=True, eq=False)
class KeptCrop:
    """A crop that may be embedded: pixels ``(h, w, 3)``, its time, box in pixels and quality."""

    pixels: NDArray[np.uint8] = field(repr=False)
    time: datetime
    box: tuple[int, int, int, int]
    quality: float


@dataclass(frozen=True, eq=False)
class FinishedTrack:
    """Somebody from appearing to vanishing, before embedding.

    Attributes:
        number: In its source, from 1.
        modality: By which light the camera saw.
        start: Time of the first box.
        end: Time of the last box.
        path: Where the person was, thinned out.
        crops: Best first; () where none was good enough.
        boxes: Number of boxes.
    """

    number: int
    modality: Modality
    start: datetime
    end: datetime
    path: tuple[PathPoint, ...] = field(repr=False)
    crops: tuple[KeptCrop, ...] = field(repr=False)
    boxes: int


@dataclass
class _OpenTrack:
    """Somebody who is being followed."""

    number: int
    modality: Modality
    start: datetime
    end: datetime
    boxes: int = 0
    step: float = FIRST_STEP
    path: list[PathPoint] = field(default_factory=list)
    last: PathPoint | None = None
    crops: list[KeptCrop] = field(default_factory=list)

    def move(self, point: PathPoint) -> None:
        """Add where the person is."""
        self.end, self.last = point.time, point
        self.boxes += 1
        if self.path and (point.time - self.path[-1].time).total_seconds() < self.step - 1e-6:
            return
        self.path.append(point)
        if len(self.path) > MAX_POINTS:
            self.path = self.path[::2]
            self.step *= 2

    def offer(self, crop: KeptCrop, choice: CropChoice) -> None:
        """Keep a crop if it is among the best; of those close in time only the best stays."""
        near = [
            one
            for one in self.crops
            if abs((crop.time - one.time).total_seconds()) < choice.apart - 1e-6
        ]
        if any(one.quality >= crop.quality for one in near):
            return
        self.crops = [one for one in self.crops if one not in near] + [crop]
        self.crops.sort(key=lambda one: (-one.quality, one.time))
        del self.crops[choice.crops :]

    def finished(self) -> FinishedTrack:
        """Return it as it is at its end."""
        path = self.path
        if self.last is not None and path[-1] is not self.last:
            path = [*path, self.last]
        return FinishedTrack(
            self.number,
            self.modality,
            self.start,
            self.end,
            tuple(path),
            tuple(self.crops),
            self.boxes,
        )


class Follower:
    """Follows everybody in one camera.

    Args:
        tracker: Of that camera alone.
        light: Likewise.
        limits: What crops need.
        choice: Which crops are kept.
    """

    def __init__(
        self, tracker: BoxTracker, light: Light, limits: QualityLimits, choice: CropChoice
    ) -> None:
        self._tracker, self._light = tracker, light
        self._limits, self._choice = limits, choice
        self._open: dict[int, _OpenTrack] = {}
        self._finished: list[FinishedTrack] = []
        self._modality: Modality | None = None
        self._count = 0
        self.rejected: Counter[str] = Counter()
        """Crops that were not good enough, by reason; see `fprnet.watch.quality.REASONS`."""

    def see(self, frame: Frame, found: Detections) -> list[FinishedTrack]:
        """Follow everybody into the next frame.

        Returns:
            Tracks that are over now, in the order in which they began.
        """
        modality = self._light.see(frame.pixels, frame.time)
        if frame.is_cut or (self._modality is not None and modality != self._modality):
            self._end_all()
        self._modality = modality
        numbers = self._tracker.update(found, frame.time)
        pixels = to_gray(frame.pixels) if modality == "infrared" else frame.pixels
        height, width = pixels.shape[:2]
        measured = measure_quality(pixels, found.boxes)
        for number, box, (whole, quality) in zip(
            numbers.tolist(), found.boxes.tolist(), measured, strict=True
        ):
            if number == NOBODY:
                continue
            track = self._track(number, frame.time)
            left, top, box_width, box_height = box
            track.move(
                PathPoint(
                    frame.time, left / width, top / height, box_width / width, box_height / height
                )
            )
            reason = quality.rejected(self._limits)
            if reason:
                self.rejected[reason] += 1
                continue
            x, y, w, h = whole
            crop = pixels[y : y + h, x : x + w].copy()
            track.offer(KeptCrop(crop, frame.time, whole, quality.score), self._choice)
        self._end_lost(frame.time)
        return self._taken()

    def end(self) -> list[FinishedTrack]:
        """Return the tracks that are not over yet: no more frames come."""
        self._end_all()
        return self._taken()

    def idle(self, now: datetime) -> list[FinishedTrack]:
        """Return the tracks that are over because nothing has come for too long."""
        self._end_lost(now)
        return self._taken()

    def _track(self, number: int, time: datetime) -> _OpenTrack:
        track = self._open.get(number)
        if track is not None and ((time - track.start).total_seconds() > self._choice.max_seconds):
            self._finished.append(self._open.pop(number).finished())
            track = None
        if track is None:
            assert self._modality is not None
            self._count += 1
            track = _OpenTrack(self._count, self._modality, time, time)
            self._open[number] = track
        return track

    def _end_lost(self, now: datetime) -> None:
        for number, track in list(self._open.items()):
            if (now - track.end).total_seconds() > self._tracker.patience:
                self._finished.append(self._open.pop(number).finished())

    def _end_all(self) -> None:
        self._finished += [track.finished() for track in self._open.values()]
        self._open.clear()
        self._tracker.restart()

    def _taken(self) -> list[FinishedTrack]:
        finished, self._finished = self._finished, []
        return sorted(finished, key=lambda track: track.number)
