"""Features to ranking losses, float32 whatever the features are in.

Shapes: R rows, the first V of them of visible images; D features; d is ``(R, R)``, Euclidean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.models.heads import HeadOutput, unit_length
from fprnet.models.precision import at_least_float32
from fprnet.ranges import BelowOne, NonNegative, Positive

__all__ = [
    "AcrossModalities",
    "BatchHardTriplet",
    "CircleLoss",
    "CrossModalityTopRanking",
    "RankingLoss",
    "SupervisedContrastive",
    "WeightedRegularisedTriplet",
    "batch_hard_triplet",
    "circle_loss",
    "cross_modality_top_ranking",
    "euclidean_distances",
    "supervised_contrastive",
    "weighted_regularised_triplet",
]

STANDARD_EPSILON = 1e-5  # added to variances, as in BatchNorm
TINY = 1e-12  # square root has no gradient at 0; rows this close are one point


class RankingLoss(Protocol):
    """The features of one head to a scalar; a function of (features, labels) is one step away."""

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head's rows.

        Raises:
            ConfigError: The loss cannot be computed on rows of this kind.
        """


class _Pooled:
    """A ranking loss that compares all rows, whatever their modality."""

    @staticmethod
    def faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield a fault where no identity has two images in a batch."""
        del options
        images = config.batches.options.get("images", 2)
        if images < 2:
            yield (
                f"a triplet loss compares images of one person but batches.images is {images}; "
                "set it to 2 or more"
            )


@dataclass(frozen=True)
class WeightedRegularisedTriplet(_Pooled):
    """`weighted_regularised_triplet` of a head, both modalities pooled.

    Attributes:
        squared: The gap between the two means counts squared, with its sign.
    """

    squared: bool = False

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar."""
        return weighted_regularised_triplet(output.features, output.labels, squared=self.squared)


@dataclass(frozen=True)
class BatchHardTriplet(_Pooled):
    """`batch_hard_triplet` of a head, both modalities pooled.

    Attributes:
        margin: How much nearer a positive must be than a negative; 0.3 in its paper.
    """

    margin: Positive = 0.3

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar."""
        return batch_hard_triplet(output.features, output.labels, margin=self.margin)


class AcrossModalities:
    """A loss between the visible and the infrared rows of a head."""

    name: ClassVar[str] = "a loss between the modalities"

    @classmethod
    def faults(cls, options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield a fault where only one modality is trained on."""
        del options
        if config.data.modalities == "visible":
            yield f"data.modalities is visible but {cls.name} needs both"


@dataclass(frozen=True)
class CrossModalityTopRanking(AcrossModalities):
    """`cross_modality_top_ranking` of a head: one modality is ranked against the other.

    Attributes:
        margin: rho_1; 0.5 in its paper, 1.4 in cmGAN's.
        intra_modality_weight: lambda; above 0 it is BDTR's loss.
        intra_modality_margin: rho_2.
    """

    name: ClassVar[str] = "cross-modality-top-ranking"

    margin: Positive = 0.5
    intra_modality_weight: NonNegative = 0.0
    intra_modality_margin: NonNegative = 0.1

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar.

        Raises:
            ConfigError: The head's rows are not of one modality each.
        """
        if output.visible_rows is None:
            raise ConfigError(
                "cross-modality-top-ranking needs rows of one modality each, which a fusion block "
                "does not have; use another ranking loss"
            )
        return cross_modality_top_ranking(
            output.features,
            output.labels,
            output.visible_rows,
            margin=self.margin,
            intra_weight=self.intra_modality_weight,
            intra_margin=self.intra_modality_margin,
        )


@dataclass(frozen=True)
class SupervisedContrastive(_Pooled):
    """`supervised_contrastive` of a head, both modalities pooled.

    Attributes:
        temperature: Divides the cosines; 0.1 in its paper.
    """

    temperature: Positive = 0.1

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar."""
        return supervised_contrastive(output.features, output.labels, temperature=self.temperature)


