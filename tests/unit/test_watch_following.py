"""Boxes become tracks: who is followed, where a track ends, which crops and points are kept."""

from itertools import pairwise

import numpy as np
import pytest

from fprnet.watch.following import Follower
from fprnet.watch.light import Light
from fprnet.watch.quality import QualityLimits
from fprnet.watch.tracking import BoxTracker
from fprnet.watch.tracks import CropChoice, CropChooser
from watch_cases import at, box_at, detections, frame, scene


def follower(patience=1.0, **choice):
    tracker = BoxTracker(0.5, patience=patience)
    chooser = CropChooser(QualityLimits(), CropChoice(**choice))
    return Follower(tracker, Light(seconds=0), chooser)


def walk(one, times, *, gray=False, cut_at=None):
    """Let the person of `scene` walk past; return tracks that ended on the way."""
    ended = []
    for number, seconds in enumerate(times, 1):
        pixels = scene(seconds, gray=gray)
        picture = frame(seconds, number, pixels, is_cut=seconds == cut_at)
        ended += one.see(picture, detections(box_at(seconds)))
    return ended


TIMES = [round(index * 0.2, 1) for index in range(21)]  # 4 s at 5 frames a second


def test_one_walk_is_one_track():
    one = follower()
    assert walk(one, TIMES) == []
    (track,) = one.end()
    assert track.number == 1
    assert track.modality == "visible"
    assert (track.start, track.end) == (at(0.2), at(4.0))  # the second box makes it a track
    assert track.boxes == 20
    assert [point.time for point in track.path] == [at(seconds) for seconds in TIMES[1:]]
    last = track.path[-1]
    assert (last.x, last.y, last.width, last.height) == pytest.approx(
        (90 / 160, 20 / 120, 30 / 160, 75 / 120)
    )
    assert 1 <= len(track.crops) <= 4
    qualities = [crop.quality for crop in track.crops]
    assert qualities == sorted(qualities, reverse=True)
    for before, after in pairwise(sorted(crop.time for crop in track.crops)):
        assert (after - before).total_seconds() >= 0.4
    best = track.crops[0]
    x, y, width, height = best.box
    seconds = (best.time - at(0)).total_seconds()
    assert (best.pixels == scene(seconds)[y : y + height, x : x + width]).all()


def test_who_is_away_for_longer_than_patience_is_another_track():
    one = follower(patience=1.0)
    walk(one, TIMES[:6])
    empty = [one.see(frame(t, pixels=scene(t)), detections()) for t in (1.4, 1.9, 2.1, 2.3)]
    assert [len(tracks) for tracks in empty] == [0, 0, 1, 0]  # 1.0 s and more after the last box
    assert walk(one, TIMES[12:]) == []
    assert [track.number for track in one.end()] == [2]


def test_a_switch_at_dusk_makes_two_tracks_of_two_modalities():
    one = follower()
    (day,) = walk(one, TIMES[:10]) + walk(one, TIMES[10:], gray=True)
    (night,) = one.end()
    assert (day.modality, night.modality) == ("visible", "infrared")
    assert day.end == at(1.8)
    assert night.start > day.end
    assert all((crop.pixels == crop.pixels[..., :1]).all() for crop in night.crops)


def test_a_cut_ends_tracks():
    one = follower()
    ended = walk(one, TIMES, cut_at=2.0)
    assert [(track.number, track.end) for track in ended] == [(1, at(1.8))]
    assert [track.number for track in one.end()] == [2]


def test_silence_ends_tracks():
    one = follower()
    walk(one, TIMES[:5])
    assert one.idle(at(1.5)) == []
    assert len(one.idle(at(1.9))) == 1


def test_who_stays_is_cut_into_tracks_of_bounded_length():
    one = follower(max_seconds=10.0)
    pixels = scene(0)
    ended = []
    for index in range(2, 301):
        ended += one.see(frame(index / 5, index, pixels), detections(box_at(0)))
    ended += one.end()
    assert len(ended) == 6
    assert all((track.end - track.start).total_seconds() <= 10 for track in ended)
    assert sum(track.boxes for track in ended) == 298


def test_a_long_path_is_thinned_out():
    one = follower(max_seconds=10_000.0)
    pixels = scene(0)
    for index in range(3000):
        one.see(frame(index / 5, index, pixels), detections(box_at(0)))
    (track,) = one.end()
    assert len(track.path) <= 241
    assert track.path[0].time == at(0.2)
    assert track.path[-1].time == track.end == at(2999 / 5)


def test_two_who_pass_keep_their_numbers():
    """Both at 20 pixels a second in opposite directions, in rows that overlap by a third."""
    one = follower()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (120, 160, 3)).astype(np.uint8)
    for index in range(31):
        seconds = index / 10
        boxes = [(10 + 40 * seconds, 10, 20, 50), (130 - 40 * seconds, 45, 20, 50)]
        one.see(frame(seconds, index + 1, pixels), detections(*boxes))
    tracks = one.end()
    assert len(tracks) == 2
    ends = {(round(t.path[0].x * 160), round(t.path[-1].x * 160)) for t in tracks}
    assert ends == {(14, 130), (126, 10)}


def test_boxes_that_are_not_sure_begin_no_track():
    one = follower()
    for index in range(10):
        one.see(frame(index / 5, pixels=scene(0)), detections(box_at(0), scores=[0.3]))
    assert one.end() == []


def test_rejected_crops_are_counted():
    one = follower()
    for index in range(5):
        one.see(frame(index / 5, pixels=scene(0)), detections((10, 20, 12, 30)))
    (track,) = one.end()
    assert track.crops == ()
    assert one.rejected == {"small": 4}
