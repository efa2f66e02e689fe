"""Figures of watching by hand: misses, MOTA and IDF1 of a film whose answers can be counted."""

import numpy as np
import pytest

from event_cases import calibration
from fprnet.events.watch_list import watch_list
from fprnet.gallery.opening import load_gallery_model
from fprnet.gallery.steps import create_gallery
from fprnet_lab.benchmarking.watching import FilmTruth, disturbed, misses, tracking_scores
from fprnet_lab.benchmarking.watching_latency import measure_latency, spread
from watch_cases import box_at, detections, scene

pytest.importorskip("motmetrics")


def film(count=10):
    """Two people who stand still: 40 and 120 pixels tall."""
    boxes = np.array([[0, 0, 20, 40], [100, 0, 50, 120]], np.float32)
    frames = [np.zeros((8, 8, 3), np.uint8)] * count
    return FilmTruth("film", frames, 5.0, [boxes] * count, [np.array([7, 9])] * count)


def test_misses_by_hand():
    found = [
        detections((0, 0, 20, 40), (100, 0, 50, 120)),  # both
        detections((0, 0, 20, 19), (100, 0, 50, 120)),  # of the first less than half
        detections((100, 0, 50, 120), (100, 0, 50, 119)),  # one person has one box
        detections((100, 0, 50, 120), scores=[0.2]),  # not sure
    ]
    scores = misses(film(4), found, 0.5)
    assert scores == pytest.approx(
        {"people": 8, "missed": 4 / 8, "tall": 4, "missed_tall": 1 / 4, "false": 2 / 4}
    )


def test_tracking_by_hand():
    """Each track has a number from its second box on: 2 of 20 boxes are missed."""
    truth = film()
    scores = tracking_scores(truth, disturbed(truth, missed=0, jitter=0, seed=0), 0.5)
    assert scores["mota"] == pytest.approx(18 / 20)
    assert scores["idf1"] == pytest.approx(2 * 18 / (20 + 18))
    assert (scores["misses"], scores["switches"], scores["false"]) == (2, 0, 0)
    gone = [one if number != 4 else detections((300, 300, 9, 9)) for number, one in enumerate(
        disturbed(truth, missed=0, jitter=0, seed=0)
    )]  # fmt: skip
    scores = tracking_scores(truth, gone, 0.5)
    assert (scores["misses"], scores["switches"]) == (4, 0)  # 0.4 s without a box is no end


def test_disturbed_boxes_are_as_disturbed_as_asked():
    truth = film(500)
    found = disturbed(truth, missed=0.2, jitter=0.05, seed=3)
    assert sum(len(one.scores) for one in found) == pytest.approx(800, abs=40)
    tall = np.concatenate([one.boxes[one.boxes[:, 0] > 50] for one in found])
    assert tall[:, 3].std() == pytest.approx(0.05 * 120, rel=0.15)
    same = disturbed(truth, missed=0.2, jitter=0.05, seed=3)
    assert all((a.boxes == b.boxes).all() for a, b in zip(found, same, strict=True))


def test_seconds_by_hand():
    """Of 21 equal steps from 0 to 2 the middle is 1, and 95 % lie below 1.9."""
    found = spread([step / 10 for step in range(21)][::-1])
    assert found == pytest.approx({"count": 21, "median": 1.0, "p95": 1.9, "worst": 2.0})


def test_tracklets_and_events_of_a_film_are_timed(tmp_path):
    """One person walks past for 2 s, and is on the watch list: a tracklet and an event."""
    times = [index / 5 for index in range(10)]
    film = FilmTruth(
        "film",
        [scene(seconds) for seconds in times],
        5.0,
        [np.array([box_at(seconds)], np.float32) for seconds in times],
        [np.array([7])] * len(times),
    )
    with create_gallery(str(tmp_path / "people.db"), "fprnet", scale="tiny") as gallery:
        embedder, _ = load_gallery_model(gallery)
        found = measure_latency(film, gallery, embedder, calibration(), loops=1)
        assert [(one.identity, one.images) for one in watch_list(gallery)] == [("0007", 2)]
    for name in ("gallery", "event"):
        assert found[name]["count"] == 1
        assert 0 < found[name]["median"] == found[name]["worst"]
    assert found["dropped"] == 0
