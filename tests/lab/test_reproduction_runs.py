"""``fprnet reproduce`` and ``fprnet search-fusion`` as users type them, at a few steps a training.

Where it does not matter that a training is a process of its own, it runs in this one: importing
torch takes longer than such a training.
"""

import contextlib
import csv
import itertools
import json
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import TINY, command, environment, history
from documents import commands
from fprnet.cli.main import main
from fprnet_lab import jobs
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.reproduction import run_cache

pytestmark = pytest.mark.slow

SMALL = [*TINY[2:], "--optimizer.learning_rate", "0.001"]
STEPS = [f"--superres.{word}" for word in ("steps=4", "batch=2", "side=8", "pictures=crop")]
METRICS = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")


class HereAndNow:
    """Stands for subprocess.Popen: the command has ended when this object is made."""

    def __init__(self, words, *, stdout, **_):
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stdout):
            self._status = main(words[3:])  # python -m fprnet ...

    def poll(self):
        return self._status


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr(jobs.subprocess, "Popen", HereAndNow)
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0)


@pytest.fixture
def reproduce(fprnet, tiny_set, trained, in_this_process):
    """Run ``fprnet reproduce NAME --out OUT ...``; fails unless it succeeds."""

    def run(name, out, *words):
        weights = trained / "checkpoints" / "best.pt"
        given = ("reproduce", name, "--data", tiny_set, "--out", out, "--weights", weights)
        result = fprnet(*given, *words, *SMALL, *STEPS)
        assert result.status == 0, result.err
        return result

    return run


def rows_of(out, name):
    return list(csv.DictReader((out / name / f"{name}.csv").read_text().splitlines()))


def made_by(out):
    """Name and time of every file of scores."""
    return {file.name: file.stat().st_mtime_ns for file in (out / "cells").iterdir()}


def test_tables_share_their_base_and_finished_cells_are_kept(reproduce, tmp_path):
    some = ("--only", "whole", "*domain")
    first = reproduce("table5", tmp_path, *some)
    lines = first.out.splitlines()
    assert lines[0] == "Table 5: components removed, in miniature"
    assert lines[1].split() == ["rank-1", "rank-5", "rank-20", "mAP"]
    assert lines[2].startswith("without RGB and IR domain ")
    assert lines[3].startswith("-- not in the paper's table ")
    assert lines[4].startswith("whole ")
    rows = rows_of(tmp_path, "table5")
    assert len(rows) == len({row["run"] for row in rows}) == 2
    assert not [name for name in rows[0] if "published" in name]
    for row in rows:
        scores = json.loads((tmp_path / "cells" / f"{row['run']}.json").read_text())["scores"]
        for name in METRICS:
            assert float(row[name]) == pytest.approx(100 * scores["plain"][name]["mean"], abs=1e-4)
        assert f"{float(row['mAP']):.1f}" in first.out
    page = (tmp_path / "table5" / "report.html").read_text()
    assert "in miniature" in page
    assert "29.28" not in page  # published at full scale: not comparable
    made = made_by(tmp_path)
    assert reproduce("table5", tmp_path, *some).out == first.out
    told = json.loads(reproduce("table5", tmp_path, *some, "--json").out)
    assert told["name"] == "table5"
    assert [str(cell["mAP"]) for cell in told["cells"]] == [row["mAP"] for row in rows]
    assert made_by(tmp_path) == made

    reproduce("table6", tmp_path, "--only", "unchanged", "*double*")
    (double, unchanged) = rows_of(tmp_path, "table6")
    assert unchanged["run"] == rows[-1]["run"]  # the whole of table 5
    assert len(made_by(tmp_path)) == 3
    assert double["run"] not in made
    config = (tmp_path / "runs" / double["run"] / "config.yaml").read_text()
    assert re.search(r"main_layers:\s+- 512\s+- 512\n", config)

    reproduce("table3", tmp_path, "--only", "1:*")
    assert len(made_by(tmp_path)) == 3
    reproduce("table4", tmp_path, "--only", "r5 i5 i4 r4 r5 i5 i2 r2, horizontal")
    assert len(made_by(tmp_path)) == 3
    other_seed = reproduce("table4", tmp_path, "--only", "*i2 r2, h*", "--seeds", 2)
    assert len(made_by(tmp_path)) == 4
    assert re.search(r"horizontal( +[0-9.]+ ± [0-9.]+){3}\n", other_seed.out)


