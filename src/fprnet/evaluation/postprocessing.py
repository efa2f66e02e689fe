"""Scores of rankings that were improved after the fact: re-ranking and query expansion.

Each makes a row of its own in the result; none replaces the plain one. Within a trial both see
what the plain ranking sees: its queries, its gallery, and for query expansion only the gallery
images that the query may see. Re-ranking uses all images of the trial as neighbours, also those
that are excluded for a query, and the exclusion is applied to its result.
Shapes: D numbers per embedding, Q queries, G gallery images of one trial, B queries of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Rows
from fprnet.embeddings.store import Features
from fprnet.errors import UsageError
from fprnet.evaluation.ranking import Distance, best_device, vectors_of
from fprnet.evaluation.ranking_metrics import QueryScores, rank_queries
from fprnet.evaluation.reranking import Reranking, reranked_blocks

__all__ = ["expanded_queries", "score_expanded_trials", "score_reranked_trials"]

BLOCK = 2**22  # numbers in one block

Removed = Callable[[slice], Tensor]
# Queries (Q, D), gallery (G, D), removed images of a block of queries, modality (Q + G,) of all
# images -> blocks of distances.
Distances = Callable[[Tensor, Tensor, Removed, NDArray[np.str_]], Iterator[tuple[slice, Tensor]]]


def score_reranked_trials(
    features: Features,
    protocol: Protocol,
    options: Reranking,
    *,
    metric: Distance = "euclidean",
    device: str | torch.device | None = None,
) -> list[QueryScores]:
    """Score every trial after k-reciprocal re-ranking of its queries and its gallery.

    The cosine metric re-ranks vectors of length 1. Balanced neighbours are half visible and half
    infrared, where a trial has both. Returns and raises what :func:`.score_trials` does.
    """

    def distances(
        query: Tensor, gallery: Tensor, _removed: Removed, modality: NDArray[np.str_]
    ) -> Iterator[tuple[slice, Tensor]]:
        groups = (modality == "infrared").astype(np.int64) if options.balanced else None
        return reranked_blocks(query, gallery, options, groups)

    return _score(features, protocol, distances, metric, device)


def score_expanded_trials(
    features: Features,
    protocol: Protocol,
    neighbours: int,
    *,
    metric: Distance = "euclidean",
    device: str | torch.device | None = None,
) -> list[QueryScores]:
    """Score every trial with each query replaced by its mean with its nearest gallery images.

    Args:
        features: The table whose rows the protocol names.
        protocol: Trials and rules.
        neighbours: How many gallery images join a query; those excluded for it never do.
        metric: As for :func:`.score_trials`; "cosine" averages vectors of length 1.
        device: Where to compute; None takes a CUDA device if there is one, else the CPU.

    Raises:
        UsageError: ``neighbours`` is less than 1.
    """
    if neighbours < 1:
        raise UsageError(f"query expansion takes {neighbours} neighbours; it must be 1 or more")

    def distances(
        query: Tensor, gallery: Tensor, removed: Removed, _modality: NDArray[np.str_]
    ) -> Iterator[tuple[slice, Tensor]]:
        size = max(1, BLOCK // max(len(gallery), neighbours * query.shape[1]))
        for start in range(0, len(query), size):
            part = slice(start, start + size)
            expanded = expanded_queries(query[part], gallery, neighbours, removed=removed(part))
            # The length of a query changes no ranking: only its direction matters to the cosine,
            # and against gallery vectors of length 1 to the Euclidean distance, too.
            yield part, squared_distance(expanded, gallery)

    return _score(features, protocol, distances, metric, device)


def expanded_queries(query: Tensor, gallery: Tensor, neighbours: int, *, removed: Tensor) -> Tensor:
    """Average each query with its nearest gallery images (Chum et al., ICCV 2007).

    Args:
        query: ``(Q, D)``.
        gallery: ``(G, D)``; equal distances are taken in this order.
        neighbours: How many; fewer where the query may see fewer.
        removed: ``(Q, G)`` bool, gallery images that do not exist for a query.

    Returns:
        ``(Q, D)``, the mean of a query and its neighbours.
    """
    count = min(neighbours, len(gallery))
    distance = squared_distance(query, gallery).float().masked_fill_(removed, torch.inf)
    nearest = distance.sort(dim=1, stable=True)
    seen = (nearest.values[:, :count] < torch.inf).to(query.dtype)
    total = torch.einsum("qk,qkd->qd", seen, gallery[nearest.indices[:, :count]]) + query
    return total / (1 + seen.sum(dim=1, keepdim=True))


def squared_distance(query: Tensor, gallery: Tensor) -> Tensor:
    """Return the squared Euclidean distances ``(Q, G)``."""
    mean = gallery.mean(dim=0)
    query, gallery = query - mean, gallery - mean
    squares = torch.linalg.vecdot(gallery, gallery)[None]
    distance = torch.addmm(squares, query, gallery.T, alpha=-2)
    distance += torch.linalg.vecdot(query, query)[:, None]
    return distance


def _score(
    features: Features,
    protocol: Protocol,
    distances: Distances,
    metric: Distance,
    device: str | torch.device | None,
) -> list[QueryScores]:
    device = best_device(device)
    results = []
    for trial in protocol.trials:
        shown = trial.gallery[protocol.order[trial.gallery].argsort(kind="stable")]
        removed = _removal(protocol, trial.query, shown, device)
        identity = torch.from_numpy(features.identity[trial.query]).to(device)
        gallery_identity = torch.from_numpy(features.identity[shown]).to(device)
        query = vectors_of(features, trial.query, metric, device)
        gallery = vectors_of(features, shown, metric, device)
        modality = features.modality[np.concatenate([trial.query, shown])]
        parts = [
            rank_queries(distance, identity[part], gallery_identity, removed=removed(part))
            for part, distance in distances(query, gallery, removed, modality)
        ]
        results.append(QueryScores.joined(parts).to("cpu").counting(protocol.cmc))
    return results


def _removal(protocol: Protocol, query: Rows, gallery: Rows, device: str | torch.device) -> Removed:
    """Return what gives ``(B, G)``, the gallery images that a block of queries must not see."""
    query_group = torch.from_numpy(protocol.exclusion_group[query]).to(device)
    group = torch.from_numpy(protocol.exclusion_group[gallery]).to(device)

    def removed(part: slice) -> Tensor:
        return (query_group[part, None] == group) & (group != NEVER_EXCLUDED)

    return removed
