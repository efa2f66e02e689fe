"""``fprnet evaluate`` and the Python interface, as users call them."""

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image

import fprnet as package
from fprnet.errors import UsageError

TOP = ["format", "protocol", "mode", "shots", "gallery", "trials", "queries", "valid_queries"]
TOP += ["gallery_size", "scores", "model", "versions"]
METRICS = ["rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP"]


@pytest.fixture(scope="module")
def features_file(trained, tiny_set, tmp_path_factory):
    from fprnet.cli.main import main

    file = tmp_path_factory.mktemp("features") / "f.npz"
    assert main(["extract", str(trained), "--data", str(tiny_set), "--out", str(file)]) == 0
    return file


def test_json_has_the_shape_of_the_interface(fprnet, trained, tiny_set):
    model = trained / "checkpoints" / "best.pt"
    result = fprnet("evaluate", model, "--data", tiny_set, "--flip", "--trials", 3, "--json")
    assert result.status == 0, result.err
    scores = json.loads(result.out)
    assert [name for name in scores if name in TOP] == TOP
    assert [scores[name] for name in TOP[:6]] == [1, "sysu-mm01", "all", 1, "official", 3]
    assert list(scores["scores"]) == ["plain", "flip"]
    for row in scores["scores"].values():
        assert list(row) == [*METRICS, "image-level"]
        assert list(row["image-level"]) == METRICS[:4]
        for trials in (*(row[name] for name in METRICS), *row["image-level"].values()):
            assert {"mean", "std", "per_trial"} <= set(trials)
            assert len(trials["per_trial"]) == 3
            assert trials["mean"] == pytest.approx(np.mean(trials["per_trial"]))
            assert 0 <= trials["mean"] <= 1
    assert (scores["model"]["preset"], scores["model"]["seed"]) == ("fprnet", 0)
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert scores["model"]["checkpoint_sha256"] == digest
    assert set(scores["versions"]) == {"fprnet", "numpy", "torch"}


@pytest.mark.parametrize("options", [[], ["--mode", "indoor", "--shots", "10"]])
def test_model_and_features_file_give_the_same_scores(
    fprnet, trained, tiny_set, features_file, options
):
    words = (*options, "--json")
    of_model = fprnet("evaluate", trained, "--data", tiny_set, *words)
    of_file = fprnet("evaluate", features_file, "--data", tiny_set / "exp", *words)
    assert of_model.status == of_file.status == 0, of_model.err + of_file.err
    assert json.loads(of_model.out)["scores"] == json.loads(of_file.out)["scores"]
    assert json.loads(of_model.out)["model"] == json.loads(of_file.out)["model"]


def test_table_is_in_percent_and_alone_on_stdout(fprnet, tiny_set, features_file):
    result = fprnet("evaluate", features_file, "--data", tiny_set)
    lines = result.out.splitlines()
    assert lines[0].startswith("sysu-mm01, mode all, shots 1, gallery official, trials 10: ")
    assert [line.split("  ")[0] for line in lines[2:4]] == ["plain", "plain (image level)"]
    assert result.err == ""


def test_flip_needs_a_model(fprnet, tiny_set, features_file):
    result = fprnet("evaluate", features_file, "--data", tiny_set, "--flip")
    assert result.status == 2
    assert "--flip needs the model" in result.complaint


def test_preset_name_is_an_untrained_model_with_fixed_weights(
    fprnet, tiny_set, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = ("evaluate", "one-stream", "--scale", "tiny", "--data", tiny_set, "--json")
    words += ("--cache", tmp_path / "cache")
    first, second = fprnet(*words), fprnet(*words)
    assert first.status == 0, first.err
    assert "preset one-stream is not trained: chance level" in first.err
    assert json.loads(first.out) == json.loads(second.out)
    assert json.loads(first.out)["model"]["trained"] is False
    (tmp_path / "one-stream").mkdir()
    assert "write ./one-stream" in fprnet(*words).complaint


def test_python_interface(trained, tiny_set, features_file):
    model = package.load_model(trained / "checkpoints" / "best.pt", precision="float32")
    folder = tiny_set / "cam3" / "0001"
    images = sorted(folder.iterdir())
    features = model.embed(images, modality="infrared")
    assert features.shape == (len(images), 256 + 3 * 256)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    # The same through Pillow images, and as `fprnet extract` wrote them.
    opened = [Image.open(image) for image in images]
    np.testing.assert_array_equal(model.embed(opened, modality="infrared"), features)
    for image in opened:
        image.close()
    stored = np.load(features_file)
    rows = [list(stored["path"]).index(f"cam3/0001/{image.name}") for image in images]
    np.testing.assert_allclose(stored["features"][rows], features, atol=1e-5)
    assert model.embed([], modality="visible").shape == (0, 1024)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 8, 3), dtype=np.uint8)
    expected, tensor = model.embed(pixels, "visible"), torch.from_numpy(pixels)
    for same in (tensor, list(tensor)):
        np.testing.assert_array_equal(model.embed(same, "visible"), expected)

    scores = package.evaluate(features_file, data=tiny_set, mode="indoor", trials=2)
    assert scores.trials == 2
    assert scores.as_dict()["mode"] == "indoor"


@pytest.mark.parametrize(
    ("images", "modality", "told"),
    [
        ("one.jpg", "visible", "put the one into a list"),
        (np.zeros((8, 8, 3), np.uint8), "visible", r"give \(N, H, W, 3\) uint8"),
        (np.zeros((2, 8, 8, 3), np.float32), "visible", "float32 array"),
        ([np.zeros((8, 8, 3))], "visible", "image 0 is a float64 array"),
        ([], "thermal", "'thermal' is unknown"),
    ],
)
def test_embed_refuses_what_it_would_misread(trained, images, modality, told):
    with pytest.raises(UsageError, match=told):
        package.load_model(trained).embed(images, modality=modality)


def test_unknown_protocol(features_file, tiny_set):
    with pytest.raises(UsageError, match="'market' is unknown"):
        package.evaluate(features_file, data=tiny_set, protocol="market")
