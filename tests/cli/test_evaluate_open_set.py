"""``fprnet evaluate`` beyond the official scores: open set, corruptions, rows, the same twice."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fprnet.embeddings import backend
from fprnet.embeddings.store import read_features
from fprnet.gallery.calibration import Calibration, calibration_path, write_calibration


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    """A checkpoint of its own, beside which calibrations may lie."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "m.pt").write_bytes((trained / "checkpoints/best.pt").read_bytes())
    return folder / "m.pt"


@pytest.fixture(scope="module")
def features_file(trained, tiny_set, tmp_path_factory):
    from fprnet.cli.main import main

    file = tmp_path_factory.mktemp("features") / "f.npz"
    assert main(["extract", str(trained), "--data", str(tiny_set), "--out", str(file)]) == 0
    return file


def test_the_same_command_gives_the_same_digits(fprnet, trained, tiny_set, monkeypatch):
    """Whatever a stopwatch would say about bfloat16, and whatever else the machine is doing."""
    words = ("evaluate", trained, "--data", tiny_set, "--json", "--trials", 2)
    monkeypatch.setattr(backend, "bfloat16_is_faster", lambda: False)
    first = fprnet(*words)
    monkeypatch.setattr(backend, "bfloat16_is_faster", lambda: True)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        second = fprnet(*words)
    finally:
        busy.kill()
        busy.wait()
    assert first.status == second.status == 0, first.err + second.err
    assert first.out == second.out
    result = json.loads(first.out)
    assert result["precision"] == "float32"
    assert result["runtime"] in ("openvino", "pytorch")
    assert "in float32" in fprnet(*(word for word in words if word != "--json")).out


def test_open_set_of_a_model_with_its_calibration(fprnet, model, tiny_set, tmp_path):
    from fprnet.embeddings.loading import load_model

    digest = load_model(model).about["checkpoint_sha256"]
    calibration = Calibration(
        checkpoint_sha256=digest,
        method="logistic",
        similarities=(-1.0, 1.0),
        log_ratios=(-5.0, 5.0),
        stranger_quantiles=tuple(np.linspace(-0.5, 0.9, 96).tolist()),
        tail_scale=0.01,
        tail_shape=0.0,
    )
    write_calibration(calibration_path(model), calibration)
    pictures = tmp_path / "det.png", tmp_path / "reliability.png"
    words = ("evaluate", model, "--data", tiny_set, "--open-set", "--fpir", 0.05, 0.25)
    result = fprnet(*words, "--det", pictures[0], "--reliability", pictures[1], "--json")
    assert result.status == 0, result.err
    found = json.loads(result.out)["open_set"]
    assert found["halvings"] == "halvings@1"
    assert (found["identities"], found["non_mated_identities"]) == (6, 3)
    assert (found["enrolments"], found["draws"], found["rank"]) == (10, 10, 1)
    assert found["similarity"] == "cosine"
    assert list(found["points"]) == ["FPIR 0.05", "FPIR 0.25", "threshold"]
    point = found["points"]["FPIR 0.25"]
    assert point["FPIR"]["mean"] <= 0.26
    low, high = point["TPIR"]["ci95"]
    assert low <= point["TPIR"]["mean"] <= high
    assert 0 <= json.loads(result.out)["calibration"]["expected_calibration_error"] <= 1
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
    text = fprnet(*words).out
    assert "open set, halvings@1, rank 1, template best" in text
    assert "calibration error" in text


def test_open_set_of_any_features(fprnet, features_file, tiny_set):
    words = ("evaluate", features_file, "--data", tiny_set / "exp", "--open-set", "--json")
    mean = fprnet(*words, "--template", "mean", "--threshold", 0.5, "--open-set-rank", 2)
    assert mean.status == 0, mean.err
    found = json.loads(mean.out)["open_set"]
    assert (found["template"], found["rank"]) == ("mean", 2)
    assert found["points"]["threshold"]["threshold"]["mean"] == 0.5
    assert "refused" in found["points"]["FPIR 0.01"]
    assert "calibration" not in json.loads(mean.out)


