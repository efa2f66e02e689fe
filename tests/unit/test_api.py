"""The Python face: light to import, documented with examples, at home in NumPy and torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import fprnet
from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Trial
from fprnet.errors import FeaturesError, UsageError
from fprnet.evaluation.metrics import per_query

# Three people: the infrared image of each is nearest to the visible one of the same person, except
# that person 3's is nearest to person 1's, then to person 2's, then to its own.
VISIBLE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
INFRARED = [[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.8, 0.7, 0.1]]
COLUMNS = {
    "identities": [1, 2, 3, 1, 2, 3],
    "modalities": ["visible"] * 3 + ["infrared"] * 3,
}


def features() -> np.ndarray:
    return np.array(VISIBLE + INFRARED, dtype=np.float32)


def test_import_loads_nothing_heavy():
    heavy = "torch", "numpy", "pydantic", "matplotlib", "scipy", "openvino", "PIL"
    code = f"import sys, fprnet; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_about_fifteen_names_all_of_them_there():
    assert 12 <= len(fprnet.__all__) <= 20  # about fifteen
    assert list(fprnet.__all__) == sorted(fprnet.__all__)
    assert dir(fprnet) == fprnet.__all__
    for name in fprnet.__all__:
        assert getattr(fprnet, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = fprnet.nothing_of_this_name


@pytest.mark.parametrize("name", [n for n in fprnet.__all__ if not n.startswith("__")])
def test_every_name_is_documented_with_an_example(name):
    document = getattr(fprnet, name).__doc__
    assert "Examples:" in document
    assert "::\n" in document


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor, np.ndarray.tolist])
def test_evaluate_takes_arrays_tensors_and_lists(convert):
    columns = {**COLUMNS, "identities": convert(np.array(COLUMNS["identities"]))}
    scores = fprnet.evaluate(convert(features()), **columns)
    metrics = scores.rows["plain"].metrics
    assert metrics["rank-1"].mean == pytest.approx(2 / 3)
    assert metrics["mAP"].mean == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert scores.settings == {"direction": "infrared-to-visible", "removed": "nothing"}
    assert str(scores) == scores.table()
    assert "±" not in scores.table()  # one trial has no deviation


def test_evaluate_removes_the_query_s_camera_where_cameras_are_known():
    # Camera 7 took the visible images of 1 and 2 and the infrared one of 3: only 3 is left to it.
    scores = fprnet.evaluate(features(), **COLUMNS, cameras=[7, 7, 8, 9, 9, 7])
    assert scores.rows["plain"].metrics["rank-1"].mean == 1


def test_evaluate_in_the_other_direction_with_re_ranking_and_own_metrics():
    @per_query
    def last_rank(ranks, images):
        return ranks[-1] / images

    scores = fprnet.evaluate(
        features(),
        **COLUMNS,
        direction="visible-to-infrared",
        rerank=True,
        metrics=["rank-1", last_rank],
    )
    assert set(scores.rows) == {"plain", "rerank"}
    # From the visible side 1 and 2 stand first; 3 is 1.82 from both others and 1.94 from its own.
    assert scores.rows["plain"].metrics["rank-1"].mean == pytest.approx(2 / 3)
    assert scores.rows["plain"].metrics["last_rank"].mean == pytest.approx((1 + 1 + 3) / 9)
    assert scores.as_dict()["metrics"]["last_rank"] is not None


def test_evaluate_takes_features_and_files(tmp_path):
    from fprnet.embeddings.store import write_features
    from fprnet.evaluation.arrays import features_of_arrays

    made = features_of_arrays(features(), **COLUMNS)
    write_features(tmp_path / "features.npz", made)
    one, other = fprnet.evaluate(made), fprnet.evaluate(tmp_path / "features.npz")
    assert one.rows == other.rows
    assert len(fprnet.read_features(str(tmp_path / "features.npz"))) == 6


@pytest.mark.parametrize(
    ("arguments", "error", "what"),
    [
        ({}, FeaturesError, "identities"),
        ({**COLUMNS, "identities": [1, 2]}, FeaturesError, "identity"),
        ({**COLUMNS, "modalities": ["day"] * 6}, FeaturesError, "'day'"),
        ({**COLUMNS, "modalities": ["visible"] * 6}, FeaturesError, "infrared"),
        ({**COLUMNS, "direction": "up"}, UsageError, "'up'"),
        ({**COLUMNS, "mode": "all"}, UsageError, "mode"),
        ({**COLUMNS, "protocol": "sysu-mm01/all/1-shot@1"}, UsageError, "sysu-mm01"),
        ({**COLUMNS, "metrics": [features]}, UsageError, "features"),
    ],
)
def test_bad_arrays_are_refused(arguments, error, what):
    with pytest.raises(error, match=what):
        fprnet.evaluate(features(), **arguments)


def own_protocol(*trials: Trial, rows: int = 6) -> Protocol:
    never = np.full(rows, NEVER_EXCLUDED)
    return Protocol("mine", {"kind": "own"}, trials, never, np.arange(rows))


def trial(query: list[int], gallery: list[int]) -> Trial:
    return Trial(np.array(query, dtype=np.int64), np.array(gallery, dtype=np.int64))


def test_evaluate_takes_a_protocol_of_its_caller():
    # Persons 1 and 2 see their own image first, person 3 sees those of the others.
    protocol = own_protocol(trial([3, 5], [1, 2, 0]), trial([4, 5], [1, 2, 0]))
    scores = fprnet.evaluate(features(), **COLUMNS, protocol=protocol)
    assert (scores.protocol, scores.trials) == ("mine", 2)
    assert scores.rows["plain"].metrics["rank-1"].per_trial == (0.5, 0.5)


@pytest.mark.parametrize(
    ("protocol", "more", "what"),
    [
        (own_protocol(trial([3], [0, 1]), rows=5), {}, "exclusion_group has 5 rows"),
        (own_protocol(trial([3], [0, 6])), {}, "rows 0 to 6 of 6"),
        (own_protocol(trial([3], [0, 1]), trial([3, 4], [0, 1])), {}, r"queries \(1, 2\)"),
        (own_protocol(trial([3], [0, 1])), {"mode": "all"}, "mode"),
    ],
)
def test_protocols_that_do_not_fit_are_refused(protocol, more, what):
    with pytest.raises(UsageError, match=what):
        fprnet.evaluate(features(), **COLUMNS, protocol=protocol, **more)


def test_integers_are_no_features():
    with pytest.raises(FeaturesError, match="int64"):
        fprnet.evaluate(np.eye(6, dtype=np.int64), **COLUMNS)


def test_columns_beside_features_are_refused():
    from fprnet.evaluation.arrays import features_of_arrays

    with pytest.raises(UsageError, match="identities"):
        fprnet.evaluate(features_of_arrays(features(), **COLUMNS), **COLUMNS)


def test_rerank_gives_back_what_it_was_given():
    # k1 = k2 = 1 and lambda 1: the original distances, squared, over the largest of each row.
    arrays = fprnet.rerank(features()[3:], features()[:3], k1=1, k2=1, weight=1.0)
    tensors = fprnet.rerank(torch.tensor(INFRARED), torch.tensor(VISIBLE), k1=1, k2=1, weight=1.0)
    assert isinstance(arrays, np.ndarray)
    assert isinstance(tensors, torch.Tensor)
    np.testing.assert_allclose(arrays, tensors.numpy(), atol=1e-6)
    rows = features().astype(float)
    squares = ((rows[3:, None] - rows[None]) ** 2).sum(axis=2)
    expected = squares[:, :3] / squares.max(axis=1, keepdims=True)
    np.testing.assert_allclose(arrays, expected, atol=1e-6)


@pytest.mark.parametrize(
    "arguments", [{"k1": 0}, {"weight": 1.5}, {"gallery": np.ones((3, 2), np.float32)}]
)
def test_rerank_refuses(arguments):
    with pytest.raises(UsageError):
        fprnet.rerank(**{"query": features()[3:], "gallery": features()[:3], **arguments})
