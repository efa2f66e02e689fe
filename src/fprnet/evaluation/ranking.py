"""Ranking all trials of a protocol: features become scores of every query in every trial.

The distances from the queries to the union of all galleries are computed once, in blocks of
queries that stay in the processor's cache while every trial reads its columns from them.
Shapes: D numbers per embedding, Q queries, U images of which galleries are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Rows, Trial
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError, UsageError
from fprnet.evaluation.ranking_metrics import (
    GroupedColumns,
    QueryScores,
    ranking_keys,
    score_queries,
)

__all__ = ["Distance", "best_device", "score_trials", "vectors_of"]

Distance = Literal["euclidean", "cosine"]

# Distances in one block: what fits in a processor's cache, and what keeps a GPU busy.
CPU_BLOCK = 2**20
GPU_BLOCK = 2**27


def score_trials(
    features: Features,
    protocol: Protocol,
    *,
    metric: Distance = "euclidean",
    device: str | torch.device | None = None,
) -> list[QueryScores]:
    """Score every query of every trial.

    Distances are squared Euclidean ones in float64, also for large embeddings: in float32 about
    one query in a thousand swaps two neighbours, so that scores would differ between block sizes,
    thread counts and devices in the digits that are printed.

    Args:
        features: The table whose rows the protocol names.
        protocol: Trials and rules.
        metric: "euclidean" on the vectors as they are; "cosine" on vectors of length 1.
        device: Where to compute; None takes a CUDA device if there is one, else the CPU.

    Returns:
        One ``QueryScores`` per trial, on the CPU, in the order of the trial's queries.

    Raises:
        UsageError: The metric is unknown.
        FeaturesError: A trial has no queries or no gallery, or the cosine of a zero vector is
            asked for.
    """
    device = best_device(device)
    for trial in protocol.trials:
        if not len(trial.query) or not len(trial.gallery):
            raise FeaturesError(
                f"a trial has {len(trial.query)} queries and {len(trial.gallery)} gallery images; "
                "it needs both, so check identities, cameras and modality of the features"
            )
    scores: dict[int, QueryScores] = {}
    for numbers in _same_queries(protocol.trials):
        galleries = [protocol.trials[number].gallery for number in numbers]
        query = protocol.trials[numbers[0]].query
        results = _score_galleries(features, protocol, query, galleries, metric, device)
        scores.update(zip(numbers, results, strict=True))
    return [scores[number] for number in range(len(protocol.trials))]


def _score_galleries(
    features: Features,
    protocol: Protocol,
    query: Rows,
    galleries: Sequence[Rows],
    metric: Distance,
    device: str | torch.device,
) -> list[QueryScores]:
    """Score one set of queries against several galleries."""
    union = np.unique(np.concatenate(galleries))
    union = union[np.argsort(protocol.order[union], kind="stable")]  # columns, as ties want them
    column = np.full(len(features), -1, dtype=np.int64)
    column[union] = np.arange(len(union))

    def rows_of(values: NDArray[np.int64], rows: Rows) -> Tensor:
        return torch.from_numpy(values[rows]).to(device)

    query_identity = rows_of(features.identity, query)
    query_group = rows_of(protocol.exclusion_group, query)
    group = F.pad(rows_of(protocol.exclusion_group, union), (0, 1), value=NEVER_EXCLUDED)
    column_identity = rows_of(features.identity, union)
    drawn = [GroupedColumns.of(rows_of(column, gallery), column_identity) for gallery in galleries]
    left, right = _factors(
        vectors_of(features, query, metric, device), vectors_of(features, union, metric, device)
    )

    parts: list[list[QueryScores]] = [[] for _ in galleries]
    size = max(1, (CPU_BLOCK if left.device.type == "cpu" else GPU_BLOCK) // len(union))
    buffer = left.new_empty(min(size, len(query)), right.shape[1])
    starts = range(0, len(query), size)
    for start in tqdm(starts, desc="ranking", unit="block", delay=2, leave=False):
        block = slice(start, start + size)
        removed = (query_group[block, None] == group) & (group != NEVER_EXCLUDED)
        distance = torch.mm(left[block], right, out=buffer[: len(removed)])
        keys = ranking_keys(distance, removed)
        for part, gallery in zip(parts, drawn, strict=True):
            part.append(score_queries(keys, query_identity[block], gallery))
    return [QueryScores.joined(part).to("cpu").counting(protocol.cmc) for part in parts]


def best_device(device: str | torch.device | None) -> str | torch.device:
    """Return the device; for None a CUDA device if there is one, else the CPU."""
    if device is not None:
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def vectors_of(
    features: Features, rows: Rows, metric: Distance, device: str | torch.device
) -> Tensor:
    """Return the vectors of some rows ``(n, D)`` float64 as the metric compares them.

    Raises:
        UsageError: The metric is unknown.
        FeaturesError: A zero vector has no cosine.
    """
    if metric not in get_args(Distance):
        raise UsageError(f"metric {metric!r} is unknown; choose {' or '.join(get_args(Distance))}")
    vectors = torch.from_numpy(features.features[rows]).to(device, torch.float64)
    if metric == "euclidean":
        return vectors
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    if (length == 0).any():
        row = int(rows[int((length == 0).flatten().nonzero()[0])])
        raise FeaturesError(
            f"row {row} of the features is all zero and has no cosine; use the Euclidean metric"
        )
    unit: Tensor = vectors / length
    return unit


def _factors(query: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(Q, D + 2)`` and ``(D + 2, U + 1)`` whose product is the squared distance.

    The last column is zero: the padding column of :func:`ranking_keys`. All vectors are moved by
    the gallery's mean first, so that no digits cancel where they have a large common part.
    """
    mean = gallery.mean(dim=0)
    query, gallery = query - mean, gallery - mean
    query_square = torch.linalg.vecdot(query, query)[:, None]
    gallery_square = torch.linalg.vecdot(gallery, gallery)[:, None]
    left = torch.cat([query.mul_(-2), query_square, torch.ones_like(query_square)], dim=1)
    right = torch.cat([gallery, torch.ones_like(gallery_square), gallery_square], dim=1)
    return left, F.pad(right, (0, 0, 0, 1)).T


def _same_queries(trials: Sequence[Trial]) -> list[list[int]]:
    """Group the numbers of the trials that ask the same queries: they share the distances."""
    groups: dict[bytes, list[int]] = {}
    for number, trial in enumerate(trials):
        groups.setdefault(trial.query.tobytes(), []).append(number)
    return list(groups.values())
