"""A manifest: a table of anybody's images becomes records, a split, and roles.

``manifest.csv`` (or ``.parquet``) stands beside the images. Columns: ``path`` (from the manifest's
folder, or absolute), ``identity``, ``modality`` ("visible" or "infrared"); and where they are known
``camera``, ``location`` (cameras that see one place share it; the camera itself where there is no
such column), ``split`` ("train", "validation" or "test"; without it everybody is tested), ``role``
("query" or "gallery") and ``time`` (any text; images of one instant have the same one). Identity,
camera and location are whole numbers, or any texts, which are numbered in their order.
Shapes: N images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fprnet.data.lists import check_apart
from fprnet.data.records import MODALITIES, Records, positions
from fprnet.data.tables import Table, TableKind
from fprnet.errors import DataError

__all__ = ["FILES", "MANIFEST", "ManifestSplit", "manifest_file", "read_manifest"]

FILES = ("manifest.csv", "manifest.parquet")
MANIFEST = TableKind(
    needed=("path", "identity", "modality"),
    optional=("camera", "location", "split", "role", "time"),
    fault=DataError,
)
NUMBER = re.compile(r"[0-9]{1,9}")
UNKNOWN = -1  # stands for a camera or location that is not given
PARTS = ("train", "validation", "test")
ROLES = ("query", "gallery")


@dataclass(frozen=True)
class ManifestSplit:
    """What the table says.

    Attributes:
        train: Sorted identities of the training images.
        validation: Sorted identities of the validation images.
        test: Sorted identities of the test images; everybody where the table has no split.
        listed: The images, whether they are on the disk or not.
        role: ``(N,)`` "query", "gallery" or "" (neither) of each image; None without such a column.
        time: ``(N,)`` when each image was taken, "" where unknown; None without such a column.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    listed: Records
    role: NDArray[np.str_] | None
    time: NDArray[np.str_] | None = None


def manifest_file(root: Path) -> Path:
    """Return the table: ``root`` itself, or the one in that folder.

    Raises:
        DataError: The folder holds none, or both.
    """
    if root.is_file():
        return root
    found = [root / name for name in FILES if (root / name).is_file()]
    if len(found) != 1:
        what = "both " + " and ".join(FILES) if found else "neither " + " nor ".join(FILES)
        raise DataError(f"{root} holds {what}; leave one of them there, or give the file itself")
    return found[0]


def read_manifest(root: Path) -> ManifestSplit:
    """Read the table; no image is looked at.

    Args:
        root: The table, or the folder that holds ``manifest.csv`` or ``manifest.parquet``.

    Raises:
        DataError: The table is missing or cannot be understood: the message names the row.
    """
    file = manifest_file(root)
    table = MANIFEST.read(file)
    if not table.length:
        raise DataError(f"{file} lists no images; write one row for each")
    path = _paths(table)
    identity = _numbers(table, "identity", needed=True)
    modality = np.array(table.words("modality", MODALITIES))
    camera, location = _places(table)
    records = Records(
        root=file.parent,
        path=path,
        identity=identity,
        camera=camera,
        modality=modality,
        location=location,
        index=np.ones(len(path), dtype=np.int64),
    )
    order = np.lexsort((path, modality, identity, camera))
    records = records.where(order)
    number = positions(records.camera, records.identity, records.modality)
    records = Records(**{**vars(records), "index": number})
    role = None
    if "role" in table.columns:
        role = np.array(table.words("role", ROLES, empty=True))[order]
    parts = _parts(table, identity)
    check_apart(parts)
    time = np.array(table.moments("time"))[order] if "time" in table.columns else None
    people = parts["train"], parts["validation"], parts["test"]
    return ManifestSplit(*people, records, role, time)


def _parts(table: Table, identity: NDArray[np.int64]) -> dict[str, tuple[int, ...]]:
    if "split" not in table.columns:
        return {"train": (), "validation": (), "test": tuple(np.unique(identity).tolist())}
    part = np.array(table.words("split", PARTS, empty=True))
    return {name: tuple(np.unique(identity[part == name]).tolist()) for name in PARTS}


def _paths(table: Table) -> NDArray[np.str_]:
    file = table.file
    paths: dict[str, int] = {}
    for row, text in enumerate(table.paths()):
        path = PurePosixPath(text)
        if ".." in path.parts:
            raise DataError(
                f"{file} row {row} has path {text!r}; give a path from {file.parent}, or an "
                "absolute one"
            )
        if path.as_posix() in paths:
            raise DataError(
                f"{file} rows {paths[path.as_posix()]} and {row} are both {text}; keep one"
            )
        paths[path.as_posix()] = row
    return np.array(list(paths))


def _numbers(table: Table, name: str, *, needed: bool = False) -> NDArray[np.int64]:
    """Return the names of a column as numbers ``(N,)``; -1 where empty."""
    names = table.names(name)
    if needed and None in names:
        raise DataError(f"{table.file} row {names.index(None)} has no {name}; give one")
    return _coded(names, set(names))


def _places(table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return camera and location ``(N,)``; where no location is given it is the camera."""
    cameras, locations = table.names("camera"), table.names("location")
    locations = [
        camera if location is None else location
        for camera, location in zip(cameras, locations, strict=True)
    ]
    # Both are numbered together, so that a camera's name is not another location's number.
    every = {*cameras, *locations}
    return _coded(cameras, every), _coded(locations, every)


def _coded(names: Sequence[str | None], every: set[str | None]) -> NDArray[np.int64]:
    """Return numbers for names: the numbers that they are, or their places in order.

    Names are the numbers that they are where all are whole numbers and no two the same one.
    """
    known = sorted(name for name in every if name is not None)
    numbers = [int(name) for name in known if NUMBER.fullmatch(name)]
    plain = len(set(numbers)) == len(known)
    codes = dict(zip(known, numbers if plain else range(len(known)), strict=True))
    return np.array([UNKNOWN if name is None else codes[name] for name in names], dtype=np.int64)
