"""A camera's place becomes a picture of reflectances: floor, walls and things in perspective.

Letters: H and W pixels of the canvas. Decimetres: x to the right, y up from the floor, z away from
the camera, which stands at x 0 and z 0. Four reflectances and a distance are kept for each pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.surfaces import Surface

__all__ = ["Canvas", "Geometry", "Place", "Slab", "Wall", "painted_canvas"]

Floats = NDArray[np.float32]
FAR = 1200.0  # decimetres; the sky


@dataclass(frozen=True)
class Geometry:
    """How a camera looks on its place.

    Attributes:
        height: Height of the lens over the floor.
        pitch: Pitch of the axis below the horizon, degrees.
        focal: Focal length in pixels of the canvas.
        size: Height and width of the canvas in pixels.
    """

    height: float
    pitch: float
    focal: float
    size: tuple[int, int]

    def pixel(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Return column, row and distance along the axis of a point."""
        c, s = math.cos(math.radians(self.pitch)), math.sin(math.radians(self.pitch))
        up, ahead = y - self.height, z
        depth = ahead * c - up * s
        over = up * c + ahead * s
        rows, columns = self.size
        return (
            columns / 2 + self.focal * x / depth,
            rows / 2 - self.focal * over / depth,
            depth,
        )


@dataclass(frozen=True)
class Wall:
    """An upright rectangle: from a point on the floor, along a direction, between two heights."""

    start: tuple[float, float]
    stop: tuple[float, float]
    low: float
    high: float
    surface: Surface
    shade: float = 1.0


@dataclass(frozen=True)
class Slab:
    """A level rectangle: x and z from, to; its height."""

    x: tuple[float, float]
    z: tuple[float, float]
    height: float
    surface: Surface
    shade: float = 1.0


@dataclass
class Place:
    """What stands where a camera looks.

    Attributes:
        outdoors: Under the sky.
        sunny: The sun shines there at times.
        sky: Look of what no surface covers.
        ceiling: Height of the ceiling.
        slabs: Floors and tops.
        walls: Upright rectangles.
        pools: Spots of more or less light on the floor: x, z, radius, factor.
    """

    outdoors: bool
    sunny: bool
    sky: Surface
    ceiling: float = 1000.0
    slabs: list[Slab] = field(default_factory=list)
    walls: list[Wall] = field(default_factory=list)
    pools: list[tuple[float, float, float, float]] = field(default_factory=list)

    def box(
        self,
        centre: tuple[float, float],
        size: tuple[float, float, float],
        surface: Surface,
        *,
        low: float = 0.0,
    ) -> None:
        """Add a box: centre on the floor, size along x, y and z, height of its underside."""
        (x, z), (wide, tall, deep) = centre, size
        left, right, front, back = x - wide / 2, x + wide / 2, z - deep / 2, z + deep / 2
        self.walls.append(Wall((left, front), (right, front), low, low + tall, surface, 0.85))
        side = left if x > 0 else right
        self.walls.append(Wall((side, front), (side, back), low, low + tall, surface, 0.65))
        self.slabs.append(Slab((left, right), (front, back), low + tall, surface, 1.05))
        if low == 0:
            self.pools.append((x, z, max(wide, deep) * 0.75 + 1, 0.72))


@dataclass(frozen=True)
class Canvas:
    """The picture of a place.

    Attributes:
        geometry: Geometry of the camera.
        outdoors: Under the sky.
        sunny: The sun shines there at times.
        reflectance: (H, W, 4) uint8, the square root of reflectance times shade, times 255.
        distance: (H, W) uint8, 32 times the natural logarithm of the distance in decimetres.
    """

    geometry: Geometry
    outdoors: bool
    sunny: bool
    reflectance: NDArray[np.uint8]
    distance: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """Bytes of its pictures."""
        return self.reflectance.nbytes + self.distance.nbytes


def painted_canvas(place: Place, geometry: Geometry, rng: np.random.Generator) -> Canvas:
    """Paint a place as a camera sees it."""
    rows, columns = geometry.size
    rays = _rays(geometry)
    depth = np.full((rows, columns), FAR, np.float32)
    colour = np.empty((rows, columns, 4), np.float32)
    column, row = np.meshgrid(
        np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32)
    )
    sky, _ = place.sky.at(column.ravel() * 0.05, row.ravel() * 0.05)
    colour[:] = sky.reshape(rows, columns, 4)
    for slab in place.slabs:
        _paint_slab(slab, geometry, rays, depth, colour)
    _shade_floor(place, geometry, rays, depth, colour)
    for wall in place.walls:
        _paint_wall(wall, geometry, rays, depth, colour)
    if place.sunny and rng.random() < 0.6:
        _cast_shadow(geometry, rays, depth, colour, rng)
    value = np.sqrt(np.clip(colour, 0, 1)) * 255 + 0.5
    distance = np.clip(np.log(np.maximum(depth, 1)) * 32, 0, 255)
    return Canvas(
        geometry, place.outdoors, place.sunny, value.astype(np.uint8), distance.astype(np.uint8)
    )


def _rays(geometry: Geometry) -> tuple[Floats, Floats, Floats]:
    """Return directions right, up and ahead of each pixel, for one decimetre along the axis."""
    rows, columns = geometry.size
    c, s = math.cos(math.radians(geometry.pitch)), math.sin(math.radians(geometry.pitch))
    x = (np.arange(columns, dtype=np.float32) + 0.5 - columns / 2) / geometry.focal
    y = -(np.arange(rows, dtype=np.float32) + 0.5 - rows / 2) / geometry.focal
    right = np.broadcast_to(x[None], (rows, columns))
    up = np.broadcast_to((y * c - s)[:, None], (rows, columns))
    ahead = np.broadcast_to((y * s + c)[:, None], (rows, columns))
    return right.astype(np.float32), up.astype(np.float32), ahead.astype(np.float32)


