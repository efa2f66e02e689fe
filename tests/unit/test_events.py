"""Tracklets of the watch list become events: matched by hand, kept with the tracklet, delivered."""

import hashlib
import hmac
import json
import sqlite3
import time

import pytest

from documents import blocks
from event_cases import axis, calibration, fill, receiving, record_id, see
from fprnet.errors import GalleryError, GalleryMissingError, UsageError
from fprnet.events.dispatcher import Dispatcher
from fprnet.events.matching import Matcher
from fprnet.events.mqtt import MqttSink
from fprnet.events.outbox import last_event, latest_events, waiting
from fprnet.events.sinks import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIME_HEADER,
    JsonLines,
    UndeliveredError,
    Webhook,
    read_secret,
    signature,
)
from fprnet.events.watch_list import unwatch, watch_for, watch_list
from fprnet.gallery.audit import AuditEntry, read_entries
from fprnet.gallery.tracklets import add_tracklet
from tracklet_cases import tracklet

SECRET = b"0123456789abcdef"


@pytest.fixture
def gallery(placed):
    fill(placed)
    return placed


@pytest.fixture
def said():
    return []


@pytest.fixture
def silent(gallery, said):
    """Nobody is told."""
    return Dispatcher(gallery, [], said.append)


def test_the_watch_list_is_kept_and_audited(gallery):
    assert [(one.identity, one.images, one.by) for one in watch_list(gallery)] == [
        ("adaline", 2, "clerk"),
        ("bob", 1, "clerk"),
    ]
    entry = AuditEntry("watch", "clerk")
    watch_for(gallery, "carl", by="clerk", audit=[entry])
    watch_for(gallery, "carl", by="clerk", audit=[entry])  # is there
    unwatch(gallery, "bob", audit=[AuditEntry("unwatch", "clerk")])
    assert [one.identity for one in watch_list(gallery)] == ["adaline", "carl"]
    entries = [(one["event"], one["ids"]) for one in read_entries(gallery.database)]
    assert entries == [("watch", [record_id(3)]), ("unwatch", [record_id(2)])]
    with pytest.raises(GalleryMissingError, match=r"no image of gallery .* says identity 'dora'"):
        watch_for(gallery, "dora", by="clerk")
    with pytest.raises(GalleryMissingError, match="'bob' is not on the watch list"):
        unwatch(gallery, "bob")


def test_who_is_watched_and_alike_matches(gallery):
    matcher = Matcher(gallery, calibration(), 0.01)
    near = axis(0, near=0.2)
    (match,) = matcher.matches(tracklet(vectors=[near, axis(0)], modality="infrared"))
    assert match.identity == "adaline"
    # The template of the two crops against axis 0, by hand.
    mean = (near + axis(0)) / 2
    assert match.similarity == pytest.approx(mean[0] / (mean @ mean) ** 0.5, abs=1e-3)
    # Two templates are compared, ada's and bob's, each at half of a rate of 1 %.
    assert match.threshold == calibration().tracklets.threshold(0.01, 2)
    assert match.probability == pytest.approx(
        calibration().tracklets.probability(match.similarity, 2)
    )
    (same,) = matcher.matches(tracklet(vectors=[near], modality="visible"))
    assert same.probability is None  # not calibrated within a modality
    assert matcher.matches(tracklet(vectors=[axis(5)])) == []  # carl is not watched
    assert matcher.matches(tracklet(vectors=[axis(7)])) == []
    gallery.remove([record_id(0), record_id(1)])
    assert matcher.matches(tracklet(vectors=[near])) == []  # hidden records find nobody
    for rate in (0.0, 1.0):
        with pytest.raises(GalleryError, match="false-match rate"):
            Matcher(gallery, calibration(), rate)


def test_an_event_is_there_exactly_if_its_tracklet_is(gallery, silent):
    assert last_event(gallery) == 0
    assert [match.identity for match in see(gallery, silent, 1, 0)] == ["adaline"]
    assert see(gallery, silent, 2, 5) == []
    (event,) = latest_events(gallery)
    assert (event.identity, event.tracklet.id, event.record) == ("adaline", 1, record_id(0))
    assert event.false_match_rate == 0.01
    see(gallery, silent, 1, 0)  # the same tracklet again
    assert latest_events(gallery) == [event]

    def fails(connection, number):
        raise RuntimeError(number)

    with pytest.raises(RuntimeError):
        add_tracklet(gallery, tracklet(3, start=30, vectors=[axis(3)]), also=fails)
    assert latest_events(gallery) == [event]
    see(gallery, silent, 4, 3)
    assert [one.identity for one in latest_events(gallery, after=event.number)] == ["bob"]
    assert len(latest_events(gallery, limit=1)) == 1
    assert latest_events(gallery, limit=1)[0].identity == "bob"
    assert not gallery.database.damaged()


