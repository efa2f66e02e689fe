"""Rows beside plain: re-ranking within each trial, query expansion, and flip with both."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_neighbours import plain_jaccard

from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.errors import UsageError
from fprnet.evaluation.postprocessing import expanded_queries
from fprnet.evaluation.reranking import Reranking
from fprnet_lab.benchmarking.plain_reranking import plain_rerank
from sysu_cases import by_definition, evaluate, small_features, small_split

SPLIT = small_split()
OPTIONS = Reranking(k1=4, k2=2)


def by_loops(features, protocol, distances):
    """mAP and rank-1 of each trial, from sorted lists, after the rule of the place."""
    mean_ap, rank_1 = [], []
    for trial in protocol.trials:
        shown = np.array(sorted(trial.gallery, key=lambda row: protocol.order[row]))
        matrix = distances(features, protocol, trial.query, shown)
        queries = []
        for row, query in zip(matrix, trial.query, strict=True):
            removed = protocol.exclusion_group[shown] == protocol.exclusion_group[query]
            identity = features.identity
            queries.append(by_definition(row, identity[query], identity[shown], removed))
        valid = [query for query in queries if query is not None]
        mean_ap.append(np.mean([query.average_precision for query in valid]))
        rank_1.append(np.mean([query.identity_rank == 1 for query in valid]))
    return mean_ap, rank_1


def reranked_plainly(features, _protocol, query, gallery):
    vectors = features.features.astype(float)
    return plain_rerank(vectors[query], vectors[gallery], k1=4, k2=2)


def balanced_plainly(features, _protocol, query, gallery):
    rows = np.concatenate([query, gallery])
    vectors = features.features[rows].astype(float)
    night = (features.modality[rows] == "infrared").astype(int)
    jaccard = plain_jaccard(vectors, night, k1=4, k2=3)[: len(query), len(query) :]
    apart = ((vectors[: len(query), None] - vectors) ** 2).sum(axis=2)
    original = (apart / apart.max(axis=1, keepdims=True))[:, len(query) :]
    return 0.7 * jaccard + 0.3 * original


def expanded_by_loops(features, protocol, query, gallery):
    vectors = features.features.astype(float)
    rows = []
    for asked in query:
        distance = ((vectors[gallery] - vectors[asked]) ** 2).sum(axis=1)
        seen = [
            g
            for g in np.argsort(distance, kind="stable")
            if protocol.exclusion_group[gallery[g]] != protocol.exclusion_group[asked]
        ]
        mean = np.mean([vectors[asked], *(vectors[gallery[g]] for g in seen[:2])], axis=0)
        rows.append(((vectors[gallery] - mean) ** 2).sum(axis=1))
    return np.array(rows)


@pytest.mark.parametrize("shots", [1, 10])
@pytest.mark.parametrize(
    ("label", "distances"),
    [("rerank", reranked_plainly), ("query-expansion", expanded_by_loops)],
)
def test_rows_agree_with_slow_loops(label: str, distances, shots: int) -> None:
    features = small_features(ties=False, dimensions=4)
    scores = evaluate(features, SPLIT, shots=shots, rerank=OPTIONS, expand_query=2)
    protocol = sysu_mm01_protocol(features, SPLIT, shots=shots)
    mean_ap, rank_1 = by_loops(features, protocol, distances)
    row = scores.rows[label]
    assert row.metrics["mAP"].per_trial == pytest.approx(mean_ap)
    assert row.metrics["rank-1"].per_trial == pytest.approx(rank_1)


def test_balanced_row_agrees_with_slow_loops() -> None:
    features = small_features(ties=False, dimensions=4)
    balanced = replace(OPTIONS, k2=3, balanced=True)
    scores = evaluate(features, SPLIT, rerank=balanced)
    assert list(scores.rows) == ["plain", "rerank-balanced"]
    assert scores.postprocessing["rerank-balanced"] == {"k1": 4, "k2": 3, "lambda": 0.3}
    protocol = sysu_mm01_protocol(features, SPLIT, shots=1)
    mean_ap, rank_1 = by_loops(features, protocol, balanced_plainly)
    row = scores.rows["rerank-balanced"]
    assert row.metrics["mAP"].per_trial == pytest.approx(mean_ap)
    assert row.metrics["rank-1"].per_trial == pytest.approx(rank_1)
    assert row != evaluate(features, SPLIT, rerank=OPTIONS).rows["rerank"]


def test_a_row_never_changes_plain() -> None:
    features = small_features()
    plain = evaluate(features, SPLIT)
    both = evaluate(features, SPLIT, rerank=OPTIONS, expand_query=2)
    assert list(both.rows) == ["plain", "rerank", "query-expansion"]
    assert both.rows["plain"] == plain.rows["plain"]
    assert both.valid_queries == plain.valid_queries < plain.queries
    result = both.as_dict()
    assert result["postprocessing"] == {
        "rerank": {"k1": 4, "k2": 2, "lambda": 0.3},
        "query-expansion": {"neighbours": 2},
    }
    assert plain.as_dict()["postprocessing"] == {}


def test_flip_with_both() -> None:
    scores = evaluate(small_features(), SPLIT, rerank=OPTIONS)
    flipped = evaluate(small_features(seed=1), SPLIT, rerank=OPTIONS)
    together = scores.with_flipped(flipped)
    assert list(together.rows) == ["plain", "rerank", "flip", "flip+rerank"]
    assert together.rows["flip+rerank"] == flipped.rows["rerank"]


@pytest.mark.parametrize("options", [{"rerank": OPTIONS}, {"expand_query": 2}])
def test_cosine_ignores_length(options) -> None:
    features = small_features(ties=False)
    lengths = np.random.default_rng(2).choice([0.25, 2, 8], (len(features), 1))
    scaled = features.where(np.arange(len(features)))
    scaled.features[:] *= lengths.astype(np.float32)
    one = evaluate(features, SPLIT, metric="cosine", **options).rows
    assert one == evaluate(scaled, SPLIT, metric="cosine", **options).rows


def test_the_order_of_rows_does_not_matter_to_expansion() -> None:
    features = small_features(ties=True)
    shuffled = features.where(np.random.default_rng(1).permutation(len(features)))
    expected = evaluate(features, SPLIT, expand_query=3).rows
    assert evaluate(shuffled, SPLIT, expand_query=3).rows == expected


def test_expansion_worked_by_hand() -> None:
    query = torch.tensor([[0.0], [10.0]], dtype=torch.float64)
    gallery = torch.tensor([[2.0], [1.0], [7.0]], dtype=torch.float64)
    removed = torch.tensor([[False, True, False], [False, False, False]])
    asked = expanded_queries(query, gallery, 1, removed=removed)
    assert asked.flatten().tolist() == [1.0, 8.5]  # (0 + 2) / 2 since 1 is removed; (10 + 7) / 2
    asked = expanded_queries(query, gallery, 5, removed=removed)
    assert asked.flatten().tolist() == pytest.approx([3.0, 5.0])  # fewer than 5 to see
    nothing = expanded_queries(query, gallery, 2, removed=torch.ones(2, 3, dtype=torch.bool))
    assert torch.equal(nothing, query)


def test_expansion_by_nobody() -> None:
    with pytest.raises(UsageError, match="takes 0 neighbours; it must be 1 or more"):
        evaluate(small_features(), SPLIT, expand_query=0)
