"""A small luma image becomes a larger, sharper one: bicubic enlargement, then three convolutions.

Shapes: N images of h x w pixels; the bicubic factor is B, the network's own S (1 or 2), so an image
leaves with (B S h) x (B S w). Luma is in [0, 1]: Y of BT.601 studio range over 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fprnet_lab.superres.bicubic import resizing_matrix

__all__ = ["ARCHITECTURES", "Architecture", "SuperResolution", "enlarge"]


@dataclass(frozen=True)
class Architecture:
    """Three convolutions with a ReLU after the first and the second.

    Attributes:
        kernels: Side of each kernel, pixels.
        channels: Channels of the first and the second layer's output.
        shuffle: S; the last layer computes S x S values for each pixel (PixelShuffle).
    """

    kernels: tuple[int, int, int]
    channels: tuple[int, int]
    shuffle: int


ARCHITECTURES = {
    "paper": Architecture((9, 1, 5), (64, 32), 2),  # Table 7
    "9-1-5": Architecture((9, 1, 5), (64, 32), 1),  # Dong et al., TPAMI 2016
    "9-5-5": Architecture((9, 5, 5), (64, 32), 1),
}


class SuperResolution(nn.Module):
    """SRCNN (Dong et al., TPAMI 2016; the paper, Table 7).

    Convolutions repeat the border pixel outwards, as the original evaluation code does.

    Args:
        architecture: Sizes of the three layers.
        enlargement: B, before the first layer.
        dropout: Probability that a channel of the second layer is dropped in training.
        residual: The network computes what bicubic enlargement by B S lacks, not the image itself.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        enlargement: int,
        dropout: float = 0.0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if enlargement < 1:
            raise ValueError(f"enlargement is {enlargement}; it must be 1 or more")
        first, second, third = architecture.kernels
        wide, narrow = architecture.channels
        self.enlargement = enlargement
        self.factor = enlargement * architecture.shuffle
        self.residual = residual
        self.conv1 = _convolution(1, wide, first)
        self.conv2 = _convolution(wide, narrow, second)
        self.conv3 = _convolution(narrow, architecture.shuffle**2, third)
        self.dropout = nn.Dropout2d(dropout)
        self.shuffle = nn.PixelShuffle(architecture.shuffle)
        self._initialise()

    def _initialise(self) -> None:
        """Hidden layers as He et al. (ICCV 2015), the last nearly 0 as Dong et al., no bias."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif name.startswith("conv3"):
                nn.init.normal_(parameter, std=0.001)
            else:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")

    def forward(self, small: Tensor) -> Tensor:
        """Enlarge by B S.

        Args:
            small: ``(N, 1, h, w)`` in [0, 1].

        Returns:
            ``(N, 1, B S h, B S w)`` float32, about in [0, 1].
        """
        if small.ndim != 4 or small.shape[1] != 1:
            raise ValueError(f"expected images (N, 1, h, w), got {tuple(small.shape)}")
        x = enlarge(small, self.enlargement)
        x = self.conv1(x).relu()
        x = self.dropout(self.conv2(x).relu())
        x = self.shuffle(self.conv3(x)).float()
        large: Tensor = x + enlarge(small, self.factor) if self.residual else x
        return large


def enlarge(small: Tensor, factor: int) -> Tensor:
    """Enlarge ``(N, C, h, w)`` as `fprnet_lab.superres.bicubic` defines it, in float32."""
    small = small.float()
    if factor == 1:
        return small
    down, across = (
        torch.tensor(resizing_matrix(length, factor * length)).to(small)
        for length in small.shape[-2:]
    )
    with torch.autocast(small.device.type, enabled=False):
        enlarged: Tensor = down @ small @ across.T
    return enlarged


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="replicate")
