"""The model in the box: what is shipped, and what README and docs/pretrained.md do with it."""

import json
import shutil

import numpy as np
import pytest

import fprnet
from conftest import ROOT
from documents import blocks
from fprnet.config import config_from_dict
from fprnet.embeddings.loading import load_model
from fprnet.pretrained import DEFAULT_MODEL, SHIPPED, shipped_models

FOLDER = SHIPPED / DEFAULT_MODEL
MOST_BYTES = 12_000_000
THREE_COMMANDS = 3


@pytest.fixture
def crops(tiny_set, tmp_path, monkeypatch):
    """Two folders of crops, as a newcomer has them."""
    for camera, name in (("cam6", "night"), ("cam1", "day")):
        shutil.copytree(tiny_set / camera / "0001", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_are_small_and_none_is_a_pickle():
    assert shipped_models() == [DEFAULT_MODEL]
    names = {path.name for path in FOLDER.iterdir()}
    assert {"config.json", "model.safetensors", "model.calibration.json", "README.md"} <= names
    assert {path.suffix for path in FOLDER.iterdir()} <= {".json", ".safetensors", ".md"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES


def test_card_and_calibration_are_of_these_weights():
    model = fprnet.load_model(runtime="pytorch", precision="float32")
    digest = model.about["checkpoint_sha256"]
    assert digest in (FOLDER / "README.md").read_text(encoding="utf-8")
    calibration = json.loads((FOLDER / "model.calibration.json").read_text(encoding="utf-8"))
    assert calibration["checkpoint_sha256"] == digest
    for one in (calibration, calibration["tracklets"]):  # grouping needs thresholds for each kind
        assert one["same_modality"].keys() == {"visible", "infrared"}
    content = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    assert config_from_dict(content["config"]) == model.config


def test_it_is_loaded_without_a_name_and_images_differ(tiny_set):
    model = fprnet.load_model(runtime="pytorch", precision="float32")
    assert model.about["name"] == DEFAULT_MODEL
    days = sorted((tiny_set / "cam1").glob("*/*.jpg"))
    vectors = model.embed([*days, days[0]], "visible")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[-1], atol=1e-6)
    assert float(vectors[0] @ vectors[1]) < 1 - 1e-4


def first_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("```\n")[1]
    lines = [line.split() for line in block.splitlines()]
    assert [line[0] for line in lines] == ["fprnet"] * THREE_COMMANDS
    return [line[1:] for line in lines]


def test_readme_gives_an_answer_in_three_commands(fprnet, crops):
    query = sorted((crops / "night").iterdir())[0]
    for words in first_commands():
        result = fprnet(*(str(query) if word == "night/0001.jpg" else word for word in words))
        assert result.status == 0, result.err
    assert "day/" in result.out
    assert (crops / "found.png").is_file()


def test_code_of_the_page(crops, trained):
    shutil.copytree(trained, crops / "runs" / "fprnet")
    scope = {}
    for code in blocks("pretrained.md", "python"):
        if "owner/name" not in code:
            exec(compile(code, "pretrained.md", "exec"), scope)
    assert scope["again"].about["name"] == "my-model"
    assert (crops / "my-model" / "README.md").is_file()


def test_extract_takes_it_when_no_model_is_named(fprnet, crops):
    words = ["--images", "night", "--modality", "infrared", "--out", "night.npz", "--json"]
    result = fprnet("extract", *words)
    assert result.status == 0, result.err
    assert json.loads(result.out)["model"]["name"] == DEFAULT_MODEL


def test_shipped_model_is_not_calibrated_in_its_place(fprnet, tiny_set, crops):
    before = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    complaint = fprnet("calibrate", DEFAULT_MODEL, "--data", str(tiny_set)).complaint
    assert DEFAULT_MODEL in complaint
    assert "save_pretrained" in complaint
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == before


def test_copy_of_it_is_calibrated_and_makes_a_gallery(fprnet, tiny_set, crops):
    load_model().save_pretrained("my-model")
    words = ("--data", str(tiny_set), "--people", "test", "--full-size")
    result = fprnet("calibrate", "my-model", *words)
    assert result.status == 0, result.err
    assert (crops / "my-model" / "model.calibration.json").is_file()
    result = fprnet("gallery", "create", "--uri", "mine.db", "--model", "my-model")
    assert result.status == 0, result.err
    added = fprnet("gallery", "add", "--uri", "mine.db", "--images", "day", "--modality", "visible")
    assert added.status == 0, added.err
