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

__all__ = ["ImagesOn", "choose_image_device", "on_device"]

ImagesOn = Literal["auto", "device", "host"]

MAX_SHARE = 0.5  # of the free device memory; the rest is the model's and its activations'
CHUNK = 1024  # images copied at a time, so that the host never holds them all


def choose_image_device(
    images_on: ImagesOn, device: torch.device, needed: int
) -> Literal["device", "host"]:
    """Decide where the images stay during a run.

    Args:
        images_on: "auto" is a GPU with at least twice as much free memory as the images need, else
            the host.
        device: Device that trains.
        needed: Size of the images, bytes.

    Raises:
        ConfigError: They were images_on for on a GPU that has not so much memory.
    """
    if device.type != "cuda" or images_on == "host":
        return "host" if images_on == "auto" else images_on
    free, _ = torch.cuda.mem_get_info(device)
    if images_on == "device" and needed > free:
        raise ConfigError(
            f"training.images_on is device but the images take {needed / 2**30:.1f} GiB and the "
            f"GPU has {free / 2**30:.1f} GiB free; use --training.images_on host"
        )
    return "device" if images_on == "device" or needed <= MAX_SHARE * free else "host"


def on_device(images: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return ``(len(rows), H, W, 3)`` uint8 on a device: some of ``(N, H, W, 3)`` images."""
    result = torch.empty((len(rows), *images.shape[1:]), dtype=torch.uint8, device=device)
    for first in range(0, len(rows), CHUNK):
        chunk = images[rows[first : first + CHUNK]]
        result[first : first + len(chunk)] = torch.from_numpy(chunk)
    return result
