"""Writers of features files as other programs leave them."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
from pyarrow.parquet import write_table
from scipy.io import savemat

from fprnet.embeddings.store import Features

COLUMNS = ("identity", "camera", "modality", "path", "index")


def cells(features: Features, camera: int) -> list[np.ndarray]:
    """``feature{id}`` of one camera: (images, D) in the order of the index, empty where nobody."""
    here = features.camera == camera
    result = []
    for identity in range(1, int(features.identity.max()) + 1):
        rows = np.flatnonzero(here & (features.identity == identity))
        rows = rows[np.argsort(features.index[rows])]
        result.append(features.features[rows] if len(rows) else np.zeros((0, 0)))
    return result


def write_matlab(
    folder: Path, features: Features, *, name="net", variable="feature", v73=False, dtype="float64"
) -> Path:
    """Write ``NAME_cam1.mat`` ... and return the prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    for camera in range(1, 7):
        matrices = [matrix.astype(dtype) for matrix in cells(features, camera)]
        file = folder / f"{name}_cam{camera}.mat"
        (write_v73 if v73 else write_v5)(file, {variable: matrices})
    return folder / name


def write_v5(file: Path, variables: dict[str, list[np.ndarray]]) -> None:
    arrays = {}
    for name, matrices in variables.items():
        array = np.empty((1, len(matrices)), dtype=object)
        for place, matrix in enumerate(matrices):
            array[0, place] = matrix
        arrays[name] = array
    savemat(file, arrays)


def write_v73(file: Path, variables: dict[str, list[np.ndarray]]) -> None:
    """As MATLAB writes: references to transposed matrices, empty ones as their marked size."""
    with h5py.File(file, "w", userblock_size=512) as archive:
        held = archive.create_group("#refs#")
        for name, matrices in variables.items():
            references = np.empty((len(matrices), 1), dtype=h5py.ref_dtype)  # a 1 x N cell array
            for place, matrix in enumerate(matrices):
                if matrix.size:
                    value = held.create_dataset(f"{name}{place}", data=matrix.T)
                else:
                    size = np.array(matrix.shape, dtype=np.uint64)
                    value = held.create_dataset(f"{name}{place}", data=size)
                    value.attrs["MATLAB_empty"] = np.uint8(1)
                value.attrs["MATLAB_class"] = np.bytes_("double")
                references[place, 0] = value.ref
            data = archive.create_dataset(name, data=references)
            data.attrs["MATLAB_class"] = np.bytes_("cell")
    with file.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))


def write_parquet(file: Path, features: Features, /, *, kind=None, **changes: list) -> Path:
    kind = pa.list_(pa.float32()) if kind is None else kind
    columns = {name: getattr(features, name).tolist() for name in COLUMNS}
    columns["features"] = pa.array(list(features.features), type=kind)
    columns = {name: value for name, value in (columns | changes).items() if value is not None}
    write_table(pa.table(columns), file)
    return file


def write_npy(
    file: Path, features: Features, /, *, dtype="float32", **changes: list | None
) -> Path:
    np.save(file, features.features.astype(dtype))
    columns = {name: getattr(features, name).tolist() for name in COLUMNS} | changes
    columns = {name: values for name, values in columns.items() if values is not None}
    with file.with_suffix(".csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return file
