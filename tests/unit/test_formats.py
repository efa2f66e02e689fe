"""Features of other programs: all formats give the same table, and faults are one sentence."""

import builtins
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest

from feature_files import cells, write_matlab, write_npy, write_parquet, write_v5, write_v73
from fprnet.embeddings.formats import holds_features, notes_about, read_any_features
from fprnet.embeddings.store import Features, write_features
from fprnet.errors import FeaturesError
from sysu_cases import evaluate, small_features, small_split

FEATURES = small_features(ties=False)
SPLIT = small_split()


def npz(folder: Path) -> Path:
    write_features(folder / "f.npz", FEATURES)
    return folder / "f.npz"


WRITERS = {
    "npz": npz,
    "matlab": lambda folder: write_matlab(folder, FEATURES),
    "matlab single": lambda folder: write_matlab(folder, FEATURES, dtype="float32"),
    "matlab 7.3": lambda folder: write_matlab(folder, FEATURES, v73=True),
    "matlab 7.3 single": lambda folder: write_matlab(folder, FEATURES, v73=True, dtype="float32"),
    "matlab folder": lambda folder: write_matlab(folder, FEATURES, variable="f").parent,
    "parquet": lambda folder: write_parquet(folder / "f.parquet", FEATURES),
    "parquet fixed": lambda folder: write_parquet(
        folder / "f.parquet", FEATURES, kind=pa.list_(pa.float32(), 3)
    ),
    "parquet double": lambda folder: write_parquet(
        folder / "f.parquet", FEATURES, kind=pa.large_list(pa.float64())
    ),
    "npy": lambda folder: write_npy(folder / "f.npy", FEATURES),
    "npy double": lambda folder: write_npy(folder / "f.npy", FEATURES, dtype="float64"),
}


def by_image(features: Features) -> dict[tuple[int, int, int], list[float]]:
    assert features.index is not None
    columns = (features.camera, features.identity, features.index)
    images = zip(*(column.tolist() for column in columns), strict=True)
    return dict(zip(images, features.features.tolist(), strict=True))


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_gives_the_same_table_and_the_same_scores(form: str, tmp_path: Path) -> None:
    path = WRITERS[form](tmp_path)
    features = read_any_features(path)
    assert holds_features(path)
    assert features.features.dtype == np.float32
    assert by_image(features) == by_image(FEATURES)
    assert set(features.modality[features.camera == 3]) == {"infrared"}
    assert evaluate(features, SPLIT).as_dict() == evaluate(FEATURES, SPLIT).as_dict()
    wide = form in ("matlab", "matlab folder", "matlab 7.3", "parquet double", "npy double")
    assert (notes_about(features) != []) == wide
    if wide:
        assert "float64 rounded to float32" in notes_about(features)[0]


def test_float16_is_widened_and_said(tmp_path: Path) -> None:
    features = read_any_features(write_npy(tmp_path / "f.npy", FEATURES, dtype="float16"))
    expected = FEATURES.features.astype(np.float16).astype(np.float32)
    assert np.array_equal(features.features, expected)
    assert "float16 rounded to float32" in notes_about(features)[0]


def test_manifest_may_have_any_name_and_further_columns(tmp_path: Path) -> None:
    file = write_npy(tmp_path / "f.npy", FEATURES, weather=["dry"] * len(FEATURES))
    other = (tmp_path / "f.csv").rename(tmp_path / "rows.csv")
    assert by_image(read_any_features(file, manifest=other)) == by_image(FEATURES)


def test_camera_and_index_may_be_unknown_in_tables(tmp_path: Path) -> None:
    features = read_any_features(write_npy(tmp_path / "f.npy", FEATURES, camera=None, index=None))
    assert features.index is None
    assert set(features.camera) == {-1}


def test_a_single_image_and_a_square_matrix_are_not_transposed(tmp_path: Path) -> None:
    square = small_features({(1, 1): 3, (2, 1): 1, (3, 1): 3, (6, 1): 2}, ties=False)
    for v73 in (False, True):
        prefix = write_matlab(tmp_path / str(v73), square, v73=v73, dtype="float32")
        assert by_image(read_any_features(prefix)) == by_image(square)


def test_one_cell_of_the_known_name_among_several(tmp_path: Path) -> None:
    for camera in range(1, 7):
        variables = {"feature": cells(FEATURES, camera), "names": [np.ones((1, 2))]}
        write_v5(tmp_path / f"a_cam{camera}.mat", variables)
    assert by_image(read_any_features(tmp_path / "a")) == by_image(FEATURES)


