"""Random numbers become folds of cloth: slopes that turn the light, not the surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

__all__ = ["Folds", "draw_folds", "fold_library"]

Floats = NDArray[np.float32]
LIBRARY = 6  # kinds of folds, from creases every way to long hanging ones
SIZE = 128  # points of a repeating field


@dataclass(frozen=True)
class Folds:
    """A repeating field of folds: slopes across and down at each of its points, (n, n)."""

    across: Floats
    down: Floats


def draw_folds(rng: np.random.Generator, size: int, *, hanging: float) -> Folds:
    """Draw folds; ``hanging`` from 0 (creases every way) to 1 (long vertical folds)."""
    coarse = rng.normal(size=(8, 8))
    height = np.zeros((size, size))
    for octave, amplitude in ((1, 1.0), (2, 0.6), (4, 0.35)):
        cells = 8 * octave
        grid = coarse if octave == 1 else rng.normal(size=(cells, cells))
        grid = gaussian_filter(grid, (0.4 + 2.2 * hanging, 0.5), mode="wrap")
        grown = zoom(grid, size / cells, order=3, mode="grid-wrap", grid_mode=True)
        height += amplitude * (1 - 2 * np.abs(grown) / np.abs(grown).max())
    across = np.roll(height, -1, 1) - np.roll(height, 1, 1)
    down = np.roll(height, -1, 0) - np.roll(height, 1, 0)
    scale = np.hypot(across, down).std() + np.hypot(across, down).mean()
    return Folds((across / scale).astype(np.float32), (down / scale).astype(np.float32))


@lru_cache(maxsize=1)
def fold_library() -> tuple[Folds, ...]:
    """Return folds of all kinds, the same in every process."""
    rng = np.random.default_rng(20)
    return tuple(draw_folds(rng, SIZE, hanging=kind / (LIBRARY - 1)) for kind in range(LIBRARY))
