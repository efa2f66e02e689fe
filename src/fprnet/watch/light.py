"""Frames become a modality: whether a camera sees by visible or by infrared light now.

An infrared picture has one value per pixel, whatever colours a camera gives it: three equal
channels, or green, pink, any ramp. So its colour is a function of its lightness. Of a visible
picture it is not: things of one lightness differ in colour. Shapes: H x W pixels.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import Modality
from fprnet.ranges import NonNegative

__all__ = ["Light", "colour_variety", "to_gray"]

SAMPLED = 96  # pixels along the longer side that are looked at
BINS = 32  # of lightness
SHARE = 0.99  # quantile over pixels: in a gray room with one coloured coat the coat counts
WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G, B in the lightness (BT.601)


def colour_variety(pixels: NDArray[np.uint8]) -> float:
    """Return by how much colours of one lightness differ: 0 (one ramp of colours) to 255.

    Each pixel's distance in R, G and B from the mean of those of its lightness; the largest of the
    three; then the 99th percentile over the pixels.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Examples:
        A green picture is one ramp; red and green stripes of one lightness are not:

        >>> gray = np.arange(64, dtype=np.uint8).reshape(8, 8, 1) * 3
        >>> round(colour_variety(gray * np.array([0, 1, 0], np.uint8)), 3)
        0.0
        >>> stripes = np.zeros((8, 8, 3), np.uint8)
        >>> stripes[::2], stripes[1::2] = (150, 0, 0), (0, 76, 0)
        >>> round(colour_variety(stripes))
        75
    """
    step = max(1, max(pixels.shape[:2]) // SAMPLED)
    small = _thinned(pixels, step).reshape(-1, 3)
    lightness = small @ WEIGHTS
    order = np.minimum((lightness * (BINS / 256)).astype(np.int64), BINS - 1)
    counts = np.maximum(np.bincount(order, minlength=BINS), 1)
    # Within a bin lightness still differs: the ramp is followed by a line in each.
    residual = np.empty_like(small)
    mean_light = np.bincount(order, lightness, BINS) / counts
    offset = lightness - mean_light[order]
    spread = np.bincount(order, offset**2, BINS)
    for channel in range(3):
        values = small[:, channel]
        mean = np.bincount(order, values, BINS) / counts
        centred = values - mean[order]
        slope = np.bincount(order, centred * offset, BINS) / np.maximum(spread, 1e-6)
        residual[:, channel] = centred - slope[order] * offset
    return float(np.quantile(np.abs(residual).max(axis=1), SHARE))


def _thinned(pixels: NDArray[np.uint8], step: int) -> NDArray[np.float32]:
    """Return means over blocks, which take the noise of sensor and compression away."""
    if step == 1:
        return pixels.astype(np.float32)
    height, width = (side // step * step for side in pixels.shape[:2])
    blocks = pixels[:height, :width].reshape(height // step, step, width // step, step, 3)
    thinned: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return thinned


def to_gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an infrared picture of any colours with three equal channels, as models want it."""
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(
        pixels[..., 1], pixels[..., 2]
    ):
        return pixels
    lightness = (pixels @ WEIGHTS).round().astype(np.uint8)
    return np.repeat(lightness[..., None], 3, axis=2)


class Light:
    """Which modality a camera sees in, from frame to frame; it does not flicker.

    Args:
        infrared: Colour variety up to which a frame is infrared.
        visible: Colour variety from which on it is visible; between the two all stays as it was.
        seconds: How long frames must agree before a change counts.
    """

    def __init__(
        self, infrared: NonNegative = 6.0, visible: NonNegative = 9.0, seconds: NonNegative = 1.0
    ) -> None:
        self._infrared, self._visible, self._seconds = infrared, visible, seconds
        self._modality: Modality | None = None
        self._since: datetime | None = None  # frames have said otherwise

    def see(self, pixels: NDArray[np.uint8], time: datetime) -> Modality:
        """Return the modality as of a frame.

        Args:
            pixels: ``(H, W, 3)`` uint8.
            time: When the frame was taken.
        """
        variety = colour_variety(pixels)
        if self._modality is None:
            middle = (self._infrared + self._visible) / 2
            self._modality = "infrared" if variety < middle else "visible"
            return self._modality
        other: Modality = "visible" if self._modality == "infrared" else "infrared"
        says_other = variety >= self._visible if other == "visible" else variety <= self._infrared
        if not says_other:
            self._since = None
        elif self._since is None or time < self._since:
            self._since = time
        if self._since is not None and (time - self._since).total_seconds() >= self._seconds:
            self._modality, self._since = other, None
        return self._modality
