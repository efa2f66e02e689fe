"""Frames of several sources become one stream for one consumer, with an end to what may wait."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace

from fprnet.watch.frames import Frame

__all__ = ["Inbox"]


class Inbox:
    """Frames that wait, in order within each source.

    Whoever watches live never waits: where no room is left, the oldest frame of that source goes
    and is counted. A recording waits for room. Any thread may call anything.

    Args:
        sources: Number of them.
        room: Frames of each that may wait.
    """

    def __init__(self, sources: int, room: int) -> None:
        self._waiting: list[deque[Frame]] = [deque() for _ in range(sources)]
        self._ended = [False] * sources
        self._is_torn = [False] * sources  # a frame that began anew was dropped
        self._room = room
        self._turn = 0  # source that is looked at first
        self._is_closed = False
        self._changed = threading.Condition()
        self.dropped = [0] * sources
        """Frames of each source that nobody took in time."""

    def put(self, source: int, frame: Frame, *, wait: bool) -> bool:
        """Add a frame; False says that nobody takes frames any more.

        Args:
            source: Number of the source, from 0.
            frame: Its next one.
            wait: For room; otherwise the oldest frame makes room.
        """
        with self._changed:
            waiting = self._waiting[source]
            if wait:
                self._changed.wait_for(lambda: len(waiting) < self._room or self._is_closed)
            elif len(waiting) >= self._room:
                self._is_torn[source] |= waiting.popleft().is_cut
                self.dropped[source] += 1
            if self._is_closed:
                return False
            waiting.append(frame)
            self._changed.notify_all()
            return True

    def end(self, source: int) -> None:
        """Say that no more frames of a source come."""
        with self._changed:
            self._ended[source] = True
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more frames; those that wait are still given."""
        with self._changed:
            self._is_closed = True
            self._ended = [True] * len(self._ended)
            self._changed.notify_all()

    def take(self, most: int, timeout: float) -> list[tuple[int, Frame]]:
        """Return frames that wait, of the sources in turn; [] after ``timeout`` seconds without.

        Args:
            most: Number of frames.
            timeout: Seconds to wait for the first one.
        """
        with self._changed:
            self._changed.wait_for(lambda: any(self._waiting) or all(self._ended), timeout)
            taken: list[tuple[int, Frame]] = []
            count = len(self._waiting)
            while len(taken) < most and any(self._waiting):
                source = self._turn % count
                self._turn += 1
                if self._waiting[source]:
                    frame = self._waiting[source].popleft()
                    if self._is_torn[source]:
                        frame = replace(frame, is_cut=True)
                        self._is_torn[source] = False
                    taken.append((source, frame))
            self._changed.notify_all()
            return taken

    def has_ended(self, source: int) -> bool:
        """Whether all frames of a source have been taken."""
        with self._changed:
            return self._ended[source] and not self._waiting[source]
