"""Super-resolution end to end on drawn people: better than bicubic, and in the chain."""

import csv
import json

import pytest
from test_documented_commands import commands

from conftest import ROOT, TINY
from fprnet.data.generator import GeneratorOptions, generate
from fprnet.reproduction import table7, table8

FEW_STEPS = ["--steps", "4", "--batch", "2", "--side", "8", "--save_every", "2"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """60 training, 10 validation and 10 test people of 128 x 64 pixels in visible cameras."""
    root = tmp_path_factory.mktemp("drawn") / "visible"
    options = GeneratorOptions(
        identities=60,
        validation_identities=10,
        test_identities=10,
        images_per_camera=2,
        cameras=(1, 2, 4, 5),
        outdoor_share=0,
        missed_share=0,
    )
    generate(root, options, progress=False)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_default_preset_beats_bicubic_on_people_never_seen(fprnet, drawn, tmp_path, seed):
    words = ("superres", "train", "--data", drawn, "--out", tmp_path / "run", "--seed", seed)
    result = fprnet(*words, "--steps", 400, "--json")
    assert result.status == 0, result.err
    scores = json.loads(result.out)["last"]["validation"]
    assert scores["psnr"] >= scores["bicubic_psnr"] + 0.3
    assert scores["ssim"] > scores["bicubic_ssim"]


@pytest.mark.slow
def test_commands_of_the_document(fprnet, tiny_set, tmp_path, monkeypatch):
    (tmp_path / "generated").symlink_to(tiny_set, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert (ROOT / "docs" / "super-resolution.md").is_file()
    lines = [w for w in commands("super-resolution.md") if w[1:3] != ["superres", "evaluate"]]
    assert len(lines) == 4
    for words in lines:
        small = {"train": TINY, "superres": FEW_STEPS if words[2] == "train" else []}
        result = fprnet(*words[1:], *small.get(words[1], []))
        assert result.status == 0, (words, result.err)


@pytest.fixture
def few_steps(monkeypatch):
    """The experiments with trainings that tests can afford."""
    for module in (table7, table8):
        whole = module.load_config

        def load_config(*presets, overrides=(), whole=whole, **options):
            words = [*overrides, *FEW_STEPS, "--pictures", "crop"]
            return whole(*presets, overrides=words, **options)

        monkeypatch.setattr(module, "load_config", load_config)
    whole_training = table8.Training

    def training(*places, overrides=()):
        return whole_training(*places, overrides=(*overrides, *TINY[2:]))

    monkeypatch.setattr(table8, "Training", training)


@pytest.mark.slow
def test_reproduce_table7(fprnet, few_steps, tiny_set, tmp_path):
    words = ("reproduce", "table7", "--data", tiny_set, "--out", tmp_path, "--seeds", 2)
    first = fprnet(*words)
    assert first.status == 0, first.err
    assert "SRCNN, preset paper" in first.out
    folder = tmp_path / "table7"
    rows = list(csv.DictReader((folder / "table7.csv").read_text().splitlines()))
    assert [(row["preset"], row["seed"]) for row in rows] == [
        *(("paper", "0"), ("paper", "1"), ("fprnet", "0"), ("fprnet", "1"))
    ]
    for row in rows:
        gain = float(row["psnr"]) - float(row["bicubic_psnr"])
        assert float(row["gain"]) == pytest.approx(gain)
    page = (folder / "report.html").read_text()
    assert "5x5, PixelShuffle(2)" in page
    assert "<td>yes</td>" not in page  # no layer differs from Table 7
    assert page.count("data:image/jpeg") == 1
    made = {file: file.stat().st_mtime_ns for file in (folder / "cells").iterdir()}
    assert fprnet(*words).out == first.out
    assert {file: file.stat().st_mtime_ns for file in (folder / "cells").iterdir()} == made


@pytest.mark.slow
def test_reproduce_table8(fprnet, few_steps, trained, tiny_set, tmp_path):
    weights = trained / "checkpoints/best.pt"
    words = ("reproduce", "table8", "--data", tiny_set, "--out", tmp_path, "--weights", weights)
    result = fprnet(*words)
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].split() == ["method", "rank-1", "rank-10", "rank-20", "mAP"]
    assert lines[1].startswith("FPRnet ")
    assert lines[2].startswith("FPRnet + SRCNN ")
    assert "31.43" not in result.out  # published at full scale: not comparable
    folder = tmp_path / "table8"
    assert json.loads((folder / "sharp/superres.json").read_text())["complete"]
    config = (folder / "runs/fprnet-srcnn-seed0/config.yaml").read_text()
    assert f"root: {folder / 'sharp'}" in config
    assert fprnet(*words).out == result.out
    other = fprnet(*words[:-1], tmp_path / "nothing.pt")
    assert other.status == 2
    assert "does not exist" in other.complaint
