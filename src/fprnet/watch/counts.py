"""What became of a source, counted while it is watched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Counts"]


@dataclass
class Counts:
    """What became of a source.

    Attributes:
        source: Its address, without a password.
        camera: Name of the camera; None: the source has several.
        frames: Frames that were looked at.
        dropped: Frames that came and were not looked at, because there was no time.
        boxes: People found in frames.
        tracks: People who were followed.
        tracklets: Tracks that are in the gallery now.
        already: Those of them that were there before.
        differing: Those of them that are there as of another camera or time, and stay so.
        without_crop: Tracks of which no crop was good enough.
        rejected: Crops that were not good enough or could not be had, by reason.
        fault: Why it ended early; "" where it did not.
    """

    source: str
    camera: str | None
    frames: int = 0
    dropped: int = 0
    boxes: int = 0
    tracks: int = 0
    tracklets: int = 0
    already: int = 0
    differing: int = 0
    without_crop: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    fault: str = ""
