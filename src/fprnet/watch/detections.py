"""What a detector finds in a frame: boxes around people, and how sure it is of each.

Shapes: n boxes; columns left, top, width, height in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fprnet.watch.frames import Frame

__all__ = ["LARGEST", "Detections", "Detector", "overlaps"]

LARGEST = 1e6  # pixels; no side and no place of a box is beyond it


@dataclass(frozen=True, eq=False)
class Detections:
    """People in one frame.

    Attributes:
        boxes: ``(n, 4)`` float32: left, top, width, height in pixels; may reach out of the frame.
        scores: ``(n,)`` float32, 0 to 1.
    """

    boxes: NDArray[np.float32] = field(repr=False)
    scores: NDArray[np.float32] = field(repr=False)

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.scores), 4) or self.scores.ndim != 1:
            raise ValueError(f"boxes {self.boxes.shape} do not fit scores {self.scores.shape}")

    @staticmethod
    def none() -> Detections:
        """Nobody."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def above(self, score: float) -> Detections:
        """Return those of at least a score, and of a size that pixels can have."""
        kept = (self.scores >= score) & (self.boxes[:, 2:] > 0).all(axis=1)
        kept &= (np.abs(self.boxes) <= LARGEST).all(axis=1)
        return Detections(self.boxes[kept], self.scores[kept])


class Detector(Protocol):
    """Finds people in frames; one detector serves all sources of a process.

    Attributes:
        confident: Score from which on a box alone is believed to be a person.
    """

    confident: float

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return who is in each frame.

        Args:
            frames: Frames of any sources and sizes.
        """
        ...


def overlaps(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the areas ``(n, m)`` that boxes ``(n, 4)`` share with others ``(m, 4)``."""
    ends, other_ends = boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:]
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(ends[:, None], other_ends[None])
    shared: NDArray[np.float32] = np.clip(high - low, 0, None).prod(axis=2)
    return shared
