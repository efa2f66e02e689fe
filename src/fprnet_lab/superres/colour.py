"""R, G, B become luma Y and the colour differences Cb, Cr of ITU-R BT.601, studio range, and back.

Shapes: images are (..., 3); all values are in [0, 255], Y then in [16, 235], Cb, Cr in [16, 240].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["luma", "rgb_to_ycbcr", "to_bytes", "ycbcr_to_rgb"]

Array = NDArray[np.float64]

# Of R, G, B in [0, 1], as MATLAB's rgb2ycbcr has them.
MATRIX = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
OFFSET = np.array([16.0, 128.0, 128.0])
INVERSE = np.linalg.inv(MATRIX)


def rgb_to_ycbcr(rgb: NDArray[np.uint8] | Array) -> Array:
    """Return ``(..., 3)`` Y, Cb, Cr, not rounded."""
    ycbcr: Array = rgb.astype(np.float64) / 255 @ MATRIX.T + OFFSET
    return ycbcr


def ycbcr_to_rgb(ycbcr: Array) -> NDArray[np.uint8]:
    """Return ``(..., 3)`` R, G, B, rounded; what no screen can show is clipped."""
    return to_bytes(255 * ((ycbcr - OFFSET) @ INVERSE.T))


def luma(rgb: NDArray[np.uint8]) -> Array:
    """Return Y ``(...)`` in [16, 235] alone, not rounded."""
    values: Array = rgb.astype(np.float64) / 255 @ MATRIX[0] + OFFSET[0]
    return values


def to_bytes(values: Array) -> NDArray[np.uint8]:
    """Round, halves upwards as MATLAB does, and clip to [0, 255]."""
    rounded: NDArray[np.uint8] = np.floor(values + 0.5).clip(0, 255).astype(np.uint8)
    return rounded
