"""A world's seed becomes the five places that its six cameras look at.

A place is painted once, three times as wide as a picture; every image shows another part of it.

Shapes: C = 4 channels (R, G, B, NIR), H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from PIL import Image

from fprnet_lab.synthetic.canvas import Canvas, Light
from fprnet_lab.synthetic.textures import Array, plain

__all__ = ["place", "view_of_place"]

WIDER, HIGHER = 3.0, 1.16  # size of a place against the size of a picture
_FLAT = Light(ambient=1.0, x=0.0, y=0.0, z=0.0)
_ROUND = Light(ambient=0.7, x=0.1, y=0.3, z=0.3)


@lru_cache(maxsize=32)
def place(seed: int, location: int, height: int, width: int) -> Array:
    """Return the background ``(4, 1.16 H, 3 W)`` float32 of a location, for pictures of H x W.

    Raises:
        KeyError: The location is not one of 1, 2, 4, 5, 6.
    """
    rng = np.random.default_rng([seed, 3, location])
    shape = (round(HIGHER * height), round(WIDER * width))
    canvas = Canvas(np.zeros((4, *shape), dtype=np.float32))
    _PLACES[location](canvas, rng)
    pixels = _distant(canvas.pixels) * (1 + 0.04 * _noise(rng, shape, 3))
    pixels.setflags(write=False)
    return pixels


def view_of_place(background: Array, height: int, width: int, rng: Generator) -> Array:
    """Return a copy of a random part ``(4, H, W)`` of a place, mirrored half of the time."""
    _, rows, columns = background.shape
    top = int(rng.integers(0, rows - height + 1))
    left = int(rng.integers(0, columns - width + 1))
    part = background[:, top : top + height, left : left + width]
    return (part[:, :, ::-1] if rng.random() < 0.5 else part).copy()


def _distant(pixels: Array) -> Array:
    """Show a place slightly out of focus and hazy, because the camera looks at the person."""
    _, height, width = pixels.shape
    half = (max(round(width / 1.8), 1), max(round(height / 1.8), 1))
    channels = []
    for channel in pixels:
        small = Image.fromarray(channel).resize(half, Image.Resampling.BILINEAR)
        channels.append(np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)))
    soft: Array = np.stack(channels)
    soft += np.float32(0.25) * (soft.mean(axis=(1, 2), keepdims=True) - soft)
    return soft


def _noise(rng: Generator, shape: tuple[int, int], octaves: int, coarse: int = 5) -> Array:
    """Return cloudy noise of about mean 0 and deviation 1, from coarse to fine."""
    height, width = shape
    found = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        cells = coarse * 2**octave
        grid = rng.standard_normal((cells, max(round(cells * width / height), 2)), dtype=np.float32)
        cloud = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        found += np.asarray(cloud) * np.float32(0.7**octave)
    return found / np.float32(max(float(found.std()), 1e-6))


def _colour(rng: Generator, red: float, green: float, blue: float, infrared: float) -> Array:
    """Return a material near the given one."""
    drawn = np.array((red, green, blue, infrared)) + rng.normal(0, 0.03, 4)
    return drawn.clip(0.02, 1).astype(np.float32)


def _any_colour(rng: Generator, level: float = 1.0) -> Array:
    tone = rng.uniform(0.25, 0.85)
    return ((tone + rng.uniform(-0.22, 0.22, 4)) * level).clip(0.02, 1).astype(np.float32)


def _fill(canvas: Canvas, top: float, bottom: float, material: Array, variation: Array) -> None:
    """Paint rows between two shares of the height with a material times 1 + variation."""
    rows = slice(round(top * canvas.height), round(bottom * canvas.height))
    canvas.pixels[:, rows] = material[:, None, None] * (1 + variation[rows])


def _box(
    canvas: Canvas, left: float, top: float, right: float, bottom: float, material: Array
) -> None:
    """Paint a rectangle given in picture heights."""
    unit = canvas.height
    columns = slice(max(round(left * unit), 0), max(round(right * unit), 0))
    canvas.pixels[:, round(top * unit) : round(bottom * unit), columns] = material[:, None, None]


def _span(canvas: Canvas) -> float:
    """Return the place's width in picture heights."""
    return float(canvas.width / canvas.height)


