"""Two ways to group the same things become pairwise precision, recall and F1.

Shapes: n things that were grouped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PairwiseScores", "pairwise_scores"]


@dataclass(frozen=True)
class PairwiseScores:
    """How many pairs of things were put together rightly.

    Attributes:
        together: Pairs that the grouping put together.
        same: Pairs that belong together.
        right: Pairs that are both.
    """

    together: int
    same: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the pairs put together that belong together; 1 where there are none."""
        return self.right / self.together if self.together else 1.0

    @property
    def recall(self) -> float:
        """Share of the pairs that belong together that were put together; 1 without any."""
        return self.right / self.same if self.same else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are."""
        total = self.together + self.same
        return 2 * self.right / total if total else 1.0


def pairwise_scores(groups: ArrayLike, truth: ArrayLike) -> PairwiseScores:
    """Compare a grouping with the truth, pair by pair.

    Args:
        groups: ``(n,)`` labels of the grouping.
        truth: ``(n,)`` labels of the truth.

    Raises:
        ValueError: They differ in length.

    >>> scores = pairwise_scores([1, 1, 1, 2], ["a", "a", "b", "b"])
    >>> scores.together, scores.same, scores.right
    (3, 2, 1)
    >>> round(scores.precision, 3), scores.recall, scores.f1
    (0.333, 0.5, 0.4)
    """
    first, second = np.asarray(groups), np.asarray(truth)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"groups {first.shape} and truth {second.shape} are no two such columns")
    one = np.unique(first, return_inverse=True)[1]
    other = np.unique(second, return_inverse=True)[1]
    return PairwiseScores(_pairs(one), _pairs(other), _pairs(one * (len(other) + 1) + other))


def _pairs(labels: NDArray[np.int64]) -> int:
    """Return how many pairs of ``(n,)`` labels are equal."""
    counts = np.unique(labels, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())
