"""Frigate's messages and its list become events; the message is that of Frigate's own manual."""

import json
from datetime import UTC, datetime

import pytest

from fprnet.errors import DataError
from fprnet.tracklets import PathPoint
from fprnet.watch.frigate.events import read_list, read_message, read_sizes

ID = "1607123955.475377-mxklsc"
STATE = {
    "id": ID,
    "camera": "front_door",
    "frame_time": 1607123962.082975,
    "snapshot": {
        "frame_time": 1607123961.837752,
        "box": [424, 500, 536, 712],
        "area": 23744,
        "region": [264, 450, 667, 853],
        "score": 0.95,
        "attributes": [],
    },
    "label": "person",
    "sub_label": ["John Smith", 0.79],
    "top_score": 0.958984375,
    "false_positive": False,
    "start_time": 1607123955.475377,
    "end_time": None,
    "score": 0.87890625,
    "box": [432, 496, 544, 854],
    "current_zones": ["yard", "driveway"],
    "has_snapshot": False,
    "has_clip": False,
    "path_data": [[[0.4, 0.9], 1607123955.475377]],
}
LISTED = {
    "id": ID,
    "camera": "front_door",
    "label": "person",
    "start_time": 1607123955.475377,
    "end_time": 1607123965.475377,
    "has_snapshot": True,
    "zones": [],
    "data": {"box": [0.25, 0.5, 0.0625, 0.375], "region": [0, 0, 1, 1], "type": "object"},
}


def said(kind="update", **values):
    return json.dumps({"type": kind, "before": STATE, "after": STATE | values}).encode()


def at(seconds):
    return datetime.fromtimestamp(seconds, tz=UTC)


def test_a_message_of_the_manual():
    """Frames of 1600 x 1000: 432 of 1600 is 0.27, 854 - 496 of 1000 is 0.358."""
    message = read_message(said())
    assert message.is_person
    event = message.event((1600, 1000))
    assert (event.id, event.camera, event.is_over, event.has_snapshot) == (
        ID,
        "front_door",
        False,
        False,
    )
    assert (event.start, event.end) == (at(1607123955.475377), at(1607123962.082975))
    assert event.place == PathPoint(event.end, 0.27, 0.496, 0.07, 0.358)
    assert event.snapshot == PathPoint(at(1607123961.837752), 0.265, 0.5, 0.07, 0.212)


def test_the_number_is_the_beginning_of_the_hash_of_the_id():
    """``printf ID | sha256sum`` begins with 9e34d6981a91 in hexadecimal digits."""
    event = read_message(said()).event((1600, 1000))
    assert f"{event.number:012x}" == "9e34d6981a91"


@pytest.mark.parametrize(
    ("kind", "values", "is_person", "is_over"),
    [
        ("new", {}, True, False),
        ("end", {"end_time": 1607123970.5, "has_snapshot": True}, True, True),
        ("end", {"snapshot": None}, True, True),
        ("update", {"label": "car"}, False, False),
        ("update", {"false_positive": True}, False, False),
    ],
)
def test_kinds_of_messages(kind, values, is_person, is_over):
    message = read_message(said(kind, **values))
    event = message.event((1600, 1000))
    assert (message.is_person, event.is_over) == (is_person, is_over)
    assert event.has_snapshot == values.get("has_snapshot", False)
    assert (event.snapshot is None) == ("snapshot" in values)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "EOF"),
        (b"<html>", "expected value"),
        (b"[1, 2]", "all of it"),
        (b'{"type": "new"}', "after"),
        (said("gone"), "type"),
        (said(id="../../config"), "after.id"),
        (said(camera="a/b"), "after.camera"),
        (said(box=[1, 2, 3]), "after.box"),
        (said(start_time=-1), "after.start_time"),
        (said(frame_time=1e300), "after.frame_time"),
        (b'{"type": "new", "after": \xff}', "all of it"),
    ],
)
def test_messages_that_are_none(payload, reason):
    with pytest.raises(DataError, match="not as Frigate writes it") as caught:
        read_message(payload)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_list():
    car = LISTED | {"label": "car"}
    boxless = LISTED | {"data": {"type": "api"}}
    wrong = LISTED | {"camera": "a/b"}
    found = read_list(json.dumps([LISTED, car, boxless, wrong, {}]).encode())
    assert [one and one.is_person for one in found] == [True, False, True, None, None]
    event = found[0].event()
    assert (event.start, event.end) == (at(1607123955.475377), at(1607123965.475377))
    assert (event.is_over, event.has_snapshot, event.place) == (True, True, None)
    assert event.snapshot == PathPoint(at(1607123960.475377), 0.25, 0.5, 0.0625, 0.375)
    assert event.number == read_message(said()).event((1600, 1000)).number
    assert found[2].event().snapshot is None


@pytest.mark.parametrize("content", [b'{"message": "no"}', b"[1]", b"<html>", b""])
def test_lists_that_are_none(content):
    with pytest.raises(DataError, match="a list is not as"):
        read_list(content)


def test_sizes_of_a_configuration():
    cameras = {
        "door": {"detect": {"width": 1280, "height": 720, "fps": 5}, "ffmpeg": {}},
        "unsaid": {"detect": {"width": None}},
        "off": {"detect": {"width": 0, "height": 0}},
    }
    assert read_sizes(json.dumps({"cameras": cameras}).encode()) == {"door": (1280, 720)}