def _tiles(canvas: Canvas, horizon: float, material: Array) -> None:
    """Draw the joints of a tiled floor in perspective."""
    unit, line = canvas.height, plain(material)
    for step in range(1, 7):
        y = (horizon + (1 - horizon) * (step / 6) ** 1.8) * unit
        canvas.capsule((0, y), (canvas.width, y), (0.3, 0.3), line, _FLAT)
    middle = canvas.width / 2
    for step in range(-14, 15):
        x = middle + step * 0.17 * unit
        end = middle + step * 0.42 * unit
        canvas.capsule((x, horizon * unit), (end, unit), (0.25, 0.45), line, _FLAT)


def _foliage(
    canvas: Canvas, rng: Generator, top: float, bottom: float, count: int, tint: Array
) -> None:
    """Paint clumps of leaves, dark ones first; leaves are bright in near infrared."""
    unit = canvas.height
    for index in range(count):
        bright = 0.45 + 0.75 * index / count + rng.uniform(-0.15, 0.15)
        x, y = rng.uniform(0, canvas.width), rng.uniform(top, bottom) * unit
        half = (rng.uniform(0.025, 0.075) * unit, rng.uniform(0.02, 0.05) * unit)
        canvas.superellipse(
            (x, y), half, plain((tint * bright).clip(0, 1)), _ROUND, tilt=rng.uniform(-1, 1)
        )


def _trunk(canvas: Canvas, rng: Generator, bottom: float, thick: float) -> None:
    unit = canvas.height
    x, lean = rng.uniform(0, canvas.width), rng.uniform(-0.04, 0.04) * unit
    bark = plain(_colour(rng, 0.3, 0.24, 0.18, 0.35))
    canvas.capsule(
        (x + lean, -0.05 * unit),
        (x, bottom * unit),
        (thick * unit * 0.7, thick * unit),
        bark,
        _ROUND,
    )


def _hall(canvas: Canvas, rng: Generator) -> None:
    """Location 1: a bright hall with posters, pillars and a tiled floor."""
    horizon, cloud = 0.5, 0.04 * _noise(rng, canvas.pixels.shape[1:], 4)
    _fill(canvas, 0, horizon, _colour(rng, 0.82, 0.8, 0.72, 0.6), cloud)
    floor = _colour(rng, 0.66, 0.6, 0.52, 0.45)
    _fill(canvas, horizon, 1, floor, cloud)
    _tiles(canvas, horizon, floor * 0.72)
    for _ in range(9):
        left, top = rng.uniform(0, _span(canvas)), rng.uniform(0.03, 0.2)
        right, bottom = left + rng.uniform(0.07, 0.2), top + rng.uniform(0.09, 0.2)
        _box(
            canvas, left - 0.006, top - 0.006, right + 0.006, bottom + 0.006, _any_colour(rng, 0.4)
        )
        _box(canvas, left, top, right, bottom, _any_colour(rng))
        _box(canvas, left + 0.02, top + 0.03, right - 0.02, top + 0.05, _any_colour(rng))
    for _ in range(2):
        left = rng.uniform(0, _span(canvas))
        _box(canvas, left, 0, left + 0.09, horizon + 0.03, _colour(rng, 0.7, 0.66, 0.6, 0.5))
        _box(
            canvas,
            left + 0.075,
            0,
            left + 0.09,
            horizon + 0.03,
            _colour(rng, 0.52, 0.5, 0.46, 0.38),
        )
    _box(canvas, 0, horizon - 0.022, _span(canvas), horizon, _colour(rng, 0.3, 0.26, 0.24, 0.3))


def _corridor(canvas: Canvas, rng: Generator) -> None:
    """Location 2: a dim corridor with doors, a handrail and a shining floor."""
    horizon, cloud = 0.46, 0.05 * _noise(rng, canvas.pixels.shape[1:], 4)
    _fill(canvas, 0, horizon, _colour(rng, 0.5, 0.54, 0.6, 0.48), cloud)
    _fill(canvas, horizon, 1, _colour(rng, 0.36, 0.4, 0.46, 0.36), 2 * cloud)
    for index in range(4):
        left = (index + rng.uniform(0.1, 0.6)) * _span(canvas) / 4
        door = _any_colour(rng, 0.75)
        _box(canvas, left - 0.012, 0.02, left + 0.202, horizon, door * 0.6)
        _box(canvas, left, 0.035, left + 0.19, horizon, door)
        _box(canvas, left + 0.12, 0.08, left + 0.165, 0.24, _colour(rng, 0.75, 0.82, 0.9, 0.7))
        _box(canvas, left + 0.015, 0.27, left + 0.03, 0.29, _any_colour(rng))
        shine = slice(round(left * canvas.height), round((left + 0.19) * canvas.height))
        rows = slice(round(horizon * canvas.height), round((horizon + 0.2) * canvas.height))
        canvas.pixels[:, rows, shine] *= 0.88
    _box(canvas, 0, 0.3, _span(canvas), 0.318, _colour(rng, 0.42, 0.36, 0.3, 0.4))
    _box(canvas, 0, horizon - 0.016, _span(canvas), horizon, _colour(rng, 0.16, 0.18, 0.22, 0.2))