def _window(
    geometry: Geometry, corners: list[tuple[float, float, float]]
) -> tuple[slice, slice] | None:
    """Return the rows and columns that a rectangle may cover."""
    rows, columns = geometry.size
    points = [geometry.pixel(*corner) for corner in corners]
    if min(point[2] for point in points) < 2:
        return slice(0, rows), slice(0, columns)
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    top, bottom = min(p[1] for p in points), max(p[1] for p in points)
    if right < 0 or bottom < 0 or left >= columns or top >= rows:
        return None
    return (
        slice(max(0, int(top) - 1), min(rows, int(bottom) + 2)),
        slice(max(0, int(left) - 1), min(columns, int(right) + 2)),
    )


def _paint(
    window: tuple[slice, slice],
    inside: NDArray[np.bool_],
    t: Floats,
    across: Floats,
    up: Floats,
    surface: Surface,
    shade: float | Floats,
    depth: Floats,
    colour: Floats,
) -> None:
    part_depth, part_colour = depth[window], colour[window]
    chosen = inside & (t > 1) & (t < part_depth)
    if not chosen.any():
        return
    found, there = surface.at(across[chosen], up[chosen])
    factor = shade if isinstance(shade, float) else shade[chosen][:, None]
    if there is not None:
        rows, columns = np.nonzero(chosen)
        rows, columns = rows[there], columns[there]
        found = found[there]
        factor = factor if isinstance(factor, float) else factor[there]
    else:
        rows, columns = np.nonzero(chosen)
    part_colour[rows, columns] = found * np.float32(1) * factor
    part_depth[rows, columns] = t[rows, columns]


def _paint_slab(
    slab: Slab,
    geometry: Geometry,
    rays: tuple[Floats, Floats, Floats],
    depth: Floats,
    colour: Floats,
) -> None:
    corners = [(x, slab.height, z) for x in slab.x for z in slab.z]
    window = _window(geometry, corners)
    if window is None:
        return
    right, up, ahead = (ray[window] for ray in rays)
    fall = slab.height - geometry.height
    with np.errstate(divide="ignore"):
        t = np.where(up * fall > 0, fall / up, np.float32(-1)).astype(np.float32)
    x, z = t * right, t * ahead
    inside = (x >= slab.x[0]) & (x <= slab.x[1]) & (z >= slab.z[0]) & (z <= slab.z[1])
    _paint(window, inside, t, x, z, slab.surface, slab.shade, depth, colour)


def _paint_wall(
    wall: Wall,
    geometry: Geometry,
    rays: tuple[Floats, Floats, Floats],
    depth: Floats,
    colour: Floats,
) -> None:
    (x0, z0), (x1, z1) = wall.start, wall.stop
    corners = [(x, y, z) for x, z in (wall.start, wall.stop) for y in (wall.low, wall.high)]
    window = _window(geometry, corners)
    if window is None:
        return
    right, up, ahead = (ray[window] for ray in rays)
    length = math.hypot(x1 - x0, z1 - z0)
    ux, uz = (x1 - x0) / length, (z1 - z0) / length
    nx, nz = uz, -ux
    along_normal = right * np.float32(nx) + ahead * np.float32(nz)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(
            np.abs(along_normal) > 1e-6, np.float32(x0 * nx + z0 * nz) / along_normal, -1
        ).astype(np.float32)
    across = (t * right - np.float32(x0)) * np.float32(ux) + (t * ahead - np.float32(z0)) * (
        np.float32(uz)
    )
    y = np.float32(geometry.height) + t * up
    inside = (across >= 0) & (across <= length) & (y >= wall.low) & (y <= wall.high)
    # Walls are darker where they meet the floor.
    shade = np.float32(wall.shade) * (1 - 0.3 * np.exp(-np.maximum(y, 0) / 4))
    _paint(window, inside, t, across, y, wall.surface, shade.astype(np.float32), depth, colour)


def _shade_floor(
    place: Place,
    geometry: Geometry,
    rays: tuple[Floats, Floats, Floats],
    depth: Floats,
    colour: Floats,
) -> None:
    """Multiply the floor by pools of light and the shadows under things."""
    right, up, ahead = rays
    floor = (up < 0) & (np.abs(geometry.height + depth * up) < 0.5)
    x, z = depth[floor] * right[floor], depth[floor] * ahead[floor]
    factor = np.ones(len(x), np.float32)
    for centre_x, centre_z, radius, strength in place.pools:
        distance = ((x - centre_x) ** 2 + (z - centre_z) ** 2) / np.float32(radius**2)
        factor *= 1 + (np.float32(strength) - 1) * np.exp(-distance)
    colour[floor] *= factor[:, None]


def _cast_shadow(
    geometry: Geometry,
    rays: tuple[Floats, Floats, Floats],
    depth: Floats,
    colour: Floats,
    rng: np.random.Generator,
) -> None:
    """Lay the shadow of a building over a part of the place; daylight only."""
    right, _, ahead = rays
    angle = rng.uniform(-math.pi, math.pi)
    x, z = depth * right, depth * ahead
    beyond = x * np.float32(math.cos(angle)) + (z - np.float32(rng.uniform(40, 140))) * np.float32(
        math.sin(angle)
    )
    factor = np.where(beyond > 0, np.float32(rng.uniform(0.3, 0.6)), np.float32(1))
    colour[:, :, :3] *= factor[:, :, None]
