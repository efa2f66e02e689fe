"""``fprnet watch frigate+http://...`` as users type it: a real broker, and a server that plays one.

Both are killed in the middle and come back; the command is a process of its own.
"""

import shutil
import signal
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from fprnet.events.broker import Broker
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.tracklets import latest_tracklets, stored_image
from fprnet.watch.frigate.feed import Feed
from frigate_cases import PlayedFrigate, listed, message, playing, shown
from live_cases import LONG, broker, broker_program, free_port, watching
from watch_cases import START, at, box_at

TOPIC = "nvr/events"


@pytest.fixture
def uri(empty_gallery, tmp_path):
    return shutil.copy(empty_gallery, tmp_path / "people.db")


class Publisher:
    """Publishes what a Frigate says."""

    def __init__(self, port):
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def say(self, *args, **values):
        self._client.publish(TOPIC, message(*args, **values), qos=1).wait_for_publish(20)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def speaking(port, folder):
    """A broker, and who publishes there."""
    with broker(port, folder):
        publisher = Publisher(port)
        try:
            yield publisher
        finally:
            publisher.close()


def fields(tracklet, *names):
    return tuple(tracklet[name] for name in names)


def test_a_frigate_by_day_and_night_through_two_outages(uri, tmp_path):
    broker_program()
    port, http = free_port(), free_port()
    frigate = PlayedFrigate()
    words = (f"frigate+http://viewer:pa55word@127.0.0.1:{http}", "--gallery", uri)
    words += ("--frigate-mqtt", f"mqtt://127.0.0.1:{port}/nvr", "--timeout", 5)
    words += ("--start", START.isoformat(), "--frigate-camera", "door")
    words += ("--frigate-camera", "yard=garden", "--location", "house")
    frigate.login = ("viewer", "pa55word")
    with ExitStack() as stack:
        one = stack.enter_context(watching(*words))
        one.wait_for(lambda: one.said(f"mqtt://127.0.0.1:{port}/nvr", "calling it again"))
        one.wait_for(lambda: one.said("frigate+http", "calling it again"))
        with playing(http, frigate), speaking(port, tmp_path) as publisher:
            one.wait_for(lambda: one.said("is back") == 2)
            frigate.ongoing["day"], frigate.clean["day"] = (shown(1, dark=9), None), shown(3)
            publisher.say("new", "day", 0, 0, has_snapshot=False)
            publisher.say("update", "day", 0, 1)
            publisher.say("end", "day", 0, 4, shot=3)
            frigate.clean["night"] = shown(2, gray=True)
            publisher.say("end", "night", 10, 12, shot=2, camera="yard")
            publisher.say("end", "cat", 10, 12, label="cat")
            one.wait_for(lambda: len(one.tracklets) == 2)
        one.wait_for(lambda: one.said("mqtt://", "is gone"))
        # While both are away somebody passes, and one who was there leaves.
        frigate.clean["missed"] = shown(4, dark=18)
        frigate.events = [
            listed("day", 0, 9, shot=3),
            listed("missed", 20, 22, shot=4),
            listed("night", 10, 17, shot=2, camera="yard"),
        ]
        with playing(http, frigate), speaking(port, tmp_path) as publisher:
            one.wait_for(lambda: len(one.tracklets) == 3)
            frigate.ongoing["last"] = (shown(1, dark=27), None)
            publisher.say("update", "last", 30, 31, shot=1)
            publisher.say("end", "gone", 40, 41)
            one.wait_for(lambda: frigate.asked.count("/api/events/gone/snapshot-clean.png") >= 1)
            assert one.end(signal.SIGINT) == 0
    day, night, missed, last = sorted(one.tracklets, key=lambda tracklet: tracklet["start"])
    assert fields(day, "camera", "location", "modality") == ("door", "house", "visible")
    assert fields(day, "start", "end") == ("2026-03-01T12:00:00Z", "2026-03-01T12:00:04Z")
    assert day["source"] == f"frigate+http://127.0.0.1:{http}"
    assert fields(night, "camera", "location", "modality") == ("garden", "house", "infrared")
    assert missed["start"] == "2026-03-01T12:00:20Z"
    assert last["start"] == "2026-03-01T12:00:30Z"
    assert all(tracklet["new"] for tracklet in one.tracklets)
    assert one.said("mqtt://", "calling it again") == one.said("mqtt://", "is back") == 2
    assert one.said("5 tracks, 4 tracklets in the gallery, 1 without a good crop") == 1
    assert not any("pa55word" in line or "Traceback" in line for line in one.lines)
    with Gallery.open(str(uri)) as gallery:
        kept = {tracklet.id: tracklet for tracklet in latest_tracklets(gallery)}[day["id"]]
        crops = {crop.time: crop for crop in kept.crops}
        assert set(crops) == {at(1), at(3)}
        assert crops[at(3)].box == box_at(3)
        from fprnet.data.images import decode_image

        pixels, _ = decode_image(stored_image(gallery, crops[at(3)].id))
        assert pixels.shape == (75, 30, 3)


