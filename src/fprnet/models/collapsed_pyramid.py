"""Stage maps to the pooled levels of a pyramid without its maps: sums first, convolutions after.

Exact: every order of :class:`fprnet.models.pyramid.FeaturePyramid` is linear in the stages, and
pooling is a sum (docs/speed.md). Of each stage only G weighted sums over its pixels are taken, one
``(G, H W) x (H W, C)`` product per image; the 1x1 and 3x3 convolutions then act on G vectors
instead of H W pixels. Gradients are those of the plain pyramid. Shapes: N images, P channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.models.precision import at_least_float32
from fprnet.models.weight_maps import Order, pooling_functionals

__all__ = ["collapsed_levels"]


class _Weights(NamedTuple):
    """A level's functionals on a device.

    Attributes:
        maps: ``(G, H W)`` in the stage map's data type, each divided by its largest weight: the
            mean's weights become 1, which bfloat16 holds exactly.
        scale: ``(G, 1)``, those largest weights.
        sums: ``(G, 1)`` of the weights, what a bias is multiplied with.
        output_sums: ``(F, 1)``, the same of the smoothed map's functionals.
    """

    maps: Tensor
    scale: Tensor
    sums: Tensor
    output_sums: Tensor


def collapsed_levels(
    stages: Mapping[int, Tensor],
    stripes: Mapping[int, int],
    *,
    order: Order,
    lateral: Mapping[int, nn.Conv2d],
    smooth: Mapping[int, nn.Conv2d],
) -> dict[int, Tensor]:
    """Return the pooled levels, coarsest first.

    Args:
        stages: Stage number -> map ``(N, C_k, H_k, W_k)``; fastest in channels-last memory.
        stripes: Level -> horizontal stripes of its pooling.
        order: Order of the pyramid, "linear", "released" or "paper".
        lateral: Stage number -> 1x1 convolution, of every stage of the pyramid.
        smooth: Level -> 3x3 convolution; none in order "linear".

    Returns:
        Level -> ``(N, stripes * P)``, all channels of the top stripe first; float32, or float64 of
        float64 maps, whatever autocast says.

    Raises:
        ValueError: More stripes than a map has rows.
    """
    coarsest_first = sorted(lateral, reverse=True)
    # Whole numbers also while torch.jit traces, to whom sizes are tensors: a graph fixes them.
    sizes = tuple((k, int(stages[k].shape[2]), int(stages[k].shape[3])) for k in coarsest_first)
    asked = tuple(sorted(stripes.items()))
    levels: dict[int, Tensor] = {}
    upsampled: Tensor | None = None  # the functionals of the coarser level's map that came down
    for functionals in pooling_functionals(order, sizes, asked):
        k, count = functionals.level, len(functionals.outputs)
        maps = stages[k]
        weights = _weights_for((order, sizes, asked), k, maps)
        merged = _project(maps, weights, lateral[k])
        if upsampled is not None:
            merged = merged + upsampled
        taps = functionals.taps
        outputs, passed = _split(merged, count * taps)
        if taps == 9 and count:
            outputs = _smoothed(outputs, weights.output_sums, smooth[k])
        pooled, handed = _split(outputs, functionals.stripes)
        if functionals.stripes:
            levels[k] = pooled.flatten(1)
        upsampled = torch.cat((handed, passed), dim=1)
    return levels


def _project(maps: Tensor, weights: _Weights, lateral: nn.Conv2d) -> Tensor:
    """Return the weighted sums of the 1x1 convolution's map, ``(N, G, P)``."""
    kernel, dtype = lateral.weight.flatten(1), at_least_float32(maps.dtype)
    channels, count = kernel.shape
    pixels, sums = weights.maps.shape[1], len(weights.maps)
    if sums * (pixels + channels) * count <= pixels * (count + sums) * channels:
        result = F.linear(_sums(maps, weights.maps).to(dtype), kernel.to(dtype))
    else:  # more sums than pixels (order "paper", coarse levels): the convolution is smaller
        flat = F.linear(_pixels(maps), kernel.to(maps.dtype))
        result = torch.bmm(weights.maps.expand(flat.shape[0], -1, -1), flat).to(dtype)
    if lateral.bias is None:
        return result * weights.scale
    return torch.addcmul(weights.sums * lateral.bias.to(dtype), result, weights.scale)


def _split(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the first ``count`` of ``(N, G, P)`` and the others.

    Going back, two slices would each fill a whole tensor of zeros; a split joins its parts.
    """
    first, rest = torch.split(rows, [count, rows.shape[1] - count], dim=1)
    return first, rest


def _sums(maps: Tensor, weights: Tensor) -> Tensor:
    """Return ``(N, G, C)`` sums of ``(N, C, H, W)`` maps under ``(G, H W)`` weights."""
    if maps.is_contiguous(memory_format=torch.channels_last):
        return torch.bmm(weights.expand(maps.shape[0], -1, -1), _pixels(maps))
    return (maps.flatten(2) @ weights.T).transpose(1, 2)


def _pixels(maps: Tensor) -> Tensor:
    """Return ``(N, H W, C)``, a view in channels-last memory."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def _smoothed(taps: Tensor, sums: Tensor, smooth: nn.Conv2d) -> Tensor:
    """Return ``(N, F, P)`` functionals of the smoothed map from ``(N, 9 F, P)`` of its input."""
    kernel = smooth.weight.permute(0, 2, 3, 1).flatten(1).to(taps.dtype)  # (P, 9 P)
    result = F.linear(taps.reshape(taps.shape[0], len(sums), -1), kernel)
    return result if smooth.bias is None else result + sums * smooth.bias.to(taps.dtype)


PlanKey = tuple[Order, tuple[tuple[int, int, int], ...], tuple[tuple[int, int], ...]]


def _weights_for(plan: PlanKey, level: int, maps: Tensor) -> _Weights:
    """Return the weights of a level where the maps are, made once for each size."""
    make = _on_device
    if torch.compiler.is_compiling():  # its tensors are symbols, which must not be remembered
        return make.__wrapped__(plan, level, maps.device, maps.dtype)
    return make(plan, level, maps.device, maps.dtype)


@lru_cache(maxsize=256)
def _on_device(plan: PlanKey, level: int, device: torch.device, dtype: torch.dtype) -> _Weights:
    functionals = next(f for f in pooling_functionals(*plan) if f.level == level)
    largest = functionals.weights.max(axis=(1, 2), initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)  # a tap that leaves a map of one row: all 0
    with torch.inference_mode(False):  # what is remembered must serve training too

        def tensor(values: np.ndarray, dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(values).to(device, dtype)

        wide = at_least_float32(dtype)
        return _Weights(
            maps=tensor(
                (functionals.weights / scale[:, None, None]).reshape(len(scale), -1), dtype
            ),
            scale=tensor(scale[:, None], wide),
            sums=tensor(functionals.weights.sum(axis=(1, 2))[:, None], wide),
            output_sums=tensor(functionals.outputs.sum(axis=(1, 2))[:, None], wide),
        )
