"""The random numbers of augmentation: drawn for a whole batch from one CPU generator.

:mod:`fprnet.data.augmentation` says what they do to images. Shapes: N images of H x W pixels; R
rectangles per image.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fprnet.data.records import Modality

__all__ = ["LUMA", "Parameters", "draw"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what Pillow calls "L"

# Gray projection and infrared changes: paper.md section 11.
SPAN_RANGE = (90.0, 200.0)  # gray levels from the 1st to the 99th percentile
BASE_RANGE = (5.0, 60.0)  # gray level of the 1st percentile
INVERTED = 0.3  # share of the changed infrared images
GAMMA_RANGE = (0.6, 1.6)
GAIN_RANGE = (0.7, 1.3)
OFFSET_RANGE = (-0.1, 0.1)  # of the range 0..1

# Rectangles of random erasing (Zhong et al., AAAI 2020) and of linear enhancement.
AREA_RANGE = (0.02, 0.4)  # share of the image
ASPECT_RANGE = (0.3, 1 / 0.3)  # height / width
ATTEMPTS = 10  # rectangles drawn until one fits

ENHANCEMENT_BETA = 0.3  # both parameters of the Beta distribution
ENHANCEMENT_RECTANGLES = 8  # the authors draw up to 100, nearly all painted over by later ones


@dataclass(frozen=True)
class Parameters:
    """The random numbers of N images, on the CPU; slices like a sequence.

    Attributes:
        size: H, W.
        padding: Black pixels added on every side before the crop.
        inverted: ``(N,)`` bool: gray value v in [0, 1] becomes 1 - v ...
        curve: ``(N, 3)`` ... then ``gain * v ** gamma + offset``, clipped; gamma, gain, offset.
        curved: ``(N,)`` bool, where the two lines above apply.
        weights: ``(N, 3)``: the image becomes the gray image R w_1 + G w_2 + B w_3 ...
        grayed: ``(N,)`` bool, ... where this is true.
        stretch: ``(N, 2)``: the gray image is shifted and scaled so that its 1st and 99th
            percentile lie at ``base`` and ``base + span``, then clipped to 0..255; span, base.
        stretched: ``(N,)`` bool, where the line above applies.
        enhanced: ``(N, R, 4)`` int64, rectangles (top, left, bottom, right; empty: none), in which
            each channel is scaled so that its brightest pixel becomes ...
        brightest: ``(N, R, 3)`` ... this share of 255.
        corner: ``(N, 2)`` int64, top and left of the crop in the padded image.
        mirrored: ``(N,)`` bool, left becomes right.
        erased: ``(N, 4)`` int64, rectangle set to the ImageNet mean (0 after normalisation).
    """

    size: tuple[int, int]
    padding: int
    inverted: Tensor
    curve: Tensor
    curved: Tensor
    weights: Tensor
    grayed: Tensor
    stretch: Tensor
    stretched: Tensor
    enhanced: Tensor
    brightest: Tensor
    corner: Tensor
    mirrored: Tensor
    erased: Tensor

    def __len__(self) -> int:
        return len(self.corner)

    def __getitem__(self, rows: slice) -> Parameters:
        columns: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, column in columns.items():
            if isinstance(column, Tensor):
                columns[name] = column[rows]
        return Parameters(**columns)


def draw(
    modality: Modality,
    count: int,
    size: tuple[int, int],
    generator: torch.Generator,
    *,
    padding: int = 0,
    flip: float = 0.0,
    erasing: float = 0.0,
    grayscale: float = 0.0,
    gray_projection: float = 0.0,
    infrared_changes: float = 0.0,
    channel_exchange: float = 0.0,
    linear_enhancement: float = 0.0,
) -> Parameters:
    """Draw the random numbers for ``count`` images of one modality.

    All options but ``padding`` are probabilities. Every number is drawn whatever the options are,
    so two runs that differ in one option see the same crops. At most one change to gray applies to
    an image: the first that is drawn, in the order of the options below.

    Args:
        modality: Visible images are changed by ``gray_projection``, ``channel_exchange``,
            ``linear_enhancement`` and ``grayscale``, infrared ones by ``infrared_changes``.
        count: N, the whole batch, also where several processes share it.
        size: H, W.
        generator: On the CPU; the only source of randomness.
        padding: Pixels on every side before the random crop to ``size``.
        flip: Mirrored left to right.
        erasing: Random erasing (Zhong et al., AAAI 2020): area 0.02 to 0.4 of the image, aspect
            0.3 to 3.33, filled with the ImageNet mean.
        grayscale: Luma in all three channels.
        gray_projection: Gray image ``x . w``, w ~ N(0, 1)^3, stretched between its percentiles to
            U(90, 200) gray levels above U(5, 60) (paper.md section 11).
        infrared_changes: Inverted with probability 0.3, gamma U(0.6, 1.6), gain U(0.7, 1.3),
            offset U(-0.1, 0.1) (paper.md section 11).
        channel_exchange: R, G, B or luma, each with probability 1/4, in all three channels
            (Ye et al., ICCV 2021, "CAJ").
        linear_enhancement: Each of the two halves of random linear enhancement (Tan et al.,
            NeurIPS 2024): R, G, B mixed to gray by Beta(0.3, 0.3) weights of sum 1; each channel
            scaled by a random factor inside random rectangles.

    Returns:
        The parameters, N rows.
    """
    height, width = size
    visible = modality == "visible"

    def chance(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    corner = torch.randint(0, 2 * padding + 1, (count, 2), generator=generator)
    mirrored = chance(flip)
    erased = _draw_rectangles(count, size, generator) * chance(erasing)[:, None]

    curved = chance(infrared_changes) & (not visible)
    inverted = chance(INVERTED)
    curve = torch.stack([uniform(*r) for r in (GAMMA_RANGE, GAIN_RANGE, OFFSET_RANGE)], dim=1)

    stretch = torch.stack([uniform(*SPAN_RANGE), uniform(*BASE_RANGE)], dim=1)
    stretched = chance(gray_projection) & visible
    projection = torch.randn(count, 3, generator=generator)
    exchanged = chance(channel_exchange) & visible
    sources = torch.cat([torch.eye(3), torch.tensor([LUMA])])
    source = sources[torch.randint(0, 4, (count,), generator=generator)]
    mixed = chance(linear_enhancement) & visible
    scaled = chance(linear_enhancement) & visible
    mixture, enhanced, brightest = _draw_enhancement(count, size, generator)
    luma = chance(grayscale) & visible

    weights = torch.tensor([LUMA]).repeat(count, 1)  # the last in order first, then overwritten
    for chosen, values in ((mixed, mixture), (exchanged, source), (stretched, projection)):
        weights = torch.where(chosen[:, None], values, weights)
    return Parameters(
        size=(height, width),
        padding=padding,
        inverted=inverted & curved,
        curve=curve,
        curved=curved,
        weights=weights,
        grayed=stretched | exchanged | mixed | luma,
        stretch=stretch,
        stretched=stretched,
        enhanced=enhanced * scaled[:, None, None],
        brightest=brightest,
        corner=corner,
        mirrored=mirrored,
        erased=erased,
    )


def _draw_rectangles(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw one rectangle per row that fits into the image, ``(count, 4)``; all 0 if none fitted."""
    height, width = size
    area, aspect = torch.rand((2, count, ATTEMPTS), generator=generator)
    area = (AREA_RANGE[0] + (AREA_RANGE[1] - AREA_RANGE[0]) * area) * height * width
    aspect = ASPECT_RANGE[0] + (ASPECT_RANGE[1] - ASPECT_RANGE[0]) * aspect
    heights, widths = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (heights < height) & (widths < width)
    first = fits.long().argmax(dim=1, keepdim=True)  # argmax: the first of equals
    h, w = heights.gather(1, first)[:, 0], widths.gather(1, first)[:, 0]
    across, down = torch.rand((2, count), generator=generator)
    top, left = (down * (height - h + 1)).long(), (across * (width - w + 1)).long()
    rectangles = torch.stack([top, left, top + h, left + w], dim=1)
    return torch.where(fits.any(dim=1, keepdim=True), rectangles, 0)


def _draw_enhancement(
    count: int, size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw gray weights ``(N, 3)`` of sum 1, rectangles ``(N, R, 4)``, factors ``(N, R, 3)``."""
    seed = int(torch.randint(2**62, (1,), generator=generator))  # torch has no seeded Beta
    beta = np.random.default_rng(seed).beta(
        ENHANCEMENT_BETA, ENHANCEMENT_BETA, size=(count, 1 + ENHANCEMENT_RECTANGLES, 3)
    )
    values = torch.from_numpy(beta).float().clamp(min=1e-6)
    mixture = values[:, 0] / values[:, 0].sum(dim=1, keepdim=True)
    rectangles = _draw_rectangles(count * ENHANCEMENT_RECTANGLES, size, generator)
    return mixture, rectangles.view(count, ENHANCEMENT_RECTANGLES, 4), values[:, 1:]
