"""Features files of any program become `Features`: one function for all formats.

| format | what is given | read by |
|---|---|---|
| ``.npz`` of this project | the file | :mod:`fprnet.embeddings.store` |
| MATLAB, as SYSU-MM01's evaluation reads it | folder or prefix of ``NAME_cam1.mat`` ... | :mod:`fprnet.embeddings.formats_matlab` |
| Parquet | the file | :mod:`fprnet.embeddings.formats_tables` |
| ``.npy`` and a CSV table | the ``.npy``; the table is ``FILE.csv`` beside it, or named | likewise |

All but the first may hold float64 or float16, which are rounded to float32; ``meta["source"]`` of
the result says from what.
"""  # noqa: E501 - a table

from __future__ import annotations

from pathlib import Path

import numpy as np

from fprnet.embeddings.formats_matlab import camera_files, read_matlab
from fprnet.embeddings.formats_tables import read_npy, read_parquet
from fprnet.embeddings.store import Features, read_features
from fprnet.errors import FeaturesError

__all__ = ["holds_features", "notes_about", "read_any_features"]

SUFFIXES = (".npz", ".npy", ".parquet", ".mat")
# What people give instead, and what to do with it.
OTHERS = {
    ".csv": "a CSV file is the table of a .npy matrix: give the .npy file",
    ".pkl": "pickles can run programs, so they are not read: save the arrays with numpy.savez",
    ".pickle": "pickles can run programs, so they are not read: save the arrays with numpy.savez",
    ".json": "it is text: save the arrays with numpy.savez",
    ".txt": "it is text: save the arrays with numpy.savez",
    ".h5": "HDF5 is read in MATLAB's layout only: save the arrays with numpy.savez",
    ".hdf5": "HDF5 is read in MATLAB's layout only: save the arrays with numpy.savez",
}


def holds_features(path: Path) -> bool:
    """Whether the name is that of features, in any format, and not of a model."""
    path = Path(path)
    return path.suffix.lower() in (*SUFFIXES, *OTHERS) or bool(camera_files(path))


def read_any_features(path: Path, *, manifest: Path | None = None) -> Features:
    """Read features in any of the formats above.

    Args:
        path: File, or folder or prefix of MATLAB files.
        manifest: CSV table of a ``.npy`` file; None takes the one of its name.

    Raises:
        FeaturesError: The file is missing or its content is wrong, in one sentence that names the
            file and the row, cell or column; or its format needs a package that is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if manifest is not None and suffix != ".npy":
        raise FeaturesError(f"{path} needs no manifest {manifest}; only a .npy file takes one")
    match suffix:
        case ".npz":
            return read_features(path)
        case ".npy":
            return read_npy(path, path.with_suffix(".csv") if manifest is None else manifest)
        case ".parquet":
            return read_parquet(path)
        case ".mat":
            prefix = path.name.rpartition("_cam")[0] or "NAME"
            raise FeaturesError(
                f"{path} holds one camera at most; give the folder of the files, or the prefix "
                f"{path.with_name(prefix)} for {prefix}_cam1.mat, {prefix}_cam2.mat, ..."
            )
    if files := camera_files(path):
        return read_matlab(files)
    if suffix in OTHERS:
        raise FeaturesError(f"{path} is no features file; {OTHERS[suffix]}")
    raise FeaturesError(
        f"{path} is no features file; give a .npz, .npy or .parquet file, or the folder or prefix "
        "of MATLAB files NAME_cam1.mat, NAME_cam2.mat, ..."
    )


def notes_about(features: Features) -> list[str]:
    """Return what somebody should know of features before relying on their scores."""
    notes = []
    source = features.meta.get("source", {})
    dtype = source.get("dtype", "float32")
    if dtype != "float32":
        notes.append(f"{source.get('name', 'the features')}: {dtype} rounded to float32")
    empty = np.flatnonzero(~features.features.any(axis=1))
    if len(empty):
        notes.append(
            f"{len(empty)} of {len(features)} features are all zero, the first is "
            f"{features.path[empty[0]]}; check the model and the images of these rows"
        )
    elif len(features) > 1 and (features.features == features.features[0]).all():
        notes.append(
            f"all {len(features)} features are equal; check the model, as they tell nobody apart"
        )
    return notes
