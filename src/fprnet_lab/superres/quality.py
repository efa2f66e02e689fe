"""An image and what it should be become PSNR and SSIM, as the super-resolution literature has them.

Shapes: an image is H x W, its values in [0, 255].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

__all__ = ["SSIM_WINDOW", "psnr", "shave", "ssim"]

Image = NDArray[np.floating] | NDArray[np.uint8]

PEAK = 255.0
SSIM_WINDOW = 11  # pixels
SSIM_SIGMA = 1.5
SSIM_C1, SSIM_C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def psnr(image: Image, original: Image) -> float:
    """Return the peak signal-to-noise ratio, 20 log10(255 / root mean squared error), in dB.

    Args:
        image: ``(H, W)``.
        original: ``(H, W)``; where the two are equal, the result is infinite.

    Raises:
        ValueError: The shapes differ.
    """
    _check_shapes(image, original)
    error = np.mean((image.astype(np.float64) - original.astype(np.float64)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def ssim(image: Image, original: Image) -> float:
    """Return the mean structural similarity (Wang et al., TIP 2004), in [-1, 1].

    The variant of the literature's tables: Gaussian window of 11 x 11 pixels and sigma 1.5, K1 =
    0.01, K2 = 0.03, population variances, averaged where the whole window lies inside the image, no
    reduction in size before.

    Args:
        image: ``(H, W)``, at least 11 x 11.
        original: ``(H, W)``.

    Raises:
        ValueError: The shapes differ, or are too small for the window.
    """
    _check_shapes(image, original)
    if min(image.shape) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got {image.shape}")
    x, y = image.astype(np.float64), original.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x**2
    variance_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)) / (
        (mean_x**2 + mean_y**2 + SSIM_C1) * (variance_x + variance_y + SSIM_C2)
    )
    return float(similarity.mean())


def shave(image: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
    """Return the image ``(H, W)`` without ``border`` pixels on each side.

    Raises:
        ValueError: Nothing would be left.
    """
    if border < 0 or min(image.shape[:2]) <= 2 * border:
        raise ValueError(f"cannot shave {border} pixels off each side of {image.shape}")
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Gaussian mean around every pixel whose window lies inside the image."""
    half = SSIM_WINDOW // 2
    weight = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * SSIM_SIGMA**2))
    weight /= weight.sum()
    for axis in (0, 1):
        values = correlate1d(values, weight, axis=axis)
    return values[half:-half, half:-half]


def _check_shapes(image: Image, original: Image) -> None:
    if image.ndim != 2 or image.shape != original.shape:
        raise ValueError(f"images must be (H, W) and equal, got {image.shape}, {original.shape}")
