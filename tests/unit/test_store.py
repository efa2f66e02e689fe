"""Features file: what is written comes back, and what is wrong is said in one line."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fprnet.embeddings.store import Features, read_features, write_features
from fprnet.errors import FeaturesError
from sysu_cases import small_features

FEATURES = small_features(ties=False)
COLUMNS = ("features", "identity", "camera", "modality", "path", "index")


def archive(file: Path, **changes: np.ndarray | None) -> Path:
    """Write the columns as another program would, with some of them changed or left out."""
    columns = {name: getattr(FEATURES, name) for name in COLUMNS} | changes
    np.savez(file, **{name: column for name, column in columns.items() if column is not None})
    return file


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "features.npz"
    write_features(file, replace(FEATURES, meta={"model": {"preset": "paper"}}))
    back = read_features(file)
    for name in COLUMNS:
        column, expected = getattr(back, name), getattr(FEATURES, name)
        assert column.dtype == expected.dtype
        assert np.array_equal(column, expected)
    assert back.meta == {"format": 1, "model": {"preset": "paper"}}
    assert list(file.parent.iterdir()) == [file]


def test_file_is_the_documented_one_without_pickled_objects(tmp_path: Path) -> None:
    file = tmp_path / "features.npz"
    write_features(file, replace(FEATURES, index=None))
    with np.load(file, allow_pickle=False) as columns:
        assert set(columns.files) == {*COLUMNS[:-1], "meta"}
        assert columns["features"].dtype == np.float32
        assert columns["identity"].dtype == columns["camera"].dtype == np.int64
        assert json.loads(str(columns["meta"])) == {"format": 1}
    assert read_features(file).index is None


def test_file_of_another_program_needs_no_meta_and_may_count_in_small_integers(
    tmp_path: Path,
) -> None:
    file = archive(tmp_path / "a.npz", camera=FEATURES.camera.astype(np.uint8))
    features = read_features(file)
    assert features.camera.dtype == np.int64
    assert features.meta == {}


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "features.npz"
    write_features(file, FEATURES)
    before = file.read_bytes()

    def full(*_args: object, **_columns: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(FeaturesError, match=r"cannot be written .No space left"):
        write_features(file, small_features(seed=9))
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_name_must_end_in_npz(tmp_path: Path) -> None:
    with pytest.raises(FeaturesError, match=r"features\.npy must end in \.npz"):
        write_features(tmp_path / "features.npy", FEATURES)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FeaturesError, match=r"none\.npz does not exist; make it with 'fprnet extr"):
        read_features(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.npz"
    file.write_bytes(content)
    with pytest.raises(FeaturesError, match=r"broken\.npz is no features file"):
        read_features(file)


def test_a_single_array_is_no_features_file(tmp_path: Path) -> None:
    file = tmp_path / "array.npz"
    with file.open("wb") as stream:
        np.save(stream, FEATURES.features)
    with pytest.raises(FeaturesError, match=r"array\.npz is no features file"):
        read_features(file)


def changed(name: str, row: int, value: object) -> np.ndarray:
    column = getattr(FEATURES, name).copy()
    column[row] = value
    return column


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": changed("features", 5, np.nan)}, r"NaN or infinity in 1 rows \(5\)"),
        ({"features": FEATURES.features * np.float32(np.inf)}, r"\(0, 1, 2, 3, 4, \.\.\.\)"),
        ({"features": FEATURES.features.astype(np.float64)}, r"features are float64; convert them"),
        ({"features": FEATURES.features.astype(np.float16)}, r"features are float16; convert them"),
        ({"features": FEATURES.features[:, 0]}, r"features have shape \(43,\)"),
        ({"features": FEATURES.features[:, :0]}, r"features have shape \(43, 0\)"),
        ({"features": FEATURES.features[:9]}, r"identity has shape \(43,\) but there are 9 feat"),
        ({"identity": FEATURES.identity.astype(float)}, r"identity is float64; convert it"),
        ({"camera": FEATURES.camera[:4]}, r"camera has shape \(4,\) but there are 43 features"),
        ({"index": FEATURES.index.astype(np.float32)}, r"index is float32; convert it"),
        ({"path": FEATURES.path.astype("S")}, r"path is \|S18; convert it"),
        ({"path": FEATURES.path.astype(object)}, r"is no features file \(Object arrays cannot"),
        ({"modality": changed("modality", 2, "thermal")}, r"modality 'thermal' is unknown"),
        ({"path": changed("path", 7, FEATURES.path[3])}, r"rows 3, 7 are the same image"),
        ({"index": changed("index", 1, 1)}, r"rows 0 and 1 are both image 1 of identity 1 in cam"),
        ({"modality": None, "path": None}, r"has no modality and no path; a features file needs"),
        ({"meta": np.array("{")}, r"meta is no JSON text"),
        ({"meta": np.array('{"format": 2}')}, r"format 2 but this version reads format 1"),
        ({"meta": np.array("[1]")}, r"format \[1\] but this version reads format 1"),
    ],
)
def test_wrong_content_names_the_file_and_the_fault(tmp_path: Path, changes, message: str) -> None:
    file = archive(tmp_path / "wrong.npz", **changes)
    with pytest.raises(FeaturesError, match=message) as caught:
        read_features(file)
    assert "wrong.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_keeps_the_columns_together() -> None:
    some = FEATURES.where(np.array([4, 0]))
    assert isinstance(some, Features)
    assert some.path.tolist() == FEATURES.path[[4, 0]].tolist()
    assert some.index is not None
    assert some.index.tolist() == [1, 1]
    assert np.array_equal(some.features, FEATURES.features[[4, 0]])


def test_array_that_lies_about_its_shape_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    """A header that says 10^12 rows; its length stays the same, the padding is shorter."""
    file = archive(tmp_path / "a.npz")
    rows, columns = FEATURES.features.shape
    truth, lie = f"({rows}, {columns}), }}".encode(), f"({10**12}, {columns}), }}".encode()
    with zipfile.ZipFile(file) as source:
        members = {name: source.read(name) for name in source.namelist()}
    array = members["features.npy"]
    assert truth in array
    padded = array.index(truth) + len(truth)
    extra = len(lie) - len(truth)
    assert array[padded : padded + extra] == b" " * extra
    members["features.npy"] = array.replace(truth + b" " * extra, lie)
    with zipfile.ZipFile(file, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    with pytest.raises(FeaturesError, match=r"features\.npy has shape \(1000000000000, 3\)"):
        read_features(file)


@pytest.mark.parametrize(
    ("meta", "what"),
    [
        ({"model": "resnet"}, "model 'resnet'"),
        ({"config": [1]}, r"config \[1\]"),
        ({"config": {"data": "regdb"}}, "config.data 'regdb'"),
        ({"source": 3}, "source 3"),
    ],
)
def test_meta_of_other_types_is_refused_when_it_is_read(tmp_path: Path, meta, what) -> None:
    file = archive(tmp_path / "a.npz", meta=np.array(json.dumps({**meta, "format": 1})))
    with pytest.raises(FeaturesError, match=f"a.npz: meta says {what}"):
        read_features(file)


@settings(max_examples=40)
@given(st.data())
def test_changed_archives_are_read_or_refused_in_one_line(tmp_path_factory, data) -> None:
    file = tmp_path_factory.mktemp("changed") / "a.npz"
    content = bytearray(archive(file).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        lines = [str(len(read_features(file)))]
    except FeaturesError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
