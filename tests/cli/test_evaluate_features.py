"""``fprnet evaluate`` on features of any program: formats, rows, results, and bad input."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from feature_files import write_matlab, write_npy, write_parquet
from fprnet.embeddings.store import write_features
from sysu_cases import small_features, small_split

FEATURES = small_features(ties=False)
COLUMNS = ("features", "identity", "camera", "modality", "path", "index")


@pytest.fixture(scope="module")
def split_folder(tmp_path_factory):
    """The split files alone, as the data set has them; no images."""
    folder = tmp_path_factory.mktemp("split")
    cells = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        people = np.empty((7, 1), dtype=object)
        for identity in range(1, 8):
            cell = small_split().permutations.cells.get((camera, identity))
            people[identity - 1, 0] = np.zeros((0, 0)) if cell is None else cell.astype(np.uint8)
        cells[camera - 1, 0] = people
    savemat(folder / "rand_perm_cam.mat", {"rand_perm_cam": cells})
    (folder / "test_id.txt").write_text("1,2,3\n")
    return folder


@pytest.fixture
def features_file(tmp_path):
    write_features(tmp_path / "f.npz", FEATURES)
    return tmp_path / "f.npz"


def archive(file: Path, **changes) -> Path:
    columns = {name: getattr(FEATURES, name) for name in COLUMNS} | changes
    np.savez(file, **{name: column for name, column in columns.items() if column is not None})
    return file


def test_every_format_gives_the_same_scores(fprnet, split_folder, features_file, tmp_path):
    paths = [
        features_file,
        write_matlab(tmp_path / "v5", FEATURES),
        write_matlab(tmp_path / "v73", FEATURES, v73=True).parent,
        write_parquet(tmp_path / "f.parquet", FEATURES),
        write_npy(tmp_path / "f.npy", FEATURES, dtype="float64"),
    ]
    results = [fprnet("evaluate", path, "--data", split_folder, "--json") for path in paths]
    assert [result.status for result in results] == [0] * 5, results
    scores = [json.loads(result.out)["scores"] for result in results]
    assert all(score == scores[0] for score in scores)
    assert results[0].err == results[3].err == ""
    assert results[4].err == f"{paths[4]}: float64 rounded to float32\n"
    (tmp_path / "f.csv").rename(tmp_path / "rows.csv")
    named = ("--manifest", tmp_path / "rows.csv", "--json")
    again = fprnet("evaluate", paths[4], "--data", split_folder, *named)
    assert json.loads(again.out)["scores"] == scores[0]


def test_rows_and_saved_result(fprnet, split_folder, features_file, tmp_path):
    file = tmp_path / "new" / "a.json"
    words = ("--rerank", "--rerank-k1", 4, "--rerank-lambda", 0.5, "--expand-query", 2)
    words += ("--metric", "cosine", "--out", file, "--json")
    result = fprnet("evaluate", features_file, "--data", split_folder, *words)
    assert result.status == 0, result.err
    scores = json.loads(result.out)
    assert json.loads(file.read_text()) == scores
    assert list(file.parent.iterdir()) == [file]
    assert list(scores["scores"]) == ["plain", "rerank", "query-expansion"]
    assert scores["postprocessing"]["rerank"] == {"k1": 4, "k2": 6, "lambda": 0.5}
    assert scores["metric"] == "cosine"
    plain = scores["scores"]["plain"]["mAP"]
    assert plain["ci95"][0] < plain["mean"] < plain["ci95"][1]


def test_balanced_reranking_is_a_row_of_its_own(fprnet, split_folder, features_file):
    words = ("--data", split_folder, "--rerank", "--rerank-balanced", "--rerank-k1", 4, "--json")
    result = fprnet("evaluate", features_file, *words)
    assert result.status == 0, result.err
    scores = json.loads(result.out)
    assert list(scores["scores"]) == ["plain", "rerank-balanced"]
    assert scores["postprocessing"] == {"rerank-balanced": {"k1": 4, "k2": 6, "lambda": 0.3}}


def test_compare(fprnet, split_folder, features_file, tmp_path):
    files = []
    for name, metric in (("a", "euclidean"), ("b", "cosine")):
        files.append(tmp_path / f"{name}.json")
        words = ("--metric", metric, "--out", files[-1])
        assert fprnet("evaluate", features_file, "--data", split_folder, *words).status == 0
    result = fprnet("evaluate", "--compare", *files, "--json", "--out", tmp_path / "c.json")
    assert result.status == 0, result.err
    comparison = json.loads(result.out)
    assert comparison == json.loads((tmp_path / "c.json").read_text())
    assert (comparison["identities"], comparison["resamples"]) == (3, 10_000)
    first, second = (json.loads(file.read_text())["scores"]["plain"] for file in files)
    for name, metric in comparison["methods"][str(files[1])]["scores"]["plain"].items():
        expected = second[name]["mean"] - first[name]["mean"]
        assert metric["difference"] == pytest.approx(expected)
        assert metric["ci95"][0] <= metric["ci95"][1]
    table = fprnet("evaluate", "--compare", *files).out.splitlines()
    assert [line.split()[:3] for line in table[1:13]] == [
        ["plain", name, str(file)]
        for name in ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
        for file in files
    ]


def test_compare_names_methods_and_groups_their_runs(fprnet, split_folder, tmp_path):
    files = []
    for number in range(4):
        features = archive(
            tmp_path / f"{number}.npz",
            features=np.random.default_rng(number).normal(size=FEATURES.features.shape).astype("f"),
        )
        files.append(tmp_path / f"{number}.json")
        words = ("--data", split_folder, "--out", files[-1])
        assert fprnet("evaluate", features, *words).status == 0
    names = ("--names", "theirs", "theirs", "ours", "ours")
    result = fprnet("evaluate", "--compare", *files, *names, "--json")
    assert result.status == 0, result.err
    comparison = json.loads(result.out)
    assert comparison["reference"] == "theirs"
    assert comparison["methods"]["ours"]["files"] == [str(file) for file in files[2:]]
    table = fprnet("evaluate", "--compare", *files, *names)
    assert "ours is the mean of 2 runs" in table.out
    other = fprnet("evaluate", "--compare", *files, "--names", "theirs", "ours")
    assert (other.status, other.out) == (2, "")
    assert "2 names for 4 results; give one for each" in other.complaint


def test_compare_refuses_another_protocol(fprnet, split_folder, features_file, tmp_path):
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, mode in zip(files, ("all", "indoor"), strict=True):
        words = ("--mode", mode, "--out", file)
        assert fprnet("evaluate", features_file, "--data", split_folder, *words).status == 0
    result = fprnet("evaluate", "--compare", *files)
    assert (result.status, result.out) == (2, "")
    assert "has mode all but" in result.complaint


NAN = FEATURES.features.copy()
NAN[[3, 9]] = np.nan
TWICE = FEATURES.path.copy()
TWICE[5] = TWICE[4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": NAN}, "features hold NaN or infinity in 2 rows (3, 9)"),
        ({"features": NAN * np.float32(np.inf)}, "features hold NaN or infinity in 43 rows (0, 1"),
        ({"features": FEATURES.features.astype(np.float64)}, "features are float64; convert them"),
        ({"features": FEATURES.features.astype(np.int8)}, "features are int8; convert them"),
        ({"path": TWICE}, "rows 4, 5 are the same image, 'cam2/0001/0001.jpg'"),
        ({"index": None}, "the features have no index, which the official gallery needs"),
        ({"identity": FEATURES.identity + 10}, "hold 0 of 3 images of identity 1 in camera 3"),
        ({"camera": FEATURES.camera[:-1]}, "camera has shape (42,) but there are 43 features"),
    ],
)
def test_wrong_features_are_one_line(fprnet, split_folder, tmp_path, changes, message):
    file = archive(tmp_path / "f.npz", **changes)
    result = fprnet("evaluate", file, "--data", split_folder)
    assert (result.status, result.out) == (2, "")
    assert message in result.complaint


def test_identities_that_the_split_lacks(fprnet, split_folder, features_file, tmp_path):
    for name in ("rand_perm_cam.mat", "test_id.txt"):
        (tmp_path / name).write_bytes((split_folder / name).read_bytes())
    (tmp_path / "test_id.txt").write_text("1,2,3,9\n")
    result = fprnet("evaluate", features_file, "--data", tmp_path)
    assert result.status == 2
    assert "1 identities to test are not in rand_perm_cam.mat, the first is 9" in result.complaint


def test_cameras_of_different_dimensions(fprnet, split_folder, tmp_path):
    prefix = write_matlab(tmp_path, FEATURES)
    wider = replace(FEATURES, features=np.pad(FEATURES.features, ((0, 0), (0, 2))))
    other = write_matlab(tmp_path / "wide", wider)
    (other.parent / "net_cam3.mat").replace(tmp_path / "net_cam3.mat")
    result = fprnet("evaluate", prefix, "--data", split_folder)
    assert result.status == 2
    assert (
        "net_cam3.mat, cell 1, has 5 numbers per image but net_cam1.mat, cell" in result.complaint
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--flip"], "--flip needs the model"),
        (["--precision", "bfloat16"], "--precision needs the model"),
        (["--cache", "x"], "--cache needs the model"),
        (["--manifest", "x.csv"], "needs no manifest x.csv"),
        (["--rerank-k1", "5"], "--rerank-k1 needs --rerank"),
        (["--rerank-balanced"], "--rerank-balanced needs --rerank"),
        (["--rerank-lambda", "0.2"], "--rerank-lambda needs --rerank"),
        (["--rerank", "--rerank-lambda", "1.2"], "lambda of re-ranking is 1.2; it must be from 0"),
        (["--rerank", "--rerank-k2", "0"], "--rerank-k2: '0' is not a whole number above 0"),
        (["--expand-query", "-1"], "--expand-query: '-1' is not a whole number above 0"),
        (["--metric", "manhattan"], "invalid choice: 'manhattan'"),
    ],
)
def test_options_that_do_not_fit_features(fprnet, split_folder, features_file, words, message):
    result = fprnet("evaluate", features_file, "--data", split_folder, *words)
    assert (result.status, result.out) == (2, "")
    assert message in result.complaint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "MODEL_OR_FEATURES is missing"),
        (["f.npz"], "--data ROOT is missing"),
        (["f.npz", "--compare", "a.json", "b.json"], "does not use f.npz; leave it out"),
        (["--compare", "a.json", "b.json", "--rerank"], "does not use --rerank; leave it out"),
        (["--compare", "a.json", "b.json"], "a.json does not exist; write one with"),
        (["--compare", "a.json"], "nothing to compare a.json with; give the results of two"),
        (["--compare"], "--compare: expected at least one argument"),
        (["f.npz", "--data", ".", "--names", "ours"], "--names are those of the results of"),
    ],
)
def test_commands_that_are_incomplete(fprnet, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fprnet("evaluate", *words)
    assert (result.status, result.out) == (2, "")
    assert message in result.complaint


def test_cosine_of_a_zero_vector(fprnet, split_folder, tmp_path):
    zero = FEATURES.features.copy()
    zero[FEATURES.camera == 3] = 0
    file = archive(tmp_path / "f.npz", features=zero)
    result = fprnet("evaluate", file, "--data", split_folder, "--metric", "cosine")
    assert result.status == 2
    assert "is all zero and has no cosine" in result.complaint
