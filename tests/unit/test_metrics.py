"""Metrics of one's own, and the names under which protocols are published."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from documents import blocks
from fprnet.data.data_set import DataSet
from fprnet.data.protocols.named import PROTOCOLS
from fprnet.data.readers import READERS
from fprnet.errors import ConfigError, UsageError
from fprnet.evaluation.data_set_protocol import make_protocol, named_options, protocol_options
from fprnet.evaluation.metrics import CMC, METRICS, RANKS, parse_metrics, per_query
from fprnet.evaluation.ranking_metrics import rank_queries
from sysu_cases import evaluate, small_features, small_split

# Query identity 1; by distance the gallery is 2, 1, 3, 1, and the 3 is removed: matches at 2 and 3.
DISTANCE = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
GALLERY = torch.tensor([2, 1, 3, 1])
REMOVED = torch.tensor([[False, False, True, False]])


@per_query
def precision_at_2(ranks, images):
    return (ranks <= 2).sum() / min(2, images)


def reciprocal_rank(ranked):
    return 1 / ranked.image_rank


def test_ranks_and_images_of_a_query() -> None:
    ranked = rank_queries(DISTANCE, torch.tensor([1]), GALLERY, removed=REMOVED)
    assert ranked.match_rank.tolist() == [[2, 3]]
    assert ranked.images.tolist() == [3]
    nobody = rank_queries(DISTANCE, torch.tensor([9]), GALLERY, removed=REMOVED)
    assert nobody.match_rank.tolist() == [[0, 0]]
    assert nobody.images.tolist() == [3]
    assert not nobody.valid.any()


def test_a_metric_of_one_query_is_called_with_its_ranks() -> None:
    ranked = rank_queries(DISTANCE, torch.tensor([1]), GALLERY, removed=REMOVED)
    assert precision_at_2(ranked).tolist() == [0.5]
    assert np.isnan(precision_at_2(replace(ranked, valid=torch.tensor([False]))).tolist()).all()


def test_own_metrics_are_columns_beside_the_known_ones() -> None:
    features, split = small_features(), small_split()
    plain = evaluate(features, split).rows["plain"]
    scores = evaluate(features, split, metrics=["mAP", precision_at_2, reciprocal_rank])
    row = scores.rows["plain"]
    assert list(row.metrics) == ["mAP", "precision_at_2", "reciprocal_rank"]
    assert row.metrics["mAP"] == plain.metrics["mAP"]
    assert row.image_level == {}
    assert row.curve == plain.curve
    assert scores.as_dict()["metrics"]["mAP"] is None
    assert "sha256" in scores.as_dict()["metrics"]["precision_at_2"]
    assert row.per_identity is not None
    assert set(row.per_identity.metrics) == set(row.metrics)
    table = scores.table()
    assert "precision_at_2" in table
    assert "image level" not in table


def test_documented_metrics_are_metrics() -> None:
    code, _ = blocks("evaluation.md", "python")
    names = {"__name__": "documented"}
    exec(compile(code, "evaluation.md", "exec"), names)
    own = [names["reciprocal_rank"], names["precision_at_5"]]
    scores = evaluate(small_features(), small_split(), metrics=own).rows["plain"].metrics
    assert list(scores) == ["reciprocal_rank", "precision_at_5"]
    assert 0 < scores["reciprocal_rank"].mean <= 1


def test_metrics_that_cannot_be_used() -> None:
    features, split = small_features(), small_split()

    def too_few(ranked):
        return ranked.image_rank[:1]

    def undefined(ranked):
        return ranked.image_rank * float("nan")

    for metrics, message in (
        ([too_few], r"too_few returned shape \(1,\)"),
        ([undefined], "undefined is NaN"),
        ([], "no metrics"),
        (["mAP", "mAP"], "mAP is there twice"),
        ([reciprocal_rank, reciprocal_rank], "reciprocal_rank is there twice"),
    ):
        with pytest.raises(UsageError, match=message):
            evaluate(features, split, metrics=metrics)
    with pytest.raises(ConfigError, match="did you mean mAP"):
        parse_metrics(["mAp"])


def test_default_metrics_are_the_public_dict() -> None:
    assert list(parse_metrics().components) == list(METRICS)
    assert list(CMC) == [f"rank-{rank}" for rank in RANKS]


def test_a_name_stands_for_its_options() -> None:
    data_set = DataSet("sysu-mm01", ".", (7,), (), (1, 2, 3), small_split())
    features = small_features()
    for name, protocol in PROTOCOLS.items():
        assert set(protocol.options) <= set(protocol_options(protocol.layout))
        if protocol.layout == "sysu-mm01":
            made = make_protocol(features, data_set, named_options(name, "sysu-mm01"))
            assert made.published_as == name
    assert make_protocol(features, data_set).published_as == "sysu-mm01/all/1-shot@1"
    assert make_protocol(features, data_set, {"trials": 3}).published_as is None
    assert make_protocol(features, data_set, identities=(1,)).published_as is None
    assert {protocol.layout for protocol in PROTOCOLS.values()} <= set(READERS)


def test_what_a_name_stands_for_never_changes() -> None:
    """The digest is of the names and options as first published; new names are added to both."""
    text = json.dumps({name: p.options for name, p in PROTOCOLS.items()}, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED


PUBLISHED = "1c0a277d4831732ce2f51ff24135f13b0c788bb6a901f8672ee3d734ef180615"
