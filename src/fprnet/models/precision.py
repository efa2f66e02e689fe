"""Where bfloat16 stops: heads, losses and distances compute in float32, or float64 if given it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ["at_least_float32", "without_autocast"]

TensorOrType = TypeVar("TensorOrType", Tensor, torch.dtype)


def at_least_float32(x: TensorOrType) -> TensorOrType:
    """Return a tensor, or a data type, widened to float32 unless it is wider already."""
    if isinstance(x, torch.dtype):
        return torch.promote_types(x, torch.float32)
    return x.to(torch.promote_types(x.dtype, torch.float32))


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which products keep their type; the meta device knows no autocast."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
