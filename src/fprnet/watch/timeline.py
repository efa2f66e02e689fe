"""Time stamps of a video, and clocks that jump, become times that never go back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fprnet.errors import DataError

__all__ = ["Clock", "Sampler", "Timeline", "later"]

MAX_GAP = 10.0  # seconds between frames; over a longer gap nobody is followed
MAX_LEAP = 86_400.0  # seconds; a stamp that far ahead is a fault and not a pause
MAX_DRIFT = 5.0  # seconds by which a clock may be set before it counts as a jump


def later(start: datetime, seconds: float) -> datetime:
    """Return the time so many seconds after a start.

    Raises:
        DataError: No calendar reaches that far.
    """
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError as error:
        raise DataError(
            f"{seconds:g} s after {start.date()} is no date; correct when the recording begins, or "
            "its frame rate"
        ) from error


class Sampler:
    """Chooses frames so that at most ``rate`` a second are taken, by their times alone.

    Args:
        rate: Frames a second; what the video says of its own rate does not matter.
    """

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._next: float | None = None

    def wants(self, seconds: float) -> bool:
        """Whether the frame at a time is taken; times that go back begin anew."""
        due = self._next
        if due is not None and due - self._step - 1e-6 <= seconds < due - 1e-6:
            return False
        on_time = due is not None and 0 <= seconds - due < self._step
        self._next = (due if on_time and due is not None else seconds) + self._step
        return True


class Timeline:
    """Time stamps of a recording become times.

    A stamp that goes back, or leaps a day ahead, goes on from the last time; one that is missing
    counts as one step. After a gap of more than ten seconds nobody is followed further.

    Args:
        start: Time of the first frame, in UTC.
        step: Seconds between frames, where they have no stamps.
    """

    def __init__(self, start: datetime, step: float) -> None:
        self._start = start
        self._step = step
        self._last: float | None = None  # seconds since the start
        self._offset = 0.0  # of stamps

    def place(self, stamp: float | None) -> tuple[datetime, str]:
        """Return the time of the next frame.

        Args:
            stamp: Seconds, counted from anywhere; None where the frame has none.

        Returns:
            Its time in UTC, and what is wrong with it; "" where it follows the last one.

        Raises:
            DataError: It is after the last year of the calendar.
        """
        if self._last is None:
            self._offset = 0.0 if stamp is None else -stamp
            self._last = 0.0
            return self._start, ""
        expected = self._last + self._step
        seconds = expected if stamp is None else stamp + self._offset
        fault = ""
        if seconds <= self._last or seconds - self._last > MAX_LEAP:
            fault = f"its time jumps by {seconds - self._last:+.1f} s"
            self._offset += expected - seconds
            seconds = expected
        elif seconds - self._last > MAX_GAP:
            fault = f"nothing for {seconds - self._last:.0f} s"
        self._last = seconds
        return later(self._start, seconds), fault


class Clock:
    """The clock of this machine, which may be set while frames come.

    Args:
        now: Gives the time in UTC.
        steady: Gives seconds that nobody sets.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._steady = now, steady
        self._last: tuple[datetime, float] | None = None

    def place(self) -> tuple[datetime, str]:
        """Return the time of a frame that comes now, and what is wrong with it; "": nothing."""
        now, steady = self._now(), self._steady()
        fault = ""
        if self._last is not None:
            last, last_steady = self._last
            drift = (now - last).total_seconds() - (steady - last_steady)
            if abs(drift) > MAX_DRIFT:
                fault = f"the clock was set by {drift:+.1f} s"
            else:
                now = max(now, last + timedelta(milliseconds=1))
        self._last = (now, steady)
        return now, fault