@dataclass(frozen=True)
class CircleLoss(_Pooled):
    """`circle_loss` of a head, both modalities pooled.

    Attributes:
        margin: m; 0.25 in its paper.
        scale: gamma; 128 in its paper's person re-identification.
    """

    margin: BelowOne = 0.25
    scale: Positive = 128.0

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar."""
        return circle_loss(output.features, output.labels, margin=self.margin, scale=self.scale)


def euclidean_distances(features: Tensor) -> Tensor:
    """Return ``(R, R)`` distances between the rows of ``(R, D)``, with a finite gradient at 0."""
    with torch.autocast(features.device.type, enabled=False):
        features = at_least_float32(features)
        squares = features.square().sum(dim=1)
        products = features @ features.T
        squared = squares[:, None] + squares[None, :] - 2 * products
        return squared.clamp(min=TINY).sqrt()


def weighted_regularised_triplet(
    features: Tensor, labels: Tensor, *, squared: bool = False
) -> Tensor:
    """WRT of AGW (Ye et al., TPAMI 2021), margin-free: mean_i log(1 + exp(a_i - b_i)).

    a_i = sum_j w+_ij d_ij over the other rows of row i's identity, w+ = softmax_j(d_ij);
    b_i = sum_k w-_ik d_ik over the rows of other identities, w- = softmax_k(-d_ik). (AGW's code
    counts the row itself as a positive too, of weight exp(-d).) A sum over no row is 0.

    Args:
        features: ``(R, D)``.
        labels: ``(R,)``.
        squared: (a_i - b_i) |a_i - b_i| takes the place of a_i - b_i, which weighs large gaps more
            and small ones less (channel augmented joint learning, Ye et al., ICCV 2021).

    Returns:
        Scalar.
    """
    distance = euclidean_distances(features)
    positive, negative = _positives_and_negatives(labels)
    far = _weighted_sum(distance, distance, positive)
    near = _weighted_sum(distance, -distance, negative)
    gap = far - near
    return F.softplus(gap * gap.abs() if squared else gap).mean()


def batch_hard_triplet(features: Tensor, labels: Tensor, *, margin: float = 0.3) -> Tensor:
    """mean_i [margin + max_j d_ij - min_k d_ik]_+, j of row i's identity, k of another.

    Hermans et al. 2017 (arXiv:1703.07737), Eq. 5. Every batch must hold two identities at least.

    Args:
        features: ``(R, D)``.
        labels: ``(R,)``.
        margin: How much nearer a positive must be than a negative.

    Returns:
        Scalar.
    """
    distance = euclidean_distances(features)
    positive, negative = _positives_and_negatives(labels)
    furthest = distance.masked_fill(~positive, 0.0).amax(dim=1)
    nearest = distance.masked_fill(~negative, torch.inf).amin(dim=1)
    return F.relu(margin + furthest - nearest).mean()


def cross_modality_top_ranking(
    features: Tensor,
    labels: Tensor,
    visible_rows: int,
    *,
    margin: float = 0.5,
    intra_weight: float = 0.0,
    intra_margin: float = 0.1,
) -> Tensor:
    """BCTR and, with ``intra_weight``, BDTR (Ye et al., IJCAI 2018); cmGAN's triplet with rho 1.4.

    On features of unit length, in both directions; from visible to infrared:
    mean_i [rho_1 + D(v_i, t_p) - D(v_i, t_n)]_+ + lambda mean_i [rho_2 - D(t_p, t_n)]_+,
    t_p the furthest infrared row of row i's identity and t_n the nearest of another (the first of
    equals). A row without one of the two costs nothing.

    Args:
        features: ``(R, D)``, of any length.
        labels: ``(R,)``.
        visible_rows: V.
        margin: rho_1.
        intra_weight: lambda.
        intra_margin: rho_2, within the modality that is ranked.

    Returns:
        Scalar.
    """
    distance = euclidean_distances(unit_length(features))
    visible, infrared = slice(None, visible_rows), slice(visible_rows, None)
    total = distance.new_zeros(())
    for anchors, ranked in ((visible, infrared), (infrared, visible)):
        same = labels[anchors, None] == labels[None, ranked]
        of_same = distance[anchors, ranked].masked_fill(~same, -torch.inf)
        of_others = distance[anchors, ranked].masked_fill(same, torch.inf)
        positive, negative = of_same.argmax(dim=1), of_others.argmin(dim=1)
        row = torch.arange(len(same), device=same.device)
        gap = of_same[row, positive] - of_others[row, negative]  # -inf where there are not both
        total = total + F.relu(margin + gap).mean()
        if intra_weight:
            within = F.relu(intra_margin - distance[ranked, ranked][positive, negative])
            total = total + intra_weight * within.masked_fill(gap.isinf(), 0.0).mean()
    return total


def supervised_contrastive(features: Tensor, labels: Tensor, *, temperature: float = 0.1) -> Tensor:
    """L_out of supervised contrastive learning (Khosla et al., NeurIPS 2020, Eq. 2).

    mean_i mean_p -log(exp(c_ip / tau) / sum_{j != i} exp(c_ij / tau)), p over the other rows of row
    i's identity, c the cosine of two rows. The rows are standardised over the batch before, as the
    BatchNorm neck does it: pooled maps are positive, so their own cosines are all near 1. A row
    without a partner costs nothing.

    Args:
        features: ``(R, D)``, R at least 2.
        labels: ``(R,)``.
        temperature: tau.

    Returns:
        Scalar.
    """
    cosine = _standardised_cosines(features)
    itself = torch.eye(len(cosine), dtype=torch.bool, device=cosine.device)
    logits = (cosine / temperature).masked_fill(itself, -torch.inf)
    positive, _ = _positives_and_negatives(labels)
    cost = (logits.logsumexp(dim=1, keepdim=True) - logits).masked_fill(~positive, 0.0)
    partners = positive.sum(dim=1)
    mean = cost.sum(dim=1) / partners.clamp(min=1)
    return mean.sum() / (partners > 0).sum().clamp(min=1)


def circle_loss(
    features: Tensor, labels: Tensor, *, margin: float = 0.25, scale: float = 128.0
) -> Tensor:
    """Circle loss with pair-wise labels (Sun et al., CVPR 2020, Eq. 6), a mean over the rows.

    L_i = log(1 + sum_n exp(gamma a_n (s_n - m)) sum_p exp(-gamma a_p (s_p - 1 + m))), p over the
    other rows of row i's identity, n over the rows of other identities, s the cosine of two rows,
    and a_p = [1 + m - s_p]_+, a_n = [s_n + m]_+ weights without a gradient. The rows are
    standardised over the batch before, as in `supervised_contrastive`. A row without a partner or
    without a stranger costs nothing.

    Args:
        features: ``(R, D)``, R at least 2.
        labels: ``(R,)``.
        margin: m.
        scale: gamma.

    Returns:
        Scalar.
    """
    cosine = _standardised_cosines(features)
    positive, negative = _positives_and_negatives(labels)
    fixed = cosine.detach()
    pull = -scale * F.relu(1 + margin - fixed) * (cosine - 1 + margin)
    push = scale * F.relu(fixed + margin) * (cosine - margin)
    pulls = pull.masked_fill(~positive, -torch.inf).logsumexp(dim=1)  # of nobody: log 0
    pushes = push.masked_fill(~negative, -torch.inf).logsumexp(dim=1)
    return F.softplus(pulls + pushes).mean()


def _standardised_cosines(features: Tensor) -> Tensor:
    """Return ``(R, R)``: cosines of rows of mean 0 and deviation 1 over the batch."""
    with torch.autocast(features.device.type, enabled=False):
        features = at_least_float32(features)
        deviation = (features.var(dim=0, unbiased=False) + STANDARD_EPSILON).sqrt()
        rows = unit_length((features - features.mean(dim=0)) / deviation)
        return rows @ rows.T


def _positives_and_negatives(labels: Tensor) -> tuple[Tensor, Tensor]:
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def _weighted_sum(distance: Tensor, score: Tensor, chosen: Tensor) -> Tensor:
    """Row sums of softmax(score over chosen) * distance; 0 where nothing is chosen."""
    lowest = torch.finfo(score.dtype).min
    weights = score.masked_fill(~chosen, lowest).softmax(dim=1)
    return (weights * distance * chosen).sum(dim=1)
