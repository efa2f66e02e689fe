"""Resized images move to the device once, where they fit, instead of batch by batch.

Shapes: N images of H x W pixels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fprnet.errors import ConfigError

__all__ = ["ImagesOn", "choose_place", "on_device"]

ImagesOn = Literal["auto", "device", "host"]

LARGEST_SHARE = 0.5  # of the free device memory; the rest is the model's and its activations'
CHUNK = 1024  # images copied at a time, so that the host never holds them all


def choose_place(asked: ImagesOn, device: torch.device, needed: int) -> Literal["device", "host"]:
    """Decide where the images stay during a run.

    Args:
        asked: "auto" is a GPU with at least twice as much free memory as they need, else the host.
        device: That trains.
        needed: Bytes of the images.

    Raises:
        ConfigError: They were asked for on a GPU that has not so much memory.
    """
    if device.type != "cuda" or asked == "host":
        return "host" if asked == "auto" else asked
    free, _ = torch.cuda.mem_get_info(device)
    if asked == "device" and needed > free:
        raise ConfigError(
            f"training.images_on is device but the images take {needed / 2**30:.1f} GiB and the "
            f"GPU has {free / 2**30:.1f} GiB free; use --training.images_on host"
        )
    return "device" if asked == "device" or needed <= LARGEST_SHARE * free else "host"


def on_device(images: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return ``(len(rows), H, W, 3)`` uint8 on a device: some of ``(N, H, W, 3)`` images."""
    result = torch.empty((len(rows), *images.shape[1:]), dtype=torch.uint8, device=device)
    for first in range(0, len(rows), CHUNK):
        chunk = images[rows[first : first + CHUNK]]
        result[first : first + len(chunk)] = torch.from_numpy(chunk)
    return result
