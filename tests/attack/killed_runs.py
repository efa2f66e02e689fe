"""Trainings, extractions, exports and saved models that are killed and started again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from forking import Spent, command, ended, killed
from outcomes import Row

from conftest import TINY, assert_same_run, checkpoint
from fprnet.config import load_config
from fprnet.embeddings import chunks, extract
from fprnet.embeddings.loading import load_model
from fprnet.errors import CheckpointError
from fprnet.runs.pretrained import CONFIG, read_pretrained
from killed_cases import child, said_before_the_end

__all__ = ["TRAIN", "kill_export", "kill_extraction", "kill_saving", "kill_training"]

TRAIN = (
    *(*TINY, "--model.backbone.width", "8", "--training.epochs", "3"),
    *("--training.checkpoint_every", "1"),
)
PRESETS = ("fprnet", "cmgan")
CHUNK = 16  # images that are embedded together


def kill_training(folder: Path, data: Path, seed: int, kills: int) -> Row:
    """Kill ``fprnet train`` until it is done; it ends as the run that nothing interrupted."""
    row = Row("SIGKILL of training", patience=60.0)
    moments = random.Random(f"{seed} training")
    log = folder / "training.log"
    finished = 0
    straight: dict[str, tuple[Path, Spent]] = {}
    while row.kills < kills:
        preset = PRESETS[finished % len(PRESETS)]
        words = ("train", "--preset", preset, *TRAIN, "--data", data, "--out")
        if preset not in straight:
            run = folder / f"straight-{preset}"
            ended(command(*words, run), log)
            again = command(*words, folder / f"again-{preset}")
            straight[preset] = run, ended(again, log)
        run = folder / "killed"
        step, alive = 0, True
        while alive and row.kills < kills:
            with row.one(f"{preset} {row.kills}"):
                alive = killed(command(*words, run), log, straight[preset][1], moments)
                row.kills += alive
                step = _assert_sound(run, step)
                if not alive:
                    assert_same_run(run, straight[preset][0])
                    assert not list(run.rglob(".*.part*"))
        finished += not alive
        shutil.rmtree(run, ignore_errors=True)
    row.note = f"{finished} runs were finished between the kills, bit for bit as unbroken ones"
    return row


def _assert_sound(run: Path, before: int) -> int:
    """Check what a killed training left; returns its last kept step, never an earlier one."""
    if (run / "config.yaml").exists():
        load_config(file=run / "config.yaml")
    metrics = run / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    last, best = (run / "checkpoints" / name for name in ("last.pt", "best.pt"))
    if best.exists():
        load_model(best, device="cpu", runtime="pytorch", precision="float32")
    step: int = checkpoint(last)["step"] if last.exists() else 0
    assert step >= before, f"step {step} after step {before}"
    return step


def kill_extraction(folder: Path, run: Path, data: Path, seed: int, kills: int) -> Row:
    """Kill ``fprnet extract``; started again it gives the same bytes as an unbroken one."""
    chunks.CHUNK = CHUNK  # type: ignore[misc]
    extract.MAX_BATCH = CHUNK  # type: ignore[misc]
    words = ("extract", run, "--data", data, "--runtime", "pytorch", "--out")
    row = _until_it_is_there(
        "extract", folder, lambda out: command(*words, out), ".npz", seed, kills
    )
    shutil.rmtree(folder / "extract", ignore_errors=True)
    return row


def kill_export(folder: Path, run: Path, seed: int, kills: int) -> Iterator[Row]:
    """Kill ``fprnet export`` of each format: a folder that is there is complete."""
    for format in ("onnx", "openvino"):
        words = ("export", run, "--format", format, "--out")
        yield _until_it_is_there(
            f"export to {format}",
            folder,
            lambda out, words=words: command(*words, out),
            "",
            seed,
            kills // 2,
        )


def _until_it_is_there(
    name: str,
    folder: Path,
    work: Callable[[Path], Callable[[], int]],
    suffix: str,
    seed: int,
    kills: int,
) -> Row:
    """Kill a command until what it makes is there, again and again; it is whole or not there."""
    row = Row(f"SIGKILL of {name}", patience=60.0)
    moments = random.Random(f"{seed} {name}")
    log = folder / f"{name.replace(' ', '-')}.log"
    home = folder / name.replace(" ", "-")
    home.mkdir()
    unbroken, out = home / f"unbroken{suffix}", home / f"out{suffix}"
    ended(work(home / f"first{suffix}"), log)
    spent = ended(work(unbroken), log)
    wanted = _content(unbroken)
    finished = 0
    while row.kills < kills:
        with row.one(f"{name} {row.kills}"):
            alive = killed(work(out), log, spent, moments)
            row.kills += alive
            if out.exists():
                assert _content(out) == wanted
                finished += 1
                if not alive:
                    left = [file.name for file in home.iterdir() if file.name.startswith(".")]
                    assert not left, f"left over: {left}"
            else:
                assert alive
        if out.exists():
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    row.note = f"{finished} were finished between the kills, the same as unbroken ones"
    return row


def _content(out: Path) -> dict[str, bytes]:
    if out.is_file():
        return {"": out.read_bytes()}
    return {file.name: file.read_bytes() for file in sorted(out.iterdir())}


def kill_saving(folder: Path, runs: Sequence[Path], seed: int, kills: int) -> Row:
    """Kill a process that saves two models over each other: one of them is there, or neither."""
    row = Row("SIGKILL of save_pretrained", patience=60.0)
    moments = random.Random(f"{seed} saving")
    out = folder / "saved"
    models = {
        run.name: load_model(run, device="cpu", runtime="pytorch", precision="float32")
        for run in runs
    }
    sums = {}
    for name, model in models.items():
        model.save_pretrained(folder / f"{name}-saved")
        saved = read_pretrained(folder / f"{name}-saved")
        sums[saved.sha256] = (folder / f"{name}-saved" / CONFIG).read_bytes()
    assert len(set(sums.values())) == 2
    began = time.perf_counter()
    for model in models.values():
        model.save_pretrained(out)
    seconds = time.perf_counter() - began
    neither = 0
    for number in range(kills):

        def save(say: Callable[..., object]) -> None:
            say("begin")
            while True:
                for model in models.values():
                    model.save_pretrained(out)

        with row.one(f"saving {number}"):
            with child(save) as (process, said):
                said.readline()
                time.sleep(moments.uniform(0, 2 * seconds))
                os.kill(process, signal.SIGKILL)
                row.kills += 1
                said_before_the_end(said)
            if (out / CONFIG).exists():
                saved = read_pretrained(out)
                assert sums[saved.sha256] == (out / CONFIG).read_bytes(), "weights of another"
            else:
                neither += 1
                try:
                    read_pretrained(out)
                except CheckpointError:
                    continue
                raise AssertionError("a model without a config was read")
    row.note = f"{neither} left no model, to be saved again"
    return row
