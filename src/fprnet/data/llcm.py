"""LLCM: a folder on disk becomes the table of its images and its split.

The layout is that of the public release (repository ZYK100/LLCM), as its own code reads it:
``idx/train_vis.txt`` and ``idx/train_nir.txt`` list the training images, a path such as
``vis/0001/0001_c01_s185535_f7010_vis.jpg`` and a label in each line; ``idx/test_id.txt`` lists the
test identities with commas; their images lie in ``test_vis/cam1`` to ``cam9`` and
``test_nir/cam1`` to ``cam9``, one folder per identity. ``test_nir/cam3`` is empty or missing there.
One camera takes visible and infrared images, so its number says where, not which modality.
Shapes: N images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fprnet.data.lists import check_apart, check_labels, read_identity_list, read_image_list
from fprnet.data.records import MODALITIES, Modality, Records, positions
from fprnet.data.sysu_mm01 import identity_folders, image_names
from fprnet.errors import DataError

__all__ = [
    "CAMERAS",
    "EMPTY",
    "TEST_FOLDERS",
    "TEST_LIST",
    "TRAIN_LISTS",
    "LlcmSplit",
    "check_split",
    "instant_of",
    "list_folder",
    "read_records",
    "read_split",
    "read_train_list",
]

CAMERAS = tuple(range(1, 10))
TRAIN_LISTS: dict[Modality, str] = {"visible": "train_vis.txt", "infrared": "train_nir.txt"}
TEST_FOLDERS: dict[Modality, str] = {"visible": "test_vis", "infrared": "test_nir"}
TEST_LIST = "test_id.txt"
EMPTY = "test_nir/cam3"  # has no images in the release

Row = tuple[str, int, int]  # path, identity, camera


@dataclass(frozen=True)
class LlcmSplit:
    """Which identities train and test.

    Attributes:
        train: Sorted identities; empty where the lists were not asked for.
        test: Sorted identities that are tested.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def validation(self) -> tuple[int, ...]:
        """Nobody: LLCM has no validation list."""
        return ()


def read_split(root: Path, *, needed: Sequence[str] = ("train", "test")) -> LlcmSplit:
    """Read the lists; no image is looked at.

    Args:
        root: The data set's folder (its ``idx/`` is read), or a folder with the lists themselves.
        needed: The parts that must be there. Scoring features needs ("test",) only.

    Raises:
        DataError: A list is missing, cannot be understood, or both parts share an identity.
    """
    folder = list_folder(root)
    train: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    if "train" in needed:
        listed = [row for name in TRAIN_LISTS.values() for row in read_train_list(folder / name)]
        train = tuple(sorted({identity for _, identity, _ in listed}))
    if "test" in needed:
        test = read_identity_list(folder / TEST_LIST)
        if not test:
            raise DataError(f"{folder / TEST_LIST} lists nobody; copy idx/ again")
    check_apart({"train": train, "test": test})
    return LlcmSplit(train, test)


def read_records(root: Path) -> Records:
    """List the training images of the lists and all images of the test folders, sorted.

    Where only the test folders were copied, there are no lists and no training images.

    Raises:
        DataError: Listed images or a test folder are missing, or there are no images at all.
    """
    rows: list[tuple[int, str, int, int]] = []  # number of the modality, path, identity, camera
    for number, modality in enumerate(MODALITIES):
        file = list_folder(root) / TRAIN_LISTS[modality]
        listed = read_train_list(file) if file.is_file() else []
        absent = [path for path, _, _ in listed if not (root / path).is_file()]
        if absent:
            raise DataError(
                f"{len(absent)} of {len(listed)} images of {file} are not in {root}, the first is "
                f"{absent[0]}; copy them or the list again"
            )
        found = [*listed, *_test_images(root, modality)]
        rows += [(number, path, identity, camera) for path, identity, camera in found]
    if not rows:
        raise DataError(f"{root} holds no images; copy the data set again")
    rows.sort(key=lambda row: (row[0], row[3], row[2], row[1]))
    numbers, paths, identities, cameras = zip(*rows, strict=True)
    identity, camera = (np.array(column, dtype=np.int64) for column in (identities, cameras))
    modalities = np.array(MODALITIES)[np.array(numbers)]
    return Records(
        root=root,
        path=np.array(paths),
        identity=identity,
        camera=camera,
        modality=modalities,
        location=camera,
        index=positions(camera, identity, modalities),
    )


def check_split(records: Records, split: LlcmSplit) -> None:
    """Compare the lists with the images that were read.

    Raises:
        DataError: An identity of a list has no image.
    """
    unseen = sorted({*split.train, *split.test} - set(records.identity.tolist()))
    if unseen:
        raise DataError(
            f"{len(unseen)} listed identities have no image in {records.root}, the first is "
            f"{unseen[0]}; copy test_vis and test_nir again, or correct {TEST_LIST}"
        )


def instant_of(path: str) -> str:
    """Return the second and frame that a file's name gives, such as "s185535_f7010"; else ""."""
    match = re.search(r"_(s\d+_f\d+)(?:_|\.)", path)
    return "" if match is None else match[1]


def list_folder(root: Path) -> Path:
    """Return ``ROOT/idx``, or the root itself where that has no idx."""
    return root / "idx" if (root / "idx").is_dir() else root


def read_train_list(file: Path) -> list[Row]:
    """Read path, identity and camera of the images of a training list.

    Raises:
        DataError: A line is something else, or labels and identities contradict each other.
    """
    images = read_image_list(file)
    rows: list[Row] = []
    for image in images:
        match = re.fullmatch(r"[^/]+/(\d+)/[^/]*_c(\d+)_[^/]*", image.path)
        if match is None:
            raise DataError(
                f"{file} lists {image.path}; expected FOLDER/NUMBER/NUMBER_cCAMERA_..., such as "
                "vis/0001/0001_c01_s185535_f7010_vis.jpg"
            )
        rows.append((image.path, int(match[1]), int(match[2])))
    check_labels(file, images, [identity for _, identity, _ in rows])
    return rows


def _test_images(root: Path, modality: Modality) -> list[Row]:
    folder = root / TEST_FOLDERS[modality]
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; copy it from the data set again")
    return [
        (f"{folder.name}/cam{camera}/{name}/{image}", identity, camera)
        for camera in CAMERAS
        if (folder / f"cam{camera}").is_dir()
        for identity, name in identity_folders(folder / f"cam{camera}")
        for image in image_names(folder / f"cam{camera}" / name)
    ]
