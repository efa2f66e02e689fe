"""Normalised crops of one camera become crops as another camera might have taken them.

Two steps for ``augmentation.steps`` (:mod:`fprnet.data.augmentation_steps`), made for people who
are rendered while those to be found are not: what a detector cuts out (`RandomView`) and what lamp,
lens and sensor make of it (`RandomSensor`). Shapes: N images ``(N, 3, H, W)`` of one modality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.data.augmentation import from_light, memory_format_of, to_light
from fprnet.data.records import Modality
from fprnet.ranges import NonNegative, Probability

__all__ = ["RandomSensor", "RandomView"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
GRAY_SPREAD = 1e-3  # of 0..1; channels nearer than this make a gray pixel
LOWEST_GAMMA = 0.6  # of infrared images; the highest is its reciprocal
NOISE_RANGE = 0.05  # standard deviation of the strongest noise, of 0..1


@dataclass(frozen=True)
class RandomView:
    """Another detection of the same moment: zoom, aspect, shift, tilt; the edge is continued.

    Attributes:
        zoom: Standard deviation of the logarithm of the scale of either side.
        shift: Standard deviation of the shift, as a share of the image's side.
        tilt: Standard deviation of the rotation, degrees.
    """

    zoom: NonNegative = 0.06
    shift: NonNegative = 0.03
    tilt: NonNegative = 2.0

    def __call__(self, images: Tensor, modality: Modality, generator: torch.Generator) -> Tensor:
        """Return the images ``(N, 3, H, W)``, each seen through a window of its own."""
        del modality
        count, (height, width) = len(images), images.shape[2:]
        zooms = torch.exp(self.zoom * torch.randn(count, 2, generator=generator))
        shifts = 2 * self.shift * torch.randn(count, 2, generator=generator)  # a side is 2 long
        angle = math.radians(self.tilt) * torch.randn(count, generator=generator)
        ratio = height / width  # the sampler's coordinates go from -1 to 1 on both sides
        cosine, sine = angle.cos(), angle.sin()
        windows = torch.stack(
            [
                torch.stack([cosine, -ratio * sine, shifts[:, 0]], dim=1),
                torch.stack([sine / ratio, cosine, shifts[:, 1]], dim=1),
            ],
            dim=1,
        )
        windows[:, :, :2] *= zooms[:, :, None]
        grid = F.affine_grid(windows.to(images), [*images.shape], align_corners=False)
        seen = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return seen.contiguous(memory_format=memory_format_of(images))


@dataclass(frozen=True)
class RandomSensor:
    """Another exposure, white balance, contrast, lamp, and noise.

    Images that are gray stay gray. An infrared image may also be turned into its negative: what is
    bright there depends on cloth and lamp alone.

    Attributes:
        probability: Share of the images that are changed.
        exposure: Standard deviation of the logarithm of the gain, of visible images.
        balance: Standard deviation of the logarithm of each channel's gain, of coloured images.
        saturation: Standard deviation of the logarithm of the saturation's factor.
        contrast: Standard deviation of the logarithms of the contrast and of the gamma.
        lamp: Standard deviation of the logarithm of the light at an infrared image's top, bottom
            and sides, against its centre.
        negative: Share of the infrared images, among those changed, that are inverted.
        noise: Share of the images that are given noise of a standard deviation up to 0.05 of the
            range.
    """

    probability: Probability = 0.8
    exposure: NonNegative = 0.2
    balance: NonNegative = 0.08
    saturation: NonNegative = 0.35
    contrast: NonNegative = 0.2
    lamp: NonNegative = 0.15
    negative: Probability = 0.0
    noise: Probability = 0.2

    def __call__(self, images: Tensor, modality: Modality, generator: torch.Generator) -> Tensor:
        """Return the images ``(N, 3, H, W)``, some of them from another sensor."""
        light = to_light(images)
        chosen = _chance(self.probability, len(images), generator)
        change = self._infrared if modality == "infrared" else self._visible
        light = torch.where(chosen.to(images.device), change(light, generator), light)
        noisy = _chance(self.noise, len(images), generator)
        strength = NOISE_RANGE * torch.rand(len(images), 1, 1, 1, generator=generator)
        grain = torch.randn(images.shape, generator=generator)
        if modality == "infrared":
            grain = grain[:, :1]
        light = light + (noisy * strength * grain).to(images.device)
        return from_light(light, images)

    def _visible(self, light: Tensor, generator: torch.Generator) -> Tensor:
        count = len(light)
        spread = light.amax(dim=1) - light.amin(dim=1)
        coloured = (spread.flatten(1).amax(dim=1) > GRAY_SPREAD)[:, None, None, None]
        gain = _factor(self.exposure, (count, 1, 1, 1), generator).to(light.device)
        channels = _factor(self.balance, (count, 3, 1, 1), generator).to(light.device)
        factor = _factor(self.saturation, (count, 1, 1, 1), generator).to(light.device)
        light = light * gain * torch.where(coloured, channels, torch.ones_like(channels))
        luma = torch.tensor(LUMA, device=light.device)[:, None, None]
        gray = (light * luma).sum(dim=1, keepdim=True)
        return self._curve(gray + (light - gray) * factor, generator)

    def _infrared(self, light: Tensor, generator: torch.Generator) -> Tensor:
        count, (height, width) = len(light), light.shape[2:]
        negative = _chance(self.negative, count, generator).to(light.device)
        light = torch.where(negative, 1 - light, light)
        down = torch.linspace(-1, 1, height)[None, None, :, None]
        across = torch.linspace(-1, 1, width)[None, None, None, :]
        slope = self.lamp * torch.randn(2, count, 1, 1, 1, generator=generator)
        light = light * torch.exp(slope[0] * down + slope[1] * across).to(light.device)
        gamma = LOWEST_GAMMA ** (2 * torch.rand(count, 1, 1, 1, generator=generator) - 1)
        return self._curve(light.clamp(0, 1) ** gamma.to(light.device), generator)

    def _curve(self, light: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images with another contrast about their own mean, and another gamma."""
        count = len(light)
        contrast = _factor(self.contrast, (count, 1, 1, 1), generator).to(light.device)
        gamma = _factor(self.contrast, (count, 1, 1, 1), generator).to(light.device)
        centre = light.mean(dim=(1, 2, 3), keepdim=True)
        return ((light - centre) * contrast + centre).clamp(0, 1) ** gamma


def _chance(probability: float, count: int, generator: torch.Generator) -> Tensor:
    """Return ``(count, 1, 1, 1)`` bool."""
    return torch.rand(count, 1, 1, 1, generator=generator) < probability


def _factor(deviation: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return log-normal factors about 1."""
    return torch.exp(deviation * torch.randn(shape, generator=generator))
