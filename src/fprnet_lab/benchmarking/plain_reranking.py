"""k-reciprocal re-ranking image by image on whole matrices, as public NumPy code does it.

The slow oracle of :mod:`fprnet.evaluation.reranking`: the formulas of Zhong et al. (CVPR 2017), one
loop for each "for all". Shapes: D numbers per embedding, Q queries, G gallery images, N = Q + G.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["plain_rerank"]

Matrix = NDArray[np.float32]


def plain_rerank(
    query: NDArray[np.float64],
    gallery: NDArray[np.float64],
    *,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> Matrix:
    """Return the re-ranked distances ``(Q, G)`` of ``(Q, D)`` and ``(G, D)``."""
    squared = _squared_distance(np.concatenate([query, gallery]))
    # Ranked before they are divided, which can round two different numbers to one.
    rank = np.argsort(squared, axis=1, kind="stable")
    distance = (squared / squared.max(axis=0)).T
    images, queries = len(distance), len(query)

    def mutual(p: int, k: int) -> NDArray[np.int64]:
        """Return R(p, k)."""
        near = rank[p, : k + 1]
        return near[np.any(rank[near, : k + 1] == p, axis=1)]

    weights = np.zeros((images, images), dtype=np.float32)
    for p in range(images):
        own = mutual(p, k1)
        if not len(own):  # behind many equal images
            own = np.array([p])
        together = own
        for q in own:
            theirs = mutual(q, round(k1 / 2))
            if 3 * len(np.intersect1d(own, theirs)) > 2 * len(theirs):
                together = np.append(together, theirs)
        together = np.unique(together)
        nearness = np.exp(-distance[p, together])
        weights[p, together] = nearness / nearness.sum()

    averaged = np.zeros_like(weights)
    for p in range(images):
        averaged[p] = weights[rank[p, :k2]].mean(axis=0)

    holders = [np.flatnonzero(averaged[:, g]) for g in range(images)]
    jaccard = np.zeros((queries, images), dtype=np.float32)
    for p in range(queries):
        shared = np.zeros(images, dtype=np.float32)
        for g in np.flatnonzero(averaged[p]):
            shared[holders[g]] += np.minimum(averaged[p, g], averaged[holders[g], g])
        jaccard[p] = 1 - shared / (2 - shared)
    mixed: Matrix = (1 - weight) * jaccard + weight * distance[:queries]
    return mixed[:, queries:]


def _squared_distance(vectors: NDArray[np.float64]) -> Matrix:
    square = (vectors**2).sum(axis=1)
    squared = square[:, None] + square - 2 * vectors @ vectors.T
    squared[squared < 1e-12 * square] = 0  # rounding noise between equal images
    rounded: Matrix = squared.astype(np.float32)
    return rounded
