"""Features to the modality they came from: the adversary of cmGAN (Dai et al., IJCAI 2018).

Shapes: R rows, the first V of them of visible images; D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fprnet.models.heads import HeadOutput
from fprnet.ranges import PositiveInt

__all__ = ["CONFUSION", "MODALITY", "ModalityDiscriminator"]

MODALITY, CONFUSION = "modality", "confusion"
"""Heads of the two players: what the discriminator learns from, and what the generator does."""


class ModalityDiscriminator(nn.Module):
    """Linear-ReLU for each hidden size, then Linear to two logits: visible, infrared.

    Each player gets its own view of one and the same answer. In ``MODALITY`` the features are
    constants: no gradient reaches the network that made them. In ``CONFUSION`` the
    discriminator's weights are: no gradient reaches the discriminator. So a loss of one player
    cannot move the other, whatever its sign.

    Args:
        features: D.
        sizes: Sizes of the hidden layers.
    """

    player = "adversary"

    def __init__(self, features: int, *, sizes: Sequence[PositiveInt] = (1000, 500)) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for before, after in zip((features, *sizes), (*sizes, 2), strict=True):
            linear = nn.Linear(before, after)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)
            self.layers.extend((linear, nn.ReLU()))
        del self.layers[-1]

    def forward(self, output: HeadOutput) -> dict[str, HeadOutput]:
        """Return both views of the features of a head; labels are 0 for visible, 1 for infrared.

        Raises:
            ValueError: The head does not say which rows are visible.
        """
        features, visible_rows = output.features, output.visible_rows
        if visible_rows is None:
            raise ValueError("a discriminator needs a head whose rows are of one modality each")
        row = torch.arange(len(features), device=features.device)
        labels = (row >= visible_rows).long()
        constants = {name: value.detach() for name, value in self.layers.named_parameters()}
        logits: Tensor = functional_call(self.layers, constants, (features,))
        own = features.detach()
        return {
            MODALITY: HeadOutput(own, self.layers(own), labels, visible_rows),
            CONFUSION: HeadOutput(features, logits, labels, visible_rows),
        }
