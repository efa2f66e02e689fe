"""The official evaluation as one Python iteration per query: the loops that the field copies.

Slow oracles of :mod:`fprnet.evaluation.ranking`. Shapes: Q queries, G gallery images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fprnet.data.protocols.sysu_mm01 import Mode, sysu_mm01_protocol
from fprnet.data.sysu_mm01 import SysuSplit
from fprnet.embeddings.store import Features
from fprnet.evaluation.metrics import RANKS

__all__ = ["TrialLoop", "field_loop", "lean_loop", "loop_evaluate"]

TrialLoop = Callable[..., dict[str, float]]


def loop_evaluate(
    features: Features,
    split: SysuSplit,
    loop_trial: TrialLoop,
    *,
    mode: Mode,
    shots: int,
    trials: int,
) -> dict[str, list[float]]:
    """Score all trials with one Python iteration per query."""
    protocol = sysu_mm01_protocol(features, split, mode=mode, shots=shots, trials=trials)
    scores: dict[str, list[float]] = {}
    for trial in protocol.trials:
        gallery = trial.gallery[np.argsort(protocol.order[trial.gallery])]
        queries = features.features[trial.query].astype(np.float64)
        vectors = features.features[gallery].astype(np.float64)
        distance = (queries**2).sum(1)[:, None] + (vectors**2).sum(1) - 2 * queries @ vectors.T
        for name, value in loop_trial(
            distance,
            features.identity[trial.query],
            features.identity[gallery],
            protocol.exclusion_group[trial.query],
            protocol.exclusion_group[gallery],
        ).items():
            scores.setdefault(name, []).append(value)
    return scores


def field_loop(
    distance: NDArray[np.float64],
    query_identity: NDArray[np.int64],
    gallery_identity: NDArray[np.int64],
    query_place: NDArray[np.int64],
    gallery_place: NDArray[np.int64],
) -> dict[str, float]:
    """One trial in the idioms of the widely copied evaluators, list comprehensions included."""
    order = np.argsort(distance, axis=1, kind="stable")
    matches = (gallery_identity[order] == query_identity[:, None]).astype(np.int32)
    identity_cmc, image_cmc, precisions, penalties = [], [], [], []
    for query, identity in enumerate(query_identity):
        keep = gallery_place[order[query]] != query_place[query]
        match = matches[query][keep]
        if not np.any(match):
            continue
        ranked = gallery_identity[order[query]][keep]
        first = np.unique(ranked, return_index=True)[1]
        people = [ranked[position] for position in sorted(first)]
        identity_cmc.append((np.asarray(people) == identity).astype(np.int32).cumsum()[: RANKS[-1]])
        found = match.cumsum()
        last = np.max(np.where(match == 1))
        penalties.append(found[last] / (last + 1.0))
        precision = [number / (rank + 1.0) for rank, number in enumerate(found)]
        precisions.append((np.asarray(precision) * match).sum() / match.sum())
        found[found > 1] = 1
        image_cmc.append(found[: RANKS[-1]])
    return _named(
        np.asarray(identity_cmc).mean(axis=0),
        np.asarray(image_cmc).mean(axis=0),
        float(np.mean(precisions)),
        float(np.mean(penalties)),
    )


def lean_loop(
    distance: NDArray[np.float64],
    query_identity: NDArray[np.int64],
    gallery_identity: NDArray[np.int64],
    query_place: NDArray[np.int64],
    gallery_place: NDArray[np.int64],
) -> dict[str, float]:
    """One trial, still query by query, but with everything inside a query left to NumPy."""
    identity_cmc = np.zeros(len(gallery_identity))
    image_cmc = np.zeros(len(gallery_identity))
    precisions, penalties = [], []
    for query, identity in enumerate(query_identity):
        order = np.argsort(distance[query], kind="stable")
        keep = gallery_place[order] != query_place[query]
        ranked = gallery_identity[order][keep]
        match = ranked == identity
        if not match.any():
            continue
        first = np.unique(ranked, return_index=True)[1]
        identity_cmc[np.flatnonzero(ranked[np.sort(first)] == identity)[0] :] += 1
        image_cmc[np.flatnonzero(match)[0] :] += 1
        precision = match.cumsum() / np.arange(1, len(match) + 1)
        precisions.append((precision * match).sum() / match.sum())
        penalties.append(match.sum() / (np.flatnonzero(match)[-1] + 1))
    valid = len(precisions)
    return _named(
        identity_cmc / valid,
        image_cmc / valid,
        float(np.mean(precisions)),
        float(np.mean(penalties)),
    )


def _named(
    identity_cmc: NDArray[np.float64], image_cmc: NDArray[np.float64], mean_ap: float, minp: float
) -> dict[str, float]:
    return {
        **{f"rank-{k}": float(identity_cmc[k - 1]) for k in RANKS},
        **{f"image-level rank-{k}": float(image_cmc[k - 1]) for k in RANKS},
        "mAP": mean_ap,
        "mINP": minp,
    }
