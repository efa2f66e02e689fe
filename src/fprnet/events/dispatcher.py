"""Events that wait in the outbox are sent until they are acknowledged, in a thread of their own.

Each sink gets each at least once: a process that dies between sending and noting that sends again,
with the same id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from fprnet.errors import GalleryError
from fprnet.events.matching import Match, Matcher
from fprnet.events.outbox import delivered, failed, pending, waiting, write_events
from fprnet.events.sinks import Sink, UndeliveredError
from fprnet.gallery.gallery import Gallery
from fprnet.tracklets import Tracklet

__all__ = ["Alarm", "Dispatcher"]

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds between two attempts; each waits twice as long
LOOK_EVERY = 2.0  # seconds between looks at the outbox, into which other processes may write


@dataclass
class _State:
    """How it goes with a sink: failures since the last success, and when to try again."""

    failures: int = 0
    again: float = 0.0  # time.monotonic


class Dispatcher:
    """Sends what waits. Begin with :meth:`start`, end with :meth:`close`.

    A sink that fails is tried again after a second, then after twice as long, at most five minutes,
    and at once when there is a new event. An event that failed waits behind those that did not.

    Args:
        gallery: Writable; its outbox is read.
        sinks: To whom; each has a name of its own.
        say: Takes lines for the log.
    """

    def __init__(self, gallery: Gallery, sinks: Sequence[Sink], say: Callable[[str], None]) -> None:
        self._gallery, self._say = gallery, say
        self.sinks = {sink.name: sink for sink in sinks}
        self._states = {name: _State() for name in self.sinks}
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to send, in a thread."""
        if self.sinks:
            self._thread.start()

    def wake(self) -> None:
        """Try every sink now."""
        self._wake.set()

    def close(self, patience: float = 10.0) -> int:
        """Try once more, at most so many seconds; return how many deliveries still wait."""
        if self._thread.is_alive():
            self._end.set()
            self._wake.set()
            self._thread.join(patience)
        for sink in self.sinks.values():
            sink.close()
        waits = waiting(self._gallery.database)
        return sum(waits.get(name, 0) for name in self.sinks)

    def send(self) -> None:
        """Send all that waits for sinks that are to be tried now."""
        for sink in self.sinks.values():
            if self._states[sink.name].again <= time.monotonic():
                self._send(sink)

    def _send(self, sink: Sink) -> None:
        database, state = self._gallery.database, self._states[sink.name]
        while event := pending(database, sink.name):
            try:
                sink.send(event)
            except UndeliveredError as error:
                failed(database, sink.name, event.number)
                if state.failures == 0:
                    self._say(f"{error}; events wait and are sent again")
                wait = min(FIRST_WAIT * 2.0**state.failures, LONGEST_WAIT)
                state.failures += 1
                state.again = time.monotonic() + wait
                return
            delivered(database, sink.name, event.number)
            if state.failures:
                self._say(f"{sink.name} takes events again")
                state.failures = 0

    def _run(self) -> None:
        is_said = False
        while True:
            ending = self._end.is_set()
            try:
                self.send()
                is_said = False
            except GalleryError as error:
                if not is_said:
                    self._say(f"{error}; events wait until it answers")
                    is_said = True
            if ending:
                return
            if self._wake.wait(LOOK_EVERY):
                self._wake.clear()
                for state in self._states.values():
                    state.again = 0.0


class Alarm:
    """What a recorder asks about each tracklet before it adds it, and tells after that.

    Args:
        matcher: Knows the watch list.
        dispatcher: Knows to whom events go.
    """

    def __init__(self, matcher: Matcher, dispatcher: Dispatcher) -> None:
        self._matcher, self._dispatcher = matcher, dispatcher

    def matches(self, tracklet: Tracklet) -> list[Match]:
        """Return who of the watch list the tracklet shows."""
        return self._matcher.matches(tracklet)

    def writer(
        self, gallery: Gallery, matches: Sequence[Match]
    ) -> Callable[[Connection, int], None]:
        """Return what writes the events in the transaction that adds the tracklet."""

        def write(connection: Connection, tracklet: int) -> None:
            write_events(
                connection,
                gallery.database.tables,
                tracklet,
                matches,
                false_match_rate=self._matcher.false_match_rate,
                sinks=list(self._dispatcher.sinks),
            )

        return write

    def added(self, matches: Sequence[Match]) -> None:
        """Send the events of a tracklet that is in the gallery now."""
        if matches:
            self._dispatcher.wake()