def test_table8_and_its_figures_share_the_trainings(reproduce, tmp_path):
    some = ("--only", "one-stream", "fprnet", "fprnet +*", "agw")
    first = reproduce("table8", tmp_path, *some)
    lines = first.out.splitlines()
    assert lines[1].split() == [*("own",) * 4, *("augmentation",) * 4]
    assert lines[2].split() == [*("augmentation",) * 4, *("of", "fprnet") * 4]
    names = lines[3].split()
    assert names == ["method", *("rank-1", "rank-10", "rank-20", "mAP") * 2]
    assert [re.split(r"  +", line)[0] for line in lines[4:8]] == [
        *("One-stream", "FPRnet", "FPRnet + SRCNN", "FPRnet + re-ranking")
    ]
    assert lines[8].startswith("-- not in the paper's table ---")
    assert lines[9].startswith("AGW ")
    rows = {(r["row"], r["trained"]): r for r in rows_of(tmp_path, "table8")}
    assert len(rows) == 10
    own, equal = "own augmentation", "augmentation of fprnet"
    # The default preset has its own augmentation in both columns.
    assert rows["FPRnet", own]["run"] == rows["FPRnet", equal]["run"]
    assert rows["One-stream", own]["run"] != rows["One-stream", equal]["run"]
    plain, reranked = rows["FPRnet", own], rows["FPRnet + re-ranking", own]
    assert reranked["run"] == plain["run"]
    assert (plain["ranking"], reranked["ranking"]) == ("plain", "rerank")
    scores = json.loads((tmp_path / "cells" / f"{plain['run']}.json").read_text())["scores"]
    assert float(reranked["mAP"]) == pytest.approx(100 * scores["rerank"]["mAP"]["mean"], abs=1e-4)
    sharp = rows["FPRnet + SRCNN", own]["run"]
    assert "/super-resolved-" in (tmp_path / "runs" / sharp / "config.yaml").read_text()

    made = made_by(tmp_path)
    assert len(made) == 6  # 2 of One-stream, 1 of FPRnet, 1 of FPRnet + SRCNN, 2 of AGW
    for name in ("fig4", "fig5", "fig6"):
        of_paper = some[:-1] if name != "fig6" else ("--only", "one-stream", "fprnet")
        reproduce(name, tmp_path, *of_paper)
        page = (tmp_path / name / "report.html").read_text()
        assert page.count("data:image/png") == 2  # light and dark
    assert made_by(tmp_path) == made
    curve = [r for r in rows_of(tmp_path, "fig5") if r["row"] == "FPRnet + re-ranking"]
    assert [int(r["rank"]) for r in curve] == [*range(1, 21)]
    assert float(curve[0]["share"]) == float(reranked["rank-1"])
    epochs = [r for r in rows_of(tmp_path, "fig6") if r["row"] == "One-stream"]
    watched = history(tmp_path / "runs" / rows["One-stream", equal]["run"])
    assert [int(r["images"]) for r in epochs] == [16, 32]  # 2 steps of 4 people in 2 modalities
    assert [float(r["mAP"]) for r in epochs] == [
        pytest.approx(100 * record["validation"]["mAP"], abs=1e-4) for record in watched
    ]

    reproduce("table7", tmp_path)
    srcnn = [folder.name for folder in (tmp_path / "runs").glob("srcnn-fprnet-*-seed0")]
    assert len(srcnn) == 1  # the one that sharpened the images of table 8


def test_table7(reproduce, tmp_path):
    first = reproduce("table7", tmp_path, "--seeds", 2)
    assert "SRCNN, preset paper" in first.out
    rows = rows_of(tmp_path, "table7")
    assert [(row["preset"], row["seed"]) for row in rows] == [
        *(("paper", "0"), ("paper", "1"), ("fprnet", "0"), ("fprnet", "1"))
    ]
    for row in rows:
        gain = float(row["psnr"]) - float(row["bicubic_psnr"])
        assert float(row["gain"]) == pytest.approx(gain)
    page = (tmp_path / "table7" / "report.html").read_text()
    assert page.count("256x256, 32 -&gt; 512x512, 1; 5x5, stride 1, PixelShuffle(2)") == 2
    assert page.count("<td>no</td>") == 4  # no layer differs from Table 7
    assert page.count("data:image/jpeg") == 1
    made = made_by(tmp_path)
    assert reproduce("table7", tmp_path, "--seeds", 2).out == first.out
    assert made_by(tmp_path) == made


