"""Commands whose files may not grow beyond a random size, as on a disk that is full."""

from __future__ import annotations

import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from forking import Forked, command
from killed_runs import TRAIN
from outcomes import Row

__all__ = ["fill_disks"]

FEW = (
    *("--identities", 1, "--validation-identities", 1, "--test-identities", 1),
    *("--images-per-camera", 1, "--size", "64x32", "--workers", 1),
)
FULL = 2  # exit status of what was refused in one line


def fill_disks(folder: Path, data: Path, run: Path, seed: int, tries: int) -> Iterator[Row]:
    """Run each command with too little space, then with enough: it ends as if nothing had been."""
    for name, share, words, out in (
        ("train", 0.5, ("train", *TRAIN, "--data", data, "--out"), "run"),
        (
            "extract",
            1,
            ("extract", run, "--data", data, "--runtime", "pytorch", "--out"),
            "out.npz",
        ),
        ("export", 0.25, ("export", run, "--format", "onnx", "--out"), "exported"),
        ("gallery create", 0.5, ("gallery", "create", "--model", run, "--uri"), "people.db"),
        ("gallery add", 1, ("gallery", "add", "--data", data, "--uri"), "filled.db"),
        ("data generate", 0.25, ("data", "generate", *FEW), "set"),
        ("evaluate", 0.5, ("evaluate", run, "--data", data, "--out"), "scores.json"),
        ("calibrate", 0.5, ("calibrate", run, "--data", data, "--out"), "calibration.json"),
    ):
        row = Row(f"full disk: {name}", patience=60.0)
        chance = random.Random(f"{seed} {name}")
        home = folder / name.replace(" ", "-")
        home.mkdir()
        _fill(row, home, words, out, chance, max(1, round(tries * share)), run)
        yield row


def _fill(
    row: Row,
    home: Path,
    words: tuple[object, ...],
    out: str,
    chance: random.Random,
    tries: int,
    run: Path,
) -> None:

    def start(limit: int | None, where: Path) -> tuple[int, str]:
        return _said(_limited(command(*words, where), limit))

    def prepare(where: Path) -> None:
        if row.name.endswith("gallery add"):
            status, said = _said(command("gallery", "create", "--model", run, "--uri", where))
            assert status == 0, said

    unbroken = home / f"unbroken-{out}"
    prepare(unbroken)
    status, said = start(None, unbroken)
    assert status == 0, said[-2000:]
    largest = max(
        (file.stat().st_size for file in [unbroken, *unbroken.rglob("*")] if file.is_file()),
        default=1000,
    )
    for number in range(tries):
        where = home / out
        prepare(where)
        limit = chance.randrange(1, round(1.2 * largest))
        with row.one(f"{row.name} {number}, {limit} bytes"):
            status, said = start(limit, where)
            assert "Traceback" not in said, said[-2000:]
            assert status in (0, FULL), f"exit status {status}: {said[-2000:]}"
            if status == FULL:
                own = [line for line in said.splitlines() if line.startswith("fprnet: ")]
                assert len(own) == 1, said[-2000:]
                status, said = start(None, where)
                assert status == 0, f"afterwards {status}: {said[-2000:]}"
                row.counts["refused"] += 1
                row.counts["taken"] -= 1  # which the end of this block counts
            assert where.exists()
        for file in home.iterdir():
            if file.name not in (unbroken.name, f"{unbroken.name}.service"):
                shutil.rmtree(file) if file.is_dir() else file.unlink()


def _said(work: Callable[[], int]) -> tuple[int, str]:
    """Return exit status and output, which goes through a pipe: files are limited."""
    reading, writing = os.pipe()
    process = Forked(work, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as output:
        said = output.read()
    return process.wait(), said


def _limited(work: Callable[[], int], limit: int | None) -> Callable[[], int]:
    def limited() -> int:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        return work()

    return limited
