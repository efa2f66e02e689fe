"""The features file: embeddings of images, with who and where each is, as one ``.npz``.

Shapes: N images, D numbers per embedding.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import MODALITIES
from fprnet.embeddings.formats_common import reason_of
from fprnet.errors import FeaturesError
from fprnet.files import replacing
from fprnet.plain_text import parse_json

__all__ = ["FORMAT", "Features", "read_features", "write_features"]

FORMAT = 1
OBJECTS = ("model", "config", "source", "versions")  # entries of meta that are JSON objects
COLUMNS = ("features", "identity", "camera", "modality", "path")


@dataclass(frozen=True)
class Features:
    """N embeddings as columns; row i of every column is image i. Checked when it is made.

    Attributes:
        features: ``(N, D)`` float32, finite.
        identity: ``(N,)`` int64.
        camera: ``(N,)`` int64; -1 where unknown.
        modality: ``(N,)`` text, "visible" or "infrared".
        path: ``(N,)`` text, no two alike.
        index: ``(N,)`` int64, 1-based position of the image in its sorted folder (one identity in
            one camera); None where it is not known.
        meta: What made the features: model, config, versions. ``format`` is added when written.

    Raises:
        FeaturesError: A column has the wrong type or length, a feature is NaN or infinite, or
            two rows are the same image, or an entry of ``meta`` is of another type than ours.

    Examples:
        The infrared ones of a file::

            features = fprnet.read_features("features.npz")
            infrared = features.where(features.modality == "infrared")
    """

    features: NDArray[np.float32]
    identity: NDArray[np.int64]
    camera: NDArray[np.int64]
    modality: NDArray[np.str_]
    path: NDArray[np.str_]
    index: NDArray[np.int64] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_meta(self.meta)
        self._check_types()
        self._check_values()
        self._check_duplicates()

    def __len__(self) -> int:
        return len(self.features)

    def where(self, selection: NDArray[Any]) -> Features:
        """Return the rows of a boolean mask ``(N,)`` or of an index array, in that order."""
        columns = {name: getattr(self, name)[selection] for name in COLUMNS}
        index = None if self.index is None else self.index[selection]
        return replace(self, **columns, index=index)

    def _check_types(self) -> None:
        if self.features.dtype != np.float32:
            raise FeaturesError(
                f"features are {self.features.dtype}; convert them with .astype('float32')"
            )
        if self.features.ndim != 2 or 0 in self.features.shape:
            raise FeaturesError(
                f"features have shape {self.features.shape}; expected (images, dimensions) with at "
                "least one of each"
            )
        for name in ("identity", "camera", "index"):
            column = getattr(self, name)
            if column is None:
                continue
            if column.dtype.kind not in "iu":
                raise FeaturesError(f"{name} is {column.dtype}; convert it with .astype('int64')")
            object.__setattr__(self, name, column.astype(np.int64, copy=False))
        for name in ("modality", "path"):
            if getattr(self, name).dtype.kind != "U":
                dtype = getattr(self, name).dtype
                raise FeaturesError(f"{name} is {dtype}; convert it with .astype('str')")
        for column_field in fields(self):
            column = getattr(self, column_field.name)
            if isinstance(column, np.ndarray) and column.shape[:1] != self.features.shape[:1]:
                raise FeaturesError(
                    f"{column_field.name} has shape {column.shape} but there are {len(self)} "
                    "features; every column needs one entry per image"
                )

    def _check_values(self) -> None:
        finite = np.isfinite(self.features).all(axis=1)
        if not finite.all():
            wrong = np.flatnonzero(~finite)
            raise FeaturesError(
                f"features hold NaN or infinity in {len(wrong)} rows ({_first(wrong)}); "
                "check the model or the images of these rows"
            )
        known = np.isin(self.modality, MODALITIES)
        if not known.all():
            raise FeaturesError(
                f"modality {str(self.modality[~known][0])!r} is unknown; "
                "write 'visible' or 'infrared'"
            )

    def _check_duplicates(self) -> None:
        duplicates = _duplicates(self.path)
        if len(duplicates):
            raise FeaturesError(
                f"rows {_first(duplicates)} are the same image, {str(self.path[duplicates[0]])!r}; "
                "keep one row per image"
            )
        if self.index is None:
            return
        place = (self.index, self.identity, self.camera, self.modality == MODALITIES[0])
        order = np.lexsort(place)
        same = np.logical_and.reduce([column[order][1:] == column[order][:-1] for column in place])
        if same.any():
            first = int(np.flatnonzero(same)[0])
            row, other = sorted(order[first : first + 2].tolist())
            raise FeaturesError(
                f"rows {row} and {other} are both image {self.index[row]} of identity "
                f"{self.identity[row]} in camera {self.camera[row]}; keep one row per image"
            )


def read_features(path: Path) -> Features:
    """Read a features file.

    Raises:
        FeaturesError: The file is missing or no features file, or its content is wrong (see
            :class:`Features`).
    """
    path = Path(path)
    if not path.is_file():
        raise FeaturesError(f"{path} does not exist; make it with 'fprnet extract'")
    try:
        columns = _read_columns(path)
    except FeaturesError:
        raise
    except Exception as error:  # a damaged archive makes the readers raise nearly anything
        raise FeaturesError(
            f"{path} is no features file ({reason_of(error)}); write it with numpy.savez, without "
            "objects"
        ) from error
    absent = [name for name in COLUMNS if name not in columns]
    if absent:
        raise FeaturesError(
            f"{path} has no {' and no '.join(absent)}; a features file needs {', '.join(COLUMNS)}"
        )
    try:
        return Features(
            **{name: columns[name] for name in COLUMNS},
            index=columns.get("index"),
            meta=_read_meta(columns.get("meta")),
        )
    except FeaturesError as error:
        raise FeaturesError(f"{path}: {error}") from error


def _read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file.

    Raises:
        FeaturesError: An array says that it is larger or smaller than what the file holds of it.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read_header = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read_header(stream)
                held = member.file_size - stream.tell()
            if math.prod(shape) * dtype.itemsize != held and not dtype.hasobject:
                raise FeaturesError(
                    f"{path} says that {member.filename} has shape {shape}, but it holds {held} "
                    "bytes; it is damaged, copy or write it again"
                )
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def write_features(path: Path, features: Features) -> None:
    """Write a features file; a file of that name is replaced only when the new one is whole.

    Raises:
        FeaturesError: The name does not end in .npz, or the disk is full or may not be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise FeaturesError(f"{path} must end in .npz; give a name such as {path.stem}.npz")
    columns: dict[str, NDArray[Any]] = {name: getattr(features, name) for name in COLUMNS}
    if features.index is not None:
        columns["index"] = features.index
    columns["meta"] = np.array(json.dumps({**features.meta, "format": FORMAT}, sort_keys=True))
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **columns)
    except OSError as error:  # NumPy's own, of a full disk, has no number and no file
        raise FeaturesError(
            f"{path} cannot be written ({error.strerror or error}); make room or correct the "
            "permissions, and start the same command again: it continues"
        ) from error