def test_commands_of_the_document_share_one_warm_start(
    fprnet, tiny_set, tmp_path, in_this_process, monkeypatch
):
    pretraining_set = PeopleOptions(
        identities=6,
        validation_identities=0,
        test_identities=0,
        images_per_camera=2,
        size=(64, 32),
        seed=1,
        cameras=(1, 2, 4, 5),
    )
    monkeypatch.setattr(run_cache, "PRETRAINING_SET", pretraining_set)
    (tmp_path / "generated").symlink_to(tiny_set, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    lines = commands("reproduction.md")
    assert len(lines) == 6
    for words in lines:
        steps = STEPS if words[1] == "reproduce" else []
        small = [*SMALL, *steps] if words[1] != "train" else []
        result = fprnet(*words[1:], *small)
        assert result.status == 0, (words, result.err)
    for out in ("reproduced", "search"):
        (warm,) = (tmp_path / out / "runs").glob("warm-start-*[0-9a-f]")
        started = str(warm / "checkpoints" / "best.pt")
        runs = [*warm.parent.glob("paper-*-seed0"), *warm.parent.glob("fprnet-*-seed0")]
        assert runs
        assert all(started in (run / "config.yaml").read_text() for run in runs)


def test_one_failed_training_does_not_take_the_others_along(
    fprnet, tiny_set, trained, tmp_path, in_this_process
):
    words = ("reproduce", "table5", "--data", tiny_set, "--out", tmp_path, "--base", "released")
    some = ("--only", "whole", "*fusion*", "--weights", trained / "checkpoints/best.pt", *SMALL)
    first = fprnet(*words, *some, "--workers", 1)
    assert first.status == 0
    broken = rows_of(tmp_path, "table5")[0]["run"]
    (tmp_path / "cells" / f"{broken}.json").unlink()
    shutil.rmtree(tmp_path / "runs" / broken)
    (tmp_path / "runs" / broken).mkdir()
    (tmp_path / "runs" / broken / "holiday.jpg").touch()
    result = fprnet(*words, *some)
    assert result.status == 2
    assert re.search(r"1 trainings failed .* holds no run", result.err.splitlines()[-1])
    assert re.search(r"without fusion block +failed", result.out)
    assert re.search(r"whole +[0-9]", result.out)
    row = next(r for r in rows_of(tmp_path, "table5") if r["run"] == broken)
    assert row["mAP"] == ""
    assert f"{broken}.log" in (tmp_path / "table5" / "report.html").read_text()


def test_killed_in_the_middle_it_goes_on(tiny_set, trained, tmp_path):
    """In processes of their own: the first one is killed while its training is at work."""
    weights = trained / "checkpoints" / "best.pt"
    words = ["reproduce", "table6", "--only", "unchanged", "--data", tiny_set, "--out", tmp_path]
    line = command(*words, "--weights", weights, "--workers", 1, *SMALL, "--training.epochs", "3")
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, env=environment()) as process:
        while not list(tmp_path.glob("runs/*/metrics.jsonl")) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("cells/*"))
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    (run,) = (folder for folder in (tmp_path / "runs").iterdir() if folder.is_dir())
    assert [record["epoch"] for record in history(run)] == [1, 2, 3]
    assert (run / "log.txt").read_text().count("begun at step 0") == 1
    assert len(list(tmp_path.glob("cells/*.json"))) == 1


def test_search_fusion(fprnet, tiny_set, trained, tmp_path, in_this_process):
    out = tmp_path / "search"
    words = ["search-fusion", "--data", tiny_set, "--out", out, "--budget", 4]
    words += ["--weights", trained / "checkpoints" / "best.pt", *SMALL]
    first = fprnet(*words)
    assert first.status == 0, first.err
    ranking = list(csv.DictReader((out / "ranking.csv").read_text().splitlines()))
    # 4 specs for 1 epoch; the best third of them, 2, for all: 2 epochs.
    assert [int(row["epochs"]) for row in ranking] == [2, 2, 1, 1]
    values = {int(e): [float(r["mAP"]) for r in g] for e, g in by_epochs(ranking)}
    assert values[2] == sorted(values[2], reverse=True)
    assert values[1] == sorted(values[1], reverse=True)
    lengths = sorted(len(history(run)) for run in (out / "runs").iterdir() if run.is_dir())
    assert lengths == [1, 1, 2, 2]
    logs = [run / "log.txt" for run in (out / "runs").iterdir() if run.is_dir()]
    assert all(log.read_text().count("begun at step 0 of 4") == 1 for log in logs)
    # Those left behind were not better after one epoch than those that went on.
    after_one = {r["fusion"]: 100 * first_map(out, r["fusion"]) for r in ranking}
    kept, left = ([after_one[r["fusion"]] for r in part] for part in (ranking[:2], ranking[2:]))
    assert min(kept) >= max(left)

    made = {log: log.stat().st_mtime_ns for log in logs}
    assert fprnet(*words).out == first.out
    assert {log: log.stat().st_mtime_ns for log in logs} == made

    train = ("train", "--config", out / "best.yaml", "--data", tiny_set, "--out", tmp_path / "best")
    assert fprnet(*train).status == 0
    config = (tmp_path / "best" / "config.yaml").read_text()
    assert f"fusion: {ranking[0]['fusion']}\n" in config


def by_epochs(ranking):
    return itertools.groupby(ranking, key=lambda row: row["epochs"])


def first_map(out, fusion):
    for run in (out / "runs").iterdir():
        if run.is_dir() and f"fusion: {fusion}\n" in (run / "config.yaml").read_text():
            return history(run)[0]["validation"]["mAP"]
    raise AssertionError(fusion)
