"""Features to ranking losses, float32 whatever the features are in.

Shapes: R rows, the first V of them of visible images; D features; d is ``(R, R)``, Euclidean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.models.heads import HeadOutput, unit_length
from fprnet.models.precision import at_least_float32

__all__ = [
    "Ranking",
    "RankingLoss",
    "batch_hard_triplet",
    "cross_modality_top_ranking",
    "euclidean_distances",
    "weighted_regularised_triplet",
]

Ranking = Literal[
    "weighted-regularised-triplet", "batch-hard-triplet", "cross-modality-top-ranking"
]

RANKINGS: tuple[Ranking, ...] = get_args(Ranking)
MARGINS = {"batch-hard-triplet": 0.3, "cross-modality-top-ranking": 0.5}  # of their papers
TINY = 1e-12  # square root has no gradient at 0; rows this close are one point


@dataclass(frozen=True)
class RankingLoss:
    """One of the losses below, by name, on the features of a head.

    Attributes:
        name: "weighted-regularised-triplet" and "batch-hard-triplet" pool the modalities,
            "cross-modality-top-ranking" ranks one against the other.
        margin: Of the latter two; None is that of their papers, 0.3 and 0.5.
        intra_weight: lambda of the last: above 0 it is BDTR's loss.
        intra_margin: Of that part.
    """

    name: Ranking = "weighted-regularised-triplet"
    margin: float | None = None
    intra_weight: float = 0.0
    intra_margin: float = 0.1

    def __post_init__(self) -> None:
        if self.name not in RANKINGS:
            raise ConfigError(f"ranking '{self.name}' is unknown; use one of {', '.join(RANKINGS)}")

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of one head, a scalar.

        Raises:
            ConfigError: The loss ranks one modality against the other, but the head's rows are not
                of one modality each.
        """
        if self.name == "weighted-regularised-triplet":
            return weighted_regularised_triplet(output.features, output.labels)
        margin = MARGINS[self.name] if self.margin is None else self.margin
        if self.name == "batch-hard-triplet":
            return batch_hard_triplet(output.features, output.labels, margin=margin)
        if output.visible_rows is None:
            raise ConfigError(
                f"ranking '{self.name}' needs rows of one modality each, which a fusion block does "
                "not have; use another ranking"
            )
        return cross_modality_top_ranking(
            output.features,
            output.labels,
            output.visible_rows,
            margin=margin,
            intra_weight=self.intra_weight,
            intra_margin=self.intra_margin,
        )


def euclidean_distances(features: Tensor) -> Tensor:
    """Return ``(R, R)`` distances between the rows of ``(R, D)``, with a finite gradient at 0."""
    with torch.autocast(features.device.type, enabled=False):
        features = at_least_float32(features)
        squares = features.square().sum(dim=1)
        products = features @ features.T
        squared = squares[:, None] + squares[None, :] - 2 * products
        return squared.clamp(min=TINY).sqrt()


def weighted_regularised_triplet(features: Tensor, labels: Tensor) -> Tensor:
    """WRT of AGW (Ye et al., TPAMI 2021), margin-free: mean_i log(1 + exp(a_i - b_i)).

    a_i = sum_j w+_ij d_ij over the other rows of row i's identity, w+ = softmax_j(d_ij);
    b_i = sum_k w-_ik d_ik over the rows of other identities, w- = softmax_k(-d_ik). (AGW's code
    counts the row itself as a positive too, of weight exp(-d).) A sum over no row is 0.

    Args:
        features: ``(R, D)``.
        labels: ``(R,)``.

    Returns:
        Scalar.
    """
    distance = euclidean_distances(features)
    positive, negative = _positives_and_negatives(labels)
    far = _weighted_sum(distance, distance, positive)
    near = _weighted_sum(distance, -distance, negative)
    return F.softplus(far - near).mean()


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


def _positives_and_negatives(labels: Tensor) -> tuple[Tensor, Tensor]:
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def _weighted_sum(distance: Tensor, score: Tensor, chosen: Tensor) -> Tensor:
    """Row sums of softmax(score over chosen) * distance; 0 where nothing is chosen."""
    lowest = torch.finfo(score.dtype).min
    weights = score.masked_fill(~chosen, lowest).softmax(dim=1)
    return (weights * distance * chosen).sum(dim=1)
