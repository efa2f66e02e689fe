"""SYSU-MM01 on disk: folders, id lists and permutations, right and wrong."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from fprnet.data.sysu_mm01 import (
    GalleryPermutations,
    SysuSplit,
    check_split,
    read_permutations,
    read_records,
    read_split,
)
from fprnet.errors import DataError
from sysu_cases import IMAGES, small_split

PEOPLE = 7


def cell_array(permutations: GalleryPermutations, dtype=np.uint8) -> np.ndarray:
    """The structure of the official file: 6x1 cells of Nx1 cells of 10xn."""
    cameras = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        people = np.empty((PEOPLE, 1), dtype=object)
        for identity in range(1, PEOPLE + 1):
            cell = permutations.cells.get((camera, identity), np.empty((0, 0)))
            people[identity - 1, 0] = cell.astype(dtype)
        cameras[camera - 1, 0] = people
    return cameras


def write_split(folder: Path, split: SysuSplit) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train_id.txt").write_text("7\n")
    (folder / "val_id.txt").write_text("5, 4")
    (folder / "test_id.txt").write_text("1,2,3")
    savemat(folder / "rand_perm_cam.mat", {"rand_perm_cam": cell_array(split.permutations)})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set whose images are empty files; nothing here decodes them."""
    for camera in range(1, 7):
        (tmp_path / f"cam{camera}").mkdir()
    for (camera, identity), number in IMAGES.items():
        folder = tmp_path / f"cam{camera}" / f"{identity:04d}"
        folder.mkdir()
        for index in range(1, number + 1):
            (folder / f"{index:04d}.jpg").touch()
    write_split(tmp_path / "exp", small_split())
    return tmp_path


def test_lists_every_image_in_order(root: Path) -> None:
    records = read_records(root)
    assert len(records) == sum(IMAGES.values())
    rows = list(zip(records.camera, records.identity, records.index, strict=True))
    assert rows == sorted(rows)
    assert [f"cam{c}/{i:04d}/{n:04d}.jpg" for c, i, n in rows] == records.path.tolist()
    modality = dict(zip(records.camera.tolist(), records.modality.tolist(), strict=True))
    assert modality == dict.fromkeys((1, 2, 4, 5), "visible") | dict.fromkeys((3, 6), "infrared")
    location = dict(zip(records.camera.tolist(), records.location.tolist(), strict=True))
    assert location == {1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6}


def test_position_counts_images_in_sorted_order_and_nothing_else(root: Path) -> None:
    folder = root / "cam5" / "0002"
    for name in ("Thumbs.db", "._0001.jpg", "0000.PNG", "0010.jpeg", "0002.jpg"):
        (folder / name).touch()
    (root / "cam5" / "@eaDir").mkdir()
    records = read_records(root)
    images = records.where(records.camera == 5)
    names = ["0000.PNG", "0001.jpg", "0002.jpg", "0010.jpeg"]
    assert images.path.tolist() == [f"cam5/0002/{name}" for name in names]
    assert images.index.tolist() == [1, 2, 3, 4]


def test_only_some_cameras_can_be_read(root: Path) -> None:
    (root / "cam3").rename(root / "other")
    records = read_records(root, cameras=(5, 1))
    assert sorted(set(records.camera.tolist())) == [1, 5]


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is no folder; give the folder that holds cam1"):
        read_records(tmp_path / "nowhere")


def test_missing_cameras_are_named_together(root: Path) -> None:
    for camera in (1, 5):
        (root / f"cam{camera}").rename(root / f"kamera{camera}")
    with pytest.raises(DataError, match="has no folder cam1, cam5; give the folder"):
        read_records(root)


def test_no_images_at_all(tmp_path: Path) -> None:
    for camera in range(1, 7):
        (tmp_path / f"cam{camera}" / "0001").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no images; each camera folder needs"):
        read_records(tmp_path)


def test_two_folders_of_one_identity(root: Path) -> None:
    (root / "cam2" / "3").mkdir()
    with pytest.raises(DataError, match="holds 0003 and 3, both identity 3; keep one"):
        read_records(root)


