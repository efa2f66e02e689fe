"""Transfer between worlds: rows that differ in one thing, scores by their definition, the table."""

import shutil
from dataclasses import asdict

import pytest

from fprnet.api import evaluate, extract, load_model
from fprnet_lab.benchmarking import transfer
from fprnet_lab.benchmarking.transfer import ROWS, TESTS, scores_of, table, training_of


def test_rows_differ_from_the_base_in_what_their_names_say():
    base = asdict(ROWS["base"])
    for name, options in ROWS.items():
        changed = {key for key, value in asdict(options).items() if value != base[key]}
        expected = {"without"} if "without" in name else set()
        expected |= {"identities"} if "people" in name else set()
        expected |= {"images_per_camera"} if "-x" in name else set()
        expected |= {"worlds"} if "world" in name else set()
        assert changed == expected, name


def test_nobody_and_no_place_of_a_test_is_trained_on():
    trained = {world for options in ROWS.values() for world in options.worlds}
    assert not trained & {world for options in TESTS.values() for world in options.worlds}
    seeds = {options.seed for options in (*ROWS.values(), *TESTS.values())}
    assert len(seeds) == 1 + len(TESTS)


def test_all_rows_are_trained_alike(tmp_path):
    runs = [
        training_of(tmp_path / name, tmp_path / "run", warm_start=tmp_path / "w.pt", seed=1)
        for name in ("base", "other")
    ]
    assert runs[0].overrides == runs[1].overrides
    assert runs[0].config.training.epochs * runs[0].config.training.steps_per_epoch == 180
    assert (runs[0].config.data.height, runs[0].config.data.width) == ROWS["base"].size


def test_table_by_hand():
    found = table(
        {
            "base": [
                {"B": {"rank-1": 0.1, "mAP": 0.2}, "C": {"rank-1": 0.5, "mAP": 0.25}},
                {"B": {"rank-1": 0.12, "mAP": 0.2}, "C": {"rank-1": 0.4, "mAP": 0.35}},
            ],
            "less": [{"B": {"rank-1": 0.01, "mAP": 0.0312}, "C": {"rank-1": 0, "mAP": 1}}],
        }
    )
    assert found.splitlines() == [
        "| trained on | seeds | B: rank-1 | B: mAP | C: rank-1 | C: mAP |",
        "|---|---|---|---|---|---|",
        "| base | 2 | 11.0 ± 1.4 | 20.0 ± 0.0 | 45.0 ± 7.1 | 30.0 ± 7.1 |",
        "| less | 1 | 1.0 | 3.1 | 0.0 | 100.0 |",
    ]


def test_scores_are_those_of_the_last_epoch_and_are_kept(trained, tiny_set, tmp_path, monkeypatch):
    out = shutil.copytree(trained, tmp_path / "run")
    run = training_of(tiny_set, out, warm_start=out, seed=0)
    found = scores_of(run, {"here": tiny_set})
    last = load_model(trained / "checkpoints" / "last.pt")
    metrics = evaluate(extract(last, tiny_set), data=tiny_set).rows["plain"].metrics
    assert found["here"] == pytest.approx({m: metrics[m].mean for m in ("rank-1", "mAP")})
    monkeypatch.setattr(transfer, "load_model", None)  # nothing is embedded again
    assert scores_of(run, {"here": tiny_set}) == found
