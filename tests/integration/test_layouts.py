"""RegDB, LLCM and a manifest from rendered images to scores, through the commands."""

import json
import re
import shlex
from pathlib import Path

import pytest

from conftest import ROOT, TINY, checkpoint
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.writer import generate

pytestmark = pytest.mark.slow

PEOPLE = {"identities": 12, "test_identities": 6, "size": (64, 32), "images_per_camera": 2}
OPTIONS = {
    "regdb": {"test_identities": 9, "identities": 9},
    "llcm": {},
    "manifest": {"validation_identities": 4},
}
DIRECTIONS = ("infrared-to-visible", "visible-to-infrared")


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("layouts")
    for layout, options in OPTIONS.items():
        chosen = PeopleOptions.of_layout(layout, **PEOPLE | options)
        generate(folder / layout, chosen, progress=False)
    return {layout: folder / layout for layout in OPTIONS}


def split_of(layout: str) -> tuple[str, ...]:
    return ("--split", "3") if layout == "regdb" else ()


@pytest.mark.parametrize("layout", OPTIONS)
def test_every_layout_is_trained_extracted_and_evaluated(fprnet, sets, tmp_path, layout):
    root, run, file = sets[layout], tmp_path / "run", tmp_path / "features.npz"
    result = fprnet("train", *TINY, "--data", root, *split_of(layout), "--out", run)
    assert result.status == 0, result.err
    state = checkpoint(run / "checkpoints" / "last.pt")
    assert state["config"]["data"]["layout"] == layout
    assert state["config"]["data"]["split"] == (3 if layout == "regdb" else None)
    # Every 8th of 9 or 12 training people validates where no list says who does.
    assert len(state["identities"]) == {"regdb": 8, "llcm": 11, "manifest": 12}[layout]
    assert all("mAP" in record["validation"] for record in state["history"])

    result = fprnet("extract", run, "--data", root, "--out", file)
    assert result.status == 0, result.err
    found = {}
    for direction in DIRECTIONS:
        words = ("--data", root, "--direction", direction, "--json")
        by_model, by_file = (fprnet("evaluate", source, *words) for source in (run, file))
        assert by_model.status == 0, by_model.err
        found[direction] = json.loads(by_model.out)
        assert json.loads(by_file.out) == found[direction]
        assert found[direction]["protocol"] == layout
        assert found[direction]["direction"] == direction
        assert found[direction]["valid_queries"] > 0
    first, second = found.values()
    assert first["scores"] != second["scores"]
    if layout == "regdb":
        assert [first[k] for k in ("split", "queries", "gallery_size")] == [3, 18, 18]
        for metric, trials in first["scores"]["plain"]["image-level"].items():
            assert trials == first["scores"]["plain"][metric]
    if layout == "manifest":
        assert first["removed"] == "same location"
        assert first["queries"] == second["gallery_size"]
    if layout == "llcm":
        assert first["trials"] == 10
        words = ("--data", root, "--direction", DIRECTIONS[1], "--llcm-swapped", "--json")
        swapped = json.loads(fprnet("evaluate", file, *words).out)
        assert swapped["swapped"] == "as the released code"
        assert swapped["gallery_size"] == second["queries"]
        assert swapped["queries"] == second["gallery_size"]
    # The same command again finds the run finished and the layout the same.
    again = fprnet("train", *TINY, "--data", root, *split_of(layout), "--out", run)
    assert "was finished already" in again.out


def test_a_model_of_one_split_is_not_tested_on_another(fprnet, sets, tmp_path):
    run, file, root = tmp_path / "run", tmp_path / "f.npz", sets["regdb"]
    words = ("train", *TINY, "--data", root, "--out", run)
    assert "10 splits; give --split 1 to 10" in fprnet(*words).complaint
    assert fprnet(*words, "--split", 2, "--max-steps", 1).status == 0
    assert "data.split 2 (not 4)" in fprnet(*words, "--split", 4).complaint
    assert fprnet("extract", run, "--data", root, "--out", file).status == 0
    for source in (run, file):
        result = fprnet("evaluate", source, "--data", root, "--split", 4)
        assert result.status == 2
        assert "was trained on split 2 of regdb" in result.complaint
        assert fprnet("evaluate", source, "--data", root, "--split", 2).status == 0
        assert fprnet("evaluate", source, "--data", root / "idx").status == (source == run) * 2


def test_cross_validation_trains_ten_runs_once_and_averages(fprnet, sets, tmp_path):
    short = (*TINY[:-4], "--training.epochs", "1", *TINY[-2:])
    words = ("cross-validate", *short, "--data", sets["regdb"], "--out", tmp_path / "ten")
    result = fprnet(*words, "--json")
    assert result.status == 0, result.err
    scores = json.loads(result.out)
    assert (scores["splits"], scores["trials"]) == (list(range(1, 11)), 10)
    assert (scores["queries"], scores["gallery_size"]) == (18, 18)
    alone = fprnet(*("evaluate", tmp_path / "ten" / "split-6", "--data", sets["regdb"], "--json"))
    of_six = json.loads(alone.out)["scores"]["plain"]["mAP"]["mean"]
    average = scores["scores"]["plain"]["mAP"]
    assert average["per_trial"][5] == of_six
    assert average["mean"] == pytest.approx(sum(average["per_trial"]) / 10)

    checkpoints = sorted((tmp_path / "ten").rglob("last.pt"))
    times = [file.stat().st_mtime_ns for file in checkpoints]
    assert len(times) == 10
    table = fprnet(*words, "--direction", DIRECTIONS[1], "--flip")
    assert [file.stat().st_mtime_ns for file in checkpoints] == times
    lines = table.out.splitlines()
    assert "visible-to-infrared, 10 splits, a model each: 18 queries" in lines[0]
    assert [line.split()[0] for line in lines[1:25:12]] == ["plain", "flip"]
    refused = fprnet("cross-validate", *short, "--data", sets["llcm"], "--out", tmp_path / "no")
    assert "is llcm, which has one split" in refused.complaint
    assert "--split is no option of this command" in fprnet(*words, "--split", 2).complaint


def documented() -> list[list[str]]:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_documented_commands(fprnet, sets, tmp_path, monkeypatch, tiny_set):
    monkeypatch.chdir(tmp_path)
    lines = documented()
    assert len(lines) >= 15
    few = ("--images-per-camera", 1, "--size", "24x24", "--workers", 1)
    for words in lines:
        if words[1:3] == ["data", "generate"]:
            people = ("--identities", 2, "--test-identities", 2)
            words = [f"drawn-{word}" if word == words[3] else word for word in words]
            result = fprnet(*words[1:], *people, *few)
            assert result.status == 0, (words, result.err)
    names = {"RegDB": "regdb", "LLCM": "llcm", "own": "manifest"}
    for name, layout in names.items():
        (tmp_path / name).symlink_to(sets[layout], target_is_directory=True)
    (tmp_path / "generated").symlink_to(tiny_set, target_is_directory=True)
    short = (*TINY[2:-4], "--training.epochs", "1", *TINY[-2:])
    for words in lines:
        if words[1:3] == ["data", "generate"]:
            continue
        trains = words[1] in ("train", "cross-validate")
        result = fprnet(*words[1:], *(short if trains else ()))
        assert result.status == 0, (words, result.err)
