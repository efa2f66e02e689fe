"""Random numbers become what stands in a place: corridors, halls, shops; streets, parks, squares.

Decimetres: x to the right, y up from the floor, z away from the camera.
"""

from __future__ import annotations

import math

import numpy as np

from fprnet_lab.people.places import Place, Slab, Wall
from fprnet_lab.people.surfaces import Kind, draw_object, draw_surface, foliage

__all__ = ["draw_place"]


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
        kinds: dict[Kind, float] = {"windows": 0.45, "bricks": 0.25, "panels": 0.2, "plain": 0.1}
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
            ends = ((at - wide / 2, depth), (at + wide / 2, depth))
            top = low + rng.uniform(15, 40)
            place.walls.append(Wall(*ends, low, top, surface, rng.uniform(0.5, 1.1)))
    if rng.random() < 0.4:
        place.pools.append((x, z, rng.uniform(15, 40), 0.55))
