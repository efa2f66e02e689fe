"""A box in a frame becomes a crop with its quality, or a reason why nobody would know who it is.

Shapes: a crop is h x w pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fprnet.ranges import NonNegative, Probability
from fprnet.watch.detections import overlaps

__all__ = ["REASONS", "Box", "Quality", "QualityLimits", "measure_quality"]

Box = tuple[int, int, int, int]
"""Left, top, width and height in whole pixels of a frame."""

REASONS = ("small", "truncated", "occluded", "blurred", "dark", "bright", "flat")
"""Why a crop is rejected; the first that holds."""

FULL_HEIGHT = 128.0  # pixels from which on size makes a crop no better
FULL_SHARPNESS = 12.0  # gray values
FULL_CONTRAST = 80.0  # gray values
BLACK, WHITE = 16, 240  # gray values beyond which nothing is seen in a pixel
UPRIGHT = 0.41  # width over height of a standing person's box (Dollar et al., PAMI 2012)


@dataclass(frozen=True)
class QualityLimits:
    """What a crop needs to be embedded.

    Attributes:
        min_height: Pixels.
        max_truncated: Share of the box outside of the frame, or cut off by its border.
        max_occluded: Share of the box covered by the box of somebody nearer.
        min_sharpness: Gray values between neighbouring pixels along edges, see `Quality`.
        max_dark: Share of pixels that are black.
        max_bright: Share of pixels that are white.
        min_contrast: Gray values between the darkest and the brightest 5 %.
    """

    min_height: NonNegative = 40.0
    max_truncated: Probability = 0.3
    max_occluded: Probability = 0.5
    min_sharpness: NonNegative = 1.5
    max_dark: Probability = 0.8
    max_bright: Probability = 0.6
    min_contrast: NonNegative = 12.0


@dataclass(frozen=True)
class Quality:
    """What a crop is like.

    Attributes:
        height: Height of the crop, pixels.
        truncated: Share of the person that the frame's border cuts off, 0 to 1.
        occluded: Share of the box that the box of somebody nearer covers, 0 to 1.
        sharpness: Mean difference of neighbouring pixels over the steepest tenth, gray values.
        dark: Share of pixels below 16 of 255.
        bright: Share of pixels above 240 of 255.
        contrast: Gray values between the 5th and the 95th percentile.
    """

    height: int
    truncated: float
    occluded: float
    sharpness: float
    dark: float
    bright: float
    contrast: float

    def rejected(self, limits: QualityLimits) -> str:
        """Return the reason of ``REASONS`` why the crop is not good enough; "" where it is."""
        faults = {
            "small": self.height < limits.min_height,
            "truncated": self.truncated > limits.max_truncated,
            "occluded": self.occluded > limits.max_occluded,
            "dark": self.dark > limits.max_dark,
            "bright": self.bright > limits.max_bright,
            "flat": self.contrast < limits.min_contrast,
            "blurred": self.sharpness < limits.min_sharpness,
        }
        return next((reason for reason in REASONS if faults[reason]), "")

    @property
    def score(self) -> float:
        """0 (useless) to 1: the product of what size, sharpness, light and the whole body allow."""
        size = min(1.0, self.height / FULL_HEIGHT)
        sharp = min(1.0, self.sharpness / FULL_SHARPNESS)
        light = min(1.0, self.contrast / FULL_CONTRAST) * (1 - max(self.dark, self.bright))
        whole = (1 - self.truncated) * (1 - self.occluded)
        return float((size * sharp * light) ** (1 / 3) * whole)


def measure_quality(
    pixels: NDArray[np.uint8], boxes: NDArray[np.float32]
) -> list[tuple[Box, Quality]]:
    """Return the crop's box, cut to whole pixels of the frame, and the quality of each box.

    Args:
        pixels: Frame ``(H, W, 3)`` uint8.
        boxes: ``(n, 4)``: left, top, width, height in pixels. Of two that overlap, the one whose
            lower edge is lower is nearer (people stand on one floor).
    """
    height, width = pixels.shape[:2]
    measured = []
    covered = _occluded(boxes)
    for index, (left, top, box_width, box_height) in enumerate(boxes.tolist()):
        x, y = (round(min(max(left, 0), width)), round(min(max(top, 0), height)))
        right, low = round(min(left + box_width, width)), round(min(top + box_height, height))
        box = (x, y, max(0, right - x), max(0, low - y))
        crop = pixels[y:low, x:right]
        truncated = _truncated((left, top, box_width, box_height), (height, width))
        measured.append((box, _of_crop(crop, truncated, float(covered[index]))))
    return measured


def _of_crop(crop: NDArray[np.uint8], truncated: float, occluded: float) -> Quality:
    if crop.shape[0] < 2 or crop.shape[1] < 2:
        return Quality(crop.shape[0], truncated, occluded, 0.0, 0.0, 0.0, 0.0)
    gray = crop.mean(axis=2, dtype=np.float32)
    steps = np.abs(np.diff(gray, axis=0))
    edges = np.quantile(steps, 0.9)
    low, high = np.quantile(gray, [0.05, 0.95])
    return Quality(
        height=crop.shape[0],
        truncated=truncated,
        occluded=occluded,
        sharpness=float(steps[steps >= edges].mean()),
        dark=float((gray < BLACK).mean()),
        bright=float((gray > WHITE).mean()),
        contrast=float(high - low),
    )


def _truncated(box: Sequence[float], frame: tuple[int, int]) -> float:
    """Return the share of a person that is outside of the frame.

    A tracker's box may reach out of it. A detector's box ends at the border: where one touches the
    border above or below, and is too wide for a standing person, the missing height is guessed.
    """
    left, top, width, height = box
    inside_width = max(0.0, min(left + width, frame[1]) - max(left, 0.0))
    inside_height = max(0.0, min(top + height, frame[0]) - max(top, 0.0))
    area = width * height
    outside = 1 - inside_width * inside_height / area if area > 0 else 1.0
    missing = 0.0
    if top <= 1 or top + height >= frame[0] - 1:
        whole = inside_width / UPRIGHT
        missing = max(0.0, 1 - inside_height / whole) if whole > 0 else 1.0
    if left <= 1 or left + width >= frame[1] - 1:
        whole = inside_height * UPRIGHT
        missing = max(missing, 1 - inside_width / whole if whole > 0 else 1.0)
    return float(min(1.0, max(outside, missing)))


def _occluded(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest share ``(n,)`` of each box that one nearer box covers."""
    if len(boxes) == 0:
        return np.zeros(0, np.float32)
    areas = np.maximum(boxes[:, 2] * boxes[:, 3], 1e-6)
    shares = overlaps(boxes, boxes) / areas[:, None]
    lower = boxes[:, 1] + boxes[:, 3]
    nearer = lower[None] > lower[:, None]
    occluded: NDArray[np.float32] = np.where(nearer, shares, 0).max(axis=1)
    return occluded
