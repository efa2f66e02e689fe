"""What keeps the two modalities apart becomes a loss: distributions, predictions, and spectra.

Shapes: R rows, the first V of them of visible images; D features; M identities; maps of C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.losses.ranking import TINY, AcrossModalities, euclidean_distances
from fprnet.models.heads import HeadOutput, unit_length
from fprnet.models.precision import at_least_float32
from fprnet.ranges import CountOrZero, Positive

__all__ = [
    "AmplitudeDiscrepancy",
    "ModalityDiscrepancy",
    "ModalityDistillation",
    "amplitude_discrepancy",
    "maximum_mean_discrepancy",
    "modality_distillation",
]

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the five kernels, shares of the mean squared distance


@dataclass(frozen=True)
class ModalityDiscrepancy(AcrossModalities):
    """`maximum_mean_discrepancy` between the visible and the infrared rows of a head."""

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar.

        Raises:
            ConfigError: The head's rows are not of one modality each.
        """
        return maximum_mean_discrepancy(output.features, _visible_rows(output))


@dataclass(frozen=True)
class ModalityDistillation(AcrossModalities):
    """`modality_distillation` of a head: what one modality says of a person teaches the other.

    Attributes:
        temperature: T, which softens the predictions; 4 in the paper of class-wise distillation.
    """

    temperature: Positive = 4.0

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar.

        Raises:
            ConfigError: The head's rows are not of one modality each.
        """
        return modality_distillation(
            output.logits, output.labels, _visible_rows(output), temperature=self.temperature
        )


@dataclass(frozen=True)
class AmplitudeDiscrepancy(AcrossModalities):
    """`amplitude_discrepancy` of the maps that a head's rows come from.

    Attributes:
        stage: Whose maps are compared, one stage for every head; None takes each head's own: 5
            for head "main", k for head "level<k>".
        lowest_frequency: Frequencies of fewer periods across the map, in both directions, do not
            count; 0 counts the mean, too.
    """

    name: ClassVar[str] = "amplitude-discrepancy"

    stage: Literal[2, 3, 4, 5] | None = None
    lowest_frequency: CountOrZero = 1

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar.

        Raises:
            ConfigError: The head's rows are not of one modality each, there are no maps of them, or
                the maps are too small for the lowest frequency.
        """
        visible_rows = _visible_rows(output)
        if output.maps is None:
            raise ConfigError(
                f"{self.name} compares maps, but the network hands none out with this head; use "
                "another ranking loss"
            )
        return amplitude_discrepancy(
            output.maps(self.stage),
            output.labels,
            visible_rows,
            lowest_frequency=self.lowest_frequency,
        )


def maximum_mean_discrepancy(features: Tensor, visible_rows: int) -> Tensor:
    """Squared maximum mean discrepancy of the modalities (Gretton et al., JMLR 2012, Eq. 5).

    mean k(v, v') + mean k(t, t') - 2 mean k(v, t) over all pairs of rows of unit length, v visible
    and t infrared; k = mean_b exp(-d^2 / (b s)) with b = 1/4, 1/2, 1, 2, 4 and s the mean squared
    distance of two rows of the batch, which has no gradient. It is 0 for two equal sets, and at
    most 2. DNS (Jiang et al., ECCV 2024) aligns the modalities with such a term.

    Args:
        features: ``(R, D)``, of any length.
        visible_rows: V, from 1 to R - 1.

    Returns:
        Scalar.
    """
    squared = euclidean_distances(unit_length(features)).square()
    mean = squared.detach().mean().clamp(min=TINY)
    kernel = torch.stack([torch.exp(-squared / (b * mean)) for b in BANDWIDTHS]).mean(dim=0)
    visible, infrared = slice(None, visible_rows), slice(visible_rows, None)
    within = kernel[visible, visible].mean() + kernel[infrared, infrared].mean()
    return within - 2 * kernel[visible, infrared].mean()


