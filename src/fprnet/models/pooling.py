"""Maps to vectors: means over horizontal stripes or generalised means, at least in float32.

Shapes: N images, maps ``(N, C, H, W)``, s stripes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.models.precision import at_least_float32

__all__ = ["GeneralisedMean", "StripedMaps", "pool_stripes", "stripe_weights"]

SMALLEST = 1e-6  # activations of GeM from below: x ** p has no useful gradient at 0


class StripedMaps(NamedTuple):
    """Maps ``(N, C, H, W)`` that a head sees as the means of ``stripes`` horizontal stripes."""

    maps: Tensor
    stripes: int

    def pooled(self) -> Tensor:
        """Return the vectors ``(N, stripes * C)``."""
        return pool_stripes(self.maps, self.stripes)


def pool_stripes(maps: Tensor, stripes: int = 1) -> Tensor:
    """Adaptive average pooling to ``stripes x 1``, flattened stripe after stripe.

    Args:
        maps: ``(N, C, H, W)``.
        stripes: 1 is the global average; must not exceed H.

    Returns:
        ``(N, stripes * C)``, float32 (float64 of float64 maps): all channels of the top stripe
        first.
    """
    count, channels, height, width = maps.shape
    if not 1 <= stripes <= height:
        raise ValueError(f"{stripes} stripes do not fit into a map of {height} rows")
    if height % stripes:
        pooled = F.adaptive_avg_pool2d(maps, (stripes, 1))[..., 0]
        return at_least_float32(pooled.transpose(1, 2).flatten(1))
    # In channels-last memory this is a view and one sum: 3 to 7 times faster than adaptive pooling.
    rows = maps.permute(0, 2, 3, 1).reshape(count, stripes, height // stripes * width, channels)
    return rows.mean(dim=2, dtype=at_least_float32(rows.dtype)).flatten(1)


class GeneralisedMean(nn.Module):
    """GeM pooling (Radenovic et al., TPAMI 2019): (mean over H, W of x^p)^(1/p), p learnt.

    p = 1 is the mean, a large p nearly the maximum. What is learnt is p's distance from where it
    started, so that weight decay draws p there and not to 0; p never falls below 1.

    Args:
        power: p at the start.
    """

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        self.start = power
        self.change = nn.Parameter(torch.zeros(()))

    @property
    def power(self) -> Tensor:
        """p, a scalar."""
        return (self.start + self.change).clamp(min=1.0)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``(N, C)`` float32 for ``(N, C, H, W)``; negative activations count as 0."""
        # By way of logarithms: x ** p would overflow or vanish where p has grown.
        logarithms = at_least_float32(maps).clamp(min=SMALLEST).log()
        power, pixels = self.power, maps.shape[2] * maps.shape[3]
        total = (power * logarithms).flatten(2).logsumexp(dim=2)
        return ((total - math.log(pixels)) / power).exp()

    def shares(self, maps: Tensor) -> Tensor:
        """Return maps ``(N, C, H, W)`` whose plain mean over H, W is the generalised mean.

        Each position has the part x^p / (mean of x^p) of its channel's result.
        """
        logarithms = at_least_float32(maps).clamp(min=SMALLEST).log()
        part = (self.power * logarithms).flatten(2).softmax(dim=2).reshape(maps.shape)
        shares: Tensor = self(maps)[..., None, None] * part * (maps.shape[2] * maps.shape[3])
        return shares


def stripe_weights(height: int, stripes: int) -> Tensor:
    """Return ``(stripes, height)``: how much each row of a map weighs in the mean of each stripe.

    Rows of the result sum to 1. Where the height is no multiple, neighbouring stripes share rows.
    """
    rows = torch.eye(height)[None, :, :, None]  # one channel for each row
    return pool_stripes(rows, stripes).reshape(stripes, height)
