"""A seed becomes the cloth around a body: patterns, logos and prints on an unrolled cylinder.

A texture's rows run from the top (0) to the hem (1) of its body, its columns around it: column
angle 0 is the front, pi / 2 the wearer's side that is on the right when the wearer faces the
camera. So a print turns with its wearer, and leaves the picture when the wearer turns away.

Shapes: V x A texels (rows x angles), 4 channels (R, G, B, NIR).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = [
    "ANGLE",
    "PATTERNS",
    "ROW",
    "Array",
    "Texture",
    "inside",
    "mix",
    "pattern",
    "plain",
    "smooth_noise",
    "weave",
]

Array = NDArray[np.floating[Any]]

ROWS, COLUMNS = 96, 160  # texels of a texture before it is reduced to the size of the picture
ROW: Array = ((np.arange(ROWS, dtype=np.float32) + 0.5) / ROWS)[:, None]
ANGLE: Array = (((np.arange(COLUMNS, dtype=np.float32) + 0.5) / COLUMNS) * 2 - 1)[None] * np.pi
_RADIANS = 2 * math.pi / COLUMNS  # one texel, around
_TABLE = 2048  # entries of the arc sine table
_ARC_SINE = np.arcsin(np.linspace(-1, 1, _TABLE + 1, dtype=np.float32))


@dataclass(frozen=True)
class Texture:
    """Materials on a cylinder, or one material all over.

    Attributes:
        texels: ``(4, V, A)`` float32 reflectances in [0, 1]; ``(4, 1, 1)`` is one plain material.
    """

    texels: Array

    def sample(self, down: Array, across: Array, turn: float) -> Array:
        """Return the material at points of a body.

        Args:
            down: ``(h, w)`` position from top 0 to hem 1.
            across: ``(h, w)`` position from the left edge -1 to the right edge 1 of the outline.
            turn: Angle in radians of the column that faces the camera.

        Returns:
            ``(4, h, w)`` float32, or ``(4, 1, 1)`` for a plain material.
        """
        _, rows, columns = self.texels.shape
        if rows == columns == 1:
            return self.texels
        angle = _ARC_SINE[((across + 1) * (_TABLE // 2)).astype(np.intp)]
        shift = (turn / (2 * math.pi) + 0.5) % 1.0 + 1.0
        column = (angle * (columns / (2 * math.pi)) + shift * columns).astype(np.intp) % columns
        row = np.minimum((down * rows).astype(np.intp), rows - 1)
        texel = row * columns + column
        sampled: Array = self.texels.reshape(4, -1).take(texel, axis=1)
        return sampled

    def reduced(self, factor: int) -> Texture:
        """Return the texture averaged over ``factor`` x ``factor`` texels, against aliasing."""
        channels, rows, columns = self.texels.shape
        if factor == 1 or rows == 1:
            return self
        tiles = self.texels.reshape(channels, rows // factor, factor, columns // factor, factor)
        return Texture(np.ascontiguousarray(tiles.mean(axis=(2, 4), dtype=np.float32)))


def plain(material: Array) -> Texture:
    """Return one material ``(4,)`` all over."""
    return Texture(np.asarray(material, dtype=np.float32).reshape(4, 1, 1))


def mix(base: Array, other: Array, share: Array) -> Array:
    """Lay material ``other`` over ``base``, each ``(4,)`` or ``(4, V, A)``, where share is 1."""
    base = base.reshape(4, 1, 1) if base.ndim == 1 else base
    other = other.reshape(4, 1, 1) if other.ndim == 1 else other
    return (base + (other - base) * share).astype(np.float32)


def inside(top: float, bottom: float, left: float, right: float) -> Array:
    """Return ``(V, A)`` shares of a rectangle: rows top to bottom, angles left to right."""
    rows = _step(ROW - top, 1 / ROWS) * _step(bottom - ROW, 1 / ROWS)
    return rows * _step(ANGLE - left, _RADIANS) * _step(right - ANGLE, _RADIANS)


def weave(rng: Generator, depth: float = 0.06, pleats: int = 0) -> Array:
    """Return ``(V, A)`` brightness factors around 1: soft folds and, for a skirt, pleats."""
    folds = np.zeros((ROWS, COLUMNS), dtype=np.float32)
    for _ in range(4):
        around, down = int(rng.integers(1, 5)), float(rng.uniform(-3, 3))
        folds += np.sin(around * ANGLE + 2 * np.pi * down * ROW + rng.uniform(0, 2 * np.pi))
    if pleats:
        folds += 2.5 * ROW * np.sin(pleats * ANGLE)
    return (1 + depth * 0.5 * folds).astype(np.float32)


def smooth_noise(rng: Generator, waves: int, finest: int) -> Array:
    """Return ``(V, A)`` noise of mean 0 and deviation 1, continuous around the cylinder."""
    field = np.zeros((ROWS, COLUMNS), dtype=np.float32)
    for _ in range(waves):
        around = int(rng.integers(-finest, finest + 1))
        down = float(rng.uniform(-finest, finest)) * 0.6
        field += np.sin(around * ANGLE + 2 * np.pi * down * ROW + rng.uniform(0, 2 * np.pi))
    return field / max(float(field.std()), 1e-6)


def pattern(kind: str, rng: Generator) -> Array:
    """Return ``(V, A)`` shares in [0, 1] of the second material of a cloth.

    Raises:
        KeyError: ``kind`` is not one of ``PATTERNS``.
    """
    return PATTERNS[kind](rng).astype(np.float32)


def _step(distance: Array, texel: float) -> Array:
    """Return 0 below an edge and 1 above it, linear over one texel."""
    return (distance / texel + 0.5).clip(0, 1)


def _pulse(position: Array, duty: float, texels: float) -> Array:
    """Return a wave of period 1 that is 1 for a share ``duty``; ``texels`` a period is long."""
    return _step(duty / 2 - np.abs(position % 1.0 - 0.5), 1 / texels)


def _stripes(rng: Generator) -> Array:
    count = int(rng.integers(3, 7))
    wave = _pulse(count * ROW + rng.uniform(), rng.uniform(0.3, 0.6), ROWS / count)
    return wave + 0 * ANGLE


def _pinstripes(rng: Generator) -> Array:
    count = int(rng.integers(7, 13))
    wave = _pulse(count * ANGLE / (2 * np.pi) + 0.5, rng.uniform(0.25, 0.55), COLUMNS / count)
    return wave + 0 * ROW


def _diagonals(rng: Generator) -> Array:
    count, rise = int(rng.integers(3, 6)), int(rng.choice([-4, -3, 3, 4]))
    return _pulse(count * ANGLE / (2 * np.pi) + rise * ROW, rng.uniform(0.35, 0.55), 14.0)


def _checks(rng: Generator) -> Array:
    count = int(rng.integers(3, 6))
    around = round(count * 1.6)
    rows = _pulse(count * ROW, 0.5, ROWS / count)
    columns = _pulse(around * ANGLE / (2 * np.pi) + 0.25, 0.5, COLUMNS / around)
    return 0.5 * rows + 0.5 * columns


def _dots(rng: Generator) -> Array:
    count = int(rng.integers(3, 6))
    around = 2 * round(count * 0.8)
    row, column = count * ROW, around * ANGLE / (2 * np.pi)
    column = column + 0.5 * (np.floor(row) % 2)
    radius = np.sqrt((row % 1 - 0.5) ** 2 + (column % 1 - 0.5) ** 2)
    return _step(rng.uniform(0.26, 0.38) - radius, count / ROWS)


def _bands(rng: Generator) -> Array:
    share = np.zeros((ROWS, COLUMNS), dtype=np.float32)
    for _ in range(int(rng.integers(1, 3))):
        top = rng.uniform(0.1, 0.75)
        share = np.maximum(share, inside(top, top + rng.uniform(0.12, 0.26), -4, 4))
    return share


def _panels(rng: Generator) -> Array:
    if rng.random() < 0.5:
        return inside(rng.uniform(0.3, 0.6), 2, -4, 4)
    half = rng.uniform(0.5, 0.9)
    return inside(-1, 2, np.pi / 2 - half, np.pi / 2 + half) + inside(
        -1, 2, -np.pi / 2 - half, half - np.pi / 2
    )


def _blotches(rng: Generator) -> Array:
    return _step(smooth_noise(rng, waves=12, finest=4) - rng.uniform(-0.2, 0.5), 0.25)


PATTERNS = {
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "diagonals": _diagonals,
    "checks": _checks,
    "dots": _dots,
    "bands": _bands,
    "panels": _panels,
    "blotches": _blotches,
}