def modality_distillation(
    logits: Tensor, labels: Tensor, visible_rows: int, *, temperature: float = 4.0
) -> Tensor:
    """Class-wise self-distillation (Yun et al., CVPR 2020, Eq. 2) across the modalities.

    mean_i T^2 KL(q_i || p_i), p_i the softmax of row i's logits / T and q_i, without a gradient,
    the mean of p over the rows of row i's identity in the other modality. A row whose identity has
    none there costs nothing.

    Args:
        logits: ``(R, M)``.
        labels: ``(R,)``.
        visible_rows: V.
        temperature: T.

    Returns:
        Scalar.
    """
    with torch.autocast(logits.device.type, enabled=False):
        predictions = F.log_softmax(at_least_float32(logits) / temperature, dim=1)
        infrared = torch.arange(len(labels), device=labels.device) >= visible_rows
        same = labels[:, None] == labels[None, :]
        partner = (same & (infrared[:, None] != infrared[None, :])).to(predictions)
        count = partner.sum(dim=1)
        shares = partner / count.clamp(min=1)[:, None]
        teacher = shares @ predictions.detach().exp()  # rows of zeros where there is no partner
        divergence = F.kl_div(predictions, teacher, reduction="none").sum(dim=1)
        return temperature**2 * divergence.mean()


def amplitude_discrepancy(
    maps: Tensor, labels: Tensor, visible_rows: int, *, lowest_frequency: int = 1
) -> Tensor:
    """How far the modalities' amplitude spectra of a person lie apart: mean_i |a_i^v - a_i^t|^2.

    a_i^m holds |F(u, v)| of the mean map of identity i in modality m, F its two-dimensional
    discrete Fourier transform, channel by channel, at all frequencies of max(|u|, |v|) >=
    ``lowest_frequency`` periods across the map, and has unit length. So neither where things are
    counts (a circular shift leaves amplitudes as they are) nor how bright a map is (a factor
    cancels, and with a lowest frequency above 0 a constant, too, which is what pooled features
    compare). An identity of one modality alone is left out. The loss is 0 for equal spectra and at
    most 2.

    That the modalities differ in amplitude most of all is FDMNet's observation (Li et al.,
    arXiv:2401.01839); MFEN (CVPR 2026) optimises in the frequency domain, too. This loss has the
    idea, not the formula, of either.

    Args:
        maps: ``(R, C, H, W)``.
        labels: ``(R,)``.
        visible_rows: V.
        lowest_frequency: From 0 to half the larger side of the maps.

    Returns:
        Scalar, float32 (float64 of float64 maps).

    Raises:
        ConfigError: The maps are too small to have that frequency.
    """
    height, width = maps.shape[2:]
    if lowest_frequency > max(height, width) // 2:
        raise ConfigError(
            f"lowest_frequency is {lowest_frequency} but maps of {height}x{width} have no more "
            f"than {max(height, width) // 2} periods; lower it, or take larger images or an "
            "earlier stage"
        )
    identities: Tensor = torch.unique(labels)
    with torch.autocast(maps.device.type, enabled=False):
        maps = at_least_float32(maps)
        spectra, present = [], []
        for rows in (slice(None, visible_rows), slice(visible_rows, None)):
            member = identities[:, None] == labels[None, rows]
            count = member.sum(dim=1, keepdim=True)
            mean = member.to(maps) / count.clamp(min=1) @ maps[rows].flatten(1)
            amplitude = torch.fft.fft2(mean.reshape(-1, *maps.shape[1:])).abs()
            counted = amplitude * _from_frequency(lowest_frequency, amplitude)
            spectra.append(unit_length(counted.flatten(1)))
            present.append(count.squeeze(1) > 0)
        both = present[0] & present[1]
        distance = (spectra[0] - spectra[1]).square().sum(dim=1)
        return (distance * both).sum() / both.sum().clamp(min=1)


def _from_frequency(lowest: int, spectrum: Tensor) -> Tensor:
    """Return ``(H, W)`` bools: which frequencies of ``(..., H, W)`` have so many periods."""
    down, across = (
        torch.fft.fftfreq(size, 1 / size, device=spectrum.device).abs().round()
        for size in spectrum.shape[-2:]
    )
    return torch.maximum(down[:, None], across[None, :]) >= lowest


def _visible_rows(output: HeadOutput) -> int:
    if output.visible_rows is None:
        raise ConfigError(
            "a loss between the modalities needs rows of one modality each, which a fusion block "
            "does not have; use another ranking loss"
        )
    return output.visible_rows
