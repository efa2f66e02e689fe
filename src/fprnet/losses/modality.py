"""What keeps the two modalities of one head apart becomes a loss: distributions, and predictions.

Shapes: R rows, the first V of them of visible images; D features; M identities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.losses.ranking import TINY, AcrossModalities, euclidean_distances
from fprnet.models.heads import HeadOutput, unit_length
from fprnet.models.precision import at_least_float32
from fprnet.ranges import Positive

__all__ = [
    "ModalityDiscrepancy",
    "ModalityDistillation",
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


def _visible_rows(output: HeadOutput) -> int:
    if output.visible_rows is None:
        raise ConfigError(
            "a loss between the modalities needs rows of one modality each, which a fusion block "
            "does not have; use another ranking loss"
        )
    return output.visible_rows
