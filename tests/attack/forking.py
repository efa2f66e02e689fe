"""A process that has imported everything starts others by fork: a kill does not cost an import."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fprnet.cli.main import main

__all__ = ["Forked", "Spent", "command", "ended", "killed"]

UNFORESEEN = 70  # exit status of a function that raised


class Forked:
    """A function in a process of its own.

    Args:
        work: Returns its exit status.
        log: File that its output is added to, or an open one.
        lives: Seconds of a processor that it may use; the system ends it then. None: as many as
            it likes.
    """

    def __init__(
        self, work: Callable[[], int], log: Path | int, *, lives: float | None = None
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.id = os.fork()
        if self.id == 0:
            status = UNFORESEEN
            try:
                file = log
                if isinstance(file, Path):
                    file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, 1)
                os.dup2(file, 2)
                if lives is not None:
                    signal.setitimer(signal.ITIMER_PROF, max(lives, 1e-6))
                status = work()
                sys.stdout.flush()
                sys.stderr.flush()
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def wait(self) -> int:
        """Return the exit status; minus the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.id, 0)[1])

    def kill(self) -> int:
        """Send SIGKILL, and return how it has ended: minus 9, unless it was done already."""
        os.kill(self.id, signal.SIGKILL)
        return self.wait()


def command(*words: object) -> Callable[[], int]:
    """Return the work of an ``fprnet`` command."""
    return lambda: main([str(word) for word in words])


@dataclass(frozen=True)
class Spent:
    """What an unbroken process took: seconds on the clock, and of a processor."""

    clock: float
    processor: float


def ended(work: Callable[[], int], log: Path) -> Spent:
    """Let a function run to its end, which has to be a good one."""
    began = time.perf_counter()
    process = Forked(work, log)
    _, ended, used = os.wait4(process.id, 0)
    status = os.waitstatus_to_exitcode(ended)
    assert status == 0, f"exit status {status}: {log.read_text()[-2000:]}"
    return Spent(time.perf_counter() - began, used.ru_utime + used.ru_stime)


def killed(
    work: Callable[[], int], log: Path, spent: Spent, moments: random.Random, *, since: float = 0
) -> bool:
    """Start a function and kill it at a random moment; False where it had ended before, well.

    Half of the moments are on the clock, waiting for the disk included; half are of a processor's
    time, which a busy machine does not draw out.

    Args:
        work: The function.
        log: File of what it says.
        spent: What it takes unbroken.
        moments: Where the moment comes from.
        since: Share of that time in which nothing is tried: it only starts.
    """
    share = moments.uniform(since, 1.1)
    if moments.random() < 0.5:
        status = Forked(work, log, lives=spent.processor * share).wait()
    else:
        process = Forked(work, log)
        time.sleep(spent.clock * share)
        status = process.kill()
    ends = (-signal.SIGKILL, -signal.SIGPROF)  # neither can be caught where nobody asks to
    assert status in (0, *ends), f"exit status {status}: {log.read_text()[-2000:]}"
    return status != 0
