"""Pictures become descriptors that nothing has learned: the floors a trained model must beat.

Shapes: N pictures of H x W pixels, D numbers per descriptor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DESCRIPTORS", "gradient_histogram", "gray_histogram", "hsv_stripe_histogram"]

Pictures = NDArray[np.uint8]
Array = NDArray[np.floating[Any]]
Descriptors = NDArray[np.float32]

_LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)  # ITU-R BT.601
_AT_ONCE = 256  # pictures in memory as floats at one time


def gradient_histogram(
    pictures: Pictures,
    *,
    rows: int = 16,
    orientations: int = 9,
    block: int = 2,
    centre: float = 1.0,
) -> Descriptors:
    """Histograms of oriented gradients (Dalal and Triggs, CVPR 2005) of the gray picture.

    Gradients are central differences (zero on the border), unsigned orientations are split
    linearly between the two nearest bins, blocks overlap by all but one cell and are normalised
    by L2-Hys (clipped at 0.2). Rows and columns that do not fill a cell are left out.

    Args:
        pictures: ``(N, H, W, 3)`` uint8 RGB.
        rows: Cells from head to feet; a cell's side is H // rows pixels.
        orientations: Bins over 180 degrees.
        block: Side of a block in cells.
        centre: Share of the columns that is looked at, around the middle.

    Returns:
        ``(N, D)`` float32 of length 1, D = blocks x block x block x orientations.

    Raises:
        ValueError: The pictures are no uint8 RGB, or smaller than one block.
    """
    _check(pictures)
    pictures = _middle(pictures, centre)
    cell = pictures.shape[1] // rows
    if cell < 1 or min(pictures.shape[1:3]) < cell * block:
        raise ValueError(f"pictures of {pictures.shape[1:3]} pixels are too small for {rows} rows")

    def describe(part: Array) -> Array:
        cells = _cells(_gray(part), cell, orientations)
        down_steps, right_steps = cells.shape[1] - block + 1, cells.shape[2] - block + 1
        corners = [(y, x) for y in range(block) for x in range(block)]
        blocks = np.concatenate(
            [cells[:, y : y + down_steps, x : x + right_steps] for y, x in corners],
            axis=-1,
        )
        blocks = _unit(blocks).clip(max=0.2)
        return _unit(blocks).reshape(len(part), int(np.prod(blocks.shape[1:])))

    return _in_parts(pictures, describe)


def hsv_stripe_histogram(
    pictures: Pictures,
    *,
    stripes: int = 8,
    bins: tuple[int, int, int] = (12, 3, 3),
    centre: float = 0.5,
) -> Descriptors:
    """Joint histogram of hue, saturation and value in each of a few horizontal stripes.

    Args:
        pictures: ``(N, H, W, 3)`` uint8 RGB.
        stripes: Horizontal stripes from head to feet, at most H.
        bins: Bins of hue, saturation and value.
        centre: Share of the columns that is looked at, around the middle.

    Returns:
        ``(N, stripes * product of bins)`` float32 of length 1.

    Raises:
        ValueError: The pictures are no uint8 RGB, or have fewer rows than ``stripes``.
    """
    _check(pictures)
    pictures = _middle(pictures, centre)

    def describe(part: Array) -> Array:
        code = np.zeros(part.shape[:3], dtype=np.int64)
        for channel, count in zip(_hsv(part), bins, strict=True):
            code = code * count + np.minimum((channel * count).astype(np.int64), count - 1)
        return _stripe_counts(code, stripes, int(np.prod(bins)))

    return _in_parts(pictures, describe)


def gray_histogram(
    pictures: Pictures, *, stripes: int = 8, bins: int = 16, centre: float = 0.5
) -> Descriptors:
    """Histogram of brightness in each of a few horizontal stripes.

    Args:
        pictures: ``(N, H, W, 3)`` uint8 RGB.
        stripes: Horizontal stripes from head to feet, at most H.
        bins: Bins from black to white.
        centre: Share of the columns that is looked at, around the middle.

    Returns:
        ``(N, stripes * bins)`` float32 of length 1.

    Raises:
        ValueError: The pictures are no uint8 RGB, or have fewer rows than ``stripes``.
    """
    _check(pictures)
    pictures = _middle(pictures, centre)

    def describe(part: Array) -> Array:
        code = np.minimum((_gray(part) * bins).astype(np.int64), bins - 1)
        return _stripe_counts(code, stripes, bins)

    return _in_parts(pictures, describe)


DESCRIPTORS: dict[str, Callable[[Pictures], Descriptors]] = {
    "gradients": gradient_histogram,
    "hsv": hsv_stripe_histogram,
    "gray": gray_histogram,
}


def _check(pictures: Pictures) -> None:
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(
            f"pictures are {pictures.shape} {pictures.dtype}; expected (N, H, W, 3) uint8"
        )


def _middle(pictures: Pictures, share: float) -> Pictures:
    """Return the middle share of the columns, at least one on either side of the middle."""
    width = pictures.shape[2]
    left = min(round(width * (1 - share) / 2), (width - 1) // 2)
    return pictures[:, :, left : width - left]


def _in_parts(pictures: Pictures, describe: Callable[[Array], Array]) -> Descriptors:
    """Describe some pictures at a time, scaled to [0, 1], and normalise each row."""
    parts = [
        describe(pictures[start : start + _AT_ONCE].astype(np.float32) / 255)
        for start in range(0, max(len(pictures), 1), _AT_ONCE)
    ]
    return _unit(np.concatenate(parts))


def _unit(vectors: Array) -> Descriptors:
    """Scale the last axis to length 1; zero vectors stay zero."""
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True, dtype=np.float64))
    unit: Descriptors = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return unit


def _gray(part: Array) -> Array:
    gray: Array = part @ _LUMA
    return gray


def _cells(gray: Array, cell: int, orientations: int) -> Array:
    """Return ``(N, cell rows, cell columns, orientations)`` sums of gradient magnitude."""
    down, right = np.zeros_like(gray), np.zeros_like(gray)
    down[:, 1:-1] = gray[:, 2:] - gray[:, :-2]
    right[:, :, 1:-1] = gray[:, :, 2:] - gray[:, :, :-2]
    strength = np.sqrt(down**2 + right**2)
    # Bin centres lie at (i + 0.5) / orientations of 180 degrees.
    place = np.arctan2(down, right) / np.pi % 1.0 * orientations - 0.5
    lower = np.floor(place)
    upper_share = place - lower
    first = lower.astype(np.int64) % orientations
    second = (first + 1) % orientations
    number, height, width = gray.shape
    rows, columns = height // cell, width // cell
    cells = np.empty((number, rows, columns, orientations), dtype=np.float32)
    for orientation in range(orientations):
        votes = strength * (
            (first == orientation) * (1 - upper_share) + (second == orientation) * upper_share
        )
        tiles = votes[:, : rows * cell, : columns * cell]
        cells[..., orientation] = tiles.reshape(number, rows, cell, columns, cell).sum(axis=(2, 4))
    return cells


def _hsv(part: Array) -> tuple[Array, ...]:
    """Return hue, saturation and value ``(N, H, W)`` in [0, 1]; gray has hue and saturation 0."""
    red, green, blue = part[..., 0], part[..., 1], part[..., 2]
    value, low = part.max(axis=-1), part.min(axis=-1)
    spread = value - low
    safe = np.where(spread > 0, spread, 1)
    hue = np.where(
        value == red,
        (green - blue) / safe % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    saturation = spread / np.where(value > 0, value, 1)
    return np.where(spread > 0, hue / 6, 0), saturation, value


def _stripe_counts(code: NDArray[np.int64], stripes: int, bins: int) -> Array:
    """Return ``(N, stripes * bins)`` square roots of the shares of each code in each stripe.

    The square root makes the Euclidean distance that of Hellinger between the histograms.
    """
    number, height, width = code.shape
    if height < stripes:
        raise ValueError(f"pictures have {height} rows, fewer than {stripes} stripes")
    stripe = (np.arange(height) * stripes // height)[None, :, None]
    picture = np.arange(number)[:, None, None]
    place = (picture * stripes + stripe) * bins + code
    counts = np.bincount(place.ravel(), minlength=number * stripes * bins)
    shares = counts.reshape(number, stripes, bins) / (height * width / stripes)
    roots: Array = np.sqrt(shares).reshape(number, stripes * bins).astype(np.float32)
    return roots
