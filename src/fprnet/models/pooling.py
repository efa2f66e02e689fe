"""Maps to vectors: the mean over horizontal stripes, in float32 even if the maps are in bfloat16.

Shapes: N images, maps ``(N, C, H, W)``, s stripes.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from fprnet.models.precision import at_least_float32

__all__ = ["pool_stripes"]


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
