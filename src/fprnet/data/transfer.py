"""Tensors of the host go to the device without the host waiting for it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["to_device"]


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return a CPU tensor's copy on a device; on the CPU the tensor itself.

    From pinned memory a GPU fetches it when its queue comes to it; from any other memory the host
    would have to wait until then. PyTorch keeps the pinned block until the copy is done.
    """
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