@pytest.mark.parametrize("package", ["h5py", "pyarrow"])
def test_missing_package_is_one_line_with_the_command(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = WRITERS["matlab 7.3" if package == "h5py" else "parquet"](tmp_path)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FeaturesError, match=rf"needs {package}; install it with .*formats"):
        read_any_features(path)


def changed(row: int, value: float) -> Features:
    """The features with one number changed after they were checked."""
    features = replace(FEATURES, features=FEATURES.features.copy())
    features.features[row] = value
    return features


def edit_cells(folder: Path, camera: int, edit, *, v73: bool = False) -> Path:
    """All cameras, with the cells of one of them edited."""
    prefix = write_matlab(folder, FEATURES, v73=v73)
    held = cells(FEATURES, camera)
    write = write_v73 if v73 else write_v5
    write(folder / f"net_cam{camera}.mat", {"feature": edit(held)})
    return prefix


@pytest.mark.parametrize("v73", [False, True])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda held: [c[:, :2] for c in held],
            r"net_cam3\.mat, cell 1, has 2 numbers per image but net_cam1\.mat, cell 1, has 3; ext",
        ),
        (lambda held: [c.astype(np.int32) for c in held], r"cell 1, holds int32; features are flo"),
        (
            lambda held: [c * np.nan for c in held],
            r"infinity in 9 rows, the first is net_cam3\.mat",
        ),
        (lambda held: [c.astype(float) * 1e300 for c in held], r"which float32 cannot hold"),
    ],
)
def test_wrong_cells(tmp_path: Path, edit, message: str, v73: bool) -> None:
    with pytest.raises(FeaturesError, match=message) as caught:
        read_any_features(edit_cells(tmp_path, 3, edit, v73=v73))
    assert "\n" not in str(caught.value)


def test_transposed_cells_are_recognised(tmp_path: Path) -> None:
    for camera in range(1, 7):
        turned = [matrix.T for matrix in cells(FEATURES, camera)]
        write_v5(tmp_path / f"net_cam{camera}.mat", {"feature": turned})
    with pytest.raises(FeaturesError, match=r"every cell has 3 rows .*transpose the cells"):
        read_any_features(tmp_path)


def test_matlab_files_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "a_cam1.mat"
    for content in (b"", b"no MATLAB", b"\x89HDF\r\n\x1a\n broken"):
        file.write_bytes(content)
        with pytest.raises(FeaturesError, match=r"a_cam1\.mat (is no MATLAB file|cannot be read)"):
            read_any_features(tmp_path)
    write_v5(file, {"one": [np.ones((1, 2))], "two": [np.ones((1, 2))]})
    with pytest.raises(FeaturesError, match=r"must hold one cell array .* but holds one, two"):
        read_any_features(tmp_path)
    with h5py.File(file, "w") as archive:
        archive["feature"] = np.ones((3, 2))
    with pytest.raises(FeaturesError, match=r"must hold one cell array .* but holds none"):
        read_any_features(tmp_path)
    write_v5(file, {"feature": [np.zeros((0, 0))]})
    with pytest.raises(FeaturesError, match=r"all cells of a_cam1\.mat are empty"):
        read_any_features(tmp_path)
    file.rename(tmp_path / "a_cam9.mat")
    with pytest.raises(FeaturesError, match="camera 9, which SYSU-MM01 does not have"):
        read_any_features(tmp_path)


def test_several_sets_in_one_folder_and_a_single_file(tmp_path: Path) -> None:
    write_matlab(tmp_path, FEATURES, name="a")
    write_matlab(tmp_path, FEATURES, name="b")
    with pytest.raises(FeaturesError, match="holds features of a, b; give one of them"):
        read_any_features(tmp_path)
    assert by_image(read_any_features(tmp_path / "b")) == by_image(FEATURES)
    with pytest.raises(FeaturesError, match=r"a_cam1\.mat holds one camera at most; give the fold"):
        read_any_features(tmp_path / "a_cam1.mat")


def test_missing_camera_is_named_by_what_it_lacks(tmp_path: Path) -> None:
    prefix = write_matlab(tmp_path, FEATURES)
    (tmp_path / "net_cam6.mat").unlink()
    with pytest.raises(FeaturesError, match="hold 0 of 2 images of identity 1 in camera 6"):
        evaluate(read_any_features(prefix), SPLIT)


ROWS = len(FEATURES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"identity": None}, r"f\.csv has no column identity; it needs identity, modality, path"),
        ({"identity": ["x"] * ROWS}, r"f\.csv row 0 has identity 'x'; give a whole number"),
        ({"index": ["1.5"] * ROWS}, r"row 0 has index '1\.5'; give a whole number"),
        ({"path": ["a.jpg"] * ROWS}, r"rows 0, 1 are the same image, 'a\.jpg'"),
        ({"path": [""] * ROWS}, r"row 0 has path ''; give a text"),
        ({"modality": ["thermal"] * ROWS}, r"f\.npy: modality 'thermal' is unknown"),
    ],
)
def test_wrong_table(tmp_path: Path, changes, message: str) -> None:
    with pytest.raises(FeaturesError, match=message) as caught:
        read_any_features(write_npy(tmp_path / "f.npy", FEATURES, **changes))
    assert "\n" not in str(caught.value)


