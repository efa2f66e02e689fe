"""What is known of somebody who is followed: path and best crops, while it goes on and at its end.

Shapes: a crop is h x w pixels with channels R, G, B.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import Modality
from fprnet.ranges import NonNegative, Positive, PositiveInt
from fprnet.tracklets import PathPoint
from fprnet.watch.counts import Counts
from fprnet.watch.frames import Say
from fprnet.watch.quality import Box, Quality, QualityLimits

__all__ = ["CropChoice", "CropChooser", "FinishedTrack", "KeptCrop", "OpenTrack", "TrackSource"]

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
    box: Box
    quality: float


@dataclass(frozen=True, eq=False)
class FinishedTrack:
    """Somebody from appearing to vanishing, before embedding.

    Attributes:
        number: In its source and camera; no two tracks have the same.
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
class OpenTrack:
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


class CropChooser:
    """Keeps the best crops of tracks, and counts those that are not good enough.

    Args:
        limits: What crops need.
        choice: Which crops are kept.
    """

    def __init__(self, limits: QualityLimits, choice: CropChoice) -> None:
        self._limits, self.choice = limits, choice
        self.rejected: Counter[str] = Counter()
        """Crops that were not good enough, by reason; see `fprnet.watch.quality.REASONS`."""

    def offer(
        self,
        track: OpenTrack,
        pixels: NDArray[np.uint8],
        time: datetime,
        box: Box,
        quality: Quality,
    ) -> None:
        """Keep what a box shows of a track's person, if it is among the best.

        Args:
            track: The track of the person.
            pixels: Frame ``(H, W, 3)``, as `fprnet.watch.light.to_gray` gives it in infrared.
            time: When the frame was taken.
            box: Within the frame.
            quality: How good the box is, as `fprnet.watch.quality.measure_quality` has both.
        """
        reason = quality.rejected(self._limits)
        if reason:
            self.rejected[reason] += 1
            return
        left, top, width, height = box
        crop = pixels[top : top + height, left : left + width].copy()
        track.offer(KeptCrop(crop, time, box, quality.score), self.choice)


@runtime_checkable
class TrackSource(Protocol):
    """Something that follows people itself, in cameras of its own.

    Attributes:
        name: Its address, without a password.
        is_live: Whether tracks come when they come.
        seconds: Length; None where it is not known.
    """

    name: str
    is_live: bool
    seconds: float | None

    def tracks(self, say: Say, counts: Counts) -> Iterator[tuple[str, FinishedTrack]]:
        """Yield the name of the camera and each track with crops, until the source ends.

        Args:
            say: Told what went wrong and was overcome.
            counts: Where everything but tracklets is counted, in the thread that takes the tracks.

        Raises:
            DataError: It cannot be watched, or not to its end.
        """
        ...

    def stop(self) -> None:
        """End soon, with a track of everybody who is being followed; any thread may call it."""
        ...
