"""RegDB, LLCM and manifests on disk, right and wrong, and the one object that hides the layout."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from layout_cases import write_llcm, write_manifest, write_regdb

from fprnet.cli.arguments import existing_data_set
from fprnet.data import llcm, regdb
from fprnet.data.data_set import VALIDATION_EVERY, open_data_set, read_records, recognise
from fprnet.data.manifest import read_manifest
from fprnet.data.records import positions
from fprnet.errors import DataError, UsageError


@pytest.fixture
def regdb_root(tmp_path: Path) -> Path:
    return write_regdb(tmp_path / "regdb")


@pytest.fixture
def llcm_root(tmp_path: Path) -> Path:
    return write_llcm(tmp_path / "llcm")


def test_positions_count_within_identity_camera_and_modality() -> None:
    camera = np.array([1, 1, 1, 2, 1, 1])
    identity = np.array([5, 4, 5, 5, 5, 5])
    modality = np.array(["visible", "visible", "visible", "visible", "infrared", "visible"])
    assert positions(camera, identity, modality).tolist() == [1, 1, 2, 1, 1, 3]


# RegDB


def test_regdb_split_is_the_folder_numbers_of_its_lists(regdb_root: Path) -> None:
    odd = regdb.read_split(regdb_root, 1)
    assert (odd.train, odd.test, odd.validation) == ((1, 3, 5), (2, 4, 6), ())
    even = regdb.read_split(regdb_root / "idx", 10, needed=("test",))  # the lists are enough
    assert (even.train, even.test) == ((), (1, 3, 5))
    assert len(even.listed) == 12


def test_regdb_records_are_all_images_whatever_the_split(regdb_root: Path) -> None:
    records = regdb.read_records(regdb_root)
    assert len(records) == 24
    assert records.path[:3].tolist() == [
        "Visible/1/male_front_v_00001_1.bmp",
        "Visible/1/male_front_v_00002_1.bmp",
        "Visible/2/male_front_v_00001_2.bmp",
    ]
    assert records.modality[[0, -1]].tolist() == ["visible", "infrared"]
    assert records.index.tolist() == [1, 2] * 12
    assert set(records.location.tolist()) == {-1}
    regdb.check_split(records, regdb.read_split(regdb_root, 4))


def test_regdb_identities_sort_as_numbers(tmp_path: Path) -> None:
    root = write_regdb(tmp_path)
    shutil.copytree(root / "Visible/2", root / "Visible/10")
    assert regdb.read_records(root).identity[:14].tolist() == [
        *(1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 10, 10)
    ]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train_thermal_1.txt", None, r"train_thermal_1\.txt is missing; copy it"),
        ("train_thermal_1.txt", b"\xff\xfe\x00", "is no readable text; copy it"),
        ("train_thermal_1.txt", b"\n", "lists no images; copy it"),
        ("test_visible_1.txt", b"Visible/2/a.bmp\n", r"line 1 is 'Visible/2/a.bmp'; expected a"),
        ("test_visible_1.txt", b"Thermal/2/a.bmp 0\n", "expected Visible/NUMBER/IMAGE"),
        ("test_visible_1.txt", b"Visible/2/a.bmp 0\n" * 2, "lists Visible/2/a.bmp twice"),
        (
            "test_visible_1.txt",
            b"Visible/2/a.bmp 0\nVisible/4/a.bmp 0\n",
            "gives label 0 to identities 2 and 4",
        ),
        (
            "test_visible_1.txt",
            b"Visible/2/a.bmp 0\nVisible/2/b.bmp 1\n",
            "gives labels 0 and 1 to identity 2",
        ),
        (
            "test_visible_1.txt",
            b"Visible/2/a.bmp 0\n",
            "2 identities are in only one of the visible and the thermal test list of split 1",
        ),
    ],
)
def test_regdb_list_that_cannot_be_used(regdb_root: Path, file, content, message) -> None:
    path = regdb_root / "idx" / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        regdb.read_split(regdb_root, 1)


def test_regdb_identity_in_both_parts(regdb_root: Path) -> None:
    for name in ("visible", "thermal"):
        lists = regdb_root / "idx"
        shutil.copy(lists / f"test_{name}_2.txt", lists / f"test_{name}_1.txt")
    with pytest.raises(DataError, match="identity 1 is in the train and in the test list"):
        regdb.read_split(regdb_root, 1)


def test_regdb_listed_image_that_is_not_there(regdb_root: Path) -> None:
    (regdb_root / "Thermal/3/male_front_t_00002_3.bmp").unlink()
    with pytest.raises(DataError, match=r"1 of 24 images listed in split 1 are not in .*_3\.bmp"):
        regdb.check_split(regdb.read_records(regdb_root), regdb.read_split(regdb_root, 1))


def test_regdb_missing_folder(regdb_root: Path) -> None:
    shutil.rmtree(regdb_root / "Thermal")
    with pytest.raises(DataError, match="has no folder Thermal"):
        regdb.read_records(regdb_root)


def test_regdb_needs_one_of_its_ten_splits(regdb_root: Path) -> None:
    with pytest.raises(UsageError, match="has 10 splits; give --split 1 to 10"):
        open_data_set(regdb_root)
    with pytest.raises(DataError, match="splits 1 to 10, not 11"):
        open_data_set(regdb_root, split=11)


# LLCM


def test_llcm_records_come_from_lists_and_test_folders(llcm_root: Path) -> None:
    split = llcm.read_split(llcm_root)
    assert (split.train, split.test) == ((1, 9), (3, 12))
    records = llcm.read_records(llcm_root)
    llcm.check_split(records, split)
    assert len(records) == 2 * 4 + 8 + 7
    nine = records.where((records.identity == 9) & (records.modality == "infrared"))
    assert nine.path.tolist() == [f"nir/0009/0009_c03_s1_f{n}_nir.jpg" for n in ("0009", "0010")]
    assert (nine.camera.tolist(), nine.location.tolist(), nine.index.tolist()) == (
        *([3, 3], [3, 3]),
        [1, 2],
    )
    assert not (
        (records.camera == 3) & (records.modality == "infrared") & (records.identity == 3)
    ).any()


def test_llcm_without_infrared_camera_3_or_without_training_images(llcm_root: Path) -> None:
    whole = len(llcm.read_records(llcm_root))
    (llcm_root / "test_nir/cam3").rmdir()
    assert len(llcm.read_records(llcm_root)) == whole
    for kind in ("vis", "nir"):
        shutil.rmtree(llcm_root / kind)
        (llcm_root / f"idx/train_{kind}.txt").unlink()
    assert len(llcm.read_records(llcm_root)) == whole - 8
    assert open_data_set(llcm_root, needed=("test",)).test == (3, 12)
    with pytest.raises(DataError, match=r"train_vis\.txt is missing"):
        open_data_set(llcm_root)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("test_id.txt", "3,x", "holds 'x', which is no identity"),
        ("test_id.txt", "", "lists nobody"),
        ("test_id.txt", "1,3", "identity 1 is in the train and in the test list"),
        ("train_vis.txt", "vis/0001/a.jpg 0", "expected FOLDER/NUMBER/NUMBER_cCAMERA_"),
    ],
)
def test_llcm_list_that_cannot_be_used(llcm_root: Path, file, content, message) -> None:
    (llcm_root / "idx" / file).write_text(content)
    with pytest.raises(DataError, match=message):
        llcm.read_split(llcm_root)


def test_llcm_missing_images(llcm_root: Path) -> None:
    (llcm_root / "idx/test_id.txt").write_text("3,12,40")
    with pytest.raises(DataError, match=r"1 listed identities have no image in .*first is 40"):
        llcm.check_split(llcm.read_records(llcm_root), llcm.read_split(llcm_root))
    (llcm_root / "vis/0001/0001_c01_s1_f0009_vis.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 4 images of .*train_vis\.txt are not in"):
        llcm.read_records(llcm_root)
    shutil.rmtree(llcm_root / "test_nir")
    (llcm_root / "idx/train_vis.txt").unlink()
    with pytest.raises(DataError, match="test_nir is missing"):
        llcm.read_records(llcm_root)


# Manifest


def test_manifest_is_sorted_and_its_location_is_the_camera_where_not_given(tmp_path: Path) -> None:
    split = read_manifest(write_manifest(tmp_path))
    assert (split.train, split.validation, split.test) == ((5,), (), (1, 2))
    rows = split.listed
    assert rows.path.tolist() == [
        *("b/1.png", "b/2.png", "d/1.png", "c/1.png", "b/3.png", "c/2.png", "d/2.png")
    ]
    assert rows.location.tolist() == [1, 1, 1, 7, 7, 7, 7]
    assert rows.index.tolist() == [1, 2, 1, 1, 1, 1, 1]
    assert split.role is None


def test_manifest_with_the_least_columns_tests_everybody(tmp_path: Path) -> None:
    split = read_manifest(
        write_manifest(tmp_path, "identity,path,modality\n4,x.png,Visible\n2,y.png,infrared\n")
    )
    assert (split.train, split.test) == ((), (2, 4))
    assert set(split.listed.camera.tolist()) == set(split.listed.location.tolist()) == {-1}
    with pytest.raises(DataError, match="lists nobody for the part train"):
        open_data_set(tmp_path)


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    csv = pytest.importorskip("pyarrow.csv")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_manifest(tmp_path / "csv")
    (tmp_path / "parquet").mkdir()
    table = csv.read_csv(tmp_path / "csv/manifest.csv")  # empty locations become nulls
    parquet.write_table(table, tmp_path / "parquet/manifest.parquet")
    one, other = (read_manifest(tmp_path / name) for name in ("csv", "parquet"))
    for name in ("path", "identity", "camera", "modality", "location", "index"):
        np.testing.assert_array_equal(getattr(one.listed, name), getattr(other.listed, name))
    assert (one.train, one.test) == (other.train, other.test)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column path and no column identity and no column modality"),
        ("path,identity,modality\n", "lists no images"),
        ("path,identity,modality,path\na,1,visible,b\n", "has the column path twice; keep one"),
        ("path,identity,modality\na.png,1\n", "row 0 has 2 values but there are 3 columns"),
        ("path,identity,modality\na.png,,visible\n", "row 0 has no identity"),
        ("path,identity,modality\na.png,1,thermal\n", "modality 'thermal'; give visible or infra"),
        ("path,identity,modality\n../a.png,1,visible\n", "row 0 has path"),
        (
            "path,identity,modality\na.png,1,visible\n./a.png,1,visible\n",
            "rows 0 and 1 are both ./a.png; keep one",
        ),
        (
            "path,identity,modality,split\na.png,1,visible,train\nb.png,1,infrared,test\n",
            "identity 1 is in the train and in the test list",
        ),
        ("path,identity,modality,role\na.png,1,visible,probe\n", "give query or gallery or leave"),
    ],
)
def test_manifest_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(write_manifest(tmp_path, text))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_manifest_as_spreadsheets_write_it(tmp_path: Path, separator: str, start: str) -> None:
    rows = [
        ["Path", "IDENTITY", "Modality", "camera", " location "],
        ["day\\a.png", "0012", "Visible", "gate", ""],
        ["/elsewhere/b.png", "0012", "INFRARED", "dock", "yard"],
        ["c.png", "b7f3-uuid", "visible", "", "gate"],
    ]
    text = start + "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8", newline="")
    listed = read_manifest(tmp_path).listed
    found = {
        path: (who, camera, location, str(modality))
        for path, who, camera, location, modality in zip(
            listed.path.tolist(),
            listed.identity.tolist(),
            listed.camera.tolist(),
            listed.location.tolist(),
            listed.modality.tolist(),
            strict=True,
        )
    }
    # In order: identities 0012, b7f3-uuid; places dock, gate, yard.
    assert found == {
        "day/a.png": (0, 1, 1, "visible"),
        "/elsewhere/b.png": (0, 0, 2, "infrared"),
        "c.png": (1, -1, 1, "visible"),
    }


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["7", "12", "7"], [7, 12, 7]),
        (["0007", "0012", "0007"], [7, 12, 7]),  # no two texts are the same number
        (["7", "007", "12"], [2, 0, 1]),  # two are
        (["12", "b", "a"], [0, 2, 1]),
    ],
)
def test_names_become_numbers(tmp_path: Path, names: list[str], numbers: list[int]) -> None:
    lines = [f"{row}.png,{name},visible" for row, name in enumerate(names)]
    listed = read_manifest(
        write_manifest(tmp_path, "\n".join(["path,identity,modality", *lines]))
    ).listed
    order = np.argsort(listed.path)
    assert listed.identity[order].tolist() == numbers


def test_manifest_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.parquet").write_bytes(b"none")
    with pytest.raises(DataError, match=r"holds both manifest.csv and manifest.parquet"):
        read_manifest(tmp_path)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_manifest(tmp_path / "manifest.parquet")


# The one object


def test_layouts_are_recognised_by_what_is_there(tmp_path, regdb_root, llcm_root) -> None:
    manifest_root = write_manifest(tmp_path / "manifest")
    (tmp_path / "sysu/cam2").mkdir(parents=True)
    for root, layout in (
        (regdb_root, "regdb"),
        (regdb_root / "idx", "regdb"),
        (llcm_root, "llcm"),
        (llcm_root / "idx", "llcm"),
        (manifest_root, "manifest"),
        (manifest_root / "manifest.csv", "manifest"),
        (tmp_path / "sysu", "sysu-mm01"),
    ):
        assert recognise(root) == layout
    (regdb_root / "manifest.csv").touch()
    with pytest.raises(DataError, match=r"like regdb and like manifest; say which with --layout"):
        recognise(regdb_root)
    assert open_data_set(regdb_root, layout="regdb", split=1).number == 1
    with pytest.raises(DataError, match=r"none of the known layouts: SYSU-MM01 .* RegDB .* LLCM"):
        recognise(llcm_root / "vis")
    with pytest.raises(DataError, match="is no folder; give the folder of a data set"):
        recognise(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is llcm, which has one split; leave --split out"):
        open_data_set(llcm_root, split=1)


def test_the_ending_of_a_manifest_may_be_in_capitals(tmp_path) -> None:
    file = write_manifest(tmp_path).joinpath("manifest.csv").rename(tmp_path / "CROPS.CSV")
    assert existing_data_set(str(file)) == file
    assert recognise(file) == "manifest"


def test_every_eighth_training_identity_validates_where_no_list_says_who_does(tmp_path) -> None:
    rows = [f"{i}.png,{i},visible,{'train' if i < 20 else 'test'}" for i in range(1, 23)]
    root = write_manifest(tmp_path, "path,identity,modality,split\n" + "\n".join(rows))
    data_set = open_data_set(root)
    assert VALIDATION_EVERY == 8
    assert data_set.validation == (8, 16)
    assert data_set.train == tuple(i for i in range(1, 20) if i not in (8, 16))
    assert data_set.test == (20, 21, 22)
    listed = root / "manifest.csv"
    listed.write_text(listed.read_text().replace("5,visible,train", "5,visible,validation"))
    assert open_data_set(root).validation == (5, 15)


def test_visible_images_alone(regdb_root: Path, llcm_root: Path) -> None:
    for root in (regdb_root, llcm_root):
        whole = read_records(root)
        visible = read_records(root, visible_only=True)
        split = 3 if root == regdb_root else None
        open_data_set(root, split=split, needed=("train",)).check(visible)
        assert set(visible.modality.tolist()) == {"visible"}
        assert len(visible) == (whole.modality == "visible").sum()
