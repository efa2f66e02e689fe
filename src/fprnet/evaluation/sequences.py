"""Embeddings of single images become those of sequences, or distances between sequences.

A protocol of tracklets names one row for each, and the rows of its images (``members``).
Shapes: N images, D numbers per embedding, Q query and G gallery tracklets, S images of each.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Rows
from fprnet.embeddings.store import Features
from fprnet.errors import UsageError
from fprnet.evaluation.postprocessing import squared_distance
from fprnet.evaluation.ranking import Distance, vectors_of
from fprnet.evaluation.ranking_metrics import QueryScores, rank_queries

__all__ = ["needs_pairs", "refuse_pairs", "score_best_pairs", "with_means"]

UNIT = 1e-3  # how far from 1 lengths may be for a mean to be scaled to length 1
BLOCK = 2**24  # distances of images in one block


def needs_pairs(protocol: Protocol) -> bool:
    """Return whether tracklets are compared by their most similar pair of images."""
    return protocol.sequences == "best-pair"


def with_means(features: Features, protocol: Protocol) -> Features:
    """Return the features with each tracklet's row replaced by the mean of its images.

    Where all images have embeddings of length 1, so has the mean.
    """
    if protocol.sequences != "mean":
        return features
    vectors = features.features.copy()
    unit = bool((np.abs(np.linalg.norm(features.features, axis=1) - 1) < UNIT).all())
    for row, rows in protocol.members.items():
        mean = features.features[rows].astype(np.float64).mean(axis=0)
        if unit:
            mean /= max(float(np.linalg.norm(mean)), 1e-12)
        vectors[row] = mean
    return replace(features, features=vectors)


def score_best_pairs(
    features: Features, protocol: Protocol, *, metric: Distance = "euclidean"
) -> list[QueryScores]:
    """Score every trial with the distance of the nearest pair of images of two tracklets."""
    results = []
    for trial in protocol.trials:
        gallery = trial.gallery[np.argsort(protocol.order[trial.gallery], kind="stable")]
        shown = _members(protocol, gallery)
        vectors = vectors_of(features, shown.ravel(), metric, "cpu")
        size = max(1, BLOCK // (shown.size * shown.shape[1]))
        parts = []
        for start in range(0, len(trial.query), size):
            query = trial.query[start : start + size]
            asked = _members(protocol, query)
            distance = squared_distance(vectors_of(features, asked.ravel(), metric, "cpu"), vectors)
            pairs = distance.view(len(query), asked.shape[1], len(gallery), shown.shape[1])
            group = protocol.exclusion_group
            removed = (group[query, None] == group[gallery]) & (group[gallery] != NEVER_EXCLUDED)
            parts.append(
                rank_queries(
                    pairs.amin(dim=(1, 3)),
                    torch.from_numpy(features.identity[query]),
                    torch.from_numpy(features.identity[gallery]),
                    removed=torch.from_numpy(removed),
                )
            )
        results.append(QueryScores.joined(parts).counting(protocol.cmc))
    return results


def refuse_pairs(protocol: Protocol, what: str) -> None:
    """Refuse what is defined for single embeddings only.

    Raises:
        UsageError: The protocol compares pairs of images.
    """
    if needs_pairs(protocol):
        raise UsageError(f"{what} needs one embedding of a tracklet; use sequences mean")


def _members(protocol: Protocol, rows: Rows) -> Rows:
    """Return ``(n, S)``, the rows of the images of each tracklet."""
    return np.stack([protocol.members[row] for row in rows.tolist()])
