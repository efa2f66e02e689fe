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

from fprnet.embeddings.formats_matlab import camera_files, read_matlab
from fprnet.embeddings.formats_tables import read_npy, read_parquet
from fprnet.embeddings.store import Features, read_features
from fprnet.errors import FeaturesError

__all__ = ["conversion_note", "holds_features", "read_any_features"]

SUFFIXES = (".npz", ".npy", ".parquet", ".mat")


def holds_features(path: Path) -> bool:
    """Whether the name is that of features, in any format, and not of a model."""
    return Path(path).suffix.lower() in SUFFIXES or bool(camera_files(Path(path)))


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
    raise FeaturesError(
        f"{path} is no features file; give a .npz, .npy or .parquet file, or the folder or prefix "
        "of MATLAB files NAME_cam1.mat, NAME_cam2.mat, ..."
    )


def conversion_note(features: Features) -> str | None:
    """Return what was done to the numbers when they were read; None where nothing was."""
    source = features.meta.get("source", {})
    dtype = source.get("dtype", "float32")
    return None if dtype == "float32" else f"{source['name']}: {dtype} rounded to float32"
