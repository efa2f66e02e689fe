"""The benchmark of grouping: scores by hand, and a run on a tiny set with the shipped model."""

from datetime import UTC, datetime

import pytest

from fprnet.gallery.tracklet_rows import TrackletRecord
from fprnet_lab.benchmarking.grouping import measure_grouping, score_groups

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def grouped(person, modality):
    return TrackletRecord(
        **{"id": 1, "camera": "door", "location": "door", "modality": modality},
        **{"start": NOON, "end": NOON, "source": "door.mp4", "number": 1, "crops": ()},
        **{"identity": None, "person": person},
    )


def test_scores_by_hand():
    # People a, a, b by day and a, b by night; the second a and the b by day are put together, and
    # the first a with that by night.
    groups = [(1, "visible"), (2, "visible"), (2, "visible"), (1, "infrared"), (3, "infrared")]
    pairs, wrong = score_groups([grouped(*one) for one in groups], [7, 7, 8, 7, 8])
    counts = {kind: (one.together, one.same, one.right) for kind, one in pairs.items()}
    assert counts == {
        "all": (2, 4, 1),
        "day": (1, 1, 0),
        "night": (0, 0, 0),
        "day and night": (1, 3, 1),
    }
    assert wrong == 2 / 5


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
def test_a_run(tiny_set, parts):
    found = measure_grouping(tiny_set, rates=(0.01, 0.3), parts=parts)
    assert found["people"] == 6
    assert found["tracklets"] <= 36
    few, many = found["scores"]
    assert few["people"] >= many["people"] >= 1
    for score in (few, many):
        whole, *kinds = (one["same"] for one in score["pairs"].values())
        assert whole == sum(kinds)
        assert 0 <= score["false_links"] <= 1
