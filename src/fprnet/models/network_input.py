"""Normalised RGB images of one modality to what a network is fed with.

Shapes: N images ``(N, 3, H, W)`` of ImageNet mean 0 and deviation 1. No module has weights: nothing
of them is in a checkpoint.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.data.augmentation import IMAGENET_MEAN, IMAGENET_STD
from fprnet.data.augmentation_draw import LUMA
from fprnet.data.records import MODALITIES, Modality

__all__ = ["GRAY_MEAN", "GRAY_STD", "NetworkInput", "Standardisation", "ZeroPadding"]

NetworkInput = Literal["rgb", "standardised", "zero-padded"]

GRAY_MEAN = 0.449  # of gray values in [0, 1]: the mean of ImageNet's three
GRAY_STD = 0.226
LEAST_DEVIATION = 0.1  # of normalised values, about 6 of 255: below, noise would be enlarged


class Standardisation(nn.Module):
    """Each channel of each image with mean 0 and deviation 1, whatever lamp and sensor made of it.

    Exposure, contrast and white balance of an image are gone; what is left is how its parts differ
    (instance normalisation, Ulyanov et al., arXiv:1607.08022, of the input alone).
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(N, 3, H, W)`` of the same type; a channel of one value becomes 0."""
        values = images.float()
        values = values - values.mean(dim=(2, 3), keepdim=True)
        variance = values.square().mean(dim=(2, 3), keepdim=True)
        return (values * torch.rsqrt(variance + LEAST_DEVIATION**2)).to(images.dtype)


class ZeroPadding(nn.Module):
    """Gray values, normalised for gray, in the channel of one modality; exactly 0 in the other.

    Deep zero-padding (Wu et al., ICCV 2017): a visible image becomes [gray, 0], an infrared one
    [0, infrared], so that one network with shared weights can tell them apart and grow parts of its
    own for each. Gray is ITU-R BT.601 luma, which leaves an infrared image (three equal channels)
    as it is.

    Args:
        modality: Modality of the images.
    """

    kernel: Tensor
    bias: Tensor

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        # gray = sum_c luma_c (x_c std_c + mean_c), then (gray - GRAY_MEAN) / GRAY_STD: affine in x.
        luma, mean, std = (torch.tensor(v) for v in (LUMA, IMAGENET_MEAN, IMAGENET_STD))
        channel = MODALITIES.index(modality)
        kernel, bias = torch.zeros(2, 3), torch.zeros(2)
        kernel[channel] = luma * std / GRAY_STD
        bias[channel] = ((luma * mean).sum() - GRAY_MEAN) / GRAY_STD
        self.register_buffer("kernel", kernel[:, :, None, None], persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(N, 2, H, W)`` for ``(N, 3, H, W)`` of ImageNet mean 0 and deviation 1."""
        return F.conv2d(images, self.kernel, self.bias)
