"""A process that has imported everything starts others by fork: a kill does not cost an import."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from fprnet.cli.main import main

__all__ = ["Forked", "command", "ended", "killed"]

UNFORESEEN = 70  # exit status of a function that raised


class Forked:
    """A function in a process of its own.

    Args:
        work: Returns its exit status.
        log: File that its output is added to, or an open one.
    """

    def __init__(self, work: Callable[[], int], log: Path | int) -> None:
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


def ended(work: Callable[[], int], log: Path) -> float:
    """Let a function run to its end, which has to be a good one; returns the seconds."""
    began = time.perf_counter()
    status = Forked(work, log).wait()
    assert status == 0, f"exit status {status}: {log.read_text()[-2000:]}"
    return time.perf_counter() - began


def killed(
    work: Callable[[], int], log: Path, seconds: float, moments: random.Random, *, since: float = 0
) -> bool:
    """Start a function and kill it at a random moment; False where it had ended before, well.

    Args:
        work: The function.
        log: File of what it says.
        seconds: Until it ends by itself, about.
        moments: Where the moment comes from.
        since: Share of that time in which nothing is tried: it only starts.
    """
    process = Forked(work, log)
    time.sleep(seconds * moments.uniform(since, 1.1))
    status = process.kill()
    assert status in (0, -signal.SIGKILL), f"exit status {status}: {log.read_text()[-2000:]}"
    return status != 0
