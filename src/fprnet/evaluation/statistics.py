"""Numbers about numbers: how sure a mean over trials is, and what each person contributes to it.

Shapes: T trials, I identities that query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PerIdentity", "confidence_interval"]

LEVEL = 0.95


def confidence_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of the mean, by Student's t with T - 1 degrees.

    It says how far the mean may move with other draws of the gallery, not with other people: for
    that, see :mod:`fprnet.evaluation.comparison`.

    >>> [round(end, 4) for end in confidence_interval([0.1, 0.2, 0.6])]  # t = 4.3027
    [-0.3572, 0.9572]

    Args:
        values: One per trial.

    Returns:
        The ends, or None for a single trial, which says nothing about others.
    """
    if len(values) < 2:
        return None
    from scipy.special import stdtrit

    degrees = len(values) - 1
    half = float(stdtrit(degrees, (1 + LEVEL) / 2)) * float(np.std(values, ddof=1))
    half /= len(values) ** 0.5
    mean = float(np.mean(values))
    return mean - half, mean + half


@dataclass(frozen=True)
class PerIdentity:
    """What each person's queries contribute to the scores of one row.

    The sum over the identities of a metric, divided by the sum of ``valid``, is the metric's mean.

    Attributes:
        identity: ``(I,)``, sorted.
        valid: ``(I,)`` valid queries, all trials together.
        metrics: Metric -> ``(I,)`` sum over those queries.
        image_level: The same of the image-level CMC.
    """

    identity: tuple[int, ...]
    valid: tuple[int, ...]
    metrics: Mapping[str, tuple[float, ...]]
    image_level: Mapping[str, tuple[float, ...]]

    @staticmethod
    def of(
        identities: Sequence[NDArray[np.int64]],
        valid: Sequence[NDArray[np.bool_]],
        metrics: Mapping[str, Sequence[NDArray[Any]]],
        image_level: Mapping[str, Sequence[NDArray[Any]]],
    ) -> PerIdentity:
        """Add up one value ``(Q,)`` per query of each trial; those of invalid queries are unread.

        Args:
            identities: Of the queries of each trial.
            valid: Which of them count.
            metrics: Metric -> values of each trial.
            image_level: Likewise.
        """
        counted = np.concatenate(valid)
        people, place = np.unique(np.concatenate(identities), return_inverse=True)

        def sums(values: Sequence[NDArray[Any]]) -> tuple[float, ...]:
            weights = np.concatenate(values)[counted]
            return tuple(np.bincount(place[counted], weights, minlength=len(people)).tolist())

        return PerIdentity(
            identity=tuple(people.tolist()),
            valid=tuple(np.bincount(place[counted], minlength=len(people)).tolist()),
            metrics={name: sums(values) for name, values in metrics.items()},
            image_level={name: sums(values) for name, values in image_level.items()},
        )

    def sums_as_dict(self) -> dict[str, Any]:
        """Return the sums as they stand in the result; hits, which are whole numbers, as such."""
        ranks = {name: [int(hits) for hits in sums] for name, sums in self.image_level.items()}
        metrics: dict[str, list[float]] = {
            name: [int(s) for s in sums] if name.startswith("rank-") else list(sums)
            for name, sums in self.metrics.items()
        }
        return {**metrics, "image-level": ranks}
