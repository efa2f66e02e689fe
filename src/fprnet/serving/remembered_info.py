"""What is in a gallery, counted at most every so often: counting reads all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fprnet.gallery.records import GalleryInfo

__all__ = ["RememberedInfo"]

REST = 20  # counting is repeated after so many times the time that it took
SECONDS = (1.0, 60.0)  # at least and at most


class RememberedInfo:
    """Counts what is in a gallery, unless that was done a moment ago. Thread-safe.

    Args:
        count: Counts it.
    """

    def __init__(self, count: Callable[[], GalleryInfo]) -> None:
        self._count = count
        self._counting = threading.Lock()
        self._info: tuple[float, GalleryInfo] | None = None  # good until, what

    def __call__(self, *, stale: bool = False) -> GalleryInfo:
        """Return what is in the gallery.

        Args:
            stale: Whether any earlier count will do.
        """
        with self._counting:
            started = time.monotonic()
            if self._info is None or (self._info[0] < started and not stale):
                info = self._count()
                least, most = SECONDS
                rest = REST * (time.monotonic() - started)
                self._info = (time.monotonic() + min(max(rest, least), most), info)
            return self._info[1]

    def forget(self) -> None:
        """Count anew next time, because something was erased or hidden."""
        with self._counting:
            self._info = None
