"""An image becomes larger or smaller as MATLAB's ``imresize`` makes it: bicubic, antialiased.

Shapes: an image is H x W; a resizing of one axis is a matrix (output, input).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["crop_to_multiple", "cubic", "resize", "resizing_matrix"]

Array = NDArray[np.float64]

SUPPORT = 4  # pixels that the kernel covers, of the input when it is enlarged
KEPT_MATRICES = 256


def cubic(distance: Array) -> Array:
    """Return the weights of the cubic convolution kernel with a = -0.5 (Keys 1981, Eq. 15).

    Args:
        distance: From the output pixel's place, in pixels; any shape.
    """
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=KEPT_MATRICES)
def resizing_matrix(length: int, new_length: int) -> Array:
    """Return the matrix ``(new_length, length)`` that resizes one axis; its rows sum to 1.

    Output pixel u (from 0) lies at (u + 0.5) length / new_length - 0.5 of the input. When the axis
    shrinks, the kernel is stretched by length / new_length, which is the antialiasing; beyond the
    border the image is its own mirror image, the border pixel twice.

    Raises:
        ValueError: A length is not positive.
    """
    if length < 1 or new_length < 1:
        raise ValueError(f"cannot resize {length} pixels to {new_length}; both must be positive")
    scale = new_length / length
    stretch = max(1.0, 1 / scale)
    centre = (np.arange(new_length) + 0.5) / scale - 0.5
    reach = int(np.ceil(SUPPORT * stretch)) + 2
    first = np.floor(centre - SUPPORT * stretch / 2).astype(np.int64)
    neighbour = first[:, None] + np.arange(reach)
    weight = cubic((centre[:, None] - neighbour) / stretch)
    weight /= weight.sum(axis=1, keepdims=True)
    mirrored = neighbour % (2 * length)
    mirrored = np.minimum(mirrored, 2 * length - 1 - mirrored)
    matrix = np.zeros((new_length, length))
    np.add.at(matrix, (np.arange(new_length)[:, None], mirrored), weight)
    matrix.flags.writeable = False  # it is shared by all who ask for it
    return matrix


def resize(image: NDArray[np.floating] | NDArray[np.uint8], size: tuple[int, int]) -> Array:
    """Resize an image; the result is neither rounded nor clipped.

    Args:
        image: ``(H, W)`` or ``(H, W, channels)``.
        size: New (H, W).

    Returns:
        float64, may overshoot the input's range a little, as the kernel has negative weights.
    """
    down = resizing_matrix(image.shape[0], size[0])
    across = resizing_matrix(image.shape[1], size[1])
    rows = np.tensordot(down, image.astype(np.float64), axes=(1, 0))
    resized: Array = np.moveaxis(np.tensordot(rows, across, axes=(1, 1)), -1, 1)
    return resized


def crop_to_multiple(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Cut off right and bottom so that height and width are multiples of ``scale``."""
    height, width = (length - length % scale for length in image.shape[:2])
    return image[:height, :width]