def test_matrix_and_table_that_do_not_fit(tmp_path: Path) -> None:
    file = write_npy(tmp_path / "f.npy", FEATURES)
    np.save(file, FEATURES.features[:5])
    with pytest.raises(FeaturesError, match=rf"has 5 rows but .*f\.csv has {ROWS}"):
        read_any_features(file)
    for dtype in (np.int64, np.complex64, np.bool_):
        np.save(file, np.ones((ROWS, 3), dtype=dtype))
        with pytest.raises(FeaturesError, match=f"holds {np.dtype(dtype)}; features are float16"):
            read_any_features(file)
    np.save(file, FEATURES.features[0])
    with pytest.raises(FeaturesError, match=r"holds \(3,\); a \.npy file of features is"):
        read_any_features(file)
    file.write_bytes(b"no array")
    with pytest.raises(FeaturesError, match=r"f\.npy is no \.npy file"):
        read_any_features(file)
    (tmp_path / "f.csv").unlink()
    with pytest.raises(FeaturesError, match=r"f\.csv does not exist; a \.npy file needs a CSV"):
        read_any_features(file)


def test_nan_names_the_rows(tmp_path: Path) -> None:
    for file in (
        write_npy(tmp_path / "f.npy", changed(4, np.nan)),
        write_parquet(tmp_path / "f.parquet", changed(4, np.inf)),
    ):
        with pytest.raises(FeaturesError, match=r"NaN or infinity in 1 rows \(4\)"):
            read_any_features(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": [1.0] * ROWS}, r"column features of .* is double; store a list of floats"),
        ({"features": [[1, 2]] * ROWS}, r"holds int64; features are float16, float32, float64"),
        (
            {"features": [[1.0]] * (ROWS - 1) + [[1.0, 2.0]]},
            rf"row {ROWS - 1} of .* has 2 numbers b",
        ),
        ({"features": [[1.0]] * (ROWS - 1) + [None]}, rf"row {ROWS - 1} of .* has no features"),
        ({"features": [[1.0]] * (ROWS - 1) + [[None]]}, rf"nothing \(null\) in row {ROWS - 1} of"),
        ({"features": None, "path": None}, r"no column features and no column path"),
        ({"identity": [None] * ROWS}, r"row 0 has identity ''; give a whole number"),
        ({"camera": [1.0] * ROWS}, r"row 0 has camera '1\.0'; give a whole number"),
    ],
)
def test_wrong_parquet(tmp_path: Path, changes, message: str) -> None:
    with pytest.raises(FeaturesError, match=message) as caught:
        read_any_features(write_parquet(tmp_path / "f.parquet", FEATURES, **changes))
    assert "\n" not in str(caught.value)


def test_damaged_parquet_and_other_names(tmp_path: Path) -> None:
    file = tmp_path / "f.parquet"
    with pytest.raises(FeaturesError, match="does not exist"):
        read_any_features(file)
    file.write_bytes(b"PAR1 broken")
    with pytest.raises(FeaturesError, match="cannot be read as Parquet"):
        read_any_features(file)
    with pytest.raises(FeaturesError, match=r"is no features file; give a \.npz"):
        read_any_features(tmp_path / "features.bin")
    with pytest.raises(FeaturesError, match="needs no manifest"):
        read_any_features(file, manifest=tmp_path / "rows.csv")
    shutil.rmtree(tmp_path)
    assert not holds_features(tmp_path / "net")


def test_features_that_are_all_zero_or_all_equal_are_told() -> None:
    empty = replace(FEATURES, features=FEATURES.features.copy())
    empty.features[[3, 5]] = 0
    [note] = notes_about(empty)
    assert note.startswith(f"2 of {len(FEATURES)} features are all zero, the first is ")
    assert str(FEATURES.path[3]) in note
    equal = replace(FEATURES, features=np.ones_like(FEATURES.features))
    [note] = notes_about(equal)
    assert f"all {len(FEATURES)} features are equal" in note


@pytest.mark.parametrize("name", ["a.csv", "a.pkl", "a.h5", "a.txt"])
def test_what_is_given_instead_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert holds_features(tmp_path / name)
    with pytest.raises(FeaturesError, match=rf"{name} is no features file; .*give|savez"):
        read_any_features(tmp_path / name)
