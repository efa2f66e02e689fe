"""MATLAB files: as SciPy reads sound ones, and one error for damaged ones, which crash SciPy."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from fprnet.data.matlab import read_matlab_file

RANDOM = np.random.default_rng(0)
DTYPES = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")


def cells() -> np.ndarray:
    """Cells of numbers, of nothing, and of cells, as rand_perm_cam.mat has them."""
    inner = np.empty((3, 1), dtype=object)
    inner[0, 0], inner[1, 0] = RANDOM.integers(0, 9, (10, 4)).astype(np.uint8), np.empty((0, 0))
    inner[2, 0] = RANDOM.normal(size=(2, 3))
    outer = np.empty((1, 2), dtype=object)
    outer[0, 0], outer[0, 1] = inner, np.arange(6.0).reshape(2, 3)
    return outer


VARIABLES = {
    **{f"a_{dtype}": RANDOM.integers(0, 100, (3, 4)).astype(dtype) for dtype in DTYPES},
    "cube": RANDOM.normal(size=(2, 3, 4)),
    "nothing": np.empty((0, 5)),
    "number": np.array([[7.0]]),
    "cells": cells(),
    "text": "is left out",
    "structure": {"left": 1, "out": 2},
    "complex": np.array([[1 + 2j]]),
}
KEPT = [name for name in VARIABLES if name not in ("text", "structure", "complex")]


def assert_same(one: np.ndarray, other: np.ndarray) -> None:
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    if one.dtype.kind == "O":
        for a, b in zip(one.ravel(), other.ravel(), strict=True):
            assert_same(a, b)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("compressed", [False, True])
def test_sound_file_is_read_as_scipy_reads_it(tmp_path, compressed):
    file = tmp_path / "a.mat"
    savemat(file, VARIABLES, do_compression=compressed)
    read = read_matlab_file(file)
    assert sorted(read) == sorted(KEPT)
    expected = loadmat(file)
    for name in KEPT:
        assert_same(read[name], expected[name])


def test_version_4(tmp_path):
    savemat(tmp_path / "a.mat", {"a": np.arange(6.0).reshape(2, 3)}, format="4")
    assert_same(read_matlab_file(tmp_path / "a.mat")["a"], np.arange(6.0).reshape(2, 3))


def test_numbers_of_the_other_byte_order_by_hand(tmp_path):
    """Big-endian: flags (class 6, double), shape 1 x 2, name "x", two int16 numbers 1 and -2."""
    body = struct.pack(">LLLL", 6, 8, 6, 0) + struct.pack(">LLll", 5, 8, 1, 2)
    body += struct.pack(">HH4s", 1, 1, b"x") + struct.pack(">HHhh", 4, 3, 1, -2)
    content = bytes(124) + b"\x01\x00MI" + struct.pack(">LL", 14, len(body)) + body
    (tmp_path / "a.mat").write_bytes(content)
    assert read_matlab_file(tmp_path / "a.mat")["x"].tolist() == [[1.0, -2.0]]


@settings(max_examples=200)
@given(st.booleans(), st.data())
def test_changed_file_is_read_or_refused(tmp_path_factory, compressed, data):
    file = tmp_path_factory.mktemp("changed") / "a.mat"
    savemat(file, {"cells": VARIABLES["cells"]}, do_compression=compressed)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(126, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        names = sorted(read_matlab_file(file))
    except ValueError:
        names = []
    assert len(names) <= 1
