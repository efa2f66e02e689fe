"""One file of a rendered set."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Shot"]


@dataclass(frozen=True)
class Shot:
    """Which image stands in a file.

    Attributes:
        path: POSIX, from the set's folder; its suffix says how the image is written.
        camera: Camera of a world, see ``worlds.CAMERAS``.
        number: Number of the image, or of the walk, of this identity in this camera.
        time: Seconds since the walk began.
    """

    path: str
    camera: int
    number: int
    time: float = 0.0
