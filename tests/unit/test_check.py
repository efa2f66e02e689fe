"""``check``: one sound folder counted by hand, then every kind of fault, all in one report."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from fprnet.data.check import Report, check
from fprnet.errors import DataError

# (camera, identity) -> images. Identity 1 trains, 2 validates, 3 tests.
IMAGES = {
    (1, 1): 2, (2, 1): 1, (3, 1): 2, (4, 1): 1, (5, 1): 1, (6, 1): 1,
    (1, 2): 1, (3, 2): 1,
    (2, 3): 2, (3, 3): 3, (6, 3): 1,
}  # fmt: skip


def write_permutations(root: Path, images: dict[tuple[int, int], int]) -> None:
    cameras = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        identities = np.empty((3, 1), dtype=object)
        for identity in range(1, 4):
            count = images.get((camera, identity), 0)
            order = np.tile(np.arange(1, count + 1), (10, 1)) if count else np.empty((0, 0))
            identities[identity - 1, 0] = order
        cameras[camera - 1, 0] = identities
    savemat(root / "exp/rand_perm_cam.mat", {"rand_perm_cam": cameras})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sound data set of three people."""
    random = np.random.default_rng(0)
    for (camera, identity), count in IMAGES.items():
        folder = tmp_path / f"cam{camera}" / f"{identity:04d}"
        folder.mkdir(parents=True)
        for index in range(1, count + 1):
            pixels = random.integers(0, 256, (40, 20, 3), dtype=np.uint8)
            if camera in (3, 6):
                pixels[...] = pixels[..., :1]  # infrared is gray
            Image.fromarray(pixels).save(folder / f"{index:04d}.jpg")
    (tmp_path / "exp").mkdir()
    for part, identity in (("train", 1), ("val", 2), ("test", 3)):
        (tmp_path / f"exp/{part}_id.txt").write_text(f"{identity}\n")
    write_permutations(tmp_path, IMAGES)
    return tmp_path


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def problems(root: Path, **options) -> list[str]:
    return [str(problem) for problem in check(root, progress=False, **options).problems]


def test_sound_set_has_no_problems_and_the_counts_of_the_hand(root: Path) -> None:
    report = check(root, progress=False)
    assert report.problems == ()
    counted = {(c.split, c.camera, c.modality): (c.images, c.identities) for c in report.counts}
    assert counted[("train", 1, "visible")] == (2, 1)
    assert counted[("test", 3, "infrared")] == (3, 1)
    assert ("validation", 6, "infrared") not in counted
    assert sum(images for images, _ in counted.values()) == 16
    assert report.identities == {"train": 1, "validation": 1, "test": 1}


def test_text_is_a_table(root: Path) -> None:
    lines = check(root, progress=False).text().splitlines()
    assert lines[2].split() == ["camera", "modality", "train", "validation", "test"]
    assert " ".join(lines[5].split()) == "3 infrared 2 / 1 1 / 1 3 / 1"
    assert " ".join(lines[9].split()) == "all 8 / 1 2 / 1 6 / 1"
    assert lines[-1] == "no problems found"


def test_dictionary_is_json(root: Path) -> None:
    (root / "cam1/0001/0001.jpg").write_bytes(b"")
    result = json.loads(json.dumps(check(root, progress=False).as_dict()))
    assert result["format"] == 1
    assert result["images"] == 16
    assert result["problems"] == [
        {
            "path": "cam1/0001/0001.jpg",
            "what": "is empty",
            "next_step": "copy it again or remove it",
        }
    ]
    assert {"split": "test", "camera": 6, "modality": "infrared", "images": 1, "identities": 1} in (
        result["counts"]
    )


def test_every_fault_is_found_in_one_run(root: Path) -> None:
    (root / "cam1/0001/0001.jpg").write_bytes(b"no image")
    noise(20, 40).convert("L").save(root / "cam1/0001/0002.jpg")
    noise(40, 20).save(root / "cam2/0003/0001.jpg")
    noise(8, 20).save(root / "cam2/0003/0002.jpg")
    (root / "cam1/0001/Thumbs.db").write_text("")
    (root / "cam1/notes.txt").write_text("")
    (root / "cam7").mkdir()
    shutil.rmtree(root / "cam5")
    shutil.copytree(root / "cam3/0003", root / "cam3/0004")
    (root / "cam3/0002/0002.jpg").write_bytes((root / "cam3/0002/0001.jpg").read_bytes())
    (root / "exp/val_id.txt").write_text("2,3,77")
    (root / "exp/train_id.txt").write_text("1,two")
    report = check(root, progress=False)
    assert [str(problem) for problem in report.problems] == [
        f"exp/train_id.txt {_train_message(root)}",
        "cam7 is no camera of SYSU-MM01; remove it or rename it to cam1..cam6",
        "cam1/0001/Thumbs.db is no JPEG, PNG, BMP, WebP or TIFF file by its ending and is not "
        "used; save it in one of these formats, or remove it",
        "cam1/notes.txt is no folder of an identity and is not used; remove it",
        "cam5 is missing; copy the visible camera 5",
        f"{root} has no image of identity 77, listed for validation; "
        "copy its folders or correct the id file",
        f"{root} lists identity 3 for validation and for test; leave it in one of the id files",
        "cam3/0002 holds 2 images but rand_perm_cam.mat counts 1; copy the folder again",
        "cam1/0001/0001.jpg is no image of a known format; give JPEG, PNG, BMP, WebP or TIFF, or "
        "remove it",
        "cam1/0001/0002.jpg was declared visible but is gray; if it is infrared, say so; infrared "
        "in false colours has to be saved in gray",
        "cam1/0001/0002.jpg has pixels of kind L, most visible images have RGB; "
        "look whether it belongs here",
        "cam2/0003/0001.jpg is wider than tall (40 x 20 pixels); crop it to one standing person",
        "cam2/0003/0002.jpg has only 8 x 20 pixels; replace it or remove it",
    ]
    assert report.identities["unlisted"] == 2  # 1, whose list cannot be read, and 4
    assert "13 problems:" in report.text()