def test_yesterdays_events_are_added_once_beside_a_frigate_that_is_none(uri, tmp_path):
    broker_program()
    port = free_port()
    with playing() as frigate, playing() as none, speaking(port, tmp_path):
        none.answers["/api/config"] = (200, "text/html", b"<!doctype html><html></html>")
        frigate.events = [listed("a", 0, 2, shot=1), listed("b", 5, 7, shot=2, camera="yard")]
        frigate.clean = {"a": shown(1), "b": shown(2, dark=9)}
        words = (none.address, frigate.address, "--gallery", uri, "--start", "2026-03-01T11:00")
        words += ("--frigate-mqtt", f"mqtt://127.0.0.1:{port}")
        for is_new in (True, False):
            with watching(*words) as one:
                one.wait_for(lambda one=one: len(one.tracklets) == 2)
                assert one.end() == 0
            assert [tracklet["new"] for tracklet in one.tracklets] == [is_new] * 2
            assert {tracklet["camera"] for tracklet in one.tracklets} == {"door", "yard"}
            assert one.said(none.address, "an HTML page", "calling it again") == 1
        assert one.said("2 tracklets in the gallery (2 were there)") == 1


def test_a_broker_that_refuses(tmp_path):
    broker_program()
    port, lines, once = free_port(), [], threading.Event()

    def say(line):
        lines.append(line)
        once.set()

    feed = Feed(Broker.of(f"mqtt://reader@127.0.0.1:{port}", prefix="frigate"), "wrong")
    with broker(port, tmp_path, "allow_anonymous false"), feed.running(say):
        assert once.wait(LONG)
        time.sleep(1.5)  # it is called again
    assert len(lines) == 1
    assert "mqtt://127.0.0.1" in lines[0]
    assert "refuses the connection (Not authorized)" in lines[0]
    assert not feed.was_behind()


def test_options_that_do_not_fit(fprnet, uri):
    frigate, mqtt = "frigate+http://127.0.0.1:1", ("--frigate-mqtt", "mqtt://127.0.0.1:1")
    for words, value in (
        ((frigate,), "--frigate-mqtt is missing"),
        ((frigate, *mqtt, "--camera", "door"), "--frigate-camera"),
        ((frigate, *mqtt, *mqtt), "--frigate-mqtt is given 2 times"),
        ((frigate, "--frigate-mqtt", "http://x"), "no mqtt:// or mqtts:// address"),
        ((frigate, *mqtt, "--frigate-camera", "door="), "'door='"),
        (("frigate+http://u:s3cret@host:x", *mqtt), "address of the Frigate"),
        (("door.mp4", *mqtt, "--camera", "door"), "without a Frigate"),
        ((frigate, "door.mp4", *mqtt), "--camera is missing"),
    ):
        result = fprnet("watch", *words, "--gallery", uri)
        assert (result.status, value in result.complaint) == (2, True), (words, result.err)
        assert "s3cret" not in result.err
