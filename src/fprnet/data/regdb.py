"""RegDB: a folder on disk becomes the table of its images and one of its ten splits.

The layout is that of the public release: ``Visible/1/male_front_v_00007_1.bmp`` and
``Thermal/1/male_front_t_00007_1.bmp``, ten images of each of 412 people in each modality, and the
lists ``idx/{train,test}_{visible,thermal}_{1..10}.txt`` with a path and a label in each line. A
person's folder number is the identity: it is the same in all lists, labels are not. Thermal images
are infrared ones here.
Shapes: N images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fprnet.data.lists import check_apart, check_labels, read_image_list
from fprnet.data.records import Modality, Records, positions
from fprnet.data.sysu_mm01 import identity_folders, image_names
from fprnet.errors import DataError

__all__ = [
    "CAMERAS",
    "FOLDERS",
    "PARTS",
    "SPLITS",
    "Part",
    "RegdbSplit",
    "check_split",
    "list_file",
    "read_list",
    "read_records",
    "read_split",
]

SPLITS = tuple(range(1, 11))
FOLDERS: dict[Modality, str] = {"visible": "Visible", "infrared": "Thermal"}
CAMERAS: dict[Modality, int] = {"visible": 1, "infrared": 2}  # one of each, side by side
LIST_NAMES: dict[Modality, str] = {"visible": "visible", "infrared": "thermal"}

Part = Literal["train", "test"]
PARTS: tuple[Part, Part] = ("train", "test")


@dataclass(frozen=True)
class RegdbSplit:
    """Which identities train and test in one of the ten splits.

    Attributes:
        number: 1 to 10.
        train: Sorted identities; empty where the lists were not asked for.
        test: Sorted identities that are tested.
        listed: The images of the lists, whether they are on the disk or not.
    """

    number: int
    train: tuple[int, ...]
    test: tuple[int, ...]
    listed: Records

    @property
    def validation(self) -> tuple[int, ...]:
        """Nobody: RegDB has no validation list."""
        return ()


def read_split(root: Path, number: int, *, needed: Sequence[str] = ("train", "test")) -> RegdbSplit:
    """Read the lists of a split; no image is looked at.

    Args:
        root: The data set's folder (its ``idx/`` is read), or a folder with the lists themselves.
        number: 1 to 10.
        needed: The parts that must be there. Scoring features needs ("test",) only.

    Raises:
        DataError: A list is missing or cannot be understood, the lists contradict each other, or
            there is no such split.
    """
    if number not in SPLITS:
        raise DataError(f"RegDB has splits 1 to 10, not {number}; give one of them")
    paths: list[str] = []
    rows: list[tuple[int, Modality]] = []
    people: dict[str, tuple[int, ...]] = {}
    for part in PARTS:
        if part not in needed:
            people[part] = ()
            continue
        found: dict[Modality, set[int]] = {}
        for modality in FOLDERS:
            images, identities = read_list(list_file(root, part, modality, number), modality)
            paths += images
            rows += [(identity, modality) for identity in identities]
            found[modality] = set(identities)
        apart = found["visible"] ^ found["infrared"]
        if apart:
            raise DataError(
                f"{len(apart)} identities are in only one of the visible and the thermal {part} "
                f"list of split {number} in {root}, the first is {min(apart)}; copy idx/ again"
            )
        people[part] = tuple(sorted(found["visible"]))
    check_apart(people)
    return RegdbSplit(number, people["train"], people["test"], _as_records(root, paths, rows))


def read_records(root: Path) -> Records:
    """List all images, sorted by modality, identity and file name; the splits share them.

    Raises:
        DataError: A modality's folder is missing, or there are no images at all.
    """
    paths: list[str] = []
    rows: list[tuple[int, Modality]] = []
    for modality, folder in FOLDERS.items():
        if not (root / folder).is_dir():
            raise DataError(f"{root} has no folder {folder}; give the folder that holds it")
        for identity, name in identity_folders(root / folder):
            images = image_names(root / folder / name)
            paths += [f"{folder}/{name}/{image}" for image in images]
            rows += [(identity, modality)] * len(images)
    if not rows:
        raise DataError(f"{root} holds no images; copy {' and '.join(FOLDERS.values())} again")
    return _as_records(root, paths, rows)


def check_split(records: Records, split: RegdbSplit) -> None:
    """Compare the lists with the images that were read, of the modalities that were.

    Raises:
        DataError: A listed image is not there.
    """
    there = set(records.path.tolist())
    meant = split.listed.path[np.isin(split.listed.modality, records.modality)].tolist()
    absent = [path for path in meant if path not in there]
    if absent:
        raise DataError(
            f"{len(absent)} of {len(meant)} images listed in split {split.number} are not "
            f"in {records.root}, the first is {absent[0]}; copy them or the lists again"
        )


def list_file(root: Path, part: Part, modality: Modality, number: int) -> Path:
    """Return the path of a list: in ``ROOT/idx``, or in the root itself where that has no idx."""
    folder = root / "idx" if (root / "idx").is_dir() else root
    return folder / f"{part}_{LIST_NAMES[modality]}_{number}.txt"


def read_list(file: Path, modality: Modality) -> tuple[list[str], list[int]]:
    """Return paths and identities of a list.

    Raises:
        DataError: The file cannot be understood, or its labels and folders contradict each other.
    """
    images = read_image_list(file)
    identities = []
    for image in images:
        match = re.fullmatch(rf"{FOLDERS[modality]}/(\d+)/[^/]+", image.path)
        if match is None:
            raise DataError(
                f"{file} lists {image.path}; expected {FOLDERS[modality]}/NUMBER/IMAGE, so copy "
                "idx/ again"
            )
        identities.append(int(match[1]))
    check_labels(file, images, identities)
    return [image.path for image in images], identities


def _as_records(root: Path, paths: list[str], rows: list[tuple[int, Modality]]) -> Records:
    order = sorted(
        range(len(paths)), key=lambda row: (CAMERAS[rows[row][1]], rows[row], paths[row])
    )
    identity = np.array([rows[row][0] for row in order], dtype=np.int64)
    modality = np.array([rows[row][1] for row in order])
    camera = np.where(modality == "visible", CAMERAS["visible"], CAMERAS["infrared"])
    return Records(
        root=root,
        path=np.array([paths[row] for row in order]),
        identity=identity,
        camera=camera.astype(np.int64),
        modality=modality,
        location=np.full(len(order), -1, dtype=np.int64),
        index=positions(camera.astype(np.int64), identity, modality),
    )
