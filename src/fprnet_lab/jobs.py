"""Commands become finished work: processes side by side, one thread each, one progress bar.

Files say what is left of a piece of work, so whatever was stopped goes on when it is asked for
again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from fprnet.config import load_config
from fprnet.config.schema import Scale
from fprnet.errors import TrainingError

__all__ = ["Failure", "Training", "Work", "read_history", "work_side_by_side"]

LOOK_EVERY = 0.5  # seconds between looks at the processes


class Work(Protocol):
    """One command after another, until nothing is left."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def log(self) -> Path:
        """Where its processes write what they say."""

    @property
    def size(self) -> int:
        """How much the whole of it is, as the progress bar counts."""

    @property
    def done(self) -> int:
        """How much of that is on the disk."""

    @property
    def needs(self) -> Sequence[Work]:
        """What has to be finished before it can begin."""

    def next_command(self) -> list[str] | None:
        """Return the words after ``fprnet`` of what is to be done next; None: it is finished."""


@dataclass(frozen=True)
class Failure:
    """Work that ended before it was finished.

    Attributes:
        work: Which one.
        reason: What it said last, and where the rest stands.
    """

    work: Work
    reason: str


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
    def name(self) -> str:
        """What messages call it."""
        return f"the training of {self.out}"

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

    @cached_property
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

    @property
    def size(self) -> int:
        """Epochs of the whole run."""
        return self.epochs

    @property
    def done(self) -> int:
        """Epochs whose results are on the disk."""
        return self.epochs_done

    @property
    def needs(self) -> Sequence[Work]:
        """Nothing."""
        return ()

    def next_command(self) -> list[str] | None:
        """Return the command that begins or continues the run; None where it is finished."""
        return None if self.finished else self.arguments


def read_history(out: Path) -> list[dict[str, Any]]:
    """Return the epochs' records, ``metrics.jsonl``, of a run folder; none before the first."""
    file = out / "metrics.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def work_side_by_side(
    works: Iterable[Work],
    *,
    description: str,
    workers: int,
    keep_open: Sequence[int] = (),
    keep_going: bool = False,
) -> list[Failure]:
    """Do, or go on with, all work, at most ``workers`` processes at a time.

    Args:
        works: Finished ones are left alone; the first ones are begun first, but after what they
            need, which is done, too.
        description: Of the progress bar.
        workers: Processes at work at the same time, of one thread each.
        keep_open: File descriptors that the processes inherit, e.g. of a lock that they hold on to
            when this process is killed.
        keep_going: Whether the others are finished when one has failed.

    Returns:
        What failed; nothing where ``keep_going`` is false.

    Raises:
        TrainingError: One failed and ``keep_going`` is false; the others were stopped, and go on
            from where they were when the same is asked for again.
    """
    waiting = _with_needs(works)
    if not waiting:
        return []
    running: list[_Process] = []
    failures: list[Failure] = []
    with tqdm(
        total=sum(work.size for work in waiting),
        initial=sum(work.done for work in waiting),
        desc=description,
        unit="epoch",
    ) as bar:

        def failed(failure: Failure) -> None:
            if not keep_going:
                raise TrainingError(failure.reason)
            failures.append(failure)
            bar.write(f"fprnet: {failure.reason}", file=sys.stderr)

        try:
            while waiting or running:
                for work in [work for work in waiting if _can_begin(work)]:
                    if len(running) < workers:
                        waiting.remove(work)
                        if (command := work.next_command()) is not None:
                            running.append(_Process(work, command, keep_open))
                if not running:  # what is left needs something that has failed
                    for work in waiting:
                        names = ", ".join(need.name for need in work.needs)
                        failed(Failure(work, f"{work.name} needs {names}, which failed"))
                    break
                time.sleep(LOOK_EVERY)
                for process in [*running]:
                    failure = process.look()
                    bar.update(process.progress())
                    if process.ended:
                        running.remove(process)
                    if failure is not None:
                        failed(failure)
                if sys.stderr.isatty():
                    bar.refresh()  # the time goes on where nothing else does
        finally:
            for process in running:
                process.stop()
    return failures


def _with_needs(works: Iterable[Work]) -> list[Work]:
    """Return the works that are not finished, each once, and before each what it needs."""
    ordered: dict[str, Work] = {}

    def add(work: Work) -> None:
        if work.next_command() is None:
            return
        for need in work.needs:
            add(need)
        ordered.setdefault(work.name, work)

    left = list(works)
    for need in [need for work in left if work.next_command() is not None for need in work.needs]:
        add(need)
    for work in left:
        add(work)
    return list(ordered.values())


def _can_begin(work: Work) -> bool:
    return all(need.next_command() is None for need in work.needs)


class _Process:
    """The process that does what is next of some work, and then the one after it."""

    def __init__(self, work: Work, command: list[str], keep_open: Sequence[int]) -> None:
        self.ended = False
        self._work = work
        self._keep_open = tuple(keep_open)
        self._counted = work.done
        work.log.parent.mkdir(parents=True, exist_ok=True)
        work.log.unlink(missing_ok=True)
        self._start(command)

    def look(self) -> Failure | None:
        """Go on to the next command where the last one has ended; return how it failed."""
        status = self._process.poll()
        if status is None:
            return None
        if status:
            self.ended = True
            return Failure(self._work, self._reason(f"ended with status {status}"))
        command = self._work.next_command()
        self.ended = command is None or command == self._command
        if command is None:
            return None
        if self.ended:
            return Failure(self._work, self._reason("ended without its result"))
        self._start(command)
        return None

    def progress(self) -> int:
        """Return how much was done since this was asked last."""
        done = self._work.done
        new, self._counted = done - self._counted, done
        return new

    def stop(self) -> None:
        """End it now; what it has written stays."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _start(self, command: list[str]) -> None:
        self._command = command
        with self._work.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fprnet", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                pass_fds=self._keep_open,
            )

    def _reason(self, how: str) -> str:
        log = self._work.log
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        reason = last.rpartition("\r")[2].removeprefix("fprnet: ")
        return f"{self._work.name} {how}: {reason}; {log} has all it said"
