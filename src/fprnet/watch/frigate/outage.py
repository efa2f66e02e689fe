"""Failures become two lines: one when something is gone, one when it is back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from fprnet.errors import DataError
from fprnet.watch.frames import Say

__all__ = ["Caller", "Outage", "StoppedError", "UnreachableError"]

LONGEST_WAIT = 30.0  # seconds between two attempts

Answer = TypeVar("Answer")


class UnreachableError(DataError):
    """Something does not answer, or not as it should; it is asked again."""


class StoppedError(Exception):
    """Nobody wants an answer any more."""


class Outage:
    """Whether something answers, and who is told when that changes.

    Args:
        name: What should answer, as the log calls it.
        say: Takes lines for the log.
    """

    def __init__(self, name: str, say: Say) -> None:
        self._name, self._say = name, say
        self._is_out = False

    def begins(self, reason: str) -> None:
        """Note a failure; said once until it is over."""
        if not self._is_out:
            self._say(f"{reason}; calling it again until it answers")
            self._is_out = True

    def ends(self) -> None:
        """Note that it answers."""
        if self._is_out:
            self._say(f"{self._name} is back")
            self._is_out = False


class Caller:
    """Asks again and again, ever more patiently.

    Args:
        name: What is asked, as the log calls it.
        say: Takes lines for the log.
        stop: Ends the waiting.
    """

    def __init__(self, name: str, say: Say, stop: threading.Event) -> None:
        self._outage, self._stop = Outage(name, say), stop

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Return what a question gives once it does not raise `UnreachableError`.

        Raises:
            StoppedError: It was stopped meanwhile.
        """
        wait = 1.0
        while not self._stop.is_set():
            try:
                answer = question()
            except UnreachableError as error:
                self._outage.begins(str(error))
                self._stop.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                self._outage.ends()
                return answer
        raise StoppedError
