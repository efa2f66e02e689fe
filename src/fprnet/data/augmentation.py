"""A batch of uint8 images becomes a normalised float batch, randomly changed.

Two steps. `draw` draws every random number of a batch from one CPU generator; the result can be
sliced, so that processes that share a batch draw the same numbers and each takes its own rows.
`apply` then changes all images at once, on whatever device they are on.

Order of the operations: colours and gray values first, on the whole image (`Parameters` lists
them); then padding with black, the crop and the mirror; then normalisation; random erasing last.

Shapes: N images of H x W pixels; R rectangles per image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fprnet.data.records import Modality

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Parameters", "apply", "draw", "normalise"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of R, G, B in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)
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

PERCENTILE_PIXELS = 8192  # images with more are thinned to a regular grid for their percentiles


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
        linear_enhancement: Of each of the two halves of random linear enhancement (Tan et al.,
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


def apply(
    images: Tensor,
    parameters: Parameters,
    *,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Change and normalise a batch.

    Percentiles are those of nearest rank (NumPy's ``inverted_cdf``), exact up to 8,192 pixels; of
    larger images a regular grid of at most that many pixels is looked at.

    Args:
        images: ``(N, H, W, 3)`` uint8, on any device.
        parameters: N rows, from `draw`.
        dtype: Of the result.
        memory_format: Of the result.

    Returns:
        ``(N, 3, H, W)``, ImageNet mean 0 and standard deviation 1.

    Raises:
        ValueError: ``images`` are not what ``parameters`` were drawn for.
    """
    height, width = parameters.size
    expected = (len(parameters), height, width, 3)
    if tuple(images.shape) != expected or images.dtype != torch.uint8:
        raise ValueError(
            f"images are {images.dtype} {tuple(images.shape)} but the parameters were drawn for "
            f"uint8 {expected}; draw them for this batch"
        )
    # Planes of pixels in reading order, and one more pixel that stays black: the crop's outside.
    planes = torch.zeros((len(images), 3, height * width + 1), device=images.device)
    pixels = planes[:, :, :-1]  # a view: changed in place from here on
    pixels.copy_(images.flatten(1, 2).transpose(1, 2))
    _apply_curve(pixels, images, parameters)
    _apply_gray(pixels, parameters)
    _apply_enhancement(pixels.view(-1, 3, height, width), parameters)
    result = _standardise(_crop_and_mirror(planes, parameters))
    _apply_erasing(result, parameters)
    return result.to(dtype).contiguous(memory_format=memory_format)


