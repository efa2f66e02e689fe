"""SYSU-MM01: a folder on disk becomes the table of its images and the official split.

Source: the data set's public repository wuancong/SYSU-MM01 (``evaluation/``). Shapes: N images,
n images of one identity in one camera, T trials.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fprnet.data.image_formats import SUFFIXES
from fprnet.data.lists import check_apart, checked_identities, read_identity_list
from fprnet.data.matlab import read_matlab_file
from fprnet.data.records import Records
from fprnet.errors import DataError

__all__ = [
    "ALL_CAMERAS",
    "CAMERA_LOCATION",
    "INFRARED_CAMERAS",
    "VISIBLE_CAMERAS",
    "GalleryPermutations",
    "Part",
    "SysuSplit",
    "check_split",
    "first_file",
    "identity_folders",
    "image_names",
    "read_identities",
    "read_permutations",
    "read_records",
    "read_split",
    "split_folder",
]

Part = Literal["train", "validation", "test"]

CAMERA_LOCATION = {1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6}  # cameras 2 and 3 see one place
ALL_CAMERAS = tuple(CAMERA_LOCATION)
VISIBLE_CAMERAS = (1, 2, 4, 5)
INFRARED_CAMERAS = (3, 6)

ID_FILES: dict[Part, str] = {"train": "train_id", "validation": "val_id", "test": "test_id"}
PERMUTATION_FILE = "rand_perm_cam.mat"
WHERE_PERMUTATIONS = (
    "copy it from the data set's exp folder, or from the authors' evaluation repository, "
    "wuancong/SYSU-MM01"
)


@dataclass(frozen=True)
class GalleryPermutations:
    """What ``rand_perm_cam.mat`` says: in which order each trial draws its gallery images.

    Attributes:
        cells: (camera, identity) -> ``(T, n)`` int64; row t - 1 is a permutation of 1..n, the
            positions of the n images in their sorted folder. Absent where the identity is not in
            that camera.
    """

    cells: Mapping[tuple[int, int], NDArray[np.int64]] = field(repr=False)

    def order(self, camera: int, identity: int, trial: int) -> NDArray[np.int64]:
        """Return the 1-based positions ``(n,)`` in the order of a trial (1 is the first).

        The result is empty where the identity is not in that camera.

        Raises:
            DataError: There are fewer trials than that.
        """
        cell = self.cells.get((camera, identity))
        if cell is None:
            return np.empty(0, dtype=np.int64)
        if not 1 <= trial <= len(cell):
            raise DataError(
                f"trial {trial} is not in {PERMUTATION_FILE}, which holds trials 1 to "
                f"{len(cell)}; ask for {len(cell)} trials or fewer"
            )
        positions: NDArray[np.int64] = cell[trial - 1]
        return positions

    def images(self, camera: int, identity: int) -> int:
        """Return n, the number of images of an identity in a camera; 0 where it never is."""
        cell = self.cells.get((camera, identity))
        return 0 if cell is None else cell.shape[1]


@dataclass(frozen=True)
class SysuSplit:
    """Which identities train, validate and test, and how the galleries are drawn.

    Attributes:
        train: Sorted identities; empty where the list was not asked for and is not there.
        validation: Sorted identities that are validated on.
        test: Sorted identities that are tested.
        permutations: The official draw of gallery images; None where its file is not there.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    permutations: GalleryPermutations | None

    def __post_init__(self) -> None:
        check_apart({"train": self.train, "validation": self.validation, "test": self.test})


def read_split(
    root: Path, *, needed: Sequence[Part] = ("train", "validation", "test")
) -> SysuSplit:
    """Read the id lists and, if they are there, the gallery permutations; no image is looked at.

    Args:
        root: The data set's folder (its ``exp/`` is read), or a folder with the files themselves.
        needed: The id lists that must be there. Scoring features needs ("test",) only.

    Returns:
        The split, identities sorted.

    Raises:
        DataError: A file is missing, cannot be understood, or two lists share an identity.
    """
    folder = split_folder(Path(root))
    lists: dict[Part, tuple[int, ...]] = {}
    for part, stem in ID_FILES.items():
        file = first_file(folder, stem)
        if file is None and part in needed:
            raise DataError(
                f"{folder / stem}.txt (or .mat) is missing; copy it from the data set's exp folder"
            )
        lists[part] = () if file is None else read_identities(file)
        if part in needed and not lists[part]:
            raise DataError(f"{file} lists nobody; copy it from the data set's exp folder again")
    file = folder / PERMUTATION_FILE
    permutations = read_permutations(file) if file.exists() else None
    return SysuSplit(lists["train"], lists["validation"], lists["test"], permutations)


