"""Tables become `Features`: Parquet, and a ``.npy`` matrix with a CSV table of its rows.

Columns: ``identity``, ``modality``, ``path``; ``camera`` and ``index`` where they are known;
Parquet has ``features`` too, a list of D numbers in each row. Other columns are left alone.
Shapes: N images, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.tables import Table, TableKind
from fprnet.embeddings.formats_common import as_float32, reason_of, source
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError

__all__ = ["read_npy", "read_parquet"]

ROWS = TableKind(("identity", "modality", "path"), ("camera", "index"), FeaturesError)
WITH_FEATURES = TableKind(("features", *ROWS.needed), ROWS.optional, FeaturesError)
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
            f"{', '.join(ROWS.needed)}: write one, or name it with --manifest"
        )
    try:
        matrix = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        raise FeaturesError(
            f"{path} is no .npy file ({reason_of(error)}); write it with numpy.save"
        ) from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
        shape = getattr(matrix, "shape", "an archive")
        raise FeaturesError(f"{path} holds {shape}; a .npy file of features is (images, D)")
    table = ROWS.read_csv(manifest)
    if table.length != len(matrix):
        raise FeaturesError(
            f"{path} has {len(matrix)} rows but {manifest} has {table.length}; give every row of "
            "one its row in the other"
        )
    meta = source(str(path), "npy", matrix.dtype.name)
    return _features(path, as_float32(matrix, str(path)), table, meta)


def read_parquet(path: Path) -> Features:
    """Read a table with a column of lists.

    Raises:
        FeaturesError: The file is missing or damaged, a column is missing or of another type,
            or pyarrow is not installed.
    """
    _check_file(path)
    arrow = WITH_FEATURES.open_parquet(path)
    matrix = _lists(path, arrow.column("features"))
    table = WITH_FEATURES.of_parquet(path, arrow, but="features")
    meta = source(str(path), "parquet", matrix.dtype.name)
    return _features(path, as_float32(matrix, str(path)), table, meta)


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


def _features(
    path: Path, matrix: NDArray[np.float32], table: Table, meta: Mapping[str, Any]
) -> Features:
    try:
        return Features(
            features=matrix,
            identity=table.whole_numbers("identity"),
            camera=table.whole_numbers("camera", empty=NO_CAMERA),
            modality=table.texts("modality"),
            path=table.texts("path"),
            index=table.whole_numbers("index") if "index" in table.columns else None,
            meta=meta,
        )
    except FeaturesError as error:
        message = str(error)
        told = str(table.file) in message
        raise FeaturesError(message if told else f"{path}: {message}") from error


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise FeaturesError(f"{path} does not exist; check the path")
