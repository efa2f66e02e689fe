"""Several ``fprnet train`` commands become finished runs: a process each, one progress bar."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from tqdm import tqdm

from fprnet.config import load_config
from fprnet.config.schema import Scale
from fprnet.errors import TrainingError

__all__ = ["Training", "read_history", "train_side_by_side"]

Process: TypeAlias = "tuple[Training, subprocess.Popen[bytes]]"

LOOK_EVERY = 0.5  # seconds between looks at the processes


@dataclass(frozen=True)
class Training:
    """One run: what ``fprnet train`` is told.

    Attributes:
        preset: Name.
        data: Data set's folder.
        out: Run folder.
        scale: "tiny" or "full".
        overrides: ``("--training.epochs", "40", ...)``.
    """

    preset: str
    data: Path
    out: Path
    scale: Scale
    overrides: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """The words after ``fprnet``."""
        places = ["--data", str(self.data), "--out", str(self.out)]
        return ["train", "--preset", self.preset, "--scale", self.scale, *places, *self.overrides]

    @property
    def log(self) -> Path:
        """Where the process writes: beside the run folder, which must be empty when it starts."""
        return self.out.with_name(f"{self.out.name}.log")

    @property
    def best(self) -> Path:
        """The checkpoint that the run is for."""
        return self.out / "checkpoints" / "best.pt"

    @property
    def epochs(self) -> int:
        """Epochs of the whole run."""
        return load_config(self.preset, scale=self.scale, overrides=self.overrides).training.epochs

    @property
    def epochs_done(self) -> int:
        """Epochs whose results are on the disk."""
        return len(read_history(self.out))

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.epochs_done >= self.epochs and self.best.is_file()


def read_history(out: Path) -> list[dict[str, Any]]:
    """Return the epochs' records, ``metrics.jsonl``, of a run folder; none before the first."""
    file = out / "metrics.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def train_side_by_side(
    trainings: Sequence[Training], *, description: str, keep_open: Sequence[int] = ()
) -> None:
    """Train, or continue, all runs at once; finished ones are left alone.

    Args:
        trainings: The runs.
        description: Of the progress bar.
        keep_open: File descriptors that the processes inherit, e.g. of a lock that they hold on to
            when this process is killed.

    Raises:
        TrainingError: One failed; the others were stopped, and go on from their last epoch when
            the same is asked for again.
    """
    left = [training for training in trainings if not training.finished]
    if not left:
        return
    processes: list[Process] = []
    total = sum(training.epochs for training in left)
    done = sum(training.epochs_done for training in left)
    try:
        for training in left:
            training.log.parent.mkdir(parents=True, exist_ok=True)
            with training.log.open("w") as log:
                processes.append((training, _start(training, log, keep_open)))
        with tqdm(total=total, initial=done, desc=description, unit="epoch") as bar:
            while _at_work(processes):
                time.sleep(LOOK_EVERY)
                bar.update(sum(training.epochs_done for training in left) - bar.n)
                bar.refresh()
    finally:
        for _, process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _start(training: Training, log: TextIO, keep_open: Sequence[int]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fprnet", *training.arguments]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=tuple(keep_open),
    )


def _at_work(processes: Sequence[Process]) -> bool:
    """Return whether any process still runs.

    Raises:
        TrainingError: One has failed.
    """
    for training, process in processes:
        status = process.poll()
        if status:
            lines = training.log.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
            reason = last.rpartition("\r")[2].removeprefix("fprnet: ")
            raise TrainingError(
                f"the training of {training.out} ended with status {status}: {reason}; "
                f"{training.log} has all it said"
            )
    return any(process.poll() is None for _, process in processes)