def _read_meta(column: NDArray[Any] | None) -> dict[str, Any]:
    """Return the JSON object; without one, as in files of other programs, an empty one."""
    if column is None:
        return {}
    try:
        meta = parse_json(str(column))
    except ValueError as error:
        raise FeaturesError(f"meta is no JSON text ({error}); write a JSON object") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else meta
        raise FeaturesError(
            f"meta says format {found!r} but this version reads format {FORMAT}; "
            "extract the features again"
        )
    return meta


def _check_meta(meta: Mapping[str, Any]) -> None:
    """Refuse a description of the features whose entries are of other types than ours.

    Raises:
        FeaturesError: An entry is no object.
    """
    objects = {name: meta[name] for name in OBJECTS if name in meta}
    if isinstance(config := objects.get("config"), Mapping) and "data" in config:
        objects["config.data"] = config["data"]
    for name, value in objects.items():
        if not isinstance(value, Mapping):
            raise FeaturesError(
                f"meta says {name} {value!r:.80}, which is no object; write a JSON object, or "
                "leave it out"
            )


def _duplicates(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the rows of one value that occurs more than once; empty where there is none."""
    order = np.argsort(values, kind="stable")
    same = np.flatnonzero(values[order][1:] == values[order][:-1])
    return np.sort(order[same[0] : same[0] + 2]) if len(same) else np.empty(0, dtype=np.int64)


def _first(rows: NDArray[np.int64], *, limit: int = 5) -> str:
    shown = ", ".join(str(row) for row in rows[:limit])
    return shown if len(rows) <= limit else f"{shown}, ..."
