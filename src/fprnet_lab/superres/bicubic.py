"""An image becomes larger or smaller as MATLAB's ``imresize`` makes it: bicubic, antialiased.

Shapes: an image is H x W; a resizing of one axis is a matrix (output, input).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["crop_to_multiple", "cubic", "resize", "resizing_matrix", "taps"]

Array = NDArray[np.float64]

SUPPORT = 4  # pixels that the kernel covers, of the input when it is enlarged
KEPT = 256  # axes whose weights are remembered


def cubic(distance: Array) -> Array:
    """Return the weights of the cubic convolution kernel with a = -0.5 (Keys 1981, Eq. 15).

    Args:
        distance: From the output pixel's place, in pixels; any shape.
    """
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=KEPT)
def taps(length: int, new_length: int) -> tuple[NDArray[np.int64], Array]:
    """Return which input pixels make each output pixel of an axis, and with what weight.

    Output pixel u (from 0) lies at (u + 0.5) length / new_length - 0.5 of the input. When the axis
    shrinks, the kernel is stretched by length / new_length, which is the antialiasing; beyond the
    border the image is its own mirror image, the border pixel twice.

    Returns:
        Input pixels ``(new_length, taps)`` and weights of the same shape, whose rows sum to 1.

    Raises:
        ValueError: A length is not positive.
    """
    if length < 1 or new_length < 1:
        raise ValueError(f"cannot resize {length} pixels to {new_length}; both must be positive")
    stretch = max(1.0, length / new_length)
    centre = (np.arange(new_length) + 0.5) * length / new_length - 0.5
    first = np.floor(centre - SUPPORT * stretch / 2).astype(np.int64)
    neighbour = first[:, None] + np.arange(int(np.ceil(SUPPORT * stretch)) + 2)
    weight = cubic((centre[:, None] - neighbour) / stretch)
    used = (weight != 0).any(axis=0)
    neighbour, weight = neighbour[:, used], weight[:, used]
    mirrored = neighbour % (2 * length)
    index = np.minimum(mirrored, 2 * length - 1 - mirrored)
    weight = weight / weight.sum(axis=1, keepdims=True)
    for shared in (index, weight):
        shared.flags.writeable = False
    return index, weight


@lru_cache(maxsize=KEPT)
def resizing_matrix(length: int, new_length: int) -> Array:
    """Return the same as a matrix ``(new_length, length)``."""
    index, weight = taps(length, new_length)
    matrix = np.zeros((new_length, length))
    np.add.at(matrix, (np.arange(new_length)[:, None], index), weight)
    matrix.flags.writeable = False
    return matrix


def resize(image: NDArray[np.floating] | NDArray[np.uint8], size: tuple[int, int]) -> Array:
    """Resize an image; the result is neither rounded nor clipped.

    Args:
        image: ``(H, W)`` or ``(H, W, channels)``.
        size: New (H, W).

    Returns:
        float64, may overshoot the input's range a little, as the kernel has negative weights.
    """
    rows = _resize_rows(image.astype(np.float64), size[0])
    return _resize_rows(rows.swapaxes(0, 1), size[1]).swapaxes(0, 1)


def _resize_rows(image: Array, new_height: int) -> Array:
    # Tap by tap, not as a product of matrices: that would start threads beside the workers'.
    index, weight = taps(image.shape[0], new_height)
    weight = weight.reshape(*weight.shape, *[1] * (image.ndim - 1))
    resized = np.zeros((new_height, *image.shape[1:]))
    for tap in range(index.shape[1]):
        resized += weight[:, tap] * image[index[:, tap]]
    return resized


def crop_to_multiple(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Cut off right and bottom so that height and width are multiples of ``scale``."""
    height, width = (length - length % scale for length in image.shape[:2])
    return image[:height, :width]
