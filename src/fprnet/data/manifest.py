"""A manifest: a table of anybody's images becomes records, a split, and roles.

``manifest.csv`` (or ``.parquet``) stands beside the images. Columns: ``path`` (from the manifest's
folder), ``identity``, ``modality`` ("visible" or "infrared"); and where they are known ``camera``,
``location`` (cameras that see one place share it; the camera itself where there is no such column),
``split`` ("train", "validation" or "test"; without it everybody is tested) and ``role`` ("query" or
"gallery"). Identity, camera and location are whole numbers.
Shapes: N images.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.lists import check_apart
from fprnet.data.records import MODALITIES, Records, positions
from fprnet.errors import DataError

__all__ = ["FILES", "ManifestSplit", "manifest_file", "read_manifest"]

FILES = ("manifest.csv", "manifest.parquet")
NEEDED = ("path", "identity", "modality")
OPTIONAL = ("camera", "location", "split", "role")
PARTS = ("train", "validation", "test")
ROLES = ("query", "gallery")

Column = list[Any]


@dataclass(frozen=True)
class ManifestSplit:
    """What the table says.

    Attributes:
        train: Sorted identities.
        validation: Likewise.
        test: Likewise; everybody where the table has no split.
        listed: The images, whether they are on the disk or not.
        role: ``(N,)`` "query", "gallery" or "" (both) for each of them; None where no column.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    listed: Records
    role: NDArray[np.str_] | None


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
    columns = _read_parquet(file) if file.suffix.lower() == ".parquet" else _read_csv(file)
    _check_columns(file, columns)
    path = _paths(file, columns["path"])
    identity = _numbers(file, "identity", columns["identity"], empty=False)
    modality = _words(file, "modality", columns["modality"], MODALITIES, empty=False)
    unknown = [None] * len(path)
    camera = _numbers(file, "camera", columns.get("camera", unknown))
    location = camera
    if "location" in columns:
        location = _numbers(file, "location", columns["location"])
        location = np.where(location < 0, camera, location)
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
    if "role" in columns:
        role = _words(file, "role", columns["role"], ROLES, empty=True)[order]
    parts = _parts(file, columns.get("split"), identity)
    check_apart(parts)
    return ManifestSplit(parts["train"], parts["validation"], parts["test"], records, role)


def _parts(
    file: Path, split: Column | None, identity: NDArray[np.int64]
) -> dict[str, tuple[int, ...]]:
    if split is None:
        return {"train": (), "validation": (), "test": tuple(np.unique(identity).tolist())}
    part = _words(file, "split", split, PARTS, empty=True)
    return {name: tuple(np.unique(identity[part == name]).tolist()) for name in PARTS}


def _read_csv(file: Path) -> dict[str, Column]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{file} cannot be read as CSV ({error}); save it as UTF-8 with commas"
        ) from error
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise DataError(
                f"{file} row {number} has {len(row)} values but there are {len(header)} columns; "
                "give every row one value per column"
            )
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    return {name: list(values) for name, values in zip(header, columns, strict=True)}


def _read_parquet(file: Path) -> dict[str, Column]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise DataError(
            f"{file} needs the package pyarrow; install fprnet[formats], or write a CSV file"
        ) from error
    try:
        table = read_table(file)
    except (ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file} cannot be read as Parquet ({reason}); write it again") from error
    columns: dict[str, Column] = table.to_pydict()
    return columns


def _check_columns(file: Path, columns: dict[str, Column]) -> None:
    absent = [name for name in NEEDED if name not in columns]
    if absent:
        raise DataError(
            f"{file} has no column {' and no column '.join(absent)}; a manifest needs "
            f"{', '.join(NEEDED)}, and may have {', '.join(OPTIONAL)}"
        )
    if not columns["path"]:
        raise DataError(f"{file} lists no images; write one row for each")


def _paths(file: Path, values: Column) -> NDArray[np.str_]:
    paths: dict[str, int] = {}
    for row, value in enumerate(values, start=1):
        text = "" if value is None else str(value).strip().replace("\\", "/")
        path = PurePosixPath(text)
        if not text or path.is_absolute() or ".." in path.parts:
            raise DataError(
                f"{file} row {row} has path {text!r}; give a path inside {file.parent}, from there"
            )
        if path.as_posix() in paths:
            raise DataError(
                f"{file} rows {paths[path.as_posix()]} and {row} are both {text}; keep one"
            )
        paths[path.as_posix()] = row
    return np.array(list(paths))


def _numbers(file: Path, name: str, values: Column, *, empty: bool = True) -> NDArray[np.int64]:
    """Return whole numbers from 0 on; -1 where a value may be missing and is."""
    numbers = []
    for row, value in enumerate(values, start=1):
        text = "" if value is None else str(value).strip()
        if empty and not text:
            numbers.append(-1)
        elif text.isascii() and text.isdecimal() and len(text) < 10:
            numbers.append(int(text))
        else:
            raise DataError(
                f"{file} row {row} has {name} {text!r}; give a whole number from 0 to 999999999"
            )
    return np.array(numbers, dtype=np.int64)


def _words(
    file: Path, name: str, values: Column, allowed: tuple[str, ...], *, empty: bool
) -> NDArray[np.str_]:
    words = ["" if value is None else str(value).strip().lower() for value in values]
    for row, word in enumerate(words, start=1):
        if word not in allowed and not (empty and not word):
            raise DataError(
                f"{file} row {row} has {name} {word!r}; give {' or '.join(allowed)}"
                + (" or leave it empty" if empty else "")
            )
    return np.array(words)
