"""A MATLAB file of version 4 to 7 becomes its numeric and cell arrays.

SciPy's reader of versions 5 to 7 is compiled code that a damaged file can crash, and with it the
process; this one reads what data sets and features need, numbers and cells, and nothing beyond the
bytes that are there. Source: "MAT-File Format", MathWorks.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_matlab_file"]

HEADER = 128  # bytes
MATRIX, COMPRESSED = 14, 15  # types of elements
CELL = 1  # class of an array
# Type of an element's data -> NumPy's name.
TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
# Class of a numeric array -> NumPy's name.
CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
COMPLEX = 0x0800  # flag of an array
MAX_DEPTH = 8  # cells in cells
MAX_BYTES = 4_000_000_000  # of a variable after decompression


def read_matlab_file(file: Path) -> dict[str, NDArray[Any]]:
    """Return the variables of a file by name; those of other kinds (text, structures) are left out.

    Args:
        file: File of version 4 to 7; version 7.3 is HDF5.

    Returns:
        Numeric arrays, and cell arrays (dtype object) of numeric and cell arrays.

    Raises:
        ValueError: It is no such file, or damaged.
        OSError: It cannot be read.
    """
    content = file.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER])
    if order is None:
        return _version_4(file)
    variables: dict[str, NDArray[Any]] = {}
    place = HEADER
    while place + 8 <= len(content):
        kind, data, place = _element(content, place, order)
        if kind == COMPRESSED:
            kind, data, _ = _element(_decompressed(data), 0, order)
        if kind != MATRIX:
            continue
        name, value = _matrix(data, order, MAX_DEPTH)
        if value is not None:
            variables[name] = value
    return variables


def _version_4(file: Path) -> dict[str, NDArray[Any]]:
    from scipy.io import loadmat  # takes a while to import
    from scipy.io.matlab import matfile_version

    if matfile_version(file)[0] != 0:
        raise ValueError("its header is damaged")
    variables = loadmat(file)
    return {name: value for name, value in variables.items() if isinstance(value, np.ndarray)}


def _decompressed(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"a compressed variable is damaged, {error}") from error
    if inflater.unconsumed_tail:
        raise ValueError(f"a variable has more than {MAX_BYTES} bytes")
    return content


def _element(content: bytes, place: int, order: str) -> tuple[int, bytes, int]:
    """Return type and data of the element at ``place``, and where the next one begins."""
    if place + 8 > len(content):
        raise ValueError("it ends in the middle of a variable")
    kind, size = struct.unpack(f"{order}LL", content[place : place + 8])
    if kind >> 16:  # a small element: type and size share four bytes, the data the other four
        kind, size = kind & 0xFFFF, kind >> 16
        start, following = place + 4, place + 8
    else:
        start = place + 8
        following = start + (size if kind == COMPRESSED else -(-size // 8) * 8)
    if start + size > len(content) or (start == place + 4 and size > 4):
        raise ValueError("it ends in the middle of a variable")
    return kind, content[start : start + size], following


def _matrix(data: bytes, order: str, depth: int) -> tuple[str, NDArray[Any] | None]:
    """Return name and value of an array; None where it is neither numbers nor cells."""
    if not data:
        return "", np.empty((0, 0))
    _, flags, place = _element(data, 0, order)
    _, lengths, place = _element(data, place, order)
    _, name, place = _element(data, place, order)
    if len(flags) < 4 or len(lengths) % 4:
        raise ValueError("the head of a variable is damaged")
    (word,) = struct.unpack(f"{order}L", flags[:4])
    shape = tuple(np.frombuffer(lengths, f"{order}i4").tolist())
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"a variable has the shape {shape}")
    text = name.decode("latin-1")
    kind = word & 0xFF
    if kind == CELL:
        return text, _cells(data, place, shape, order, depth)
    if kind not in CLASSES or word & COMPLEX:
        return text, None
    stored, numbers, _ = _element(data, place, order) if math.prod(shape) else (9, b"", 0)
    if stored not in TYPES:
        raise ValueError(f"numbers are stored as type {stored}, which there is not")
    dtype = np.dtype(f"{order}{TYPES[stored]}")
    if len(numbers) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"a variable of shape {shape} has {len(numbers)} bytes of numbers")
    values = np.frombuffer(numbers, dtype).astype(CLASSES[kind])
    return text, values.reshape(shape, order="F")


def _cells(
    data: bytes, place: int, shape: tuple[int, ...], order: str, depth: int
) -> NDArray[np.object_]:
    count = math.prod(shape)
    if count > len(data) // 8 or depth == 0:
        raise ValueError(f"a cell array of shape {shape} has too few bytes, or too many cells")
    cells = np.empty(count, dtype=object)
    for number in range(count):
        kind, inner, place = _element(data, place, order)
        if kind != MATRIX:
            raise ValueError(f"cell {number + 1} is no array")
        _, cells[number] = _matrix(inner, order, depth - 1)
        if cells[number] is None:
            raise ValueError(f"cell {number + 1} holds neither numbers nor cells")
    return cells.reshape(shape, order="F")
