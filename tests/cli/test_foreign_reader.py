"""A layout that fprnet does not know: checked, trained on, extracted and scored by its reader."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import TINY
from documents import blocks

READER = Path(__file__).parents[1] / "plugins" / "my_reader.py"
LAYOUT = ("--layout", "my_reader:MyReader")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Seven people with two images in each of a visible and an infrared camera."""
    folder = tmp_path_factory.mktemp("mine")
    random = np.random.default_rng(0)
    for identity in range(1, 8):
        for camera, letter in ((1, "v"), (2, "i")):
            for number in (1, 2):
                shape = (64, 32, 3) if letter == "v" else (64, 32)
                pixels = random.integers(0, 256, shape, dtype=np.uint8)
                name = f"{identity}_{camera}_{number}_{letter}.png"
                Image.fromarray(pixels).save(folder / name)
    (folder / "people.txt").write_text("1 2 3 4\n5\n6 7\n")
    return folder


@pytest.fixture
def allowed(monkeypatch) -> None:
    monkeypatch.setenv("FPRNET_PLUGINS", str(READER))


def test_code_of_somebody_else_must_be_allowed(fprnet, root):
    result = fprnet("data", "check", root, *LAYOUT)
    assert result.status == 2
    assert "--plugin my_reader.py" in result.complaint


@pytest.mark.usefixtures("allowed")
def test_check_reads_the_layout_and_finds_its_faults(fprnet, root, tmp_path):
    sound = fprnet("data", "check", root, *LAYOUT, "--json")
    assert sound.status == 0, sound.err
    report = json.loads(sound.out)
    assert report["images"] == 28
    assert report["identities"] == {"train": 4, "validation": 1, "test": 2}
    (tmp_path / "1_1_1_v.png").write_bytes(b"")
    faulty = fprnet("data", "check", tmp_path, *LAYOUT, "--json")
    assert faulty.status == 2
    problems = [problem["path"] for problem in json.loads(faulty.out)["problems"]]
    assert {Path(path).name for path in problems} >= {"1_1_1_v.png"}
    assert len(problems) == 2  # and people.txt


@pytest.mark.usefixtures("allowed")
def test_train_extract_and_evaluate(fprnet, root, tmp_path):
    run, features = tmp_path / "run", tmp_path / "features.npz"
    places = ("--data", root, *LAYOUT)
    trained = fprnet("train", "--preset", "agw", *places, "--out", run, *TINY, "--max-steps", 1)
    assert trained.status == 0, trained.err
    assert fprnet("extract", run / "checkpoints/last.pt", *places, "--out", features).status == 0
    result = fprnet(
        *("evaluate", features, *places, "--json"),
        *("--protocol", "mine/half@1", "--metrics", "rank-1", "my_reader:misses"),
    )
    assert result.status == 0, result.err
    scores = json.loads(result.out)
    assert (scores["protocol"], scores["every"], scores["published_as"]) == (
        *("mine", 2),
        "mine/half@1",
    )
    assert (scores["queries"], scores["gallery_size"]) == (2, 4)
    row = scores["scores"]["plain"]
    assert row["misses"]["mean"] == 1 - row["rank-1"]["mean"]
    assert scores["metrics"]["rank-1"] is None
    assert scores["metrics"]["misses"].startswith("my_reader.py sha256:")
    other = fprnet("evaluate", features, *places, "--protocol-option", "every=3", "--json")
    assert json.loads(other.out)["queries"] == 2  # 4 images, the first and the fourth
    assert json.loads(other.out)["published_as"] is None


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--layout", "my_reader:NoReader"), "my_reader:NoReader is no reader"),
        (("--layout", "my_reader:Nobody"), "no such function or class"),
        (("--layout", "sysu"), "fprnet: layout is sysu, expected one of"),
        (("--layout", "MyReader"), "(did you mean my_reader:MyReader?)"),
        (("--layout", "plugins/my_reader.py:MyReader"), "write my_reader:MyReader and name the"),
        (("--layout", "my_reader:People"), "my_reader:People is no reader"),
        ((), "say with --layout which it should be (e.g. my_reader:MyReader), or list"),
        ((*LAYOUT, "--protocol-option", "shots=1"), "which takes every"),
        ((*LAYOUT, "--protocol-option", "every=x"), "every is x"),
        ((*LAYOUT, "--protocol-option", "every"), "no NAME=VALUE"),
        ((*LAYOUT, "--protocol", "mine/half@1", "--protocol-option", "every=1"), "has its own eve"),
        ((*LAYOUT, "--protocol", "regdb/visible-to-infrared@1"), "is one of regdb"),
        ((*LAYOUT, "--protocol", "mine@7"), "there are mine/half@1"),
        ((*LAYOUT, "--metrics", "my_reader:NoReader"), "NoReader"),
        ((*LAYOUT, "--metrics", "mAP", "mAP"), "mAP is there twice"),
    ],
)
def test_bad_choices_are_one_line(fprnet, root, tmp_path, words, what):
    from fprnet.data.data_set import read_records
    from fprnet.embeddings.store import Features, write_features

    records = read_records(root, layout="my_reader:MyReader")
    columns = {n: getattr(records, n) for n in ("identity", "camera", "modality", "path", "index")}
    vectors = np.random.default_rng(0).standard_normal((len(records), 3), dtype=np.float32)
    write_features(tmp_path / "f.npz", Features(features=vectors, **columns))
    result = fprnet("evaluate", tmp_path / "f.npz", "--data", root, *words)
    assert result.status == 2, result.out
    assert what in result.complaint


def test_documented_reader_reads_and_scores(fprnet, root, tmp_path, monkeypatch):
    (code,) = blocks("data.md", "python")
    (tmp_path / "documented.py").write_text(code)
    monkeypatch.setenv("FPRNET_PLUGINS", str(tmp_path / "documented.py"))
    folder = tmp_path / "set"
    folder.mkdir()
    for file in root.glob("*.png"):
        identity, _, number, letter = file.stem.split("_")
        (folder / f"{identity}_{number}_{letter}.png").write_bytes(file.read_bytes())
    people = "".join(f"{i},{'train' if i < 5 else 'test'}\n" for i in range(1, 8))
    (folder / "people.csv").write_text("identity,part\n" + people)
    layout = ("--layout", "documented:MyReader")
    assert fprnet("data", "check", folder, *layout).status == 0
    words = ("evaluate", "one-stream", "--scale", "tiny", "--data", folder, *layout, "--json")
    result = fprnet(*words, "--protocol-option", "every=2")
    assert result.status == 0, result.err
    assert json.loads(result.out)["queries"] == 3


def test_protocols_are_listed(fprnet):
    listed = json.loads(fprnet("protocols", "--json").out)
    assert listed["sysu-mm01/all/1-shot@1"]["options"]["gallery"] == "official"
    text = fprnet("protocols", "--layout", "regdb").out
    assert text.startswith("regdb/infrared-to-visible@1\n")
    assert "sysu-mm01" not in text