def read_records(root: Path, *, cameras: Sequence[int] = ALL_CAMERAS) -> Records:
    """List every image of the data set, sorted by camera, identity and file name.

    Folders ``cam1`` to ``cam6`` hold one folder per identity, named by its number. Files that are
    no images by their suffix, and folders that are no number, are not part of the set.

    Args:
        root: The data set's folder.
        cameras: Those that are read and must be there; a warm start needs the visible ones only.

    Raises:
        DataError: The folder or one of its cameras is missing, or there are no images at all.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is no folder; give the folder that holds cam1 to cam6")
    absent = [f"cam{camera}" for camera in cameras if not (root / f"cam{camera}").is_dir()]
    if absent:
        raise DataError(
            f"{root} has no folder {', '.join(absent)}; give the folder that holds cam1 to cam6"
        )
    paths: list[str] = []
    rows: list[tuple[int, int, int]] = []  # camera, identity, index
    for camera in sorted(cameras):
        for identity, name in identity_folders(root / f"cam{camera}"):
            images = image_names(root / f"cam{camera}" / name)
            paths += [f"cam{camera}/{name}/{image}" for image in images]
            rows += [(camera, identity, index) for index in range(1, len(images) + 1)]
    if not rows:
        raise DataError(
            f"{root} holds no images; each camera folder needs folders such as 0001 with "
            f"{', '.join(SUFFIXES)} files"
        )
    camera_column, identity_column, index_column = np.array(rows, dtype=np.int64).T
    location_of = np.array([-1, *CAMERA_LOCATION.values()], dtype=np.int64)
    return Records(
        root=root,
        path=np.array(paths),
        identity=identity_column,
        camera=camera_column,
        modality=np.where(np.isin(camera_column, VISIBLE_CAMERAS), "visible", "infrared"),
        location=location_of[camera_column],
        index=index_column,
    )


def check_split(records: Records, split: SysuSplit) -> None:
    """Compare the id lists with the images of the cameras that were read.

    Raises:
        DataError: An identity of a list has no image, or ``rand_perm_cam.mat``, where it is there,
            counts other images of a listed identity than the folders hold.
    """
    pairs = np.stack([records.camera, records.identity], axis=1)
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    images = {(int(c), int(i)): int(n) for (c, i), n in zip(unique, counts, strict=True)}
    present = {identity for _, identity in images}
    listed_in = {"train_id": split.train, "val_id": split.validation, "test_id": split.test}
    for stem, identities in listed_in.items():
        missing = [identity for identity in identities if identity not in present]
        if missing:
            raise DataError(
                f"{len(missing)} identities of {stem} have no image in {records.root}, the first "
                f"is {missing[0]}; copy the missing folders or correct the list"
            )
    if split.permutations is None:
        return
    listed = (*split.train, *split.validation, *split.test)
    for camera in sorted(set(records.camera.tolist())):
        for identity in listed:
            expected = split.permutations.images(camera, identity)
            found = images.get((camera, identity), 0)
            if expected != found:
                raise DataError(
                    f"{records.root / f'cam{camera}' / f'{identity:04d}'} holds {found} images "
                    f"but {PERMUTATION_FILE} counts {expected}; copy the data set again"
                )


def split_folder(root: Path) -> Path:
    """Return the folder of the split files: ``ROOT/exp`` or the root itself.

    Raises:
        DataError: Neither holds any.
    """
    for folder in (root / "exp", root):
        if (folder / PERMUTATION_FILE).is_file() or any(
            first_file(folder, stem) is not None for stem in ID_FILES.values()
        ):
            return folder
    raise DataError(
        f"{root} holds no split files, neither itself nor in exp/; give the folder with "
        f"{PERMUTATION_FILE} and test_id.txt (or test_id.mat)"
    )


def first_file(folder: Path, stem: str) -> Path | None:
    """Return the id file of that name, .txt before .mat; None where there is neither."""
    return next((f for s in (".txt", ".mat") if (f := folder / f"{stem}{s}").is_file()), None)


def read_identities(file: Path) -> tuple[int, ...]:
    """Read a comma-separated text file, or the one numeric array of a MATLAB file; sorted.

    Raises:
        DataError: The file cannot be understood, or lists an identity twice.
    """
    if file.suffix != ".mat":
        return read_identity_list(file)
    numbers = _matlab_array(file, kinds="iuf").ravel()
    if (numbers != numbers.astype(np.int64)).any():
        raise DataError(f"{file} holds numbers that are no identities; expected whole numbers")
    return checked_identities(file, numbers.astype(np.int64).tolist())


def read_permutations(file: Path) -> GalleryPermutations:
    """Read ``rand_perm_cam.mat``.

    Raises:
        DataError: The file is missing or holds something else.
    """
    if not file.is_file():
        raise DataError(f"{file} is missing; {WHERE_PERMUTATIONS}")
    cameras = _matlab_array(file, kinds="O").ravel()
    if len(cameras) != len(CAMERA_LOCATION):
        raise DataError(
            f"{file} has {len(cameras)} cameras instead of {len(CAMERA_LOCATION)}; "
            "it must be the official cell array or one of its shape"
        )
    cells: dict[tuple[int, int], NDArray[np.int64]] = {}
    for camera, identities in zip(CAMERA_LOCATION, cameras, strict=True):
        for identity, cell in enumerate(np.asarray(identities, dtype=object).ravel(), start=1):
            if np.size(cell):
                cells[camera, identity] = _permutation(np.asarray(cell), camera, identity, file)
    return GalleryPermutations(cells)


def _permutation(cell: NDArray[Any], camera: int, identity: int, file: Path) -> NDArray[np.int64]:
    rows = np.atleast_2d(cell)
    if rows.dtype.kind not in "iuf" or not np.array_equal(
        np.sort(rows, axis=1), np.broadcast_to(np.arange(1, rows.shape[1] + 1), rows.shape)
    ):
        raise DataError(
            f"{file} does not hold permutations of 1..n for identity {identity} in camera "
            f"{camera}; copy the official file again"
        )
    return rows.astype(np.int64)


def _matlab_array(file: Path, *, kinds: str) -> NDArray[Any]:
    """Return the one array of a MATLAB file whose dtype is of these kinds, whatever its name."""
    try:
        variables = read_matlab_file(file)
    except Exception as error:  # a damaged file of version 4 makes SciPy raise nearly anything
        raise DataError(
            f"{file} is no MATLAB file of version 4 to 7 ({error}); save it with -v7"
        ) from error
    arrays = [value for name, value in variables.items() if value.dtype.kind in kinds]
    if len(arrays) != 1:
        what = "cell array" if kinds == "O" else "numeric array"
        raise DataError(
            f"{file} holds {len(arrays)} variables of type {what}; expected exactly one"
        )
    return arrays[0]


def identity_folders(camera_folder: Path) -> list[tuple[int, str]]:
    """Return (identity, folder name), by number."""
    with os.scandir(camera_folder) as entries:
        names = [entry.name for entry in entries if entry.name.isdecimal() and entry.is_dir()]
    folders = sorted((int(name), name) for name in names)
    for (identity, name), (following, other) in pairwise(folders):
        if identity == following:
            raise DataError(
                f"{camera_folder} holds {name} and {other}, both identity {identity}; "
                "keep one of them"
            )
    return folders


def image_names(folder: Path) -> list[str]:
    """Return the names of the images, sorted: what ``rand_perm_cam.mat`` counts in."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return sorted(n for n in names if n.lower().endswith(SUFFIXES) and n[0] != ".")
