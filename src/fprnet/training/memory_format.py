"""A network is laid out in memory as its run wants it, unless PyTorch could not compute with that.

On CPUs, PyTorch 2.13's backward pass of a 1x1 convolution with a stride writes beyond its memory
where it has 2 to 7 input channels in channels-last layout: the process ends without a word.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fprnet.errors import ConfigError

__all__ = ["in_memory_format"]

SAFE_CHANNELS = 8  # input channels of a strided 1x1 convolution, from which on it is right


def in_memory_format(model: nn.Module, *, channels_last: bool, device: torch.device) -> Any:  # noqa: ANN401 - the same network
    """Return the network, its weights channels-last or as they are.

    Args:
        model: Network that is to be trained.
        channels_last: Layout that is wanted.
        device: Device that trains.

    Raises:
        ConfigError: A convolution cannot be computed so on a CPU.
    """
    if not channels_last:
        return model
    for name, layer in model.named_modules() if device.type == "cpu" else ():
        if (
            isinstance(layer, nn.Conv2d)
            and layer.kernel_size == (1, 1)
            and max(layer.stride) > 1
            and 1 < layer.in_channels < SAFE_CHANNELS
        ):
            raise ConfigError(
                f"layer {name} is a 1x1 convolution with a stride and {layer.in_channels} input "
                f"channels, which PyTorch cannot train channels-last on CPUs; give it "
                f"{SAFE_CHANNELS}, or set --training.channels_last false"
            )
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
