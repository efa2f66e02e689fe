"""Embeddings of people who are known become the similarities of strangers, which set thresholds.

Shapes: n images or templates, D numbers per embedding.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import MODALITIES
from fprnet.embeddings.projection import Projection
from fprnet.embeddings.store import Features

__all__ = ["Shown", "Strangers", "fit_strangers", "same_modality", "shown_of", "templates_of"]

Array = NDArray[np.float64]

QUANTILES = np.arange(96) / 100  # the tail is what lies beyond the last
LEAST_SCALE = 1e-6
FARTHEST = 700.0  # of a logarithm, so that its exponential is finite


@dataclass(frozen=True)
class Strangers:
    """How alike images of two people are.

    Attributes:
        quantiles: The similarity that exactly i % of the pairs do not exceed, i = 0 to 95.
        tail_scale: Beyond the last of them, excesses follow a generalised Pareto distribution
            (Pickands, 1975) of this scale, above 0,
        tail_shape: and this shape, at most 0: where it is negative the excess has an upper end,
            at ``-tail_scale / tail_shape``; 0 is the exponential distribution.
    """

    quantiles: tuple[float, ...]
    tail_scale: float
    tail_shape: float

    def exceeded_by(self, share: float) -> float:
        """Return the similarity that a share of the pairs exceeds, at most 1.

        Args:
            share: Above 0 and at most 1.
        """
        beyond = 1 - (len(self.quantiles) - 1) / 100  # share of pairs beyond the last quantile
        if share >= beyond:
            place = 100 * (1 - share)
            return float(np.interp(place, np.arange(len(self.quantiles)), self.quantiles))
        # The excess that the part share / beyond of the tail is larger than. A part too small to
        # be a number above 0 counts as the smallest that is.
        part = math.log(max(share / beyond, sys.float_info.min))
        if self.tail_shape:
            growth = math.expm1(min(-self.tail_shape * part, FARTHEST))
            excess = self.tail_scale / self.tail_shape * growth
        else:
            excess = -self.tail_scale * part
        return min(1.0, self.quantiles[-1] + excess)


@dataclass(frozen=True, eq=False)
class Shown:
    """Who was seen where, and how that looked.

    Attributes:
        vectors: ``(n, D)`` float64.
        modality: ``(n,)`` text.
        identity: ``(n,)``.
        location: ``(n,)``; -1 is no location.
    """

    vectors: Array
    modality: NDArray[np.str_]
    identity: NDArray[np.int64]
    location: NDArray[np.int64]


def shown_of(
    features: Features, location: NDArray[np.int64], projection: Projection | None = None
) -> Shown:
    """Return the images of a table with the embeddings that a gallery would hold.

    Args:
        features: Features of n images.
        location: ``(n,)`` of each of them.
        projection: Makes the embeddings compact; None compares full ones.
    """
    vectors = _unit(features.features.astype(np.float64))
    if projection is not None:
        vectors = vectors @ projection.matrix
    return Shown(vectors, features.modality, features.identity, location)


def templates_of(images: Shown, camera: NDArray[np.int64]) -> Shown:
    """Return a template for each person in each camera: the mean of the images, of unit length."""
    keys = np.stack([images.identity, camera, images.modality == MODALITIES[0]])
    _, first, group = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), images.vectors.shape[1]))
    np.add.at(sums, group.ravel(), images.vectors)
    return Shown(
        _unit(sums), images.modality[first], images.identity[first], images.location[first]
    )


def same_modality(shown: Shown) -> dict[str, Strangers]:
    """Measure how alike two people are in one modality, seen at two locations.

    Pairs of one location share its background and light, and are left out.

    Returns:
        Modality -> similarities of strangers; one without such pairs is left out.
    """
    measured: dict[str, Strangers] = {}
    for modality in MODALITIES:
        rows = shown.modality == modality
        people, places = shown.identity[rows], shown.location[rows]
        compared = (places[:, None] != places) | (places[:, None] < 0)
        compared &= (people[:, None] != people) & ~np.tri(len(people), dtype=np.bool_)
        if compared.any():
            vectors = shown.vectors[rows]
            measured[modality] = fit_strangers((vectors @ vectors.T)[compared])
    return measured


def fit_strangers(similarity: Array) -> Strangers:
    """Return how alike people are, given ``(pairs,)`` similarities of two people each."""
    quantiles = np.quantile(similarity, QUANTILES)
    scale, shape = _tail(similarity[similarity > quantiles[-1]] - quantiles[-1])
    return Strangers(tuple(quantiles.tolist()), scale, shape)


def _tail(excesses: Array) -> tuple[float, float]:
    """Fit a generalised Pareto distribution by its moments (Hosking and Wallis, 1987).

    A similarity is bounded, so that a shape above 0 can only be chance.

    Returns:
        Scale and shape.
    """
    if not len(excesses):
        return LEAST_SCALE, 0.0
    mean, variance = float(excesses.mean()), float(excesses.var())
    ratio = mean**2 / variance if variance > LEAST_SCALE**2 else 1.0
    shape = min(0.0, (1 - ratio) / 2)
    return max(mean * (1 - shape), LEAST_SCALE), shape


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
