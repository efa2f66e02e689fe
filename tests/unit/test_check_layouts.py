"""``check`` on RegDB, LLCM and manifests: sound ones, then every kind of fault in one report."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from layout_cases import write_llcm, write_manifest, write_regdb
from PIL import Image

from fprnet.data.check import check
from fprnet.errors import DataError

INFRARED = {"b/3.png", "c/2.png", "d/2.png"}  # of the manifest


def paint(root: Path, files: list[Path]) -> None:
    random = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (40, 20, 3), dtype=np.uint8)
        path = file.relative_to(root)
        if path.as_posix() in INFRARED or {"Thermal", "nir", "test_nir"} & set(path.parts):
            pixels[...] = pixels[..., :1]  # infrared is gray
        Image.fromarray(pixels).save(file)


def painted(root: Path) -> Path:
    """Put pixels into the empty image files of a case."""
    paint(root, [file for s in ("bmp", "jpg") for file in root.rglob(f"*.{s}")])
    return root


def problems(root: Path) -> list[str]:
    return [str(problem) for problem in check(root, progress=False).problems]


def test_sound_regdb(tmp_path: Path) -> None:
    report = check(painted(write_regdb(tmp_path)), progress=False)
    assert report.problems == ()
    assert report.layout == "regdb"
    assert report.identities == {"train": 3, "test": 3}
    counted = {(c.split, c.camera, c.modality): (c.images, c.identities) for c in report.counts}
    assert counted == {
        (part, *camera): (6, 3)
        for part in ("train", "test")
        for camera in ((1, "visible"), (2, "infrared"))
    }
    lines = report.text().splitlines()
    assert lines[0].endswith("images / identities, split 1 of 10")
    assert " ".join(lines[3].split()) == "1 visible 6 / 3 6 / 3"


def test_regdb_faults_are_found_in_one_run(tmp_path: Path) -> None:
    root = painted(write_regdb(tmp_path))
    (root / "idx/train_thermal_4.txt").unlink()
    (root / "idx/test_visible_5.txt").write_text("Visible/2/a.bmp x\n")
    for name in ("visible", "thermal"):
        shutil.copy(root / f"idx/test_{name}_2.txt", root / f"idx/test_{name}_1.txt")
    (root / "Thermal/3/male_front_t_00001_3.bmp").unlink()
    paint(root, [root / "Visible/6/extra.bmp"])
    (root / "Visible/6/male_front_v_00002_6.bmp").write_bytes(b"")
    (root / "Visible/notes.txt").touch()
    copied = "and is not used there; remove it or copy idx/ again"
    assert problems(root) == [
        *(
            f"idx/train_visible_1.txt lists identity {i}, which is tested in split 1; "
            "copy idx/ again"
            for i in (1, 3, 5)
        ),
        "idx/train_thermal_4.txt is missing; copy it from the data set again",
        "idx/test_visible_5.txt line 1 is 'Visible/2/a.bmp x'; expected a path and a label, "
        "such as Visible/1/male_front_v_00007_1.bmp 0",
        "Visible/notes.txt is no folder of an identity and is not used; remove it",
        "Thermal/3/male_front_t_00001_3.bmp is missing, but listed in 8 splits; copy it again",
        *(
            f"{kind}/{i}/male_front_{letter}_0000{frame}_{i}.bmp is in no list of split 1 {copied}"
            for kind, letter in (("Thermal", "t"), ("Visible", "v"))
            for i in (2, 4, 6)
            for frame in (1, 2)
            if (kind, i) != ("Visible", 6)
        ),
        f"Visible/6/extra.bmp is in no list of split 1, 2, 3, 6, 7, 8, 9, 10 {copied}",
        *(
            f"Visible/6/male_front_v_0000{n}_6.bmp is in no list of split 1 {copied}"
            for n in (1, 2)
        ),
        "Visible/6/male_front_v_00002_6.bmp is empty; copy it again or remove it",
    ]


def test_sound_llcm(tmp_path: Path) -> None:
    report = check(painted(write_llcm(tmp_path)), progress=False)
    missing = [str(problem) for problem in report.problems]
    # The case has people in cameras 1, 2, 3 and 9 only.
    assert missing == [
        f"test_{kind}/cam{camera} holds no images; copy the {modality} test images of camera "
        f"{camera}"
        for kind, modality in (("vis", "visible"), ("nir", "infrared"))
        for camera in (4, 5, 6, 7, 8)
    ]
    assert report.identities == {"train": 2, "test": 2}
    assert ("test", 3, "infrared") not in {(c.split, c.camera, c.modality) for c in report.counts}
    assert sum(count.images for count in report.counts) == 23


def test_llcm_faults_are_found_in_one_run(tmp_path: Path) -> None:
    root = painted(write_llcm(tmp_path))
    before = set(problems(root))
    (root / "idx/test_id.txt").write_text("3,1,40")
    (root / "vis/0001/0001_c01_s1_f0009_vis.jpg").unlink()
    (root / "idx/train_nir.txt").write_text("nir/0001/a.jpg 0")
    (root / "test_nir/cam10").mkdir()
    (root / "test_vis/cam9/0012/0012_c09_s1_f0000_vis.jpg").write_bytes(b"no image")
    report = check(root, progress=False)
    found = [str(problem) for problem in report.problems]
    assert [line for line in found if line not in before] == [
        "idx/train_nir.txt lists nir/0001/a.jpg; expected FOLDER/NUMBER/NUMBER_cCAMERA_..., such "
        "as vis/0001/0001_c01_s185535_f7010_vis.jpg",
        "vis/0001/0001_c01_s1_f0009_vis.jpg is missing, but listed in train_vis.txt; copy it again",
        "test_nir/cam10 is no camera of LLCM and is not used; remove it",
        f"{root} lists identity 1 for train and for test; leave it in one of the id files",
        f"{root} has no image of identity 40, listed for test; copy its folders or correct the "
        "id file",
        "test_vis/cam9/0012/0012_c09_s1_f0000_vis.jpg is no image of a known format; give JPEG, "
        "PNG, BMP, WebP or TIFF, or remove it",
    ]
    assert report.identities["unlisted"] == 1  # identity 12


def test_manifest_is_checked_through_its_images(tmp_path: Path) -> None:
    root = write_manifest(tmp_path)
    images = ["b/2.png", "b/1.png", "b/3.png", "c/1.png", "c/2.png", "d/1.png", "d/2.png"]
    paint(root, [root / image for image in images])
    report = check(root, progress=False)
    assert report.problems == ()
    assert report.identities == {"train": 1, "validation": 0, "test": 2}
    assert report.cameras == ((1, "visible"), (2, "visible"), (3, "infrared"))
    (root / "c/1.png").unlink()
    noise = np.random.default_rng(1).integers(0, 256, (20, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).convert("L").convert("RGB").save(root / "c/2.png")
    assert problems(root) == [
        "c/1.png does not exist; correct the path",
        "c/2.png is wider than tall (50 x 20 pixels); crop it to one standing person",
    ]
    assert problems(root / "manifest.csv") == problems(root)
    (root / "manifest.csv").write_text("path,identity,modality\na.png,,visible\n")
    assert problems(root) == ["manifest.csv row 0 has no identity; give one"]


def test_a_folder_of_two_layouts_is_one_line(tmp_path: Path) -> None:
    root = write_manifest(write_regdb(tmp_path))
    with pytest.raises(DataError, match="looks like regdb and like manifest; say which with"):
        check(root, progress=False)
    assert check(root, layout="manifest", progress=False).layout == "manifest"
