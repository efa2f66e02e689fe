"""Whole evaluations against the definition as loops, and the result's shape."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Trial, tie_order
from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.errors import FeaturesError, UsageError
from fprnet.evaluation import ranking
from fprnet.evaluation.metrics import RANKS
from fprnet.evaluation.scores import Scores, Trials, score
from sysu_cases import by_definition, evaluate, small_features, small_split

SPLIT = small_split()


def scores_by_definition(features, protocol):
    """Metric -> one number per trial, from sorted lists."""
    result: dict[str, list[float]] = {}
    for trial in protocol.trials:
        gallery = sorted(trial.gallery, key=lambda row: protocol.order[row])
        queries = []
        for query in trial.query:
            difference = features.features[gallery].astype(float) - features.features[query]
            place = protocol.exclusion_group[query]
            removed = (protocol.exclusion_group[gallery] == place) & (place != NEVER_EXCLUDED)
            queries.append(
                by_definition(
                    (difference**2).sum(axis=1),
                    features.identity[query],
                    features.identity[gallery],
                    removed,
                )
            )
        valid = [query for query in queries if query is not None]
        numbers = {
            "valid": len(valid),
            "mAP": np.mean([query.average_precision for query in valid]),
            "mINP": np.mean([query.inverse_negative_penalty for query in valid]),
        }
        for rank in RANKS:
            identity = np.mean([query.identity_rank <= rank for query in valid])
            image = np.mean([query.image_rank <= rank for query in valid])
            numbers[f"rank-{rank}"] = identity if protocol.cmc == "identity" else image
            numbers[f"image rank-{rank}"] = image
        for name, number in numbers.items():
            result.setdefault(name, []).append(float(number))
    return result


def agree(scores: Scores, expected: dict[str, list[float]]) -> None:
    row = scores.rows["plain"]
    assert expected.pop("valid") == [scores.valid_queries] * scores.trials
    found = {name: trials.per_trial for name, trials in row.metrics.items()}
    found |= {f"image {name}": trials.per_trial for name, trials in row.image_level.items()}
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        assert found[name] == pytest.approx(numbers, abs=1e-14), name


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("gallery", ["official", "seeded"])
@pytest.mark.parametrize("shots", [1, 2, 10])
@pytest.mark.parametrize("mode", ["all", "indoor"])
def test_agrees_with_the_definition(mode, shots, gallery, ties) -> None:
    features = small_features(ties=ties, seed=shots)
    options = {"mode": mode, "shots": shots, "gallery": gallery}
    scores = evaluate(features, SPLIT, **options)
    agree(scores, scores_by_definition(features, sysu_mm01_protocol(features, SPLIT, **options)))
    assert scores.valid_queries < scores.queries == 12  # identity 3 seen from camera 3


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    features = small_features(ties=True)
    expected = evaluate(features, SPLIT).as_dict()
    monkeypatch.setattr(ranking, "CPU_BLOCK", 1)
    assert evaluate(features, SPLIT).as_dict() == expected


def test_the_order_of_rows_does_not_matter() -> None:
    features = small_features(ties=True)
    shuffled = features.where(np.random.default_rng(1).permutation(len(features)))
    assert evaluate(features, SPLIT).as_dict() == evaluate(shuffled, SPLIT).as_dict()


def test_a_large_common_part_does_not_matter() -> None:
    features = small_features(ties=True)
    moved = replace(features, features=features.features + np.float32(2**20))
    assert evaluate(features, SPLIT).as_dict() == evaluate(moved, SPLIT).as_dict()


def test_equal_features_are_ranked_in_gallery_order() -> None:
    features = small_features()
    equal = replace(features, features=np.full_like(features.features, 1 / 3))
    agree(
        evaluate(equal, SPLIT),
        scores_by_definition(equal, sysu_mm01_protocol(equal, SPLIT)),
    )


def test_cosine_ignores_length_and_euclidean_does_not() -> None:
    features = small_features(ties=False)
    lengths = np.random.default_rng(2).uniform(0.1, 9, (len(features), 1)).astype(np.float32)
    scaled = replace(features, features=features.features * lengths)
    cosine = evaluate(features, SPLIT, metric="cosine").as_dict()
    assert cosine == evaluate(scaled, SPLIT, metric="cosine").as_dict()
    assert evaluate(features, SPLIT).as_dict() != evaluate(scaled, SPLIT).as_dict()
    unit = features.features / np.linalg.norm(features.features, axis=1, keepdims=True)
    of_unit = evaluate(replace(features, features=unit), SPLIT).as_dict()
    assert cosine == of_unit | {"metric": "cosine"}


def test_zero_vector_has_no_cosine() -> None:
    features = small_features(ties=False)
    features.features[features.path == "cam3/0001/0002.jpg"] = 0
    row = features.path.tolist().index("cam3/0001/0002.jpg")
    with pytest.raises(FeaturesError, match=f"row {row} of the features is all zero"):
        evaluate(features, SPLIT, metric="cosine")


def test_unknown_metric() -> None:
    with pytest.raises(UsageError, match="metric 'manhattan' is unknown; choose euclidean or cos"):
        evaluate(small_features(), SPLIT, metric="manhattan")


def test_no_query_with_a_match() -> None:
    images = {(2, 1): 1, (3, 1): 2}
    with pytest.raises(FeaturesError, match="no query has an image of its identity"):
        evaluate(small_features(images), small_split(images, test=(1,)), mode="indoor")


def plain_protocol(features, **changes) -> Protocol:
    """Every infrared image queries every visible one, nothing removed."""
    infrared = features.modality == "infrared"
    trial = Trial(np.flatnonzero(infrared), np.flatnonzero(~infrared))
    protocol = Protocol(
        name="other",
        settings={},
        trials=(trial,),
        exclusion_group=np.full(len(features), NEVER_EXCLUDED),
        order=tie_order(features),
    )
    return replace(protocol, **changes)


def test_no_camera_rule_and_image_level_cmc_as_in_regdb() -> None:
    features = small_features(ties=True)
    protocol = plain_protocol(features, cmc="image")
    scores = score(features, protocol)
    assert scores.rows["plain"].metrics["rank-1"] == scores.rows["plain"].image_level["rank-1"]
    agree(scores, scores_by_definition(features, protocol))


def test_images_of_one_identity_and_camera_removed_as_in_llcm() -> None:
    features = small_features(ties=True)
    # Cameras that hold both modalities, so that positions in a camera are no longer different.
    shared = replace(features, camera=features.camera % 2, index=None)
    protocol = plain_protocol(shared, exclusion_group=shared.identity * 100 + shared.camera)
    scores = score(shared, protocol)
    assert scores.valid_queries < scores.queries
    agree(scores, scores_by_definition(shared, protocol))


def test_trials_may_ask_different_queries() -> None:
    features = small_features(ties=False)
    infrared = np.flatnonzero(features.modality == "infrared")
    visible = np.flatnonzero(features.modality == "visible")
    trials = (Trial(infrared[:7], visible), Trial(infrared[-7:], visible[::-1]))
    protocol = plain_protocol(features, trials=trials)
    agree(score(features, protocol), scores_by_definition(features, protocol))


def test_a_trial_without_gallery() -> None:
    features = small_features()
    empty = Trial(np.arange(2), np.empty(0, dtype=np.int64))
    with pytest.raises(FeaturesError, match="2 queries and 0 gallery images"):
        score(features, plain_protocol(features, trials=(empty,)))


def test_json_has_the_documented_shape() -> None:
    meta = {"model": {"preset": "fprnet", "checkpoint_sha256": "0f"}}
    features = replace(small_features(), meta=meta)
    result = json.loads(json.dumps(evaluate(features, SPLIT, trials=3).as_dict()))
    metric = {"mean", "std", "ci95", "per_trial"}
    assert list(result) == [
        *("format", "protocol", "mode", "shots", "gallery", "published_as", "trials"),
        *("queries", "valid_queries", "gallery_size", "metric", "metrics", "postprocessing"),
        *("scores", "curves", "per_identity", "runtime", "precision", "model", "versions"),
    ]
    assert (result["format"], result["protocol"], result["trials"]) == (1, "sysu-mm01", 3)
    assert (result["queries"], result["valid_queries"], result["gallery_size"]) == (12, 8, 6)
    assert result["model"] == meta["model"]
    assert set(result["versions"]) == {"fprnet", "numpy", "torch"}
    assert list(result["scores"]) == ["plain"]
    plain = result["scores"]["plain"]
    ranks = ["rank-1", "rank-5", "rank-10", "rank-20"]
    assert list(plain) == [*ranks, "mAP", "mINP", "image-level"]
    assert list(plain["image-level"]) == ranks
    curve = result["curves"]["plain"]
    assert [len(curve[name]) for name in ("mean", "std")] == [20, 20]  # ranks 1 to 20
    assert [curve["mean"][rank - 1] for rank in (1, 5, 10, 20)] == [plain[r]["mean"] for r in ranks]
    assert curve["std"][0] == plain["rank-1"]["std"]
    for name in (*ranks, "mAP", "mINP"):
        assert plain[name].keys() == metric
        assert len(plain[name]["per_trial"]) == 3
        assert 0 <= plain[name]["mean"] <= 1


def test_mean_and_sample_standard_deviation() -> None:
    trials = Trials((0.1, 0.2, 0.6))
    assert trials.mean == pytest.approx(0.3)
    assert trials.std == pytest.approx(0.07**0.5)  # (0.04 + 0.01 + 0.09) / 2
    assert Trials((0.4,)).std == 0


def test_rows_are_added_beside_plain_and_never_replace_it() -> None:
    scores = evaluate(small_features(), SPLIT)
    other = evaluate(small_features(seed=5), SPLIT).rows["plain"]
    both = scores.with_row("flip", other)
    assert list(both.as_dict()["scores"]) == ["plain", "flip"]
    assert both.rows["plain"] == scores.rows["plain"]
    with pytest.raises(ValueError, match="'plain' is there already"):
        both.with_row("plain", other)


def test_table_is_in_percent_and_counts_the_queries() -> None:
    features, mode = small_features(), "indoor"
    scores = evaluate(features, SPLIT, mode=mode)
    lines = scores.table().splitlines()
    assert lines[0] == (
        "sysu-mm01, mode indoor, shots 1, gallery official, trials 10: 12 queries, "
        f"{scores.valid_queries} with a match, against 3 gallery images"
    )
    assert lines[1].split() == ["rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP"]
    mean_ap = scores.rows["plain"].metrics["mAP"]
    assert f"{100 * mean_ap.mean:.2f} ± {100 * mean_ap.std:.2f}" in lines[2]
    assert lines[3].startswith("plain (image level)")
