"""A Frigate from start to stop, with messages by hand: nothing is lost or added twice."""

import json
import queue
import threading
from contextlib import nullcontext

import pytest

from fprnet.errors import DataError
from fprnet.watch.counts import Counts
from fprnet.watch.frigate import source
from fprnet.watch.frigate.api import FrigateApi
from fprnet.watch.frigate.feed import Feed
from fprnet.watch.frigate.source import Frigate
from fprnet.watch.options import WatchOptions
from frigate_cases import HEIGHT, WIDTH, listed, message, playing, shown
from watch_cases import START, at


class ByHand(Feed):
    """Messages that a test gives; then nothing."""

    def __init__(self, *payloads, room=100):
        self._available = "frigate/available"
        self._waiting, self._is_behind = queue.Queue(room), threading.Event()
        for payload in payloads:
            self._put("", payload)

    def running(self, say):
        return nullcontext()

    def restarts(self):
        self._put(self._available, b"offline")
        self._put(self._available, b"online")


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    for name, seconds in (("IDLE", 0.01), ("AGAIN", 0.02), ("LIST_EVERY", 0.0)):
        monkeypatch.setattr(source, name, seconds)


@pytest.fixture
def frigate():
    with playing() as one:
        yield one


class Run:
    """A source in a thread: its tracks, lines and counts as they come."""

    def __init__(self, frigate, feed, cameras=(), start=START):
        api = FrigateApi(frigate.address, 5)
        self.source = Frigate(api, feed, dict(cameras), WatchOptions(), start)
        self.tracks, self.lines, self.counts = [], [], Counts(api.name, None)
        self.error = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            for pair in self.source.tracks(self.lines.append, self.counts):
                self.tracks.append(pair)
        except DataError as error:
            self.error = error

    def wait_for(self, condition):
        waiting = threading.Event()
        for _ in range(2000):
            if condition():
                return
            waiting.wait(0.01)
        raise AssertionError((self.tracks, self.lines, self.counts))

    def stop(self):
        self.source.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def run(frigate):
    runs = []

    def start(*payloads, feed=None, **values):
        runs.append(Run(frigate, feed or ByHand(*payloads), **values))
        return runs[-1]

    yield start
    for one in runs:
        one.stop()


def test_an_event_is_a_track(run, frigate):
    frigate.ongoing["a"], frigate.clean["a"] = (shown(1), None), shown(3)
    one = run(
        message("new", "a", 0, 0, has_snapshot=False),
        message("update", "a", 0, 1),
        message("end", "a", 0, 4, shot=3),
        message("end", "a", 0, 4, shot=3),  # delivered twice
        message("new", "car", 0, 1, label="car"),
    )
    one.wait_for(lambda: one.tracks)
    ((camera, track),) = one.tracks
    assert (camera, track.start, track.end, track.boxes) == ("door", at(0), at(4), 3)
    assert sorted(crop.time for crop in track.crops) == [at(1), at(3)]
    one.stop()
    assert (one.counts.tracks, one.counts.frames, one.counts.rejected) == (1, 2, {})
    assert one.lines == []


def test_a_picture_that_comes_late_and_one_that_never_comes(run, frigate):
    one = run(message("end", "a", 0, 1), message("end", "b", 0, 2))
    one.wait_for(lambda: frigate.asked.count("/api/events/a/snapshot-clean.png") == 2)
    frigate.clean["a"] = shown(1)
    one.wait_for(lambda: one.counts.tracks == 2)
    one.stop()
    assert [track.end for _, track in one.tracks] == [at(1)]
    assert (one.counts.without_crop, one.counts.rejected) == (1, {"gone": 1})
    assert frigate.asked.count("/api/events/b/snapshot-clean.png") == source.TRIES


def test_what_cannot_be_used_is_counted_by_reason(run, frigate):
    frigate.clean = {"c": shown(1)[:300], "d": shown(1)}
    frigate.ongoing["d"] = (shown(2), at(2).timestamp())
    one = run(
        b"garbage",
        b"more of it",
        message("end", "a", 0, 1, has_snapshot=False),
        message("end", "b", 0, 1, camera="cellar"),
        message("end", "c", 0, 1),
        message("update", "d", 0, 1),
        message("end", "d", 0, 1),
    )
    one.wait_for(lambda: one.counts.tracks == 3)
    one.stop()
    assert one.counts.rejected == {
        "unreadable": 2,
        "no snapshot": 1,
        "unknown camera": 1,
        "damaged": 1,
        "late": 1,
    }
    assert [len(track.crops) for _, track in one.tracks] == [1]
    assert sum("not as Frigate writes it" in line for line in one.lines) == 1
    assert sum("picture of event c" in line for line in one.lines) == 1


