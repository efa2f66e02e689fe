"""Confidence intervals of means over trials, and sums over the queries of each identity.

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

    The interval covers other draws of the gallery. It does not cover other people: for that, see
    :mod:`fprnet.evaluation.comparison`.

    >>> [round(end, 4) for end in confidence_interval([0.1, 0.2, 0.6])]  # t = 4.3027
    [-0.3572, 0.9572]

    Args:
        values: The quantity in each trial.

    Returns:
        Lower and upper end, or None for a single trial.
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
    """Sums of one row's metrics over the valid queries of each identity.

    The sum over the identities of a metric, divided by the sum of ``valid``, is the metric's mean.

    Attributes:
        identity: ``(I,)`` query identities, sorted.
        valid: ``(I,)`` number of valid queries, all trials together.
        metrics: Name of the metric -> ``(I,)`` sum of its values over those queries.
        image_level: Point of the image-level CMC -> ``(I,)`` sum over those queries.
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
        """Add up the values ``(Q,)`` of each trial's queries; invalid queries are left out.

        Args:
            identities: For each trial ``(Q,)``, the identity of each query.
            valid: For each trial ``(Q,)``, whether the query counts.
            metrics: Name of the metric -> for each trial ``(Q,)`` its values.
            image_level: Point of the image-level CMC -> for each trial ``(Q,)`` its values.
        """
        counted = np.concatenate(valid)
        people, number = np.unique(np.concatenate(identities), return_inverse=True)

        def sums(values: Sequence[NDArray[Any]]) -> tuple[float, ...]:
            weights = np.concatenate(values)[counted]
            return tuple(np.bincount(number[counted], weights, minlength=len(people)).tolist())

        return PerIdentity(
            identity=tuple(people.tolist()),
            valid=tuple(np.bincount(number[counted], minlength=len(people)).tolist()),
            metrics={name: sums(values) for name, values in metrics.items()},
            image_level={name: sums(values) for name, values in image_level.items()},
        )

    def sums_as_dict(self) -> dict[str, Any]:
        """Return the sums for JSON; hits are whole numbers."""
        ranks = {name: [int(hits) for hits in sums] for name, sums in self.image_level.items()}
        metrics: dict[str, list[float]] = {
            name: [int(s) for s in sums] if name.startswith("rank-") else list(sums)
            for name, sums in self.metrics.items()
        }
        return {**metrics, "image-level": ranks}