def _train_message(root: Path) -> str:
    """What the reader itself says about the file."""
    from fprnet.data.sysu_mm01 import read_split

    with pytest.raises(DataError) as caught:
        read_split(root)
    return str(caught.value).removeprefix(f"{root / 'exp/train_id.txt'} ")


def test_missing_split_files_are_all_named(root: Path) -> None:
    shutil.rmtree(root / "exp")
    found = problems(root)
    assert len(found) == 4
    for name, line in zip(
        ("train_id.txt", "val_id.txt", "test_id.txt", "rand_perm_cam.mat"), found, strict=True
    ):
        assert line.startswith(f"exp/{name} ")
        assert "missing; copy it from the data set's exp folder" in line


def test_damaged_permutations_are_a_problem_of_that_file(root: Path) -> None:
    (root / "exp/rand_perm_cam.mat").write_bytes(b"no mat file")
    (line,) = problems(root)
    assert line.startswith("exp/rand_perm_cam.mat is no MATLAB file")


def test_id_file_that_is_no_text_is_a_problem_of_that_file(root: Path) -> None:
    (root / "exp/test_id.txt").write_bytes(b"\xff\xfe\x00")
    (line,) = problems(root)
    assert line.startswith("exp/test_id.txt is no readable text")


def test_folder_missing_in_one_camera_disagrees_with_the_permutations(root: Path) -> None:
    shutil.rmtree(root / "cam6/0003")
    assert problems(root) == [
        "cam6/0003 holds 0 images but rand_perm_cam.mat counts 1; copy the folder again"
    ]


def test_same_identity_in_two_folders(root: Path) -> None:
    shutil.copytree(root / "cam1/0002", root / "cam1/2")
    assert problems(root) == ["cam1/2 is identity 2 a second time; keep one of them"]


def test_gray_infrared_images_are_no_oddity_when_all_are_gray(root: Path) -> None:
    for camera in (3, 6):
        for file in (root / f"cam{camera}").rglob("*.jpg"):
            with Image.open(file) as image:
                gray = image.convert("L")
            gray.save(file)
    assert problems(root) == []


def test_number_of_threads_changes_nothing(root: Path) -> None:
    (root / "cam6/0001/0001.jpg").write_bytes(b"")
    (root / "cam1/0001/0001.jpg").write_bytes(b"")
    assert problems(root, workers=3) == problems(root)


def test_wrong_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no folder; give the folder of a data set"):
        check(tmp_path / "nowhere")


def test_folder_of_no_known_layout_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    noise(20, 40).save(tmp_path / "0001.jpg")
    manifest = re.escape(str(tmp_path / "manifest.csv"))
    with pytest.raises(
        DataError,
        match=rf"none of the known layouts: SYSU-MM01 \(cam1 .*RegDB.*; .*--layout .*{manifest}.*"
        r"path, identity, modality$",
    ):
        check(tmp_path, progress=False)


def test_empty_folder_that_should_be_sysu_lists_cameras_and_split_files(tmp_path: Path) -> None:
    report = check(tmp_path, layout="sysu-mm01", progress=False)
    assert len(report.problems) == 10  # four split files, six cameras
    assert isinstance(report, Report)
    assert report.counts == ()
    assert "10 problems:" in report.text()


def recolour(root: Path, camera: int, change) -> None:
    for file in (root / f"cam{camera}").rglob("*.jpg"):
        with Image.open(file) as image:
            image.load()
        change(image).save(file)


def test_swapped_modality_and_false_colours_are_one_problem_of_the_camera(root: Path) -> None:
    def false_colours(image: Image.Image) -> Image.Image:
        gray = np.asarray(image.convert("L"))
        return Image.fromarray(np.stack([gray, np.zeros_like(gray), 255 - gray], axis=2))

    recolour(root, 3, false_colours)
    recolour(root, 2, lambda image: image.convert("L").convert("RGB"))
    found = problems(root)
    assert len(found) == 2
    assert "3 gray images of 3 in camera 2, whose modality is visible" in found[0]
    assert "6 coloured images of 6 in camera 3, whose modality is infrared" in found[1]


def test_one_image_of_the_other_modality_is_named(root: Path) -> None:
    noise(20, 40).save(root / "cam3/0003/0002.jpg")
    [found] = problems(root)
    assert found.startswith("cam3/0003/0002.jpg was declared infrared but is coloured")


def test_image_without_contrast_is_named(root: Path) -> None:
    Image.new("RGB", (20, 40), (30, 30, 30)).save(root / "cam3/0003/0002.jpg")
    [found] = problems(root)
    assert found.startswith("cam3/0003/0002.jpg is without contrast (1 of 256 gray values)")
