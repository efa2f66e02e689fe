"""Times of frames never go back, and frames that nobody takes are counted."""

import itertools
import threading
from datetime import timedelta

import pytest

from fprnet.watch.inbox import Inbox
from fprnet.watch.timeline import Clock, Sampler, Timeline
from watch_cases import START, at, frame


@pytest.mark.parametrize(
    ("stamps", "seconds", "faults"),
    [
        ([7.0, 7.5, 8.0], [0, 0.5, 1.0], 0),  # counted from anywhere
        ([0.0, None, None], [0, 0.1, 0.2], 0),  # no stamps: the step
        ([None, 5.0], [0, 5.0], 0),
        ([0.0, 0.1, 0.0, 0.1], [0, 0.1, 0.2, 0.3], 1),  # back: goes on after the last
        ([0.0, 0.1, 30.0, 30.1], [0, 0.1, 30.0, 30.1], 1),  # a pause stays one
        ([0.0, 0.1, 1e9, 1e9 + 0.1], [0, 0.1, 0.2, 0.3], 1),  # a leap of years does not
        ([0.0, 0.0], [0, 0.1], 1),
    ],
)
def test_stamps_of_a_recording_become_times(stamps, seconds, faults):
    timeline = Timeline(START, 0.1)
    placed = [timeline.place(stamp) for stamp in stamps]
    assert [round((time - START).total_seconds(), 6) for time, _ in placed] == seconds
    assert sum(bool(fault) for _, fault in placed) == faults


def test_a_clock_that_is_set_is_noticed_and_one_that_drifts_is_not():
    readings = iter([(0, 0), (1, 1), (0.9, 2), (3, 3), (7204, 4), (7205, 5), (5, 6)])
    now, steady = zip(*readings, strict=True)
    clock = Clock(iter(map(at, now)).__next__, iter(map(float, steady)).__next__)
    placed = [clock.place() for _ in now]
    assert [bool(fault) for _, fault in placed] == [False] * 4 + [True, False, True]
    assert placed[2][0] == at(1) + timedelta(milliseconds=1)  # a second back is no way back
    assert placed[4][0] == at(7204)
    assert placed[6][0] == at(5)


@pytest.mark.parametrize("rate", [2, 5, 7, 12.5, 100])
def test_a_sampler_takes_no_more_than_its_rate_and_all_of_a_slower_video(rate):
    sampler = Sampler(rate)
    taken = [index / 10 for index in range(100) if sampler.wants(index / 10)]
    assert len(taken) == pytest.approx(min(rate, 10) * 10, abs=1)
    assert all(b - a >= 1 / rate - 0.1 - 1e-6 for a, b in itertools.pairwise(taken))


def test_a_sampler_begins_anew_where_times_go_back():
    sampler = Sampler(1)
    assert [sampler.wants(one) for one in (10, 10.5, 3, 3.5, 4)] == [True, False, True, False, True]


def test_a_live_source_drops_its_oldest_frames_and_counts_them():
    inbox = Inbox(2, room=2)
    for number in (1, 2, 3, 4):
        assert inbox.put(0, frame(number=number, is_cut=number == 1), wait=False)
    inbox.put(1, frame(number=1), wait=False)
    taken = inbox.take(9, 0)
    assert [(source, one.number) for source, one in taken] == [(0, 3), (1, 1), (0, 4)]
    assert inbox.dropped == [2, 0]
    # The frame that said that a new connection began is gone; the next one says it.
    assert [one.is_cut for source, one in taken if source == 0] == [True, False]


def test_a_recording_waits_for_room_and_loses_nothing():
    inbox = Inbox(1, room=2)
    taken = []

    def read():
        for number in range(50):
            assert inbox.put(0, frame(number=number), wait=True)
        inbox.end(0)

    reader = threading.Thread(target=read)
    reader.start()
    while not inbox.has_ended(0):
        taken += [one.number for _, one in inbox.take(3, 0.1)]
    reader.join()
    assert taken == list(range(50))
    assert inbox.dropped == [0]


def test_a_closed_inbox_takes_nothing_more():
    inbox = Inbox(1, room=1)
    inbox.put(0, frame(), wait=True)
    waiting = threading.Thread(target=lambda: answers.append(inbox.put(0, frame(), wait=True)))
    answers = []
    waiting.start()
    inbox.close()
    waiting.join(5)
    assert answers == [False]
    assert len(inbox.take(5, 0)) == 1
    assert inbox.has_ended(0)
