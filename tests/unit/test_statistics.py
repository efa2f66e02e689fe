"""Intervals over trials, sums per identity, and the paired bootstrap."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fprnet.errors import UsageError
from fprnet.evaluation.comparison import Comparison, bootstrap_interval, compare
from fprnet.evaluation.scores import Scores, Trials
from fprnet.evaluation.statistics import PerIdentity, confidence_interval
from sysu_cases import evaluate, small_features, small_split

SPLIT = small_split()


def test_interval_worked_by_hand() -> None:
    # Mean 0.3, std 0.264575, 2 degrees of freedom: t = 4.302653 in any table; / sqrt(3).
    interval = confidence_interval((0.1, 0.2, 0.6))
    assert interval == pytest.approx((0.3 - 0.657241, 0.3 + 0.657241), abs=1e-6)


def test_interval_of_a_share_is_cut_at_its_ends() -> None:
    assert Trials((0.1, 0.2, 0.6)).ci95 == pytest.approx((0, 0.957241), abs=1e-6)
    assert Trials((0.9, 0.8, 0.4)).ci95 == pytest.approx((1 - 0.957241, 1), abs=1e-6)


@pytest.mark.parametrize("trials", [2, 3, 10, 57])
def test_interval_agrees_with_scipy(trials: int) -> None:
    values = np.random.default_rng(trials).uniform(0, 1, trials)
    expected = stats.t.interval(0.95, trials - 1, values.mean(), stats.sem(values))
    assert confidence_interval(values.tolist()) == pytest.approx(expected)


def test_a_single_trial_has_no_interval() -> None:
    assert Trials((0.4,)).ci95 is None
    assert Trials((0.4,)).as_dict() == {"mean": 0.4, "std": 0.0, "ci95": None, "per_trial": [0.4]}
    assert "interval" not in evaluate(small_features(), SPLIT, trials=1).table()


def test_table_shows_the_interval() -> None:
    scores = evaluate(small_features(), SPLIT)
    low, high = scores.rows["plain"].metrics["mAP"].ci95
    line = scores.table().splitlines()[4]
    assert line.startswith("plain (95 % interval)")
    assert line.split()[-2] == f"{100 * low:.2f}–{100 * high:.2f}"


def test_sums_per_identity_worked_by_hand() -> None:
    people = PerIdentity.of(
        [np.array([7, 3, 7]), np.array([3, 3, 7])],
        [np.array([True, True, False]), np.array([True, False, True])],
        {"mAP": [np.array([0.5, 0.25, np.nan]), np.array([1.0, np.nan, 0.125])]},
        {"rank-1": [np.array([True, False, True]), np.array([True, True, False])]},
    )
    assert people.identity == (3, 7)
    assert people.valid == (2, 2)
    assert people.metrics == {"mAP": (1.25, 0.625)}
    assert people.sums_as_dict() == {"mAP": [1.25, 0.625], "image-level": {"rank-1": [1, 1]}}


@pytest.mark.parametrize("mode", ["all", "indoor"])
def test_sums_per_identity_give_back_every_mean(mode: str) -> None:
    scores = evaluate(small_features(), SPLIT, mode=mode, expand_query=2)
    result = json.loads(json.dumps(scores.as_dict()))
    people = result["per_identity"]
    assert people["identity"] == [1, 2, 3]
    assert sum(people["valid"]) == scores.valid_queries * scores.trials
    for label, row in result["scores"].items():
        for name, metric in row.items():
            sums = people["scores"][label][name]
            for part, of in (
                [(metric, sums)]
                if "mean" in metric
                else [(metric[rank], sums[rank]) for rank in metric]
            ):
                assert sum(of) / sum(people["valid"]) == pytest.approx(part["mean"])


def slow_bootstrap(sums, valid, resamples: int, seed: int):
    """The same draws, one person at a time."""
    generator = np.random.default_rng(seed)
    people = len(valid)
    means = []
    for drawn in generator.multinomial(people, [1 / people] * people, resamples):
        total, count = np.zeros(len(sums)), 0
        for person, times in enumerate(drawn):
            for _ in range(times):
                total += sums[:, person]
                count += valid[person]
        means.append(total / count)
    ordered = np.sort(means, axis=0)
    at = np.array([0.025, 0.975]) * (resamples - 1)  # linear between neighbours, NumPy's default
    below = np.floor(at).astype(int)
    share = (at - below)[:, None]
    return ordered[below] * (1 - share) + ordered[np.minimum(below + 1, resamples - 1)] * share


def test_bootstrap_agrees_with_a_slow_loop() -> None:
    generator = np.random.default_rng(3)
    valid = generator.integers(1, 6, 9).astype(float)
    sums = generator.normal(size=(3, 9))
    first = generator.normal(size=(1, 3, 9))
    low, high = bootstrap_interval(first, first + sums, valid, resamples=200, seed=4)
    np.testing.assert_allclose([low, high], slow_bootstrap(sums, valid, 200, 4), atol=1e-12)


def interval(sums, valid, **options):
    """The interval of differences between single runs: the first scores 0 on everybody."""
    second = np.array(sums)[None]
    return bootstrap_interval(np.zeros_like(second), second, valid, **options)


def test_bootstrap_of_two_people_worked_by_hand() -> None:
    # One query each, differences 0 and 1: a resample is 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
    low, high = interval([[0.0, 1.0]], np.ones(2), resamples=2000, seed=0)
    assert (low.item(), high.item()) == (0, 1)
    low, high = interval([[0.3, 0.3]], np.ones(2), resamples=50, seed=0)
    assert (low.item(), high.item()) == pytest.approx((0.3, 0.3))


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        sums = generator.normal(0.1, 0.3, (1, 60))
        low, high = interval(sums, np.ones(60), resamples=400, seed=seed)
        covered += bool(low[0] <= 0.1 <= high[0])
    assert 180 <= covered <= 199  # 190 expected, standard deviation 3


def test_bootstrap_of_two_runs_worked_by_hand() -> None:
    # Everybody scores 0.2 in one run and 0.6 in the other; of two runs, a resample takes one.
    first = np.full((1, 1, 4), 0.1)
    second = np.array([[[0.2] * 4], [[0.6] * 4]])
    low, high = bootstrap_interval(first, second, np.ones(4), resamples=200, seed=0)
    assert (low.item(), high.item()) == pytest.approx((0.1, 0.5))


def test_bootstrap_has_the_variance_of_a_mean_of_runs() -> None:
    generator = np.random.default_rng(1)
    runs = generator.normal(0, 1, (5, 1, 1)) * np.ones((1, 1, 3))  # seeds differ, people do not
    first = np.zeros((1, 1, 3))
    low, high = bootstrap_interval(first, runs, np.ones(3), resamples=20_000, seed=0)
    expected = 2 * 1.96 * runs[:, 0, 0].std(ddof=1) / 5**0.5
    assert (high - low).item() == pytest.approx(expected, rel=0.1)


def saved(file: Path, scores: Scores, **changes: object) -> Path:
    file.write_text(json.dumps(scores.as_dict() | changes))
    return file


def compared(*files: Path, **options: int) -> Comparison:
    """Each file as a method of its own, by the name of the file without its suffix."""
    return compare({file.stem: [file] for file in files}, **options)


def test_comparison_of_two_results(tmp_path: Path) -> None:
    one, other = (evaluate(small_features(seed=seed), SPLIT) for seed in (1, 2))
    files = saved(tmp_path / "a.json", one), saved(tmp_path / "b.json", other)
    result = compared(*files, resamples=300, seed=5)
    assert list(result.methods["b"].rows) == ["plain"]
    back = compared(*reversed(files), resamples=300, seed=5)
    for name, metric in result.methods["b"].rows["plain"].items():
        reference = result.methods["a"].rows["plain"][name]
        means = [scores.rows["plain"].metrics[name].mean for scores in (one, other)]
        assert (reference.mean, metric.mean) == pytest.approx(means)
        assert metric.difference == pytest.approx(means[1] - means[0])
        assert metric.ci95[0] <= metric.difference + 1e-12
        assert metric.difference - 1e-12 <= metric.ci95[1]
        assert (metric.std, reference.difference, reference.ci95) == (None, None, None)
        turned = back.methods["a"].rows["plain"][name]
        assert turned.ci95 == pytest.approx((-metric.ci95[1], -metric.ci95[0]))
    assert compared(*files, resamples=300, seed=5) == result
    methods = result.as_dict()["methods"]
    assert methods["a"]["scores"]["plain"]["mAP"].keys() == {"mean", "std"}
    assert methods["b"]["scores"]["plain"]["mAP"].keys() == {"mean", "std", "difference", "ci95"}
    assert f"{100 * result.methods['b'].rows['plain']['mAP'].difference:+.2f}" in result.table()


def test_comparison_of_three_methods_with_seeds(tmp_path: Path) -> None:
    scores = [evaluate(small_features(seed=seed), SPLIT) for seed in range(1, 6)]
    files = [saved(tmp_path / f"{n}.json", one) for n, one in enumerate(scores)]
    maps = [one.rows["plain"].metrics["mAP"].mean for one in scores]
    runs = {"reference": files[:2], "ours": files[2:4], "theirs": files[4:]}
    result = compare(runs, resamples=300)
    assert result.reference == "reference"
    reference, ours, theirs = (one.rows["plain"]["mAP"] for one in result.methods.values())
    assert (reference.mean, ours.mean) == pytest.approx((sum(maps[:2]) / 2, sum(maps[2:4]) / 2))
    assert reference.std == pytest.approx(abs(maps[0] - maps[1]) / 2**0.5)
    assert (theirs.mean, theirs.std) == (pytest.approx(maps[4]), None)
    assert theirs.difference == pytest.approx(maps[4] - sum(maps[:2]) / 2)
    assert theirs.ci95[0] < theirs.difference < theirs.ci95[1]
    table = result.table()
    assert f"reference is the mean of 2 runs: {files[0]}, {files[1]}" in table
    assert "theirs is the mean" not in table
    # What a method is compared with does not depend on the others that stand beside it.
    alone = compare({name: runs[name] for name in ("reference", "theirs")}, resamples=300)
    assert alone.methods["theirs"] == result.methods["theirs"]


def test_two_results_of_one_model_are_no_two_runs(tmp_path: Path) -> None:
    one, other = (evaluate(small_features(seed=seed), SPLIT) for seed in (1, 2))
    files = saved(tmp_path / "a.json", one), saved(tmp_path / "b.json", other)
    with pytest.raises(UsageError, match=r"two results of .* by one model; give them different"):
        compare({"ours": [files[0], files[0]], "theirs": [files[1]]})
    with pytest.raises(UsageError, match="nothing to compare ours with; give the results of two"):
        compare({"ours": files})


def test_the_same_result_twice_differs_by_nothing(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.json", evaluate(small_features(), SPLIT))
    result = compare({"a": [file], "b": [file]}, resamples=50)
    for metric in result.methods["b"].rows["plain"].values():
        assert (metric.difference, metric.ci95) == (0, (0, 0))


def test_rows_that_some_results_lack_are_named(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.json", evaluate(small_features(), SPLIT, expand_query=1))
    result = compared(first, saved(tmp_path / "b.json", evaluate(small_features(), SPLIT)))
    assert result.not_compared == ("query-expansion",)
    assert "not in all results: query-expansion" in result.table()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "indoor"}, r"a\.json has mode all but .*b\.json has indoor"),
        ({"shots": 10}, "has shots 1 but"),
        ({"gallery": "seeded"}, "has gallery official but"),
        ({"trials": 3}, "has trials 10 but"),
        ({"identities": [1, 2]}, "has queries 12 but"),
    ],
)
def test_results_of_another_protocol_are_refused(tmp_path: Path, options, message: str) -> None:
    features = small_features()
    first = saved(tmp_path / "a.json", evaluate(features, SPLIT))
    second = saved(tmp_path / "b.json", evaluate(features, SPLIT, **options))
    with pytest.raises(UsageError, match=message) as caught:
        compared(first, second)
    assert "\n" not in str(caught.value)


def test_other_identities_are_refused(tmp_path: Path) -> None:
    scores = evaluate(small_features(), SPLIT)
    people = scores.as_dict()["per_identity"] | {"identity": [1, 2, 4]}
    first = saved(tmp_path / "a.json", scores)
    with pytest.raises(UsageError, match="do not have the same query identities"):
        compared(first, saved(tmp_path / "b.json", scores, per_identity=people))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON text"),
        ("[1]", "is no result of 'fprnet evaluate'"),
        ('{"format": 1, "protocol": "x"}', "has no complete per_identity block"),
        (
            '{"format": 1, "protocol": "x", "per_identity": {"identity": [1, 2], "valid": [1], '
            '"scores": {}}}',
            "columns of different lengths",
        ),
    ],
)
def test_files_that_are_no_results(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.json"
    with pytest.raises(UsageError, match="is a folder, no result file; write one with"):
        compare({"a": [tmp_path], "b": [tmp_path]})
    with pytest.raises(UsageError, match="does not exist; write one with"):
        compare({"a": [file], "b": [file]})
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        compare({"a": [file], "b": [file]})


def test_one_identity_is_too_few(tmp_path: Path) -> None:
    scores = evaluate(small_features(), SPLIT, identities=[1])
    file = saved(tmp_path / "a.json", scores)
    with pytest.raises(UsageError, match="valid queries of 1 identity; a bootstrap over"):
        compare({"a": [file], "b": [file]})


def test_rows_of_different_queries_do_not_go_together() -> None:
    scores = evaluate(small_features(), SPLIT)
    other = evaluate(small_features(), SPLIT, identities=[1]).rows["plain"]
    with pytest.raises(ValueError, match="rows differ in their query identities"):
        replace(scores, rows={**scores.rows, "flip": other}).as_dict()
