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

import torch
from torch import Tensor

from fprnet.data.augmentation_draw import Parameters, draw
from fprnet.data.transfer import to_device

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Parameters",
    "apply",
    "draw",
    "from_light",
    "memory_format_of",
    "normalise",
    "to_light",
]

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of R, G, B in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)
PERCENTILE_PIXELS = 8192  # images with more are thinned to a regular grid for their percentiles


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
        dtype: Type of the result.
        memory_format: Memory format of the result.

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
        dtype: Type of the result.
        memory_format: Memory format of the result.

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


def to_light(images: Tensor) -> Tensor:
    """Return normalised images ``(N, 3, H, W)`` as R, G, B in [0, 1], clipped to it."""
    mean, std = _mean_and_std(images.device)
    return (images * std + mean).clamp(0, 1)


def from_light(light: Tensor, like: Tensor) -> Tensor:
    """Return R, G, B ``(N, 3, H, W)``, clipped to [0, 1], normalised and in the memory of another.

    Args:
        light: What `to_light` gives, changed.
        like: Tensor ``(N, 3, H, W)`` whose memory format the result has.
    """
    mean, std = _mean_and_std(light.device)
    normalised = (light.clamp(0, 1) - mean) / std
    return normalised.contiguous(memory_format=memory_format_of(like))


def memory_format_of(images: Tensor) -> torch.memory_format:
    """Return in which of the two memory formats images ``(N, 3, H, W)`` are."""
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _mean_and_std(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return ImageNet's mean and standard deviation, ``(3, 1, 1)`` each."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return to_device(mean, device), to_device(std, device)


def _rows(chosen: Tensor, device: torch.device) -> Tensor:
    """Return the indices of the true rows; looked up on the CPU, so that no GPU is waited for."""
    return to_device(chosen.nonzero()[:, 0], device)


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
    changed = to_device(table, pixels.device).gather(1, images[rows].flatten(1).long())
    pixels[rows] = changed.view(len(rows), -1, 3).transpose(1, 2)


def _apply_gray(pixels: Tensor, parameters: Parameters) -> None:
    """Replace images by a weighted sum of their channels, stretched where the parameters say so."""
    chosen, stretched = parameters.grayed, parameters.stretched
    rows = _rows(chosen, pixels.device)
    if len(rows) == 0:
        return
    weights = to_device(parameters.weights[chosen], pixels.device)
    gray = torch.einsum("nc,ncp->np", weights, pixels.index_select(0, rows))
    some = _rows(stretched[chosen], pixels.device)
    if len(some) > 0:
        selected = gray[some]
        low, high = _percentiles(selected.view(-1, *parameters.size))
        span, base = to_device(parameters.stretch[stretched], pixels.device).T[:, :, None]
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
    rectangles = to_device(parameters.enhanced[chosen], pixels.device)
    brightest = to_device(parameters.brightest[chosen], pixels.device)
    for r in range(rectangles.shape[1]):
        mask = _mask(rectangles[:, r], parameters.size)
        highest = (selected * mask).amax(dim=(2, 3)).clamp(min=1.0)
        factor = (255 * brightest[:, r] / highest)[:, :, None, None]
        selected = torch.where(mask, selected * factor, selected)
    pixels[rows] = selected


def _crop_and_mirror(planes: Tensor, parameters: Parameters) -> Tensor:
    """Take the crops ``(N, 3, H, W)`` out of planes of H W pixels and a black one."""
    (height, width), device = parameters.size, planes.device
    top, left = (to_device(parameters.corner, device) - parameters.padding).T[:, :, None]
    across = torch.arange(width, device=device)
    mirrored = to_device(parameters.mirrored, device)[:, None]
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
    mean, std = _mean_and_std(images.device)
    return images.mul_(1 / (255 * std)).sub_(mean / std)


def _apply_erasing(images: Tensor, parameters: Parameters) -> None:
    """Set one rectangle of the normalised ``(N, 3, H, W)`` to 0, the ImageNet mean."""
    chosen = parameters.erased[:, 2] > 0
    rows = _rows(chosen, images.device)
    if len(rows) > 0:
        mask = _mask(to_device(parameters.erased[chosen], images.device), parameters.size)
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
