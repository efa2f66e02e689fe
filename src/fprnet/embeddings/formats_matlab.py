"""MATLAB files ``NAME_cam1.mat`` to ``NAME_cam6.mat`` become `Features`.

The layout of the public evaluation of SYSU-MM01: each file holds one cell array, and row i of the
matrix in cell ``feature{id}`` is the embedding of the i-th image of that identity in that camera,
in the order of the sorted folder. Empty cells are identities that the camera never saw.

Files of versions 4 to 7 are read by `fprnet.data.matlab`, those of 7.3, which are HDF5, through
h5py (optional extra ``formats``). HDF5 lists the dimensions the other way round: every matrix is
transposed, and an empty cell is a pair of zeros with a mark on it.
Shapes: n images of one identity in one camera, D numbers per embedding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.matlab import read_matlab_file
from fprnet.data.sysu_mm01 import CAMERA_LOCATION, INFRARED_CAMERAS
from fprnet.embeddings.formats_common import as_float32, reason_of, source
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError

__all__ = ["camera_files", "read_matlab"]

NAME = "feature"  # of the cell array, where a file holds several
FILE = re.compile(r"(?P<name>.*)_cam(?P<camera>\d+)\.mat")
Cells = list[NDArray[Any] | None]  # by identity - 1; None where empty


def camera_files(path: Path) -> dict[int, Path]:
    """Return the file of each camera, sorted; none where the path is no such folder or prefix.

    Raises:
        FeaturesError: The folder holds several sets of such files.
    """
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        return {}
    found: dict[str, dict[int, Path]] = {}
    for file in sorted(folder.iterdir()):
        if match := FILE.fullmatch(file.name):
            found.setdefault(match["name"], {})[int(match["camera"])] = file
    if not path.is_dir():
        found = {name: files for name, files in found.items() if name == path.name}
    if len(found) > 1:
        raise FeaturesError(
            f"{path} holds features of {', '.join(found)}; give one of them: "
            f"{path / next(iter(found))}"
        )
    return dict(sorted(next(iter(found.values()), {}).items()))


def read_matlab(files: Mapping[int, Path]) -> Features:
    """Read the files of all cameras.

    Args:
        files: Camera -> file.

    Raises:
        FeaturesError: A file is not what it should be, or cells differ in their D.
    """
    matrices: list[tuple[str, int, int, NDArray[np.float32]]] = []  # name, camera, identity, (n, D)
    dtypes: set[str] = set()
    for camera, file in files.items():
        if camera not in CAMERA_LOCATION:
            raise FeaturesError(
                f"{file} is of camera {camera}, which SYSU-MM01 does not have; cameras are 1 to 6"
            )
        for identity, cell in enumerate(_read_cells(file), start=1):
            if cell is None:
                continue
            where = f"{file.name}, cell {identity},"
            if cell.ndim != 2:
                raise FeaturesError(f"{where} is no matrix but {cell.shape}; store (images, D)")
            matrices.append((where, camera, identity, as_float32(cell, where)))
            dtypes.add(cell.dtype.name)
    if not matrices:
        names = ", ".join(file.name for file in files.values())
        raise FeaturesError(f"all cells of {names} are empty; extract the features again")
    _check_shapes(matrices)
    _check_finite(matrices)
    counts = [len(matrix) for *_, matrix in matrices]
    camera_column = np.repeat([camera for _, camera, _, _ in matrices], counts)
    identity_column = np.repeat([identity for _, _, identity, _ in matrices], counts)
    index = np.concatenate([np.arange(1, count + 1) for count in counts])
    images = zip(camera_column, identity_column, index, strict=True)
    name = str(next(iter(files.values())).with_name(_prefix(files)))
    return Features(
        features=np.concatenate([matrix for *_, matrix in matrices]),
        identity=identity_column,
        camera=camera_column,
        modality=np.where(np.isin(camera_column, INFRARED_CAMERAS), "infrared", "visible"),
        path=np.array([f"cam{c}/{i:04d}#{n}" for c, i, n in images]),  # file names are not known
        index=index,
        meta=source(name, "matlab", "+".join(sorted(dtypes))),
    )


def _prefix(files: Mapping[int, Path]) -> str:
    return next(iter(files.values())).name.rpartition("_cam")[0]


def _check_shapes(matrices: list[tuple[str, int, int, NDArray[np.float32]]]) -> None:
    rows = {matrix.shape[0] for *_, matrix in matrices}
    first, _, _, matrix = matrices[0]
    for where, _, _, other in matrices:
        if other.shape[1] == matrix.shape[1]:
            continue
        if len(rows) == 1:
            raise FeaturesError(
                f"every cell has {rows.pop()} rows but {first} has {matrix.shape[1]} columns and "
                f"{where} {other.shape[1]}; transpose the cells, an image is a row"
            )
        raise FeaturesError(
            f"{where} has {other.shape[1]} numbers per image but {first} has {matrix.shape[1]}; "
            "extract all cameras with one model"
        )


def _check_finite(matrices: list[tuple[str, int, int, NDArray[np.float32]]]) -> None:
    wrong = [
        (where, int(row) + 1)
        for where, _, _, matrix in matrices
        for row in np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    ]
    if wrong:
        where, row = wrong[0]
        raise FeaturesError(
            f"features hold NaN or infinity in {len(wrong)} rows, the first is {where} row {row}; "
            "check the model or the images of these rows"
        )


def _read_cells(file: Path) -> Cells:
    with file.open("rb") as stream:
        start = stream.read(520)
    if b"\x89HDF\r\n\x1a\n" in (start[:8], start[512:520]):
        return _read_hdf5(file)
    try:
        variables = read_matlab_file(file)
    except Exception as error:  # a damaged file of version 4 makes SciPy raise nearly anything
        raise FeaturesError(
            f"{file} is no MATLAB file ({reason_of(error)}); save it with -v7"
        ) from error
    cells = {name: value for name, value in variables.items() if value.dtype.kind == "O"}
    array = cells[_only_cell(file, list(cells))]
    _check_vector(file, array.shape)
    return [cell if np.size(cell) else None for cell in map(np.asarray, array.ravel())]


def _read_hdf5(file: Path) -> Cells:
    try:
        import h5py
    except ImportError as error:
        raise FeaturesError(
            f"{file} is a MATLAB 7.3 file, which needs h5py; install it with "
            "\"pip install 'fprnet[formats]'\", or save the file with -v7"
        ) from error
    try:
        with h5py.File(file, "r") as archive:
            cells = {
                name: value
                for name, value in archive.items()
                if isinstance(value, h5py.Dataset) and h5py.check_ref_dtype(value.dtype)
            }
            references = cells[_only_cell(file, list(cells))]
            _check_vector(file, references.shape)
            return [_read_reference(archive, r, file) for r in np.ravel(references[()])]
    except FeaturesError:
        raise
    except Exception as error:  # likewise
        raise FeaturesError(
            f"{file} cannot be read as MATLAB 7.3 ({reason_of(error)}); save it again"
        ) from error


def _read_reference(archive: Any, reference: Any, file: Path) -> NDArray[Any] | None:  # noqa: ANN401
    if not reference:
        return None
    value = archive[reference]
    if not hasattr(value, "shape"):
        raise FeaturesError(f"{file} holds a cell that is no matrix; store (images, D)")
    if value.attrs.get("MATLAB_empty", 0) or not value.size:
        return None
    matrix: NDArray[Any] = np.asarray(value[()]).T
    return matrix


def _only_cell(file: Path, names: list[str]) -> str:
    if NAME in names or len(names) == 1:
        return NAME if NAME in names else names[0]
    held = ", ".join(names) if names else "none"
    raise FeaturesError(
        f"{file} must hold one cell array (or one of the name {NAME}) but holds {held}; store "
        f"{NAME}{{id}}(i, :)"
    )


def _check_vector(file: Path, shape: tuple[int, ...]) -> None:
    if sum(size > 1 for size in shape) > 1:
        raise FeaturesError(
            f"{file} holds a cell array of shape {shape}; it must be a row, one cell per identity"
        )
