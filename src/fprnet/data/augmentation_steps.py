"""Further random changes of a normalised batch, after those of :mod:`fprnet.data.augmentation`.

A step is called with images ``(N, 3, H, W)`` float32 of one modality, normalised, the modality, and
a CPU generator that is the only source of its randomness; it returns such images. In training
spread over processes it sees the images of its own process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from fprnet.data.augmentation_camera import RandomSensor, RandomView
from fprnet.data.records import Modality
from fprnet.ranges import Probability

__all__ = ["AUGMENTATION_STEPS", "RandomResolution"]


@dataclass(frozen=True)
class RandomResolution:
    """Images lose detail: made smaller by a random factor and enlarged again, bilinearly.

    Crops of people come from near and far; those from far were few pixels high.

    Attributes:
        probability: Share of the images that are changed.
        lowest: Smallest factor; it is drawn uniformly from here to 1, one for the whole batch.
    """

    probability: Probability = 0.5
    lowest: Annotated[float, Field(gt=0, le=1)] = 0.4

    def __call__(self, images: Tensor, modality: Modality, generator: torch.Generator) -> Tensor:
        """Return the images ``(N, 3, H, W)``, some of them coarser."""
        del modality
        chosen = torch.rand(len(images), generator=generator) < self.probability
        factor = self.lowest + (1 - self.lowest) * float(torch.rand(1, generator=generator))
        height, width = images.shape[2:]
        size = (max(1, round(factor * height)), max(1, round(factor * width)))
        small = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        coarse = F.interpolate(small, size=(height, width), mode="bilinear")
        return torch.where(chosen.to(images.device)[:, None, None, None], coarse, images)


AUGMENTATION_STEPS = {
    "random-resolution": RandomResolution,
    "random-sensor": RandomSensor,
    "random-view": RandomView,
}
"""Steps by the name that ``augmentation.steps`` takes."""
