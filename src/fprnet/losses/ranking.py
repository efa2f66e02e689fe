"""Features to ranking losses, both modalities pooled, float32 whatever the features are in.

Shapes: R rows, D features; d is ``(R, R)``, Euclidean.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.models.precision import at_least_float32

__all__ = ["batch_hard_triplet", "euclidean_distances", "weighted_regularised_triplet"]

TINY = 1e-12  # square root has no gradient at 0; rows this close are one point


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


def _positives_and_negatives(labels: Tensor) -> tuple[Tensor, Tensor]:
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def _weighted_sum(distance: Tensor, score: Tensor, chosen: Tensor) -> Tensor:
    """Row sums of softmax(score over chosen) * distance; 0 where nothing is chosen."""
    lowest = torch.finfo(score.dtype).min
    weights = score.masked_fill(~chosen, lowest).softmax(dim=1)
    return (weights * distance * chosen).sum(dim=1)
