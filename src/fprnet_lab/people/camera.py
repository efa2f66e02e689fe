"""Points of a body become samples of a crop: perspective, and the box that a detector would draw.

Letter: V points. Decimetres and degrees; the body's points are x to the right of the image after
the turn by ``yaw``, y up, z towards the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.skinning import rotation_x, rotation_y, rotation_z

__all__ = ["Box", "View", "box_around", "on_screen", "projected", "transformed", "turned"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """Where the camera is, seen from the person.

    Attributes:
        yaw: Direction that the person faces: 0 towards the camera, 90 to the image's right.
        elevation: Angle of the camera over the middle of the person.
        distance: To the middle of the person.
        roll: Roll of the camera.
    """

    yaw: float
    elevation: float
    distance: float
    roll: float = 0.0

    @property
    def towards_camera(self) -> Floats:
        """Unit vector from the person to the camera, (3,)."""
        return np.asarray(rotation_x(self.elevation).T @ np.array([0, 0, 1.0]), np.float32)


@dataclass(frozen=True)
class Box:
    """A crop, in decimetres at the person's distance: centre right and down, width and height."""

    x: float
    y: float
    width: float
    height: float


def transformed(points: Floats, matrix: NDArray[np.float64]) -> Floats:
    """Multiply points (V, 3) by a matrix (3, 3), in an order that no library changes."""
    m = matrix.astype(np.float32)
    x, y, z = np.ascontiguousarray(points.T)
    return np.stack([(x * m[i, 0] + y * m[i, 1]) + z * m[i, 2] for i in range(3)], 1)


def turned(points: Floats, view: View) -> Floats:
    """Turn a person that faces the camera into the view's direction, (V, 3)."""
    return transformed(points, rotation_y(view.yaw))


def projected(points: Floats, view: View, centre: Floats) -> Floats:
    """Return right, down (decimetres at the person's distance) and depth of points, (V, 3)."""
    camera = rotation_z(view.roll) @ rotation_x(view.elevation)
    seen = transformed(points - centre, camera)
    depth = np.float32(view.distance) - seen[:, 2]
    scale = np.float32(view.distance) / np.maximum(depth, 1)
    return np.stack([seen[:, 0] * scale, -seen[:, 1] * scale, depth], 1)


def box_around(screen: Floats, rng: np.random.Generator, *, cut_chance: float = 0.08) -> Box:
    """Draw the box of a detector: mostly tight, sometimes shifted, sometimes without the feet."""
    axes = np.ascontiguousarray(screen.T[:2])
    low, high = axes.min(1), axes.max(1)
    tall, wide = float(high[1] - low[1]), float(high[0] - low[0])
    height = tall * (1 + rng.uniform(-0.02, 0.1))
    width = max(height * rng.uniform(0.36, 0.54), wide * rng.uniform(0.9, 1.12))
    x = float(low[0] + high[0]) / 2 + rng.normal(0, 0.025) * height
    y = float(low[1] + high[1]) / 2 + rng.normal(0, 0.02) * height
    fate = rng.random()
    if fate < cut_chance:
        cut = rng.uniform(0.05, 0.22) * height
        height, y = height - cut, y - cut / 2
    elif fate < cut_chance * 1.25:
        cut = rng.uniform(0.03, 0.08) * height
        height, y = height - cut, y + cut / 2
    return Box(x, y, width, height)


def on_screen(screen: Floats, box: Box, rows: int, columns: int) -> Floats:
    """Return column, row and depth of projected points in samples of a crop, (V, 3)."""
    result = screen.copy()
    result[:, 0] = (screen[:, 0] - np.float32(box.x)) * np.float32(columns / box.width) + (
        columns / 2
    )
    result[:, 1] = (screen[:, 1] - np.float32(box.y)) * np.float32(rows / box.height) + rows / 2
    return result
