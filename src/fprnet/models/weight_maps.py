"""Sizes of a pyramid's maps to the weight maps whose sums give its pooled levels, in float64.

Pooling is a weighted sum over a map, and so is everything that a linear pyramid does to a sum:
a functional w of a map Y is sum_p w(p) Y(p), a vector over channels (docs/speed.md).

    of up(X), bilinear:        w, moved to X by the transposed interpolation matrices
    of conv3x3(X), tap (y, x): w, shifted by (y - 1, x - 1); what leaves the map is lost

Shapes: level k has H_k x W_k pixels; a set of F functionals is ``(F, H_k, W_k)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["LevelFunctionals", "Order", "pooling_functionals"]

Order = Literal["released", "paper", "linear"]
Maps = NDArray[np.float64]


@dataclass(frozen=True)
class LevelFunctionals:
    """What has to be known of one level's merged map, lateral plus upsampled.

    Attributes:
        level: k.
        weights: ``(G, H_k, W_k)``. First ``taps`` functionals for each of the ``outputs`` asked of
            the level itself, in the order of a 3x3 kernel, then those that a finer level asks of
            the merged map.
        outputs: ``(F, H_k, W_k)``, the functionals of the level itself: its own stripes first.
        stripes: How many of them are its own; 0 where the level is not asked for.
        taps: 9 where the level is smoothed, else 1.
    """

    level: int
    weights: Maps
    outputs: Maps
    stripes: int
    taps: int


@lru_cache(maxsize=64)
def pooling_functionals(
    order: Order, sizes: tuple[tuple[int, int, int], ...], stripes: tuple[tuple[int, int], ...]
) -> tuple[LevelFunctionals, ...]:
    """Return the functionals of every level that the pooled ones depend on, coarsest first.

    Args:
        order: What a level hands down to the next finer one: "released" the map before its
            smoothing, "paper" the smoothed one, "linear" a map that nothing smooths.
        sizes: (k, H_k, W_k) of all levels, coarsest first.
        stripes: (k, horizontal stripes) of the levels that are pooled.

    Raises:
        ValueError: More stripes than rows.
    """
    asked = dict(stripes)
    shape = {k: (height, width) for k, height, width in sizes}
    levels = [k for k, _, _ in sizes if k >= min(asked, default=k + 1)]
    result: list[LevelFunctionals] = []
    handed: Maps | None = None  # down by the finer level: functionals of what it upsamples
    for k in reversed(levels):
        own = _stripes(asked[k], *shape[k]) if k in asked else np.zeros((0, *shape[k]))
        smoothed_is_handed = order == "paper" and handed is not None
        outputs = (
            np.concatenate([own, handed]) if smoothed_is_handed and handed is not None else own
        )
        smooth = order != "linear" and k != sizes[0][0]
        weights = _shifted(outputs) if smooth else outputs
        if handed is not None and not smoothed_is_handed:
            weights = np.concatenate([weights, handed])
        result.append(LevelFunctionals(k, weights, outputs, len(own), 9 if smooth else 1))
        if k != levels[0]:
            coarse = shape[levels[levels.index(k) - 1]]
            handed = _moved_to(coarse, weights)
    return tuple(reversed(result))


def _stripes(count: int, height: int, width: int) -> Maps:
    """Means over horizontal stripes as adaptive average pooling cuts them, ``(count, H, W)``."""
    if not 1 <= count <= height:
        raise ValueError(f"{count} stripes do not fit into a map of {height} rows")
    result = np.zeros((count, height, width))
    for stripe in range(count):
        first, end = stripe * height // count, -(-(stripe + 1) * height // count)
        result[stripe, first:end] = 1 / ((end - first) * width)
    return result


def _shifted(weights: Maps) -> Maps:
    """Return ``(9 F, H, W)``: for each functional of a convolved map, those of its nine taps."""
    count, height, width = weights.shape
    padded = np.pad(weights, ((0, 0), (1, 1), (1, 1)))
    taps = [
        padded[:, 2 - y : 2 - y + height, 2 - x : 2 - x + width] for y in range(3) for x in range(3)
    ]
    return np.stack(taps, axis=1).reshape(9 * count, height, width)


def _moved_to(coarse: Sequence[int], weights: Maps) -> Maps:
    """Return ``(F, *coarse)``: functionals of an upsampled map as those of the coarse one."""
    rows = _interpolation(coarse[0], weights.shape[1])
    columns = _interpolation(coarse[1], weights.shape[2])
    return rows.T @ weights @ columns


def _interpolation(coarse: int, fine: int) -> Maps:
    """Bilinear interpolation with aligned corners along one axis, ``(fine, coarse)``."""
    step = (coarse - 1) / (fine - 1) if fine > 1 else 0.0
    position = np.arange(fine) * step
    low = np.minimum(position.astype(int), coarse - 1)
    high = np.minimum(low + 1, coarse - 1)
    matrix = np.zeros((fine, coarse))
    np.add.at(matrix, (np.arange(fine), low), 1 - (position - low))
    np.add.at(matrix, (np.arange(fine), high), position - low)
    return matrix
