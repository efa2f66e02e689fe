"""Random changes that let the two modalities of a batch take something of each other.

A pair step is called with visible and infrared images, each ``(N, 3, H, W)`` float32 and
normalised, row n of both of one person, and with a CPU generator that is the only source of its
randomness; it returns such images. In training spread over processes it sees the images of its own
process. It comes after :mod:`fprnet.data.augmentation` and before the steps of one modality
(:mod:`fprnet.data.augmentation_steps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from fprnet.data.augmentation import from_light, to_light
from fprnet.ranges import Probability

__all__ = ["AUGMENTATION_PAIR_STEPS", "AmplitudeSwap"]


@dataclass(frozen=True)
class AmplitudeSwap:
    """Images take the low frequencies' amplitude of the other modality and keep their own phase.

    Fourier domain adaptation (Yang and Soatto, CVPR 2020, Eq. 1 and 2), in both directions between
    the two images of a row: brightness and slow shading change, edges stay. A channel takes from
    the same channel, so that an infrared image may become tinted.

    Attributes:
        probability: Share of the images of each modality that are changed.
        size: beta: amplitudes of up to this number of cycles per pixel are taken, in each
            direction; 0 takes the mean alone.
    """

    probability: Probability = 0.5
    size: Annotated[float, Field(ge=0, le=0.5)] = 0.02

    def __call__(
        self, visible: Tensor, infrared: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return both modalities' images ``(N, 3, H, W)``, some of them in the other's light."""
        spectra = [torch.fft.rfft2(to_light(images)) for images in (visible, infrared)]
        visible, infrared = (
            self._changed(images, own, other, generator)
            for images, own, other in ((visible, *spectra), (infrared, *reversed(spectra)))
        )
        return visible, infrared

    @staticmethod
    def faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield a fault where only one modality is trained on."""
        del options
        if config.data.modalities == "visible":
            yield "data.modalities is visible but amplitude-swap needs both"

    def _changed(
        self, images: Tensor, own: Tensor, other: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return ``(N, 3, H, W)``, given the spectra ``(N, 3, H, W // 2 + 1)`` of both sides."""
        height, width = images.shape[2:]
        down = torch.fft.fftfreq(height, device=own.device).abs() <= self.size
        across = torch.fft.rfftfreq(width, device=own.device) <= self.size
        amplitude = torch.where(down[:, None] & across[None, :], other.abs(), own.abs())
        light = torch.fft.irfft2(torch.polar(amplitude, own.angle()), s=(height, width))
        chosen = torch.rand(len(images), generator=generator) < self.probability
        mask = chosen.to(images.device)[:, None, None, None]
        return torch.where(mask, from_light(light, images), images)


AUGMENTATION_PAIR_STEPS = {"amplitude-swap": AmplitudeSwap}
"""Pair steps by the name that ``augmentation.pair_steps`` takes."""