def normalise(
    images: Tensor,
    *,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Normalise a batch without any random change, as at inference.

    Args:
        images: ``(N, H, W, 3)`` uint8.
        dtype: Of the result.
        memory_format: Of the result.

    Returns:
        ``(N, 3, H, W)``, ImageNet mean 0 and standard deviation 1.

    Raises:
        ValueError: ``images`` have another type or shape.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != torch.uint8:
        raise ValueError(
            f"images are {images.dtype} {tuple(images.shape)}; uint8 (N, H, W, 3) is needed"
        )
    planes = images.permute(0, 3, 1, 2).contiguous().float()
    return _standardise(planes).to(dtype).contiguous(memory_format=memory_format)


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


def _rows(chosen: Tensor, device: torch.device) -> Tensor:
    """Return the indices of the true rows; looked up on the CPU, so that no GPU is waited for."""
    return chosen.nonzero()[:, 0].to(device)


def _apply_curve(pixels: Tensor, images: Tensor, parameters: Parameters) -> None:
    """Invert, gamma, gain, offset: one table of 256 gray values per image."""
    chosen = parameters.curved
    rows = _rows(chosen, pixels.device)
    if len(rows) == 0:
        return
    level = (torch.arange(256) / 255).expand(len(rows), 256)
    level = torch.where(parameters.inverted[chosen][:, None], 1 - level, level)
    gamma, gain, offset = parameters.curve[chosen].T[:, :, None]
    table = 255 * (gain * level**gamma + offset).clamp(0, 1)
    changed = table.to(pixels.device).gather(1, images[rows].flatten(1).long())
    pixels[rows] = changed.view(len(rows), -1, 3).transpose(1, 2)


def _apply_gray(pixels: Tensor, parameters: Parameters) -> None:
    """Replace images by a weighted sum of their channels, stretched where the parameters say so."""
    chosen, stretched = parameters.grayed, parameters.stretched
    rows = _rows(chosen, pixels.device)
    if len(rows) == 0:
        return
    weights = parameters.weights[chosen].to(pixels.device)
    gray = torch.einsum("nc,ncp->np", weights, pixels.index_select(0, rows))
    some = _rows(stretched[chosen], pixels.device)
    if len(some) > 0:
        selected = gray[some]
        low, high = _percentiles(selected.view(-1, *parameters.size))
        span, base = parameters.stretch[stretched].to(pixels.device).T[:, :, None]
        scale = span / (high - low).clamp(min=1e-3)  # an even image stays even
        gray[some] = ((selected - low) * scale + base).clamp(0, 255)
    pixels[rows] = gray[:, None].expand(-1, 3, -1)


def _percentiles(gray: Tensor) -> tuple[Tensor, Tensor]:
    """Return the 1st and the 99th percentile, nearest rank, of ``(N, H, W)`` as ``(N, 1)``."""
    step = 1
    while math.ceil(gray.shape[1] / step) * math.ceil(gray.shape[2] / step) > PERCENTILE_PIXELS:
        step += 1
    values = gray[:, ::step, ::step].flatten(1)
    count = values.shape[1]
    # Ranks ceil(count / 100) and ceil(99 count / 100); topk of 1 % is much faster than a sort.
    low = values.topk(math.ceil(count / 100), dim=1, largest=False).values[:, -1:]
    high = values.topk(count // 100 + 1, dim=1).values[:, -1:]
    return low, high


def _apply_enhancement(pixels: Tensor, parameters: Parameters) -> None:
    """Scale each channel inside rectangles, one rectangle of all images after the other."""
    chosen = (parameters.enhanced[:, :, 2] > 0).any(dim=1)
    rows = _rows(chosen, pixels.device)
    if len(rows) == 0:
        return
    selected = pixels[rows]
    rectangles = parameters.enhanced[chosen].to(pixels.device)
    brightest = parameters.brightest[chosen].to(pixels.device)
    for r in range(rectangles.shape[1]):
        mask = _mask(rectangles[:, r], parameters.size)
        highest = (selected * mask).amax(dim=(2, 3)).clamp(min=1.0)
        factor = (255 * brightest[:, r] / highest)[:, :, None, None]
        selected = torch.where(mask, selected * factor, selected)
    pixels[rows] = selected


def _crop_and_mirror(planes: Tensor, parameters: Parameters) -> Tensor:
    """Take the crops ``(N, 3, H, W)`` out of planes of H W pixels and a black one."""
    (height, width), device = parameters.size, planes.device
    top, left = (parameters.corner.to(device) - parameters.padding).T[:, :, None]
    across = torch.arange(width, device=device)
    mirrored = parameters.mirrored.to(device)[:, None]
    column = left + torch.where(mirrored, across.flip(0), across)
    row = top + torch.arange(height, device=device)
    inside_row, inside_column = (row >= 0) & (row < height), (column >= 0) & (column < width)
    pixel = row[:, :, None] * width + column[:, None, :]
    inside = inside_row[:, :, None] & inside_column[:, None, :]
    pixel = torch.where(inside, pixel, height * width).flatten(1)
    crops = planes.gather(2, pixel[:, None].expand(-1, 3, -1))
    return crops.view(-1, 3, height, width)


def _standardise(images: Tensor) -> Tensor:
    """Turn 0..255 of ``(N, 3, H, W)`` float into ImageNet mean 0 and deviation 1, in place."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None]
    return images.mul_(1 / (255 * std)).sub_(mean / std)


def _apply_erasing(images: Tensor, parameters: Parameters) -> None:
    """Set one rectangle of the normalised ``(N, 3, H, W)`` to 0, the ImageNet mean."""
    chosen = parameters.erased[:, 2] > 0
    rows = _rows(chosen, images.device)
    if len(rows) > 0:
        mask = _mask(parameters.erased[chosen].to(images.device), parameters.size)
        images[rows] = images[rows].masked_fill(mask, 0.0)


def _mask(rectangles: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``(N, 1, H, W)`` bool, true inside the rectangles ``(N, 4)``."""
    top, left, bottom, right = rectangles.T[:, :, None]
    row = torch.arange(size[0], device=rectangles.device)
    column = torch.arange(size[1], device=rectangles.device)
    inside_rows = (row >= top) & (row < bottom)
    inside_columns = (column >= left) & (column < right)
    mask: Tensor = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return mask
