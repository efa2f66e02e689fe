"""A camera's place becomes a picture of reflectances: floor, walls and things in perspective.

Letters: H and W pixels of the canvas. Decimetres: x to the right, y up from the floor, z away from
the camera, which stands at x 0 and z 0. Four reflectances and a distance are kept for each pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.surfaces import (
    Surface,
    draw_object,
    draw_surface,
    foliage,
)

__all__ = ["Canvas", "Geometry", "Place", "draw_place", "painted_canvas"]

Floats = NDArray[np.float32]
FAR = 1200.0  # decimetres; the sky


@dataclass(frozen=True)
class Geometry:
    """How a camera looks on its place.

    Attributes:
        height: Of the lens over the floor.
        pitch: Of the axis below the horizon, degrees.
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
        sky: Of what is not covered.
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
        geometry: Of the camera.
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


def draw_place(rng: np.random.Generator, *, outdoors: bool, warmth: float) -> Place:
    """Draw a place: indoors a corridor, hall or shop; outdoors a street, park or yard."""
    place = Place(
        outdoors,
        outdoors and rng.random() < 0.3 + 0.35 * warmth,
        draw_surface(rng, "sky" if outdoors else "wall", {"plain": 1.0}),
    )
    for _ in range(int(rng.integers(2, 7))):
        spot = (rng.uniform(-60, 60), rng.uniform(15, 200), rng.uniform(8, 50))
        place.pools.append((*spot, rng.uniform(0.65, 1.4)))
    if outdoors:
        _outdoors(place, rng, warmth)
    else:
        _indoors(place, rng)
    return place


def _indoors(place: Place, rng: np.random.Generator) -> None:
    palette = ["floor", "floor", "carpet", "wood"][rng.integers(4)]
    floor = draw_surface(rng, palette, {"plain": 0.35, "tiles": 0.45, "boards": 0.2})
    place.slabs.append(Slab((-400, 400), (-5, 500), 0, floor))
    kind = ["corridor", "hall", "shop", "office"][rng.integers(4)]
    end = rng.uniform(60, 220)
    half = rng.uniform(9, 18) if kind == "corridor" else rng.uniform(25, 90)
    shift = rng.uniform(-0.5, 0.5) * half
    high = rng.uniform(24, 32) if kind == "corridor" else rng.uniform(26, 50)
    wall = draw_surface(rng, "wall", {"plain": 0.6, "panels": 0.2, "tiles": 0.12, "bricks": 0.08})
    palette = "wood" if rng.random() < 0.25 else "wall"
    lower = draw_surface(rng, palette, {"plain": 0.5, "tiles": 0.3, "panels": 0.2})
    dado = rng.uniform(8, 13) if rng.random() < 0.35 else 0.0
    back = wall if rng.random() < 0.6 else draw_surface(rng, "wall", {"plain": 0.7, "panels": 0.3})
    sides = [
        ((-half + shift, -5.0), (-half + shift, end), wall, rng.uniform(0.6, 1)),
        ((half + shift, -5.0), (half + shift, end), wall, rng.uniform(0.6, 1)),
        ((-half + shift, end), (half + shift, end), back, rng.uniform(0.7, 1.05)),
    ]
    for start, stop, surface, shade in sides:
        place.walls.append(Wall(start, stop, 0, high, surface, shade))
        if dado:
            inner = _before(start, stop, 0.05)
            place.walls.append(Wall(*inner, 0, dado, lower, shade))
        _doors(place, rng, start, stop, shade, high)
    place.ceiling = high
    ceiling = draw_surface(rng, "wall", {"tiles": 0.5, "plain": 0.5})
    place.slabs.append(Slab((-half + shift, half + shift), (-5, end), high, ceiling, 0.8))
    counts = {"corridor": (0, 3), "hall": (0, 6), "shop": (5, 14), "office": (4, 12)}
    low, top = counts[kind]
    for _ in range(int(rng.integers(low, top + 1))):
        x = shift + half * rng.uniform(0.25, 0.95) * rng.choice([-1, 1])
        z = rng.uniform(30, end)
        tall = rng.uniform(14, 22) if kind == "shop" and rng.random() < 0.5 else rng.uniform(4, 12)
        surface = draw_object(rng)
        if kind == "shop":
            surface = draw_surface(rng, "object", {"picture": 0.8, "plain": 0.2})
        place.box((x, z), (rng.uniform(3, 16), tall, rng.uniform(3, 12)), surface)
    if kind in ("hall", "shop") and rng.random() < 0.5:
        pillar = draw_surface(rng, "wall", {"plain": 0.7, "tiles": 0.3})
        for _ in range(int(rng.integers(1, 4))):
            x = shift + half * rng.uniform(-0.9, 0.9)
            place.box((x, rng.uniform(60, end + 20)), (rng.uniform(3, 7), high, 5.0), pillar)


