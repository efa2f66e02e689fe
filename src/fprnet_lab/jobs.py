"""Commands become finished jobs: processes side by side, one thread each, one progress bar.

Files say what is left of a job, so whatever was stopped is continued when it is asked for again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fprnet.config import RunConfig, load_config
from fprnet.config.schema import Scale
from fprnet.errors import TrainingError

__all__ = ["Failure", "Job", "Training", "log_beside", "read_history", "run_jobs"]

POLL_SECONDS = 0.5  # between looks at the processes


@dataclass(frozen=True)
class Job:
    """One command after another, until nothing is left.

    Attributes:
        name: What messages call it; no two jobs have the same.
        log: File that its processes write their output to.
        command: Returns the words after ``fprnet`` of the next command; None: it is finished.
        size: How much the whole job is, in epochs.
        done: Returns how many of them are on the disk.
        needs: Jobs that have to be finished before it can begin.
    """

    name: str
    log: Path
    command: Callable[[], list[str] | None]
    size: int
    done: Callable[[], int]
    needs: tuple[Job, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.command() is None


@dataclass(frozen=True)
class Failure:
    """A job that ended before it was finished.

    Attributes:
        job: Which one.
        reason: The last line of its output, and the file that has all of it.
    """

    job: Job
    reason: str


@dataclass(frozen=True)
class Training:
    """One run: the options of ``fprnet train``.

    Attributes:
        preset: Name.
        data: Data set's folder.
        out: Run folder.
        scale: "tiny" or "full".
        overrides: ``("--training.epochs", "40", ...)``.
        seed: Seed of every random number of the run.
    """

    preset: str
    data: Path
    out: Path
    scale: Scale
    overrides: tuple[str, ...] = ()
    seed: int = 0

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"the training of {self.out}"

    @property
    def arguments(self) -> list[str]:
        """The words after ``fprnet``."""
        return [
            *("train", "--preset", self.preset, "--scale", self.scale, "--seed", str(self.seed)),
            *("--data", str(self.data), "--out", str(self.out), *self.overrides),
        ]

    @property
    def log(self) -> Path:
        """Log of the process: beside the run folder, which must be empty when it starts."""
        return log_beside(self.out)

    @property
    def best(self) -> Path:
        """The checkpoint that the run is for."""
        return self.out / "checkpoints" / "best.pt"

    @property
    def config(self) -> RunConfig:
        """Config of the run.

        Raises:
            ConfigError: The overrides do not fit the preset.
        """
        return load_config(self.preset, scale=self.scale, seed=self.seed, overrides=self.overrides)

    @cached_property
    def epochs(self) -> int:
        """Epochs of the whole run."""
        return self.config.training.epochs

    def epochs_done(self) -> int:
        """Return the number of epochs whose results are on the disk."""
        return len(read_history(self.out))

    def next_command(self) -> list[str] | None:
        """Return the command that begins or continues the run; None where it is finished."""
        finished = self.epochs_done() >= self.epochs and self.best.is_file()
        return None if finished else self.arguments

    def job(self, needs: tuple[Job, ...] = ()) -> Job:
        """Return the run as a job that starts after others."""
        return Job(self.name, self.log, self.next_command, self.epochs, self.epochs_done, needs)


def log_beside(folder: Path) -> Path:
    """Return the file beside a folder that has the output of the process that fills it."""
    return folder.with_name(f"{folder.name}.log")


def read_history(out: Path) -> list[dict[str, Any]]:
    """Return the epochs' records, ``metrics.jsonl``, of a run folder; none before the first."""
    file = out / "metrics.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def run_jobs(
    jobs: Iterable[Job],
    *,
    description: str,
    workers: int,
    keep_open: Sequence[int] = (),
    keep_going: bool = False,
) -> list[Failure]:
    """Do, or continue, all jobs, at most ``workers`` processes at a time.

    Args:
        jobs: Finished ones are left alone; the first ones are begun first, but after what they
            need, which is done as well.
        description: Text before the progress bar.
        workers: Number of processes at the same time, of one thread each.
        keep_open: File descriptors that the processes inherit, e.g. of a lock that they hold on to
            when this process is killed.
        keep_going: Whether the others are finished when one has failed.

    Returns:
        What failed; nothing where ``keep_going`` is false.

    Raises:
        TrainingError: One failed and ``keep_going`` is false; the others were stopped, and continue
            from where they were when the same is asked for again.
        KeyboardInterrupt: Ctrl-C or SIGTERM; all were stopped likewise.
    """
    waiting = _with_needs(jobs)
    if not waiting:
        return []
    running: list[_Process] = []
    failures: list[Failure] = []
    bar = tqdm(
        total=sum(job.size for job in waiting),
        initial=sum(job.done() for job in waiting),
        desc=description,
        unit="epoch",
    )
    with bar, _interrupted_by_sigterm():

        def failed(failure: Failure) -> None:
            if not keep_going:
                raise TrainingError(failure.reason)
            failures.append(failure)
            bar.write(f"fprnet: {failure.reason}", file=sys.stderr)

        try:
            while waiting or running:
                for job in [job for job in waiting if all(need.finished for need in job.needs)]:
                    if len(running) < workers:
                        waiting.remove(job)
                        if (command := job.command()) is not None:
                            running.append(_Process(job, command, keep_open))
                if not running:  # what is left needs something that has failed
                    for job in waiting:
                        names = ", ".join(need.name for need in job.needs)
                        failed(Failure(job, f"{job.name} needs {names}, which failed"))
                    break
                time.sleep(POLL_SECONDS)
                for process in [*running]:
                    failure = process.look()
                    bar.update(process.progress())
                    if process.ended:
                        running.remove(process)
                    if failure is not None:
                        failed(failure)
                if sys.stderr.isatty():
                    bar.refresh()  # the elapsed time changes where nothing else does
        finally:
            for process in running:
                process.stop()
    return failures


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does, so that no process is left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _with_needs(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs that are not finished, each once, and before each what it needs."""
    ordered: dict[str, Job] = {}

    def add(job: Job) -> None:
        if job.finished:
            return
        for need in job.needs:
            add(need)
        ordered.setdefault(job.name, job)

    unfinished = [job for job in jobs if not job.finished]
    for need in [need for job in unfinished for need in job.needs]:
        add(need)
    for job in unfinished:
        add(job)
    return list(ordered.values())


class _Process:
    """The process of a job's next command, and then of the one after it."""

    def __init__(self, job: Job, command: list[str], keep_open: Sequence[int]) -> None:
        self.ended = False
        self._job = job
        self._keep_open = tuple(keep_open)
        self._counted = job.done()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.log.unlink(missing_ok=True)
        self._start(command)

    def look(self) -> Failure | None:
        """Go on to the next command where the last one has ended; return how it failed."""
        status = self._process.poll()
        if status is None:
            return None
        if status:
            self.ended = True
            return Failure(self._job, self._reason(f"ended with status {status}"))
        command = self._job.command()
        self.ended = command is None or command == self._command
        if command is None:
            return None
        if self.ended:
            return Failure(self._job, self._reason("ended without its result"))
        self._start(command)
        return None

    def progress(self) -> int:
        """Return how much was done since this was asked last."""
        done = self._job.done()
        new, self._counted = done - self._counted, done
        return new

    def stop(self) -> None:
        """End it now; what it has written stays."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _start(self, command: list[str]) -> None:
        self._command = command
        with self._job.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fprnet", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                pass_fds=self._keep_open,
            )

    def _reason(self, how: str) -> str:
        log = self._job.log
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        reason = last.rpartition("\r")[2].removeprefix("fprnet: ")
        return f"{self._job.name} {how}: {reason}; {log} has all it said"
