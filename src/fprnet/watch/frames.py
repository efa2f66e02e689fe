"""A source of frames: what anything that can be watched gives, and how it says what happens.

Shapes: a frame is H x W pixels with channels R, G, B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "Say", "Source"]

Say = Callable[[str], None]
"""Takes a line for the log."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        pixels: ``(H, W, 3)`` uint8; 16-bit gray is reduced by its own range.
        time: When it was taken, in UTC; never before that of the frame before.
        number: Place of the frame in its video, counted from 1, whether or not those before were
            wanted.
        is_cut: Whether nothing ties it to the frame before: another connection, size or clock.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    time: datetime
    number: int
    is_cut: bool = False


class Source(Protocol):
    """Something that can be watched.

    Attributes:
        name: Its address, without a password.
        is_live: Whether frames come when they come; those that nobody takes in time are lost.
        seconds: Length; None where it is not known.
    """

    name: str
    is_live: bool
    seconds: float | None

    def frames(self, say: Say) -> Iterator[Frame]:
        """Yield the wanted frames until the source ends.

        Args:
            say: Told what went wrong and was overcome.

        Raises:
            DataError: It cannot be watched, or not to its end.
        """
        ...

    def stop(self) -> None:
        """End the frames soon; any thread may call it."""
        ...
