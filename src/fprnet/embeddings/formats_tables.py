"""Tables become `Features`: Parquet, and a ``.npy`` matrix with a CSV table of its rows.

Columns: ``identity``, ``modality``, ``path``; ``camera`` and ``index`` where they are known;
Parquet has ``features`` too, a list of D numbers in each row. Other columns are left alone.
Shapes: N images, D numbers per embedding.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.embeddings.formats_common import as_float32, source
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError

__all__ = ["read_npy", "read_parquet"]

NEEDED = ("identity", "modality", "path")
OPTIONAL = ("camera", "index")
NO_CAMERA = -1


def read_npy(path: Path, manifest: Path) -> Features:
    """Read a matrix ``(N, D)`` and its table, row for row.

    Raises:
        FeaturesError: A file is missing or damaged, or the two do not fit.
    """
    _check_file(path)
    if not manifest.is_file():
        raise FeaturesError(
            f"{manifest} does not exist; a .npy file needs a CSV table of its rows with "
            f"{', '.join(NEEDED)}: write one, or name it with --manifest"
        )
    try:
        matrix = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FeaturesError(
            f"{path} is no .npy file ({error}); write it with numpy.save"
        ) from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
        shape = getattr(matrix, "shape", "an archive")
        raise FeaturesError(f"{path} holds {shape}; a .npy file of features is (images, D)")
    table = _read_csv(manifest)
    rows = len(table["identity"])
    if rows != len(matrix):
        raise FeaturesError(
            f"{path} has {len(matrix)} rows but {manifest} has {rows}; give every row of one its "
            "row in the other"
        )
    meta = source(str(path), "npy", matrix.dtype.name)
    return _features(path, manifest, as_float32(matrix, str(path)), table, meta)


def read_parquet(path: Path) -> Features:
    """Read a table with a column of lists.

    Raises:
        FeaturesError: The file is missing or damaged, a column is missing or of another type,
            or pyarrow is not installed.
    """
    _check_file(path)
    try:
        import pyarrow as pa
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise FeaturesError(
            f"{path} needs pyarrow; install it with \"pip install 'fprnet[formats]'\", or write a "
            ".npz file"
        ) from error
    try:
        table = read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise FeaturesError(f"{path} is no Parquet file ({error}); write it again") from error
    _check_columns(path, table.column_names, ("features", *NEEDED))
    matrix = _lists(path, table.column("features"))
    columns = {
        name: table.column(name).to_pylist()
        for name in (*NEEDED, *OPTIONAL)
        if name in table.column_names
    }
    meta = source(str(path), "parquet", matrix.dtype.name)
    return _features(path, path, as_float32(matrix, str(path)), columns, meta)


def _lists(path: Path, column: Any) -> NDArray[Any]:  # noqa: ANN401 - pyarrow has no types
    """Return a column of equally long lists as a matrix."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_list(kind) for is_list in lists):
        raise FeaturesError(f"column features of {path} is {kind}; store a list of floats per row")
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise FeaturesError(f"row {row} of {path} has no features; leave the row out")
    lengths = pc.list_value_length(column).to_numpy()
    wrong = np.flatnonzero(lengths != lengths[:1])
    if len(wrong):
        raise FeaturesError(
            f"row {wrong[0]} of {path} has {lengths[wrong[0]]} numbers but row 0 has {lengths[0]}; "
            "extract all images with one model"
        )
    values = pc.list_flatten(column)
    if values.null_count:
        row = pc.index(pc.is_null(values), True).as_py() // lengths[0]
        raise FeaturesError(f"features hold nothing (null) in row {row} of {path}; leave it out")
    flat: NDArray[Any] = values.to_numpy()
    return flat.reshape(len(column), -1) if len(column) else flat.reshape(0, 0)


def _read_csv(file: Path) -> dict[str, list[Any]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FeaturesError(f"{file} is no CSV file in UTF-8 ({error}); save it again") from error
    _check_columns(file, header, NEEDED)
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise FeaturesError(
                f"row {number} of {file} has {len(row)} values for {len(header)} columns; give "
                "every row one value per column"
            )
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _features(
    path: Path,
    table: Path,
    matrix: NDArray[np.float32],
    columns: Mapping[str, Sequence[Any]],
    meta: Mapping[str, Any],
) -> Features:
    unknown = [None] * len(matrix)
    try:
        return Features(
            features=matrix,
            identity=_numbers(table, "identity", columns["identity"]),
            camera=_numbers(table, "camera", columns.get("camera", unknown), empty=NO_CAMERA),
            modality=_texts(table, "modality", columns["modality"]),
            path=_texts(table, "path", columns["path"]),
            index=_numbers(table, "index", columns["index"]) if "index" in columns else None,
            meta=meta,
        )
    except FeaturesError as error:
        message = str(error)
        raise FeaturesError(message if str(table) in message else f"{path}: {message}") from error


def _numbers(
    table: Path, name: str, column: Sequence[Any], *, empty: int | None = None
) -> NDArray[np.int64]:
    numbers = []
    for row, value in enumerate(column):
        if value in (None, "") and empty is not None:
            numbers.append(empty)
            continue
        try:
            if isinstance(value, float):
                raise ValueError  # a float is no identity, even if it is whole
            numbers.append(int(value))
        except (TypeError, ValueError) as error:
            raise FeaturesError(
                f"{name} of row {row} in {table} is {value!r}; write a whole number"
            ) from error
    return np.array(numbers, dtype=np.int64)


def _texts(table: Path, name: str, column: Sequence[Any]) -> NDArray[np.str_]:
    for row, value in enumerate(column):
        if not isinstance(value, str) or not value:
            raise FeaturesError(f"{name} of row {row} in {table} is {value!r}; write a text")
    return np.array([value.strip() for value in column], dtype=np.str_)


def _check_columns(file: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    absent = [name for name in needed if name not in names]
    if absent:
        raise FeaturesError(
            f"{file} has no column {' and no column '.join(absent)}; it needs {', '.join(needed)}, "
            f"and {', '.join(OPTIONAL)} where known"
        )
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise FeaturesError(f"{file} has the column {twice[0]} twice; keep one of them")


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise FeaturesError(f"{path} does not exist; check the path")