def test_what_was_missed_is_fetched_once(run, frigate):
    frigate.clean = {id: shown(1) for id in "abc"}
    frigate.ongoing["b"] = (shown(6), None)
    feed = ByHand(message("update", "b", 5, 6), message("end", "a", 0, 1))
    one = run(feed=feed)
    one.wait_for(lambda: one.tracks)
    frigate.events = [
        listed("before", -500, -490, shot=0),
        listed("a", 0, 1, shot=1),  # known
        listed("b", 5, 9, shot=1),  # its end was missed
        listed("c", 7, 8, shot=1),  # all of it was missed
        listed("d", 7, 8, shot=1, label="dog"),
        listed("e", 7, 8, shot=1, camera="../e"),
    ]
    feed.restarts()
    one.wait_for(lambda: len(one.tracks) == 3)
    feed.restarts()
    feed.restarts()
    one.wait_for(lambda: sum("/api/events?" in path for path in frigate.asked) >= 2)
    one.stop()
    assert [track.start for _, track in one.tracks] == [at(0), at(5), at(7)]
    assert one.counts.tracks == 3
    assert set(one.counts.rejected) == {"unreadable"}


def test_a_queue_that_was_full_is_an_outage(run, frigate):
    frigate.clean = {id: shown(1) for id in "ab"}
    frigate.events = [listed("b", 0, 1, shot=1)]
    one = run(feed=ByHand(message("end", "a", 0, 1), message("end", "b", 0, 1), room=1))
    one.wait_for(lambda: len(one.tracks) == 2)


def test_frames_of_another_size_after_a_restart(run, frigate):
    """Frigate detects at twice the size now: the same corners are half as far away."""
    frigate.clean = {id: shown(1) for id in "ab"}
    feed = ByHand(message("end", "a", 0, 1))
    one = run(feed=feed)
    one.wait_for(lambda: one.tracks)
    twice = {"door": {"detect": {"width": 2 * WIDTH, "height": 2 * HEIGHT}}}
    frigate.answers["/api/config"] = (200, "", json.dumps({"cameras": twice}).encode())
    feed.restarts()
    one.wait_for(lambda: frigate.asked.count("/api/config") == 2)
    feed._put("", message("end", "b", 2, 3))
    one.wait_for(lambda: one.counts.tracks == 2)
    one.stop()
    assert one.counts.rejected == {"small": 1}  # 37 pixels high


def test_of_whom_nothing_is_said_any_more(run, frigate, monkeypatch):
    monkeypatch.setattr(source, "SILENT", 0.05)
    frigate.ongoing["a"] = (shown(1), None)
    one = run(message("update", "a", 0, 1))
    one.wait_for(lambda: one.tracks)
    assert one.tracks[0][1].end == at(1)


def test_who_leaves_in_a_long_outage_is_not_given_up(run, frigate, monkeypatch):
    """Of whom nothing is said for five minutes: but the message of the end waits."""
    monkeypatch.setattr(source, "SILENT", 0.05)
    path = "/api/events/a/snapshot.jpg"
    frigate.answers[path] = (503, "", b"")
    one = run(message("update", "a", 0, 1), message("end", "a", 0, 4, shot=3))
    one.wait_for(lambda: one.lines)
    frigate.clean["a"] = shown(3)
    del frigate.answers[path]
    one.wait_for(lambda: one.tracks)
    (crop,) = one.tracks[0][1].crops
    assert crop.time == at(3)


def test_the_end_keeps_who_is_there(run, frigate):
    frigate.ongoing["a"] = (shown(1), None)
    one = run(message("new", "b", 0, 1, has_snapshot=False), message("update", "a", 0, 1))
    one.wait_for(lambda: one.counts.frames == 1)
    one.stop()
    assert [len(track.crops) for _, track in one.tracks] == [1]
    assert (one.counts.tracks, one.counts.without_crop) == (2, 1)


def test_frigate_is_away_and_comes_back(run, frigate):
    frigate.clean["a"] = shown(1)
    frigate.answers["/api/config"] = (503, "", b"")
    one = run(message("end", "a", 0, 1))
    one.wait_for(lambda: one.lines)
    del frigate.answers["/api/config"]
    one.wait_for(lambda: one.tracks)
    assert "answers 503; calling it again" in one.lines[0]
    assert one.lines[1:] == [f"{frigate.address} is back"]


def test_some_cameras_with_other_names(run, frigate):
    frigate.clean = {id: shown(1) for id in "ab"}
    one = run(
        message("end", "a", 0, 1),
        message("end", "b", 0, 1, camera="yard"),
        cameras={"yard": "garden"},
    )
    one.wait_for(lambda: one.tracks)
    one.stop()
    assert [camera for camera, _ in one.tracks] == ["garden"]
    one = run(cameras={"cellar": "cellar"})
    one.wait_for(lambda: one.error)
    assert "has no camera 'cellar'; it has door, yard" in str(one.error)
