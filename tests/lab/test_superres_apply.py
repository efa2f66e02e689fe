"""Rewriting a data set: what changes, what must not, and what happens when it is stopped."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from superres_cases import SIZE, rewritten_paths, smooth_image, write_set

from fprnet.data.data_set import open_data_set
from fprnet.errors import DataError, UsageError
from fprnet_lab.superres.apply import apply_superres, sharpen
from fprnet_lab.superres.bicubic import resize
from fprnet_lab.superres.colour import rgb_to_ycbcr, ycbcr_to_rgb
from fprnet_lab.superres.networks import ARCHITECTURES, SuperResolution
from fprnet_lab.superres.weights import LoadedNetwork


@pytest.fixture
def loaded():
    torch.manual_seed(0)
    network = SuperResolution(ARCHITECTURES["paper"], enlargement=2, residual=True)
    return LoadedNetwork(network.eval(), "paper", "0" * 64)


def apply(root, out, loaded, **options):
    defaults = {"cameras": [1], "progress": False, "size": (32, 32)}
    return apply_superres(root, out, loaded, **defaults | options)


def contents(root):
    files = sorted(f for f in root.rglob("*") if f.is_file() and f.name[0] != ".")
    return {f.relative_to(root).as_posix(): f.read_bytes() for f in files}


@pytest.mark.parametrize("copy", [False, True])
def test_only_training_images_of_the_camera_change(tmp_path, loaded, copy):
    root, out = write_set(tmp_path / "a"), tmp_path / "b"
    before = contents(root)
    applied = apply(root, out, loaded, copy=copy)
    after = contents(out)
    assert json.loads(after.pop("superres.json"))["complete"]
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] != before[path]} == rewritten_paths()
    assert contents(root) == before
    assert (applied.rewritten, applied.linked) == (len(rewritten_paths()), len(before) - 6)
    same = [(root / p).samefile(out / p) for p in before if p not in rewritten_paths()]
    assert set(same) == {not copy}
    for path in rewritten_paths():
        with Image.open(out / path) as image:
            assert image.size == (32, 32)


def test_validation_and_test_people_are_the_original_s_whatever_cameras(tmp_path, loaded):
    root, out = write_set(tmp_path / "a"), tmp_path / "b"
    apply(root, out, loaded, cameras=[1, 2])
    data_set = open_data_set(out)
    held_out = data_set.records().of((*data_set.validation, *data_set.test))
    assert len(held_out) == 8
    for path in held_out.path:
        assert (out / path).read_bytes() == (root / path).read_bytes()
    train = data_set.records().of(data_set.train, "visible")
    assert all((out / p).read_bytes() != (root / p).read_bytes() for p in train.path)


def test_result_does_not_depend_on_workers_or_interruption(tmp_path, loaded):
    root = write_set(tmp_path / "a")
    apply(root, tmp_path / "one", loaded, workers=1)
    apply(root, tmp_path / "two", loaded, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    for path in (*sorted(rewritten_paths())[:2], "camera3/1-0.png", "superres.json"):
        before = contents(tmp_path / "one")
        if path != "superres.json":
            (tmp_path / "two" / path).unlink()
        apply(root, tmp_path / "two", loaded)
        assert contents(tmp_path / "two") == before


def test_own_size_is_kept(tmp_path, loaded):
    root, out = write_set(tmp_path / "a", ".jpg"), tmp_path / "b"
    apply(root, out, loaded, size=None)
    for path in rewritten_paths(suffix=".jpg"):
        with Image.open(out / path) as image:
            assert (image.height, image.width) == SIZE
            assert image.format == "JPEG"


def test_luma_by_the_network_colour_bicubic(loaded):
    rgb = smooth_image(1)
    torch.nn.init.zeros_(loaded.network.conv3.weight)  # the network is bicubic enlargement now
    ycbcr = resize(rgb_to_ycbcr(rgb), (160, 96))
    np.testing.assert_array_equal(sharpen(loaded.network, rgb, size=(160, 96)), ycbcr_to_rgb(ycbcr))
    squeezed = sharpen(loaded.network, rgb, input_size=(16, 16), size=(64, 64))
    expected = ycbcr_to_rgb(resize(resize(rgb_to_ycbcr(rgb), (16, 16)), (64, 64)))
    assert np.abs(squeezed.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": [1, 2]}, r"cameras \[1\] \(not \[1, 2\]\)"),
        ({"size": None}, r"size \[32, 32\] \(not None\)"),
        ({"input_size": (16, 16)}, "input_size None"),
    ],
)
def test_folder_of_another_run_is_refused(tmp_path, loaded, options, message):
    root, out = write_set(tmp_path / "a"), tmp_path / "b"
    apply(root, out, loaded)
    before = contents(out)
    with pytest.raises(UsageError, match=f"holds images of {message}"):
        apply(root, out, loaded, **options)
    other = LoadedNetwork(loaded.network, "paper", "1" * 64)
    with pytest.raises(UsageError, match="holds images of weights 0000"):
        apply(root, out, other)
    assert contents(out) == before


def test_other_folders_are_refused(tmp_path, loaded):
    root = write_set(tmp_path / "a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    with pytest.raises(UsageError, match="was not written by"):
        apply(root, tmp_path / "full", loaded)
    for inside in (root, root / "sharp", tmp_path):
        with pytest.raises(UsageError, match="lie in each other"):
            apply(root, inside, loaded)


def test_unreadable_image_is_named_and_skipped_only_on_request(tmp_path, loaded, capsys):
    root, out = write_set(tmp_path / "a"), tmp_path / "b"
    broken = "camera1/2-0.png"
    whole = (root / broken).read_bytes()
    (root / broken).write_bytes(whole[:60])
    with pytest.raises(DataError, match=rf"{broken} is damaged"):
        apply(root, out, loaded)
    for _ in range(2):  # the second start tries it again
        applied = apply(root, out, loaded, skip_unreadable=True)
        assert applied.unreadable == (broken,)
        assert broken in capsys.readouterr().err
        assert json.loads((out / "superres.json").read_text())["unreadable"] == [broken]
        assert (out / broken).read_bytes() == whole[:60]
    (root / broken).unlink()
    (root / broken).write_bytes(whole)
    assert apply(root, out, loaded).unreadable == ()
    assert (out / broken).read_bytes() not in (whole, whole[:60])


def test_cameras_are_visible_ones(tmp_path, loaded):
    root = write_set(tmp_path / "a")
    with pytest.raises(DataError, match="camera 3 is no visible camera"):
        apply(root, tmp_path / "b", loaded, cameras=[1, 3])
    assert not (tmp_path / "b").exists()