def test_erasing_takes_events_and_names_along(gallery, silent, place):
    see(gallery, silent, 1, 0)
    see(gallery, silent, 2, 3)
    gallery.erase([crop.id for crop in latest_events(gallery)[1].tracklet.crops])
    assert [one.identity for one in latest_events(gallery)] == ["adaline"]
    gallery.erase([record_id(0), record_id(1)])
    assert latest_events(gallery) == []
    assert [one.identity for one in watch_list(gallery)] == ["bob"]
    if place.uri.endswith(".db"):
        for file in place.folder.glob("people.db*"):
            assert b"adaline" not in file.read_bytes()


def test_a_webhook_is_signed_and_told_once(gallery, said):
    with receiving() as receiver:
        hook = Webhook(receiver.url, SECRET)
        dispatcher = Dispatcher(gallery, [hook], said.append)
        see(gallery, dispatcher, 1, 0)
        dispatcher.send()
        dispatcher.send()
        ((headers, body),) = receiver.received
    assert json.loads(body) == latest_events(gallery)[0].model_dump(mode="json")
    stamp = headers[TIME_HEADER]
    assert abs(int(stamp) - time.time()) < 60
    expected = hmac.new(SECRET, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE_HEADER] == f"sha256={expected}" == signature(SECRET, stamp, body)
    assert headers[ID_HEADER] == latest_events(gallery)[0].id
    assert headers["Content-Type"] == "application/json"
    assert (waiting(gallery.database), said) == ({}, [])


def test_the_documented_receiver_knows_genuine_events():
    (code,) = blocks("events.md", "python")
    names = {}
    exec(code, names)
    stamp, body = str(int(time.time())), b'{"id": "x"}'
    headers = {TIME_HEADER: stamp, SIGNATURE_HEADER: signature(SECRET, stamp, body)}
    assert names["is_genuine"](SECRET, headers, body)
    assert not names["is_genuine"](SECRET, headers, body + b" ")
    assert not names["is_genuine"](b"another secret..", headers, body)
    old = str(int(stamp) - 1000)
    assert not names["is_genuine"](SECRET, {**headers, TIME_HEADER: old}, body)


def test_a_receiver_that_is_gone_is_told_later(gallery, said):
    with receiving() as gone:
        url = gone.url
    dispatcher = Dispatcher(gallery, [Webhook(url, SECRET)], said.append)
    see(gallery, dispatcher, 1, 0)
    see(gallery, dispatcher, 2, 3)
    dispatcher.send()
    dispatcher.send()  # not yet again
    assert waiting(gallery.database) == {f"webhook {url}": 2}
    assert len(said) == 1
    assert "does not answer" in said[0]
    with receiving(int(url.split(":")[2].split("/")[0])) as back:
        later = Dispatcher(gallery, [Webhook(url, SECRET)], said.append)  # as after a restart
        later.send()
        told = {json.loads(body)["id"] for _, body in back.received}
    assert told == {event.id for event in latest_events(gallery)}
    assert waiting(gallery.database) == {}


@pytest.mark.parametrize("status", [302, 400, 500])
def test_only_success_acknowledges(gallery, said, status):
    with receiving() as receiver:
        receiver.status = status
        dispatcher = Dispatcher(gallery, [Webhook(receiver.url, SECRET)], said.append)
        dispatcher.start()
        see(gallery, dispatcher, 1, 0)
        see(gallery, dispatcher, 2, 3)
        deadline = time.monotonic() + 20
        while len(receiver.received) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        receiver.status = 200
        dispatcher.wake()
        while waiting(gallery.database) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert dispatcher.close() == 0
    assert f"answers {status}" in said[0]
    assert said[1].endswith("takes events again")
    assert len(said) == 2


