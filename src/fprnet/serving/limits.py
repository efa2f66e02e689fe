"""How fast one caller may ask: token buckets, one for each key or address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["TokenBuckets"]

MOST_CALLERS = 10_000  # remembered; the one that was silent longest is forgotten first


class TokenBuckets:
    """A bucket of ``burst`` tokens for each caller, filled with ``rate`` tokens a second.

    Thread-safe.

    Args:
        rate: Requests a second; 0 sets no limit.
        burst: Requests at once, at least 1.
        clock: Seconds.
    """

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, when

    def take(self, caller: str) -> float:
        """Take a token.

        Returns:
            0 if there was one, else in how many seconds there will be.
        """
        if self._rate <= 0:
            return 0.0
        with self._lock:
            now = self._clock()
            tokens, when = self._buckets.pop(caller, (self._burst, now))
            tokens = min(self._burst, tokens + (now - when) * self._rate)
            allowed = tokens >= 1
            self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
            if len(self._buckets) > MOST_CALLERS:
                self._buckets.popitem(last=False)
            return 0.0 if allowed else (1 - tokens) / self._rate