def _before(
    start: tuple[float, float], stop: tuple[float, float], gap: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Move a wall towards the middle of the view."""
    if start[1] == stop[1]:
        return (start[0], start[1] - gap), (stop[0], stop[1] - gap)
    inward = -math.copysign(gap, start[0])
    return (start[0] + inward, start[1]), (stop[0] + inward, stop[1])


def _doors(
    place: Place,
    rng: np.random.Generator,
    start: tuple[float, float],
    stop: tuple[float, float],
    shade: float,
    high: float,
) -> None:
    """Hang doors, windows, boards and posters on a wall."""
    length = math.hypot(stop[0] - start[0], stop[1] - start[1])
    direction = ((stop[0] - start[0]) / length, (stop[1] - start[1]) / length)
    for _ in range(int(rng.integers(0, 2 + int(length / 22)))):
        kind = rng.random()
        if kind < 0.45:
            wide, low, top = rng.uniform(8, 18), 0.0, rng.uniform(20, 22)
            palette = ["wood", "wall", "metal", "glass"][rng.integers(4)]
            surface = draw_surface(rng, palette, {"plain": 0.6, "panels": 0.4})
        elif kind < 0.7:
            wide, low = rng.uniform(8, 40), rng.uniform(3, 11)
            top = low + rng.uniform(8, 16)
            surface = draw_surface(rng, "glass", {"windows": 0.8, "plain": 0.2})
        else:
            wide, low = rng.uniform(4, 18), rng.uniform(8, 13)
            top = low + rng.uniform(4, 10)
            surface = draw_surface(rng, "object", {"picture": 0.7, "plain": 0.3})
        place_at = rng.uniform(0, max(0.1, length - wide))
        first = (start[0] + direction[0] * place_at, start[1] + direction[1] * place_at)
        last = (first[0] + direction[0] * wide, first[1] + direction[1] * wide)
        edge = _before(first, last, 0.1)
        place.walls.append(Wall(*edge, low, min(top, high), surface, shade))


def _outdoors(place: Place, rng: np.random.Generator, warmth: float) -> None:
    kind = ["street", "park", "yard", "square"][rng.integers(4)]
    ground = draw_surface(rng, "asphalt", {"plain": 1.0})
    paving = draw_surface(rng, "floor", {"tiles": 0.6, "plain": 0.2, "bricks": 0.2})
    snow = warmth < 0.2 and rng.random() < 0.3
    if kind == "park":
        ground = draw_surface(rng, "snow" if snow else "grass", {"plain": 1.0})
    elif kind == "square":
        ground = paving
    place.slabs.append(Slab((-900, 900), (-5, 1150), 0, ground))
    if kind in ("street", "park", "yard"):
        middle, half = rng.uniform(-12, 12), rng.uniform(10, 26)
        if rng.random() < 0.6:
            place.slabs.append(Slab((middle - half, middle + half), (-5, 900), 0.05, paving))
        else:
            first = rng.uniform(25, 80)
            place.slabs.append(
                Slab((-900, 900), (first, first + rng.uniform(15, 40)), 0.05, paving)
            )
    if kind in ("street", "yard", "square") or rng.random() < 0.5:
        _buildings(place, rng)
    if kind == "street" or (kind == "yard" and rng.random() < 0.6):
        for _ in range(int(rng.integers(1, 6))):
            _car(place, rng)
    trees = {"street": (0, 4), "park": (2, 9), "yard": (0, 3), "square": (0, 4)}[kind]
    for _ in range(int(rng.integers(trees[0], trees[1] + 1))):
        _tree(place, rng, warmth)
    if rng.random() < 0.5:
        x, z = rng.uniform(-70, 30), rng.uniform(45, 160)
        high = rng.uniform(6, 22)
        place.walls.append(Wall((x, z), (x + rng.uniform(20, 120), z + rng.uniform(-20, 20)),
                                0, high, foliage(rng, warmth), 0.8))  # fmt: skip
    for _ in range(int(rng.integers(0, 5))):
        thin = rng.uniform(0.6, 2)
        spot = (rng.uniform(-50, 50), rng.uniform(25, 160))
        place.box(spot, (thin, rng.uniform(8, 60), thin), draw_surface(rng, "metal", {"plain": 1}))
    for _ in range(int(rng.integers(0, 5))):
        size = (rng.uniform(4, 20), rng.uniform(4, 14), rng.uniform(4, 10))
        place.box((rng.uniform(-60, 60), rng.uniform(40, 160)), size, draw_object(rng))
    if kind == "street" and rng.random() < 0.6:
        paint = draw_surface(rng, "snow", {"plain": 1.0})
        for stripe in range(int(rng.integers(3, 9))):
            z = 30 + stripe * 12
            place.slabs.append(Slab((-9, 9), (z, z + 5), 0.08, paint, 0.7))


def _buildings(place: Place, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 4))):
        palette = ["wall", "brick", "wall", "glass"][rng.integers(4)]
        kinds = {"windows": 0.45, "bricks": 0.25, "panels": 0.2, "plain": 0.1}
        surface = draw_surface(rng, palette, kinds)
        high = rng.uniform(35, 260)
        if rng.random() < 0.55:
            z = rng.uniform(75, 300)
            x = rng.uniform(-250, 0)
            start, stop = (x, z), (x + rng.uniform(120, 500), z)
        else:
            x = rng.uniform(18, 80) * rng.choice([-1, 1])
            z = rng.uniform(-5, 60)
            start, stop = (x, z), (x, z + rng.uniform(80, 400))
        shade = rng.uniform(0.5, 1.05)
        place.walls.append(Wall(start, stop, 0, high, surface, shade))
        _doors(place, rng, start, stop, shade, high)


def _car(place: Place, rng: np.random.Generator) -> None:
    x, z = rng.uniform(20, 90) * rng.choice([-1, 1]), rng.uniform(45, 170)
    body = draw_surface(rng, "object" if rng.random() < 0.6 else "metal", {"plain": 1.0})
    glass = draw_surface(rng, "glass", {"plain": 1.0})
    along, across = (44.0, 18.0) if rng.random() < 0.5 else (18.0, 40.0)
    place.box((x, z), (along, 8, across), body, low=1.5)
    place.box((x, z), (along * 0.6, 5.5, across * 0.85), glass, low=9.5)
    place.pools.append((x, z, along * 0.5, 0.4))


def _tree(place: Place, rng: np.random.Generator, warmth: float) -> None:
    x, z = rng.uniform(-90, 90), rng.uniform(45, 220)
    trunk = draw_surface(rng, "wood", {"plain": 1.0})
    thick, high = rng.uniform(1.2, 4), rng.uniform(18, 40)
    place.box((x, z), (thick, high, thick), trunk)
    if warmth > 0.25 or rng.random() < 0.4:
        for _ in range(int(rng.integers(2, 5))):
            wide = rng.uniform(15, 45)
            at = x + rng.uniform(-10, 10)
            low = high * rng.uniform(0.5, 0.9)
            surface = foliage(rng, warmth)
            depth = z + rng.uniform(-6, 6)
            place.walls.append(Wall((at - wide / 2, depth), (at + wide / 2, depth), low,
                                    low + rng.uniform(15, 40), surface, rng.uniform(0.5, 1.1)))  # fmt: skip
    if rng.random() < 0.4:
        place.pools.append((x, z, rng.uniform(15, 40), 0.55))
