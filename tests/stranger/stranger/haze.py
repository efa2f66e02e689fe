"""A batch of images becomes one seen through haze. Shapes: N images ``(N, 3, H, W)``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fprnet.data.records import Modality
from fprnet.ranges import Probability

__all__ = ["Haze"]


@dataclass(frozen=True)
class Haze:
    """Visible images move towards their own mean colour, by a random share each.

    Attributes:
        strength: Largest share.
    """

    strength: Probability = 0.5

    def __call__(self, images: Tensor, modality: Modality, generator: torch.Generator) -> Tensor:
        """Return the images; infrared ones as they are."""
        if modality == "infrared":
            return images
        share = self.strength * torch.rand(len(images), 1, 1, 1, generator=generator)
        return torch.lerp(images, images.mean(dim=(2, 3), keepdim=True), share.to(images.device))
