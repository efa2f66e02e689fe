"""One file of a rendered set."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Shot"]


@dataclass(frozen=True)
class Shot:
    """Which image stands in a file.

    Attributes:
        path: POSIX, from the set's folder; its suffix says how the image is written.
        camera: Camera of the world, 1 to 6.
        number: Number of the image of this identity in this camera.
    """

    path: str
    camera: int
    number: int
