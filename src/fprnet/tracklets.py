"""A tracklet: what one camera saw of one person without a break, as a value that others pass on.

Whoever watches a video makes it; a gallery keeps it. Shapes: D numbers per embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PathPoint", "Tracklet", "TrackletCrop"]


@dataclass(frozen=True)
class PathPoint:
    """Where the person was at one moment, relative to the frame.

    Attributes:
        time: In UTC.
        x: Left edge of the box, 0 (left edge of the frame) to 1.
        y: Top edge of the box, 0 (top edge of the frame) to 1.
        width: Width of the box, a share of the frame's.
        height: Height of the box, a share of the frame's.
    """

    time: datetime
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class TrackletCrop:
    """One image of the person.

    Attributes:
        image: Content of a JPEG or PNG file.
        time: When it was taken, in UTC.
        box: Left, top, width and height of the crop in its frame, pixels.
        embedding: ``(D,)`` float32, as the gallery's model gives it.
        quality: 0 (useless) to 1.
    """

    image: bytes = field(repr=False)
    time: datetime
    box: tuple[int, int, int, int]
    embedding: NDArray[np.float32] = field(repr=False)
    quality: float


@dataclass(frozen=True, eq=False)
class Tracklet:
    """A person in one camera, from appearing to vanishing.

    Attributes:
        camera: Name of the camera.
        modality: Whether it saw by visible or by infrared light.
        start: Time of the first box, in UTC.
        end: Time of the last box, in UTC.
        path: Where the person was, in the order of time; may be thinned out.
        crops: The best images of the person, best first; at least one.
        source: Address of the video that was watched, without a password.
        number: Which tracklet of that source it is. The same source, camera, number and start are
            the same tracklet, so that watching a video again adds nothing.

    Raises:
        ValueError: A time has no zone, the end lies before the start, or there is no crop.
    """

    camera: str
    modality: Literal["visible", "infrared"]
    start: datetime
    end: datetime
    path: tuple[PathPoint, ...] = field(repr=False)
    crops: tuple[TrackletCrop, ...] = field(repr=False)
    source: str
    number: int

    def __post_init__(self) -> None:
        times = [self.start, self.end]
        times += [point.time for point in self.path] + [crop.time for crop in self.crops]
        for time in times:
            if time.utcoffset() is None or time.utcoffset() != timedelta(0):
                raise ValueError(f"time {time.isoformat()} of a tracklet is not in UTC")
        if self.end < self.start:
            raise ValueError(f"a tracklet ends at {self.end}, before its start {self.start}")
        if not self.crops:
            raise ValueError(f"tracklet {self.number} of {self.source} has no crop")
