"""What a gallery no longer keeps goes from the service's folder: erased by whomever, or too old."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from fprnet.errors import FprnetError
from fprnet.gallery.reading import GalleryReader

__all__ = ["Housekeeper"]

LOOK = 2.0  # seconds between two looks whether another process has erased something
ROUND = 3600.0  # seconds between two rounds, which also erase what is too old
AGAIN = 60.0  # seconds after an erasing until a round finds what was too young to be swept with it
log = logging.getLogger(__name__)


class Housekeeper:
    """A thread that looks after the folder as long as the service runs.

    Args:
        gallery: Whose log of changes says that something was erased.
        expire: Erases the records that are older than the gallery keeps them.
        sweep: Erases what the folder has of erased records.
        look: Seconds between two looks at the log.
        round: Seconds between two rounds.
    """

    def __init__(
        self,
        gallery: GalleryReader,
        expire: Callable[[], object],
        sweep: Callable[[], object],
        *,
        look: float = LOOK,
        round: float = ROUND,
    ) -> None:
        self._gallery = gallery
        self._expire = expire
        self._sweep = sweep
        self._look = look
        self._round = round
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper")

    def start(self) -> None:
        """Make the first round, and go on."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being erased; a housekeeper that was never started is left alone."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        seen, due, failing = 0, 0.0, False
        while True:
            try:
                erased, newest = self._gallery.erased_since(seen)
                is_due = time.monotonic() >= due
                if is_due:
                    self._expire()
                if is_due or erased:
                    self._sweep()
                    due = time.monotonic() + (min(AGAIN, self._round) if erased else self._round)
                seen, failing = newest, False
            except (FprnetError, OSError) as error:
                if not failing:
                    log.error("erased images cannot be removed: %s; the service tries again", error)
                failing = True
            if self._stopping.wait(self._look):
                return
