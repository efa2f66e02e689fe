"""A running Frigate as a source of tracks: its messages say who is there, its pictures show them.

An event is one track. What was missed while broker or Frigate were away is fetched from its list.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from fprnet.errors import DataError, ImageFileError
from fprnet.watch.counts import Counts
from fprnet.watch.frames import Say
from fprnet.watch.frigate.api import FrigateApi, Picture
from fprnet.watch.frigate.events import FrigateEvent, Size, read_message
from fprnet.watch.frigate.feed import Feed
from fprnet.watch.frigate.following import EventFollower
from fprnet.watch.frigate.outage import Caller, StoppedError
from fprnet.watch.options import WatchOptions
from fprnet.watch.tracks import FinishedTrack

__all__ = ["Frigate"]

IDLE = 0.2  # seconds after which other things are looked at though no message comes
MARGIN = timedelta(minutes=5)  # by which the list is asked for more than was missed
LIST_EVERY = 5.0  # seconds between two looks at the list
SILENT = 300.0  # seconds; of somebody who is there Frigate says something every minute
TRIES, AGAIN = 4, 1.0  # how often, and after how many seconds, a picture is asked for
REMEMBERED = 10_000  # events that are over

Tracks = Iterator[tuple[str, FinishedTrack]]


class Frigate:
    """People whom a Frigate detects and follows.

    Args:
        api: Its HTTP interface.
        feed: Its messages.
        cameras: Frigate's name -> the gallery's name of the cameras that are watched; {} takes all
            as Frigate calls them.
        options: How crops are chosen and the light is judged.
        start: Events that began later are fetched from the list; None: from now on.
    """

    is_live = True
    seconds: float | None = None

    def __init__(
        self,
        api: FrigateApi,
        feed: Feed,
        cameras: Mapping[str, str],
        options: WatchOptions,
        start: datetime | None = None,
    ) -> None:
        self.name = api.name
        self._api, self._feed, self._cameras = api, feed, cameras
        self._options, self._start = options, start
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """End soon; see `fprnet.watch.tracks.TrackSource`."""
        self._is_stopped.set()

    def tracks(self, say: Say, counts: Counts) -> Tracks:
        """Yield a track of each event that is over; see `fprnet.watch.tracks.TrackSource`."""
        chooser = self._options.chooser()
        counts.rejected = chooser.rejected
        session = _Session(
            self._api,
            self._feed,
            self._cameras,
            EventFollower(chooser, self._options.light_of_pictures),
            self._start or datetime.now(UTC),
            Caller(self.name, say, self._is_stopped),
            say,
            counts,
        )
        with self._feed.running(say):
            try:
                session.begin()
                while not self._is_stopped.is_set():
                    yield from session.step()
            except StoppedError:
                pass
            yield from session.rest()


@dataclass(frozen=True)
class _Over:
    """An event that is over and whose picture is asked for at a time of the steady clock."""

    event: FrigateEvent
    due: float
    tries: int = 1


class _Session:
    """What is known of a Frigate's events from start to stop."""

    def __init__(
        self,
        api: FrigateApi,
        feed: Feed,
        cameras: Mapping[str, str],
        follower: EventFollower,
        start: datetime,
        caller: Caller,
        say: Say,
        counts: Counts,
    ) -> None:
        self._api, self._feed, self._cameras = api, feed, cameras
        self._follower, self._ask, self._say, self._counts = follower, caller.ask, say, counts
        self._start = self._latest = start
        self._sizes: dict[str, Size | None] = {}  # None: Frigate has no such camera
        self._heard: dict[str, float] = {}  # id -> when, by the steady clock, of who is there
        self._over: list[_Over] = []
        self._list_again = 0.0  # when the list may be asked for, by the steady clock
        self._ended: OrderedDict[str, None] = OrderedDict()  # ids of events that are over

    def begin(self) -> None:
        """Look at Frigate's cameras.

        Raises:
            DataError: One that is to be watched is none of them.
        """
        self._sizes.update(self._ask(self._api.sizes))
        for name in self._cameras:
            if name not in self._sizes:
                raise DataError(
                    f"{self._api.name} has no camera {name!r}; it has {', '.join(self._sizes)}"
                )

    def step(self) -> Tracks:
        """Take the next message, or look at what was missed; yield who is over."""
        message = self._feed.take(IDLE)
        if message is not None:
            self._hear(message)
        now, is_quiet = time.monotonic(), message is None
        if now >= self._list_again and (self._feed.was_behind() or (is_quiet and self._silent())):
            self._catch_up()
            self._list_again = now + LIST_EVERY
            if is_quiet:
                yield from self._give_up()
        due = [one for one in self._over if one.due <= now]
        self._over = [one for one in self._over if one.due > now]
        for one in due:
            yield from self._finish(one)

    def rest(self) -> Tracks:
        """Yield everybody as far as is known."""
        for id in list(self._follower.starts):
            yield from self._pass_on(id)

    def _hear(self, payload: bytes) -> None:
        try:
            message = read_message(payload)
        except DataError as error:
            if "unreadable" not in self._counts.rejected:
                self._say(f"{self._api.name}: {error}; such messages are left out")
            self._counts.rejected["unreadable"] += 1
            return
        state = message.after
        if not message.is_person or not self._is_news(state.id, state.camera):
            return
        if state.camera not in self._sizes:
            self._sizes.update(self._ask(self._api.sizes))
        size = self._sizes.setdefault(state.camera, None)
        if size is None:
            self._counts.rejected["unknown camera"] += 1
            return
        event = message.event(size)
        self._latest = max(self._latest, event.end)
        is_wanted = self._follower.see(event) and event.has_snapshot
        self._heard[event.id] = time.monotonic()
        if event.is_over:
            self._close(event)
        elif is_wanted and not self._look(event, self._api.picture_so_far):
            self._counts.rejected["late"] += 1

    def _catch_up(self) -> None:
        """Look at the cameras again, and fetch the events that are over from the list."""
        self._sizes = dict(self._ask(self._api.sizes))
        missed = max(self._start, self._latest - MARGIN)
        after = min([missed, *self._follower.starts.values()]).timestamp() - 0.001
        for listed in reversed(self._ask(lambda: self._api.ended(after, list(self._cameras)))):
            if listed is None:
                self._counts.rejected["unreadable"] += 1
            elif listed.is_person and self._is_news(listed.id, listed.camera):
                event = listed.event()
                self._follower.see(event)
                self._close(event)

    def _give_up(self) -> Tracks:
        """Yield those of whom nothing is said any more."""
        for id in self._silent():
            self._remember(id)
            yield from self._pass_on(id)

    def _is_news(self, id: str, camera: str) -> bool:
        return id not in self._ended and (not self._cameras or camera in self._cameras)

    def _silent(self) -> list[str]:
        now = time.monotonic()
        return [id for id, heard in self._heard.items() if now - heard > SILENT]

    def _close(self, event: FrigateEvent) -> None:
        self._remember(event.id)
        self._over.append(_Over(event, time.monotonic()))

    def _remember(self, id: str) -> None:
        self._heard.pop(id, None)
        self._ended[id] = None
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def _finish(self, over: _Over) -> Tracks:
        """Look at the last picture of an event, as soon as it is there, and yield the track."""
        event = over.event
        if not event.has_snapshot or event.snapshot is None:
            self._counts.rejected["no snapshot"] += 1
        elif not self._look(event, self._api.picture):
            if over.tries < TRIES:
                due = time.monotonic() + AGAIN
                self._over.append(replace(over, due=due, tries=over.tries + 1))
                return
            self._counts.rejected["gone"] += 1
        yield from self._pass_on(event.id)

    def _look(self, event: FrigateEvent, picture_of: Callable[[str], Picture | None]) -> bool:
        """Look at the picture of an event with a snapshot; return whether there is one."""
        assert event.snapshot is not None
        try:
            picture = self._ask(lambda: picture_of(event.id))
        except ImageFileError as error:
            self._say(f"{error}; going on")
            self._counts.rejected["damaged"] += 1
            return True
        if picture is None or not picture.is_of(event.snapshot.time):
            return False
        self._counts.frames += 1
        self._counts.boxes += 1
        self._follower.look(event, picture.pixels)
        return True

    def _pass_on(self, id: str) -> Tracks:
        camera, track = self._follower.end(id)
        self._counts.tracks += 1
        if track.crops:
            yield self._cameras.get(camera, camera), track
        else:
            self._counts.without_crop += 1