def _garden(canvas: Canvas, rng: Generator) -> None:
    """Location 4: a sunny path before bushes and a pale house."""
    horizon, noise = 0.47, _noise(rng, canvas.pixels.shape[1:], 5)
    _fill(canvas, 0, 0.24, _colour(rng, 0.78, 0.84, 0.92, 0.4), 0.1 * noise)
    _fill(canvas, 0.1, horizon, _colour(rng, 0.74, 0.7, 0.64, 0.5), 0.05 * noise)
    for index in range(8):
        left = index * _span(canvas) / 8 + 0.03
        _box(canvas, left, 0.14, left + 0.07, 0.26, _colour(rng, 0.3, 0.36, 0.44, 0.25))
    _fill(canvas, horizon, 1, _colour(rng, 0.62, 0.56, 0.52, 0.42), 0.09 * noise)
    _fill(canvas, horizon, horizon + 0.06, _colour(rng, 0.36, 0.52, 0.2, 0.75), 0.2 * noise)
    _foliage(canvas, rng, 0.24, horizon, 110, _colour(rng, 0.3, 0.52, 0.16, 0.8))
    _foliage(canvas, rng, 0.3, horizon, 12, _any_colour(rng, 0.8))


def _grove(canvas: Canvas, rng: Generator) -> None:
    """Location 5: a gravel way under dull trees."""
    horizon, noise = 0.44, _noise(rng, canvas.pixels.shape[1:], 5)
    _fill(canvas, 0, horizon, _colour(rng, 0.55, 0.58, 0.56, 0.5), 0.2 * noise)
    _foliage(canvas, rng, 0.0, 0.3, 120, _colour(rng, 0.26, 0.36, 0.2, 0.7))
    _fill(canvas, horizon, 1, _colour(rng, 0.46, 0.46, 0.42, 0.4), 0.14 * noise)
    _foliage(canvas, rng, 0.36, horizon + 0.02, 60, _colour(rng, 0.2, 0.3, 0.14, 0.6))
    for _ in range(7):
        _trunk(canvas, rng, horizon + rng.uniform(0, 0.06), rng.uniform(0.015, 0.035))


def _yard(canvas: Canvas, rng: Generator) -> None:
    """Location 6: asphalt, a far wall with windows, a few trees."""
    horizon, noise = 0.48, _noise(rng, canvas.pixels.shape[1:], 5)
    _fill(canvas, 0, horizon, _colour(rng, 0.4, 0.36, 0.34, 0.4), 0.12 * noise)
    for index in range(7):
        left = index * _span(canvas) / 7 + rng.uniform(0, 0.04)
        _box(canvas, left, 0.08, left + 0.09, 0.24, _colour(rng, 0.2, 0.22, 0.26, 0.12))
        _box(canvas, left, 0.155, left + 0.09, 0.165, _colour(rng, 0.5, 0.5, 0.5, 0.45))
    _fill(canvas, horizon, 1, _colour(rng, 0.3, 0.3, 0.31, 0.36), 0.12 * noise)
    _foliage(canvas, rng, 0.34, horizon, 40, _colour(rng, 0.2, 0.3, 0.14, 0.75))
    for _ in range(3):
        _trunk(canvas, rng, horizon + 0.03, rng.uniform(0.015, 0.03))
    kerb = plain(_colour(rng, 0.6, 0.6, 0.58, 0.55))
    y = (horizon + 0.1) * canvas.height
    canvas.capsule((0, y), (canvas.width, y + 0.02 * canvas.height), (0.6, 0.6), kerb, _FLAT)


_PLACES: dict[int, Callable[[Canvas, Generator], None]] = {
    1: _hall,
    2: _corridor,
    4: _garden,
    5: _grove,
    6: _yard,
}
