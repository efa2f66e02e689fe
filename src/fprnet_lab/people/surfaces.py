"""Points on floors and walls become reflectances: plaster, tiles, bricks, boards, leaves, glass.

Letter: N points. Lengths in decimetres; reflectances as in ``materials``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["Kind", "Surface", "draw_object", "draw_surface", "foliage"]

Floats = NDArray[np.float32]
Kind = Literal["plain", "tiles", "bricks", "boards", "panels", "leaves", "picture", "windows"]
_TILE = 256

# Colour on a screen (0 to 255), near-infrared reflectance from, to.
PALETTES: dict[str, list[tuple[tuple[int, int, int], float, float]]] = {
    "wall": [
        ((214, 211, 204), 0.5, 0.8), ((196, 192, 182), 0.4, 0.7), ((180, 180, 180), 0.35, 0.65),
        ((205, 190, 165), 0.5, 0.75), ((150, 150, 148), 0.25, 0.5), ((222, 216, 190), 0.55, 0.8),
        ((165, 178, 172), 0.35, 0.6), ((120, 118, 115), 0.2, 0.4), ((185, 160, 130), 0.4, 0.7),
    ],
    "brick": [
        ((140, 85, 66), 0.35, 0.55), ((165, 120, 92), 0.4, 0.6), ((120, 72, 60), 0.3, 0.5),
        ((178, 160, 136), 0.4, 0.65),
    ],
    "wood": [
        ((150, 110, 74), 0.45, 0.7), ((110, 78, 54), 0.4, 0.65), ((185, 150, 108), 0.5, 0.75),
        ((80, 58, 44), 0.35, 0.55),
    ],
    "floor": [
        ((150, 148, 142), 0.25, 0.5), ((120, 118, 114), 0.2, 0.4), ((178, 172, 162), 0.35, 0.6),
        ((96, 96, 98), 0.12, 0.3), ((165, 150, 132), 0.3, 0.55), ((198, 194, 186), 0.4, 0.65),
    ],
    "asphalt": [
        ((92, 92, 94), 0.08, 0.2), ((112, 110, 108), 0.1, 0.25), ((76, 77, 80), 0.06, 0.16),
        ((132, 130, 126), 0.15, 0.3),
    ],
    "carpet": [
        ((88, 92, 106), 0.3, 0.6), ((98, 88, 82), 0.3, 0.6), ((110, 110, 108), 0.3, 0.55),
        ((120, 60, 54), 0.4, 0.6), ((62, 70, 62), 0.3, 0.5),
    ],
    "grass": [((72, 92, 48), 0.4, 0.6), ((96, 104, 58), 0.35, 0.55), ((118, 110, 70), 0.35, 0.5)],
    "leaves": [((46, 74, 36), 0.4, 0.6), ((62, 88, 44), 0.42, 0.62), ((38, 58, 34), 0.35, 0.5)],
    "autumn": [((150, 100, 42), 0.4, 0.6), ((120, 70, 40), 0.35, 0.55), ((96, 88, 48), 0.4, 0.6)],
    "glass": [((52, 60, 66), 0.05, 0.2), ((84, 96, 104), 0.08, 0.25), ((34, 38, 42), 0.04, 0.15)],
    "metal": [
        ((130, 132, 134), 0.25, 0.5), ((70, 72, 74), 0.15, 0.35), ((168, 170, 170), 0.4, 0.6),
    ],
    "snow": [((228, 230, 234), 0.75, 0.9)],
    "sky": [
        ((205, 215, 228), 0.25, 0.5), ((168, 194, 226), 0.1, 0.25), ((222, 222, 222), 0.4, 0.6),
    ],
    "object": [
        ((40, 40, 42), 0.06, 0.4), ((70, 70, 72), 0.1, 0.4), ((210, 210, 208), 0.5, 0.8),
        ((150, 150, 150), 0.25, 0.6), ((52, 70, 110), 0.2, 0.6), ((140, 42, 38), 0.3, 0.7),
        ((60, 96, 70), 0.2, 0.6), ((196, 170, 80), 0.4, 0.7), ((110, 80, 58), 0.3, 0.6),
        ((90, 98, 112), 0.2, 0.5), ((186, 178, 160), 0.4, 0.7),
    ],
}  # fmt: skip


NATURAL = ("grass", "leaves", "autumn", "wood", "sky", "snow", "glass")


@dataclass(frozen=True)
class Surface:
    """A surface.

    Attributes:
        kind: Its pattern.
        base: Reflectance, (4,).
        joint: Reflectance of joints, gaps or frames, (4,).
        pitch: Size of tiles, bricks or panes.
        gap: Width of the joints.
        uneven: Spread of the tiles' brightness.
        grain: Strength of stains and grain.
        scale: Points of the noise to a decimetre.
        offset: Place of the noise.
    """

    kind: Kind
    base: Floats
    joint: Floats
    pitch: tuple[float, float] = (3.0, 3.0)
    gap: float = 0.1
    uneven: float = 0.04
    grain: float = 0.08
    scale: float = 3.0
    offset: tuple[int, int] = (0, 0)

    def at(self, across: Floats, up: Floats) -> tuple[Floats, NDArray[np.bool_] | None]:
        """Return reflectances (N, 4), and where there is something at all, or None: everywhere."""
        noise = _noise()
        column = (across * self.scale).astype(np.int64) + self.offset[0]
        row = (up * self.scale).astype(np.int64) + self.offset[1]
        stain = noise[row % _TILE, column % _TILE]
        rough = noise[(row * 5) % _TILE, (column * 5) % _TILE]
        brightness = 1 + self.grain * (0.5 * stain + 0.5 * rough)
        if self.kind == "leaves":
            stain = _between(noise, across * self.scale + self.offset[0], up * self.scale)
            fine = _between(noise, across * self.scale * 3 + 37, up * self.scale * 3 + 91)
            brightness = np.clip(1 + 0.55 * fine, 0.15, 2.2)
            return self.base * brightness[:, None].astype(np.float32), stain + 0.6 * fine > -0.35
        if self.kind in ("tiles", "bricks", "windows", "panels", "boards"):
            y = np.floor(up / self.pitch[1])
            shift = self.pitch[0] / 2 * (y % 2) if self.kind == "bricks" else 0
            x = np.floor((across + shift) / self.pitch[0])
            in_x = (across + shift) - x * self.pitch[0]
            in_y = up - y * self.pitch[1]
            luck = noise[(y.astype(np.int64) * 37) % _TILE, (x.astype(np.int64) * 53) % _TILE]
            brightness = brightness * (1 + self.uneven * luck)
            joint = in_x < self.gap
            if self.kind != "boards":
                joint |= in_y < self.gap
            colour = self.base * brightness[:, None].astype(np.float32)
            colour[joint] = self.joint
            return colour, None
        if self.kind == "picture":
            x, y = np.floor(across / self.pitch[0]), np.floor(up / self.pitch[1])
            luck = noise[
                (y.astype(np.int64) * 31 + self.offset[1]) % _TILE,
                (x.astype(np.int64) * 67 + self.offset[0]) % _TILE,
            ]
            colour = np.where(luck[:, None] > 0.7, self.joint, self.base)
            return colour * brightness[:, None].astype(np.float32), None
        return self.base * brightness[:, None].astype(np.float32), None


def draw_surface(rng: np.random.Generator, palette: str, kinds: dict[Kind, float]) -> Surface:
    """Draw a surface of a palette with a pattern of these frequencies."""
    names = list(kinds)
    chances = np.array(list(kinds.values()))
    kind = names[rng.choice(len(names), p=chances / chances.sum())]
    base = reflectance(rng, palette)
    joint = base * np.float32(rng.uniform(0.45, 0.85) if rng.random() < 0.75 else 1.25)
    pitch = {
        "tiles": (rng.uniform(2, 7),) * 2,
        "bricks": (rng.uniform(1.8, 2.6), rng.uniform(0.6, 0.9)),
        "boards": (rng.uniform(0.8, 2.0), 100.0),
        "panels": (rng.uniform(8, 25), rng.uniform(10, 28)),
        "windows": (rng.uniform(7, 16), rng.uniform(9, 22)),
        "picture": (rng.uniform(0.5, 2.5), rng.uniform(0.3, 1.5)),
    }.get(kind, (3.0, 3.0))
    if kind == "windows":
        joint = reflectance(rng, "metal" if rng.random() < 0.5 else "wall")
    if kind == "picture":
        joint = reflectance(rng, "object")
    return Surface(
        kind,
        base,
        joint.clip(0.01, 0.9),
        (float(pitch[0]), float(pitch[1])),
        gap={"windows": rng.uniform(0.4, 1.5), "panels": 0.15, "boards": 0.08}.get(
            kind, rng.uniform(0.06, 0.2)
        ),
        uneven=rng.uniform(0.01, 0.12),
        grain=rng.uniform(0.02, 0.14),
        scale=rng.uniform(1.0, 5.0),
        offset=(int(rng.integers(_TILE)), int(rng.integers(_TILE))),
    )


def draw_object(rng: np.random.Generator) -> Surface:
    """Draw the surface of a thing: a car, a bin, a board."""
    return draw_surface(rng, "object", {"plain": 0.7, "panels": 0.1, "picture": 0.1, "boards": 0.1})


def foliage(rng: np.random.Generator, warmth: float) -> Surface:
    """Draw leaves; in winter they are brown, or evergreen."""
    palette = "leaves" if rng.random() < 0.45 + 0.55 * warmth else "autumn"
    surface = draw_surface(rng, palette, {"leaves": 1.0})
    return Surface(
        "leaves",
        surface.base,
        surface.joint,
        scale=rng.uniform(1.2, 3.5),
        offset=surface.offset,
    )


def reflectance(rng: np.random.Generator, palette: str) -> Floats:
    """Draw the reflectance (4,) of a palette."""
    colours = PALETTES[palette]
    colour, low, high = colours[rng.integers(len(colours))]
    visible = (np.array(colour) / 255) ** 2.2
    grey = visible.mean()
    vivid = 1.0 if palette in NATURAL else rng.beta(1.3, 1.1)  # much of a city is nearly grey
    visible = grey + (visible - grey) * vivid
    visible *= np.exp(rng.normal(-0.15, 0.22)) * np.exp(rng.normal(0, 0.025, 3))
    return np.append(np.clip(visible, 0.01, 0.9), rng.uniform(low, high)).astype(np.float32)


def _between(noise: Floats, column: Floats, row: Floats) -> Floats:
    """Return noise between its points, (N,)."""
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    x, y = (column - left).astype(np.float32), (row - top).astype(np.float32)
    low, high = top & (_TILE - 1), (top + 1) & (_TILE - 1)
    first, second = left & (_TILE - 1), (left + 1) & (_TILE - 1)
    upper = noise[low, first] * (1 - x) + noise[low, second] * x
    lower = noise[high, first] * (1 - x) + noise[high, second] * x
    return np.asarray(upper * (1 - y) + lower * y, np.float32)


@lru_cache(maxsize=1)
def _noise() -> Floats:
    """Return repeating noise of four octaves with mean 0 and deviation 1, (256, 256)."""
    rng = np.random.default_rng(11)
    total = np.zeros((_TILE, _TILE))
    for sigma, weight in ((12, 1.0), (5, 0.8), (2, 0.6), (0.8, 0.5)):
        layer = gaussian_filter(rng.normal(size=(_TILE, _TILE)), sigma, mode="wrap")
        total += weight * layer / layer.std()
    return np.asarray(total / total.std(), np.float32)
