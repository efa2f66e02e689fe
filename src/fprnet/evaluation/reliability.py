"""Stated probabilities and what was true become calibration error and a reliability diagram.

Shapes: Q queries, G gallery images of one trial, n matches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.protocols.protocol import Protocol
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError
from fprnet.evaluation.searches import comparable, similarity_blocks

__all__ = ["Bin", "Probability", "Reliability", "measure_reliability", "reliability"]

MATCHES = 10  # of each query: what users see
BINS = 10

Array = NDArray[np.float64]
# Similarities (Q, n), gallery images that each query may see (Q, 1), and how many of these are
# expected to be of its person (Q, 1) -> probabilities (Q, n).
Probability = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Bin:
    """Matches whose stated probabilities are close together.

    Attributes:
        stated: Mean of their probabilities.
        found: Share of them that are the same person.
        matches: Number of matches.
    """

    stated: float
    found: float
    matches: int


@dataclass(frozen=True)
class Reliability:
    """How far stated probabilities can be trusted.

    Attributes:
        expected_calibration_error: Mean distance of stated probability and found share over the
            bins, weighted by their matches.
        bins: Ten bins of equal width, without empty ones.
        matches: Number of matches.
    """

    expected_calibration_error: float
    bins: tuple[Bin, ...]
    matches: int

    def as_dict(self) -> dict[str, Any]:
        """Return the object for JSON."""
        return asdict(self)


def reliability(stated: Array, right: NDArray[np.bool_]) -> Reliability:
    """Compare stated probabilities ``(n,)`` with what was true ``(n,)``.

    >>> reliability(np.array([0.95, 0.95]), np.array([True, False])).expected_calibration_error
    0.45
    """
    place = np.minimum((stated * BINS).astype(np.int64), BINS - 1)
    bins = tuple(
        Bin(float(stated[place == k].mean()), float(right[place == k].mean()), int(count))
        for k, count in enumerate(np.bincount(place, minlength=BINS))
        if count
    )
    error = sum(one.matches * abs(one.stated - one.found) for one in bins) / max(len(stated), 1)
    return Reliability(round(error, 12), bins, len(stated))


def measure_reliability(
    features: Features, protocol: Protocol, probability: Probability
) -> Reliability:
    """Compare the probabilities of the first ten matches of every query of every trial.

    Args:
        features: The table whose rows the protocol names; of people whom the calibration was not
            fitted on.
        protocol: Its queries and galleries.
        probability: The calibration.

    Raises:
        FeaturesError: No query may see any image.
    """
    vectors = comparable(features, protocol, "cosine")
    stated, right = [], []
    for trial in protocol.trials:
        identity = features.identity[trial.gallery]
        images = len(identity) / len(np.unique(identity))
        for part, alike in similarity_blocks(protocol, trial.query, trial.gallery, vectors):
            nearest = np.argsort(-alike, axis=1, kind="stable")[:, :MATCHES]
            similarity = np.take_along_axis(alike, nearest, axis=1)
            seen = (alike > -np.inf).sum(axis=1, keepdims=True).astype(np.float64)
            expected = np.maximum(1.0, images * seen / len(identity))
            shown = similarity > -np.inf
            safe = np.where(shown, similarity, 0.0)
            stated.append(probability(safe, np.maximum(seen, 1.0), expected)[shown])
            same = identity[nearest] == features.identity[trial.query[part], None]
            right.append(same[shown])
    if not sum(len(part) for part in stated):
        raise FeaturesError("no query may see a gallery image; check cameras and locations")
    return reliability(np.concatenate(stated), np.concatenate(right))
