"""A package that fprnet does not know: trained, killed, resumed, scored, exported and searched."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import fprnet as package
from conftest import (
    ROOT,
    TINY,
    assert_identical,
    checkpoint,
    command,
    environment,
    history,
)
from stranger_cases import LAYOUT, PLUGIN

LENGTH = ("--training.steps_per_epoch", "6", "--training.epochs", "6")
DECOY = "from pathlib import Path\nPath('imported').touch()\n"


def words_for(data: Path, out: Path) -> list[str]:
    return [
        *("train", *PLUGIN, "--preset", "stranger:patches", "--scale", "tiny", *LENGTH),
        *("--data", str(data), *LAYOUT, "--out", str(out), "--training.checkpoint_every", "2"),
        *("--training.precision", "float32", "--training.threads", "1"),
    ]


def start(words: list[str], site: Path, **options) -> subprocess.Popen:
    """A process that finds the stranger's package as it finds any other."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | {"PYTHONPATH": os.pathsep.join(paths)},
        **options,
    )


def finish(process: subprocess.Popen) -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def runs(stranger_site, two_folders, tmp_path_factory) -> tuple[Path, Path]:
    """A run that nothing interrupted, and one that was killed and continued."""
    folder = tmp_path_factory.mktemp("runs")
    straight, killed = folder / "straight", folder / "killed"
    out, _ = finish(start(words_for(two_folders, straight), stranger_site))
    assert " ".join((*LAYOUT, *PLUGIN)) in out  # what comes next is a whole command
    process = start(words_for(two_folders, killed), stranger_site)
    while process.poll() is None and not (killed / "checkpoints" / "last.pt").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    finish(start(words_for(two_folders, killed), stranger_site))
    assert "continued at step" in (killed / "log.txt").read_text()
    return straight, killed


@pytest.mark.slow
def test_killed_run_ends_as_the_straight_one(runs):
    assert history(runs[0]) == history(runs[1])
    for name in ("last.pt", "best.pt"):
        one, other = (checkpoint(run / "checkpoints" / name) for run in runs)
        assert_identical(one, other, name)
    parts = one["config"]
    assert {parts[key]["source"] for key in ("model", "loss")} == {"stranger-reid 1.2"}
    assert parts["loss"]["init_args"]["ranking"]["source"] == "stranger-reid 1.2"
    assert [group["name"] for group in one["optimizer"]["param_groups"]] == ["patches", "mixer"]
    assert {"identity", "ranking", "pull"} <= set(history(runs[0])[0]["losses"])


@pytest.mark.slow
@pytest.mark.usefixtures("stranger")
def test_evaluated_by_its_own_reader_protocol_and_metrics(fprnet, runs, two_folders):
    result = fprnet(
        *("evaluate", runs[1], *PLUGIN, "--data", two_folders, *LAYOUT, "--json"),
        *("--protocol", "two-folders/half@1", "--metrics", "rank-1", "mAP"),
        *("stranger.metrics:misses", "stranger.metrics:precision_at_5"),
    )
    assert result.status == 0, result.err
    scores = json.loads(result.out)
    assert scores["published_as"] == "two-folders/half@1"
    row = scores["scores"]["plain"]
    assert row["misses"]["mean"] == pytest.approx(1 - row["rank-1"]["mean"])
    assert 0 <= row["precision_at_5"]["mean"] <= 1
    assert scores["metrics"] == {
        **{"rank-1": None, "mAP": None},
        **dict.fromkeys(("misses", "precision_at_5"), "stranger-reid 1.2"),
    }