def test_corrupted_images_are_scored_beside_clean_ones(fprnet, trained, tiny_set, tmp_path):
    words = ("--data", tiny_set, "--corrupt", "mixed", "--corrupt-modality", "visible")
    result = fprnet("evaluate", trained, *words, "--corrupt-draws", 2, "--trials", 2, "--json")
    assert result.status == 0, result.err
    scores = json.loads(result.out)
    found = scores["corrupted"]
    assert (found["version"], found["modality"], found["draws"]) == ("corruptions@1", "visible", 2)
    metric = found["scores"]["mAP"]
    assert metric["clean"] == scores["scores"]["plain"]["mAP"]["mean"]
    assert metric["loss"] == pytest.approx(metric["clean"] - np.mean(metric["per_draw"]))
    assert len(set(metric["per_draw"])) == 2
    # The first draw is what extract writes.
    file = tmp_path / "c.npz"
    assert fprnet("extract", trained, *words, "--out", file).status == 0
    assert read_features(file).meta["change"]["version"] == "corruptions@1"
    of_file = fprnet("evaluate", file, "--data", tiny_set, "--trials", 2, "--json")
    mean = json.loads(of_file.out)["scores"]["plain"]["mAP"]["mean"]
    assert mean == pytest.approx(metric["per_draw"][0], abs=1e-9)
    clean = fprnet("extract", trained, "--data", tiny_set, "--out", tmp_path / "f.npz")
    assert clean.status == 0
    plain, changed = read_features(tmp_path / "f.npz"), read_features(file)
    infrared = plain.modality == "infrared"
    np.testing.assert_array_equal(plain.features[infrared], changed.features[infrared])
    assert not np.array_equal(plain.features[~infrared], changed.features[~infrared])


def test_results_become_rows(fprnet, features_file, tiny_set, tmp_path):
    words = ("evaluate", features_file, "--data", tiny_set, "--expand-query", 2)
    row = fprnet(*words, "--format", "latex", "--out", tmp_path / "a.json")
    assert row.status == 0, row.err
    assert row.out.startswith(r"\begin{tabular}{lrrrrrrrrrr}")
    assert fprnet(*words, "--metric", "cosine", "--out", tmp_path / "b.json").status == 0
    table = fprnet("table", tmp_path / "a.json", tmp_path / "b.json", "--metrics", "mAP")
    lines = table.out.splitlines()
    assert lines[0].count("mAP (sysu-mm01/all/1-shot@1") == 2  # plain and query-expansion
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| a", "| b"]
    named = fprnet("table", tmp_path / "a.json", "--names", "x", "y")
    assert "2 names for 1 results" in named.complaint


def test_provenance_and_leaks_are_in_every_result(fprnet, features_file, tiny_set):
    result = json.loads(fprnet("evaluate", features_file, "--data", tiny_set, "--json").out)
    assert result["trained_on"]["data"] == result["tested_on"]["data"] == "tiny"
    assert result["trained_on"]["identities"] in (12, 16)
    assert result["tested_on"]["identities"] == 6
    assert result["cross_data_set"] is False
    assert result["leaks"]["trained_identities"] == 0


def test_people_that_were_trained_on_are_no_test(fprnet, trained, tiny_set, tmp_path):
    """The lists of the data set were changed after the training."""
    exp = tiny_set / "exp"
    before = {name: (exp / name).read_text() for name in ("train_id.txt", "test_id.txt")}
    one, *others = before["train_id.txt"].strip().split(",")
    try:
        (exp / "train_id.txt").write_text(",".join(others))
        (exp / "test_id.txt").write_text(f"{before['test_id.txt'].strip()},{one}")
        result = fprnet("evaluate", trained, "--data", tiny_set)
        assert result.status == 2
        assert "trained on 1 of the 7 identities to test" in result.complaint
    finally:
        for name, text in before.items():
            (exp / name).write_text(text)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--template", "mean"), "--template needs --open-set"),
        (("--det", "x.png"), "--det needs --open-set"),
        (("--open-set", "--fpir", "1.5"), "FPIR 1.5 is no share"),
        (("--open-set", "--reliability", "x.png"), "--reliability needs a calibration"),
        (("--open-set", "--threshold", "0.5", "--calibration", "x"), "leave one out"),
        (("--open-set", "--threshold", "nan"), "'nan' is not a finite number"),
        (("--open-set", "--threshold", "1e999"), "'1e999' is not a finite number"),
        (("--open-set", "--calibration", "nowhere.json"), "nowhere.json does not exist"),
        (("--corrupt", "fog"), "--corrupt needs the model"),
        (("--corrupt-severity", "2"), "--corrupt-severity needs --corrupt"),
        (("--corrupt", "sleet"), "corruption 'sleet' is unknown"),
        (("--json", "--format", "latex"), "contradict each other"),
    ],
)
def test_options_that_go_nowhere_are_one_line(
    fprnet, features_file, tiny_set, tmp_path, monkeypatch, words, what
):
    monkeypatch.chdir(tmp_path)
    result = fprnet("evaluate", features_file, "--data", tiny_set, *words)
    assert result.status == 2, result.out
    assert what in result.complaint