def test_an_event_that_is_refused_does_not_hold_up_the_others(gallery, said):
    class Picky:
        name = "picky"

        def __init__(self):
            self.told = []

        def send(self, event):
            if event.identity == "adaline":
                raise UndeliveredError("picky wants no adaline")
            self.told.append(event.identity)

        def close(self):
            pass

    sink = Picky()
    dispatcher = Dispatcher(gallery, [sink], said.append)
    see(gallery, dispatcher, 1, 0)
    see(gallery, dispatcher, 2, 3)
    dispatcher.send()
    dispatcher._states["picky"].again = 0.0  # the second has passed
    dispatcher.send()
    assert sink.told == ["bob"]
    assert dispatcher.close() == 1


def test_what_is_erased_during_a_delivery_is_not_delivered_after_it(gallery, said, silent):
    lines = []

    def erase_the_other(line):
        lines.append(json.loads(line))
        gallery.erase([record_id(2)])

    for number, person in enumerate((0, 3), start=1):
        see(gallery, silent, number, person)
    dispatcher = Dispatcher(gallery, [JsonLines(erase_the_other)], said.append)
    assert len(latest_events(gallery)) == 2
    for number, person in enumerate((0, 3), start=3):
        see(gallery, dispatcher, number, person)
    dispatcher.send()
    assert [line["event"]["identity"] for line in lines] == ["adaline"]


def test_json_lines(gallery):
    lines = []
    dispatcher = Dispatcher(gallery, [JsonLines(lines.append)], print)
    see(gallery, dispatcher, 1, 0)
    dispatcher.send()
    assert json.loads(lines[0])["event"]["identity"] == "adaline"
    assert waiting(gallery.database) == {}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Webhook("ftp://example.org/", SECRET), "no http:// or https:// address"),
        (lambda: Webhook("http://[", SECRET), "is no address"),
        (lambda: Webhook("https://u:secret@example.org/", SECRET), "has a user name"),
        (lambda: MqttSink("http://example.org"), "no mqtt:// or mqtts:// address"),
        (lambda: MqttSink("mqtt://u:secret@example.org"), r"set \$MQTT_PASSWORD"),
        (lambda: MqttSink("mqtt://example.org:99999"), "is no address"),
        (lambda: MqttSink("mqtt://u:secret@example.org:99999"), "is no address"),
        (lambda: MqttSink("http://u:secret@example.org"), r"set \$MQTT_PASSWORD"),
        (lambda: MqttSink("mqtt://example.org/a+b"), "has one of"),
    ],
)
def test_addresses_that_are_none_are_one_line(make, words):
    with pytest.raises(UsageError, match=words) as raised:
        make()
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_cameras_have_topics_of_their_own():
    sink = MqttSink("mqtt://example.org/site")
    names = ("gate/a", "gate_a", "gate%2Fa", "gate a", "gate+a", "gate#a", "大門")
    topics = {sink._topic(name) for name in names}
    assert len(topics) == len(names)
    assert all(topic.count("/") == 2 and "+" not in topic and "#" not in topic for topic in topics)


def test_the_outbox_does_not_keep_secrets_of_an_address():
    name = Webhook("https://example.org/hook?token=hidden", SECRET).name
    assert "hidden" not in name
    assert name.startswith("webhook https://example.org/hook")
    assert name != Webhook("https://example.org/hook?token=other", SECRET).name


def test_secrets_are_read_from_files(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    assert read_secret(file) == SECRET
    file.write_bytes(b"short")
    with pytest.raises(UsageError, match="has 5 bytes; give 16 or more"):
        read_secret(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_secret(tmp_path / "none")


def test_a_gallery_of_version_1_gets_the_tables(tmp_path):
    from fprnet.gallery.gallery import Gallery
    from gallery_cases import MODEL

    uri = tmp_path / "people.db"
    Gallery.create(str(uri), MODEL).close()
    with sqlite3.connect(uri) as connection:
        for table in ("delivery", "event", "watched"):
            connection.execute(f"DROP TABLE {table}")
        for table in ("grouping_change", "grouping_step", "member", "person", "crop", "tracklet"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP TABLE image")
        connection.execute("UPDATE gallery SET version = 1")
    with Gallery.open(str(uri), writable=True) as gallery:
        fill(gallery)
        assert len(watch_list(gallery)) == 2