@pytest.mark.slow
@pytest.mark.usefixtures("stranger")
def test_exported_to_onnx_with_parity(fprnet, runs, two_folders, tmp_path):
    out = tmp_path / "graphs"
    options = ("--format", "onnx", "--out", out, "--data", two_folders, *LAYOUT, "--json")
    result = fprnet("export", runs[1], *PLUGIN, *options)
    assert result.status == 0, result.err
    assert json.loads(result.out)["parity"]["max_difference"] < 1e-4
    model = package.load_model(runs[1], runtime="pytorch", precision="float32")
    pixels = model.fit(sorted((two_folders / "night").iterdir())[:3], "infrared")
    session = onnxruntime.InferenceSession(out / "infrared.onnx")
    (embeddings,) = session.run(["embeddings"], {"images": pixels})
    np.testing.assert_allclose(embeddings, model.embed(pixels, "infrared"), atol=2e-5)
    graph = package.load_model(out)
    np.testing.assert_allclose(graph.embed(pixels, "infrared"), embeddings, atol=2e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("stranger")
def test_fills_a_gallery_and_is_searched(fprnet, runs, two_folders, tmp_path):
    gallery = ("--uri", tmp_path / "people.db")
    assert fprnet("gallery", "create", *PLUGIN, *gallery, "--model", runs[1]).status == 0
    images = ("--images", two_folders / "day", "--modality", "visible", "--camera", 1)
    added = fprnet("gallery", "add", *PLUGIN, *gallery, *images, "--location", 1)
    assert added.status == 0, added.err
    query = sorted((two_folders / "night").iterdir())[0]
    words = ("search", query, *PLUGIN, "--gallery", tmp_path / "people.db", "--top", 3, "--json")
    found = fprnet(*words)
    assert found.status == 0, found.err
    matches = json.loads(found.out)["matches"]
    assert [match["rank"] for match in matches] == [1, 2, 3]
    assert "embedding_maps" in fprnet(*words, "--explain").complaint


@pytest.mark.slow
def test_without_the_word_plugin_nothing_is_imported(stranger_site, runs, two_folders, tmp_path):
    (tmp_path / "stranger.py").write_text(DECOY)
    best = runs[1] / "checkpoints" / "best.pt"
    words = ["evaluate", str(best), "--data", str(two_folders), *LAYOUT]
    process = start(words, stranger_site, cwd=tmp_path)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    (line,) = err.splitlines()
    assert "not allowed" in line
    assert "--plugin stranger" in line
    words_of_export = ["export", str(best), "--format", "onnx", "--out", str(tmp_path / "out")]
    process = start(words_of_export, stranger_site, cwd=tmp_path)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    (line,) = err.splitlines()
    assert "install the distribution stranger-reid 1.2 and add --plugin stranger-reid" in line
    finish(start([*words, *PLUGIN], stranger_site, cwd=tmp_path))
    assert not (tmp_path / "imported").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("stranger")
def test_its_backbone_and_ranking_loss_in_a_preset_of_fprnet(fprnet, tiny_set, tmp_path):
    words = (
        *("train", *PLUGIN, "--preset", "agw", *TINY, "--max-steps", 2, "--data", tiny_set),
        *("--model.backbone", "stranger.plain:Plain", "--model.backbone.width", 4),
        *("--loss.ranking", "stranger.circle:Circle", "--loss.ranking.scale", 16),
        *("--augmentation.steps.haze", "stranger.haze:Haze", "--out", tmp_path / "run"),
    )
    result = fprnet(*words)
    assert result.status == 0, result.err
    changed = fprnet(*words, "--loss.ranking.scale", 8)
    assert "scale" in changed.complaint
    scores = fprnet("evaluate", tmp_path / "run", *PLUGIN, "--data", tiny_set, "--json")
    assert scores.status == 0, scores.err


@pytest.mark.slow
def test_a_single_file_does_the_same(fprnet, tiny_set, tmp_path, monkeypatch):
    monkeypatch.setenv("FPRNET_PLUGINS", "")
    file = shutil.copy(ROOT / "tests" / "plugins" / "my_method.py", tmp_path)
    plugin = ("--plugin", file)
    words = (
        *("train", *plugin, "--preset", "agw", *TINY, "--data", tiny_set),
        *("--optimizer.multipliers.trunk", "null", "--out", tmp_path / "run"),
        *("--model", "my_method:MyNetwork", "--loss.ranking", "my_method:my_ranking"),
    )
    for stop in (("--max-steps", 1), ()):
        result = fprnet(*words, *stop)
        assert result.status == 0, result.err
    source = checkpoint(tmp_path / "run" / "checkpoints" / "last.pt")["config"]["model"]["source"]
    assert source.startswith("my_method.py sha256:")
    scores = fprnet("evaluate", tmp_path / "run", *plugin, "--data", tiny_set, "--json")
    assert scores.status == 0, scores.err
    out = tmp_path / "graphs"
    assert fprnet("export", tmp_path / "run", *plugin, "--format", "onnx", "--out", out).status == 0