def test_reads_the_split_from_the_root_and_from_its_folder(root: Path) -> None:
    for folder in (root, root / "exp"):
        split = read_split(folder)
        assert (split.train, split.validation, split.test) == ((7,), (4, 5), (1, 2, 3))
        for (camera, identity), expected in small_split().permutations.cells.items():
            assert split.permutations.images(camera, identity) == expected.shape[1]
            for trial in range(1, 11):
                order = split.permutations.order(camera, identity, trial)
                assert order.dtype == np.int64
                assert np.array_equal(order, expected[trial - 1])
        assert split.permutations.images(1, 3) == 0
        assert split.permutations.order(1, 3, 1).tolist() == []
        assert split.permutations.order(1, 999, 1).tolist() == []


def test_matlab_id_lists_of_any_variable_name(root: Path) -> None:
    (root / "exp" / "test_id.txt").unlink()
    savemat(root / "exp" / "test_id.mat", {"whatever": np.array([[3, 1, 2]], dtype=np.uint16)})
    assert read_split(root).test == (1, 2, 3)


def test_permutations_of_other_dtype_and_orientation(root: Path) -> None:
    cells = cell_array(small_split().permutations, dtype=np.float64)
    savemat(root / "exp" / "rand_perm_cam.mat", {"p": cells.T})
    assert np.array_equal(
        read_split(root).permutations.order(2, 3, 4), small_split().permutations.order(2, 3, 4)
    )


def test_only_the_needed_lists_must_be_there(root: Path) -> None:
    (root / "exp" / "train_id.txt").unlink()
    assert read_split(root, needed=("test",)).train == ()
    with pytest.raises(DataError, match=r"exp/train_id\.txt \(or \.mat\) is missing; copy it"):
        read_split(root)


def test_missing_permutations(root: Path) -> None:
    (root / "exp" / "rand_perm_cam.mat").unlink()
    split = read_split(root)
    assert split.permutations is None
    assert split.test == (1, 2, 3)
    with pytest.raises(DataError, match=r"rand_perm_cam\.mat is missing; .*wuancong/SYSU-MM01"):
        read_permutations(root / "exp" / "rand_perm_cam.mat")


def test_folder_without_any_split_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no split files, neither itself nor in exp/"):
        read_split(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,x,3", r"test_id\.txt holds 'x', which is no identity"),
        ("", r"test_id\.txt lists nobody; copy it"),
        ("1,-2", r"holds '-2', which is no identity"),
        ("1,2,1", r"test_id\.txt must list different identities from 1 on"),
        ("0,1", r"test_id\.txt must list different identities from 1 on"),
        ("1,7", r"identity 7 is in the train and in the test list"),
    ],
)
def test_wrong_id_list(root: Path, text: str, message: str) -> None:
    (root / "exp" / "test_id.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no matlab file", r"rand_perm_cam\.mat is no MATLAB file of version 4 to 7"),
        ({"a": np.ones((6, 1))}, r"holds 0 variables of type cell array; expected exactly one"),
        ({"a": np.array([[1], [2]], dtype=object)}, r"has 2 cameras instead of 6"),
    ],
)
def test_wrong_permutation_file(root: Path, content, message: str) -> None:
    file = root / "exp" / "rand_perm_cam.mat"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        savemat(file, content)
    with pytest.raises(DataError, match=message):
        read_split(root)


def test_rows_that_are_no_permutations(root: Path) -> None:
    cells = cell_array(small_split().permutations)
    cells[3, 0][1, 0][7, 2] = 9
    savemat(root / "exp" / "rand_perm_cam.mat", {"rand_perm_cam": cells})
    with pytest.raises(
        DataError, match=r"not hold permutations of 1\.\.n for identity 2 in camera 4"
    ):
        read_split(root)


def test_split_that_fits_the_images(root: Path) -> None:
    split = read_split(root, needed=("test",))
    with pytest.raises(DataError, match=r"2 identities of val_id have no image .* first is 4"):
        check_split(read_records(root), split)
    (root / "exp" / "val_id.txt").unlink()
    check_split(read_records(root), read_split(root, needed=("train", "test")))


def test_images_that_the_permutations_do_not_count(root: Path) -> None:
    (root / "exp" / "val_id.txt").unlink()
    (root / "cam4" / "0002" / "0005.jpg").unlink()
    with pytest.raises(DataError, match=r"cam4/0002 holds 4 images but .* counts 5"):
        check_split(read_records(root), read_split(root, needed=("test",)))
