"""``fprnet extract`` as users call it."""

import json
import shutil

import numpy as np
import pytest

import fprnet as package
from fprnet.data.sysu_mm01 import read_records
from fprnet.embeddings.store import read_features


def test_data_set_becomes_the_documented_file(fprnet, trained, tiny_set, tmp_path):
    file = tmp_path / "new" / "f.npz"
    result = fprnet("extract", trained, "--data", tiny_set, "--out", file)
    assert result.status == 0, result.err
    records = read_records(tiny_set)
    assert result.out == f"{file}: {len(records)} images, 1024 numbers each\n"
    with np.load(file, allow_pickle=False) as archive:
        columns = dict(archive)
    assert columns["features"].dtype == np.float32
    for name in ("identity", "camera", "index"):
        assert columns[name].dtype == np.int64
        np.testing.assert_array_equal(columns[name], getattr(records, name))
    assert set(columns["modality"]) == {"visible", "infrared"}
    meta = json.loads(str(columns["meta"]))
    assert meta["format"] == 1
    assert meta["model"]["preset"] == meta["config"]["preset"] == "fprnet"
    assert meta["config"]["data"]["height"] == 64


def test_folder_of_images(fprnet, trained, tiny_set, tmp_path):
    folder = tmp_path / "night"
    shutil.copytree(tiny_set / "cam6" / "0002", folder / "inner")
    before = sorted(folder.rglob("*"))
    file = tmp_path / "night.npz"
    words = ("--images", folder, "--modality", "infrared", "--out", file)
    result = fprnet("extract", trained, *words, "--precision", "float32")
    assert result.status == 0, result.err
    assert sorted(folder.rglob("*")) == before  # nothing is left among the user's images
    features = read_features(file)
    assert [str(path) for path in features.path] == sorted(
        f"inner/{image.name}" for image in (folder / "inner").iterdir()
    )
    assert set(features.modality.tolist()) == {"infrared"}
    assert set(features.identity.tolist()) == {-1}
    assert features.index is None
    model = package.load_model(trained, precision="float32")
    embedded = model.embed([folder / p for p in features.path], "infrared")
    np.testing.assert_allclose(features.features, embedded, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--images", "FOLDER", "--out", "f.npz"], "--images and --modality go together"),
        (["--data", "FOLDER", "--modality", "visible", "--out", "f.npz"], "go together"),
        (["--images", "FOLDER", "--modality", "visible", "--out", "f.csv"], "must end in .npz"),
        (["--images", "FOLDER", "--modality", "visible", "--out", "f.npz"], "holds no images"),
        (["--images", "FOLDER", "--data", "FOLDER", "--out", "f.npz"], "not allowed with"),
    ],
)
def test_what_does_not_fit_together(fprnet, trained, tmp_path, words, told):
    (tmp_path / "empty").mkdir()
    given = (tmp_path / "empty" if word == "FOLDER" else word for word in words)
    result = fprnet("extract", trained, *given)
    assert result.status == 2
    assert told in result.complaint


def test_unreadable_image_is_named(fprnet, trained, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    words = ("--images", tmp_path, "--modality", "visible", "--out", tmp_path / "f.npz")
    result = fprnet("extract", trained, *words)
    assert result.status == 2
    assert f"{tmp_path / 'a.png'} is no image" in result.complaint
    assert not (tmp_path / "f.npz").exists()


def test_place_that_cannot_be_written(fprnet, trained, tiny_set, tmp_path):
    (tmp_path / "file").write_text("in the way")
    words = ("--images", tiny_set / "cam6" / "0002", "--modality", "infrared")
    result = fprnet("extract", trained, *words, "--out", tmp_path / "file" / "f.npz")
    assert result.status == 2
    assert "correct the permissions" in result.complaint
