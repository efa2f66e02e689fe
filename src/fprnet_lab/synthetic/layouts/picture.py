"""One file of a generated set."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """Which drawing stands in a file.

    Attributes:
        path: POSIX, from the set's folder; its suffix says how the picture is written.
        camera: Camera of the generator, 1 to 6.
        frame: Number of the drawing of this identity in this camera.
    """

    path: str
    camera: int
    frame: int
