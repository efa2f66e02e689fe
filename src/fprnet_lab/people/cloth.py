"""A cloth: its ground and the pattern on it become a reflectance at each point of a garment.

Points are given by ``across`` (decimetres around the body from the middle of the front, positive to
the person's left) and ``down`` (decimetres from below), measured on the body at rest, so that a
pattern moves with the cloth. Letter: N points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fprnet_lab.people.materials import TOPS, Frequencies, Reflectance, contrasting

__all__ = ["Cloth", "Print", "draw_cloth", "plain"]

Floats = NDArray[np.float32]
Pattern = Literal["plain", "stripes", "lines", "check", "print", "flowers", "block", "side", "worn"]
TOP_PATTERNS: dict[Pattern, float] = {
    "plain": 0.6, "stripes": 0.08, "lines": 0.02, "check": 0.07, "print": 0.14, "flowers": 0.04,
    "block": 0.05,
}  # fmt: skip
BOTTOM_PATTERNS: dict[Pattern, float] = {
    "plain": 0.86, "side": 0.06, "lines": 0.02, "check": 0.03, "flowers": 0.03,
}  # fmt: skip
_TILE = 64  # points of a repeating texture


@dataclass(frozen=True)
class Print:
    """A picture on the chest or the back.

    Attributes:
        ink: Share of ink at each cell, (32, 32), 0 or 1.
        half_width: Decimetres.
        half_height: Decimetres.
        offset: Across and up from the middle of the chest, decimetres.
        on_back: It is printed on the back too.
    """

    ink: Floats
    half_width: float
    half_height: float
    offset: tuple[float, float]
    on_back: bool


@dataclass(frozen=True)
class Cloth:
    """A cloth with its pattern.

    Attributes:
        ground: Reflectance, (4,).
        pattern: Kind of pattern.
        second: Reflectance of the pattern, (4,).
        third: Reflectance of thin lines in it, (4,).
        pitch: Repetition of the pattern, decimetres: down, across.
        duty: Share of the pitch that the second colour takes.
        phase: Where the pattern begins, as a share of the pitch.
        print: Where ``pattern`` is "print".
        motif: Repeating texture (64, 64) of a flower pattern.
        level: Height of the motif above which it shows; height of the block; wear of jeans.
    """

    ground: Reflectance
    pattern: Pattern = "plain"
    second: Reflectance | None = None
    third: Reflectance | None = None
    pitch: tuple[float, float] = (1.0, 1.0)
    duty: float = 0.5
    phase: float = 0.0
    print: Print | None = None
    motif: Floats | None = None
    level: float = 0.0

    def at(self, across: Floats, down: Floats) -> Floats:
        """Return the reflectance at points, (N, 4); prints and side seams are painted later."""
        colour = np.empty((len(across), 4), np.float32)
        colour[:] = self.ground
        second, third = self.second, self.third
        if second is None or third is None:
            return colour
        if self.pattern == "stripes":
            place = down / self.pitch[0] + self.phase
            colour[place % 1 < self.duty] = second
            if self.level > 0.5:
                colour[place % 2 < 0.15] = third
        elif self.pattern == "lines":
            colour[(across / (self.pitch[1] * 0.6) + self.phase) % 1 < self.duty] = second
        elif self.pattern == "check":
            x, y = across / self.pitch[1] + self.phase, down / self.pitch[0] + self.phase
            share = ((x % 1 < self.duty).astype(np.float32) + (y % 1 < self.duty)) / 2
            colour += share[:, None] * (second - colour)
            thin = ((x + 0.6) % 1 < 0.1) | ((y + 0.6) % 1 < 0.1)
            colour[thin] = colour[thin] * 0.4 + third * 0.6
        elif self.pattern == "flowers" and self.motif is not None:
            column = (across / self.pitch[1] * _TILE).astype(np.int64) % _TILE
            row = (down / self.pitch[0] * _TILE).astype(np.int64) % _TILE
            colour[self.motif[row, column] > self.level] = second
            shifted = self.motif[(row + 31) % _TILE, (column + 17) % _TILE]
            colour[shifted > self.level + 0.7] = third
        elif self.pattern == "block":
            colour[down > self.level] = second
        return colour


def plain(ground: Reflectance) -> Cloth:
    """Return a cloth without a pattern."""
    return Cloth(ground)


def draw_cloth(
    rng: np.random.Generator,
    ground: Reflectance,
    *,
    bottom: bool = False,
    colours: Frequencies = TOPS,
) -> Cloth:
    """Draw what is on a cloth of this ground: for most garments nothing."""
    table = BOTTOM_PATTERNS if bottom else TOP_PATTERNS
    kinds, chances = list(table), np.array(list(table.values()))
    kind = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
    vanish = 0.6 if kind in ("check", "side") else 0.42
    pitch = rng.uniform(0.3, 1.3)
    cloth = Cloth(
        ground,
        kind,
        contrasting(rng, ground, colours, vanish),
        contrasting(rng, ground, colours, 0.6),
        (pitch, pitch * rng.uniform(0.7, 1.3)),
        rng.uniform(0.2, 0.55),
        rng.uniform(0, 1),
        level=rng.uniform(0, 1),
    )
    if kind == "flowers":
        return _flowered(rng, cloth)
    if kind == "print":
        return replace(cloth, print=_draw_print(rng))
    if kind == "block":
        return replace(cloth, level=rng.uniform(2.3, 4.4))
    return cloth


def _flowered(rng: np.random.Generator, cloth: Cloth) -> Cloth:
    """Blossoms, dots or leaves scattered without touching, not the blots of camouflage."""
    motif = np.full((_TILE, _TILE), -1, np.float32)
    y, x = np.mgrid[:_TILE, :_TILE].astype(np.float32)
    petals, depth = int(rng.integers(3, 7)), rng.uniform(0, 0.5) * (rng.random() < 0.7)
    for _ in range(int(rng.integers(4, 15))):
        centre = rng.uniform(0, _TILE, 2)
        radius = rng.uniform(4, 9)
        dx = (x - centre[0] + _TILE / 2) % _TILE - _TILE / 2
        dy = (y - centre[1] + _TILE / 2) % _TILE - _TILE / 2
        angle = np.arctan2(dy, dx) + rng.uniform(0, 6)
        edge = radius * (1 - depth + depth * np.cos(petals * angle))
        motif = np.maximum(motif, 1 - np.hypot(dx, dy) / np.maximum(edge, 1)).astype(np.float32)
    tile = rng.uniform(1.6, 4.5)
    return replace(cloth, motif=motif, pitch=(tile, tile), level=0.0)


def _draw_print(rng: np.random.Generator) -> Print:
    ink = np.zeros((32, 32), np.float32)
    if rng.random() < 0.55:
        _letter(rng, ink)
    else:
        blots = gaussian_filter(rng.normal(size=(32, 32)), rng.uniform(2, 5))
        y, x = np.mgrid[-1:1:32j, -1:1:32j]
        inside = np.abs(y) ** 2.5 + np.abs(x) ** 2.5 < 0.9
        ink[(blots / blots.std() > rng.uniform(-0.2, 0.6)) & inside] = 1
    half_width = rng.uniform(0.35, 1.15)
    return Print(
        ink,
        half_width,
        half_width * rng.uniform(0.5, 1.4),
        (0.0 if rng.random() < 0.7 else rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.5)),
        bool(rng.random() < 0.3),
    )


def _letter(rng: np.random.Generator, ink: Floats) -> None:
    """Fill rows of strokes that read as lettering from afar."""
    row = int(rng.integers(2, 8))
    while row < 28:
        height, column = int(rng.integers(2, 7)), int(rng.integers(1, 6))
        while column < 28:
            width = int(rng.integers(1, 4))
            ink[row : row + height, column : column + width] = 1
            if height > 3 and rng.random() < 0.6:
                ink[row + height // 2, column : column + width + 1] = 1
                if rng.random() < 0.5:
                    ink[row + 1 : row + height - 1, column : column + max(1, width - 1)] = 0
            column += width + int(rng.integers(1, 3))
        row += height + int(rng.integers(1, 4))
        if rng.random() < 0.3:
            return
