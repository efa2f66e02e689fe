"""Events end to end: a watched film, a killed sender, a real broker, the service's stream."""

import json
import shutil
import subprocess
import sys
import threading
import time

import pytest

from event_cases import fill, receiving, see
from fprnet.events.dispatcher import Dispatcher
from fprnet.events.mqtt import MqttSink
from fprnet.events.outbox import latest_events, waiting
from fprnet.events.sinks import UndeliveredError
from fprnet.gallery.gallery import Gallery
from gallery_cases import MODEL
from live_cases import broker, broker_program, free_port
from service_cases import client_at, problem, process_of
from tracklet_cases import make_walks

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(str(tmp_path / "people.db"), MODEL) as gallery:
        fill(gallery)
        yield gallery


SENDER = """
import os, sys
from fprnet.events.dispatcher import Dispatcher
from fprnet.events.sinks import Webhook
from fprnet.gallery.gallery import Gallery
with Gallery.open(sys.argv[1], writable=True) as gallery:
    dispatcher = Dispatcher(gallery, [Webhook(sys.argv[2], b"0123456789abcdef")], print)
    print("ready", flush=True)
    dispatcher.send()
"""


def test_killed_senders_lose_no_event_and_keep_its_id(gallery, tmp_path):
    with receiving() as receiver:
        from fprnet.events.sinks import Webhook

        mine = Dispatcher(gallery, [Webhook(receiver.url, b"0123456789abcdef")], print)
        for number in range(40):
            see(gallery, mine, number, 0)
        for part in range(4):
            words = [sys.executable, "-c", SENDER, gallery.uri, receiver.url]
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout.readline() == "ready\n"
                deadline = time.monotonic() + 20
                while len(receiver.received) < 5 * (part + 1) and time.monotonic() < deadline:
                    time.sleep(0.002)
                process.kill()
        mine.send()
        told = [json.loads(body)["id"] for _, body in receiver.received]
    events = latest_events(gallery)
    assert set(told) == {event.id for event in events}
    assert len(events) == 40
    assert len(told) <= 40 + 4  # at most one is sent again for each kill
    assert waiting(gallery.database) == {}


def test_a_real_broker_is_told_and_home_assistant_finds_the_camera(gallery, tmp_path):
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    broker_program()
    port, said = free_port(), []
    sink = MqttSink(f"mqtt://127.0.0.1:{port}/site")
    dispatcher = Dispatcher(gallery, [sink], said.append)
    see(gallery, dispatcher, 1, 0, camera="gate/a")
    dispatcher.send()
    assert "does not answer" in said[0]
    assert waiting(gallery.database) == {sink.name: 1}
    with broker(port, tmp_path):
        got, all_there = {}, threading.Event()
        listener = Client(CallbackAPIVersion.VERSION2)

        def take(client, data, message):
            got[message.topic] = json.loads(message.payload)
            if len(got) == 2:
                all_there.set()

        listener.on_message = take
        listener.connect("127.0.0.1", port)
        listener.subscribe("#", qos=1)
        listener.loop_start()
        dispatcher._states[sink.name].again = 0.0
        dispatcher.send()
        assert all_there.wait(20)
        listener.loop_stop()
        assert dispatcher.close() == 0
    (event,) = latest_events(gallery)
    body = got.pop("site/events/gate%2Fa")
    assert body == {"event_type": "match", **event.model_dump(mode="json")}
    ((topic, config),) = got.items()
    assert topic.startswith("homeassistant/event/fprnet_")
    assert topic.endswith("/config")
    assert config["state_topic"] == "site/events/gate%2Fa"
    assert config["event_types"] == ["match"]
    with pytest.raises(UndeliveredError):  # it has gone
        sink.send(event)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks")
    uri = folder / "people.db"
    make_walks(uri)
    return uri


def test_the_service_streams_events_and_keeps_the_watch_list(walked, tmp_path):
    uri = shutil.copy(walked, tmp_path / "people.db")
    with process_of("--gallery", uri, "--rate", 0) as process:
        with client_at(process.address) as client, Gallery.open(str(uri), writable=True) as gallery:
            client.patch(
                f"/v1/gallery/images/{first_image(client)}", json={"identity": "adaline"}
            ).raise_for_status()
            answer = client.put("/v1/watch-list/adaline")
            assert answer.status_code == 200, answer.text
            assert client.get("/v1/watch-list").json()["identities"][0]["images"] == 1
            assert problem(client.put("/v1/watch-list/nobody")) == (404, "record_unknown")
            with client.stream("GET", "/v1/events/stream", headers={"Last-Event-ID": "0"}) as lines:
                assert lines.headers["content-type"].startswith("text/event-stream")
                text = lines.iter_lines()
                assert next(text) == "retry: 1000"
                write_event(gallery)
                found = dict(line.split(": ", 1) for line in until_blank(text) if line)
            assert found["event"] == "match"
            event = json.loads(found["data"])
            assert (int(found["id"]), event["identity"]) == (1, "adaline")
            assert client.get("/v1/events").json()["events"] == [event]
            assert client.get("/v1/events", params={"after": 1}).json()["events"] == []
            assert client.delete("/v1/watch-list/adaline").status_code == 204
            assert problem(client.delete("/v1/watch-list/adaline"))[0] == 404
            with client.stream("GET", "/v1/events/stream") as lines:
                next(lines.iter_lines())
                started = time.monotonic()
                assert process.stop() == 0  # an open stream holds nothing up
                assert time.monotonic() - started < 10
        assert "Traceback" not in process.log.read_text()


def first_image(client):
    return client.get("/v1/tracklets").json()["tracklets"][0]["crops"][0]["id"]


def write_event(gallery):
    from fprnet.events.matching import Match
    from fprnet.events.outbox import write_events

    tables = gallery.database.tables
    with gallery.database.writing() as connection:
        record = connection.scalar(tables.record.select().with_only_columns(tables.record.c.number))
        match = Match("adaline", record, 0.9, 0.8, 0.5)
        write_events(connection, tables, 1, [match], false_match_rate=0.01, sinks=[])


def until_blank(lines):
    started = False
    for line in lines:
        if line.startswith("id:"):
            started = True
        if started:
            if not line:
                return
            yield line


def test_commands_of_the_watch_list_and_events(fprnet, gallery, tmp_path):
    uri = tmp_path / "people.db"
    result = fprnet("gallery", "watch-list", "--uri", uri, "--add", "carl", "--remove", "bob")
    assert result.status == 0, result.err
    assert [line.split()[:2] for line in result.out.splitlines()[1:]] == [
        ["adaline", "2"],
        ["carl", "1"],
    ]
    result = fprnet("gallery", "watch-list", "--uri", uri, "--add", "dora")
    assert result.status == 2
    assert "says identity 'dora'" in result.complaint
    assert fprnet("events", "list", "--gallery", uri).out == "no events\n"
    secret = tmp_path / "hook.secret"
    secret.write_text(SECRET)
    with receiving() as receiver:
        from fprnet.events.sinks import Webhook

        sink = Webhook(receiver.url, SECRET.encode())
        see(gallery, Dispatcher(gallery, [sink], print), 1, 5)
        words = ("events", "send", "--gallery", uri, "--webhook", receiver.url, "--secret", secret)
        receiver.status = 503
        result = fprnet(*words)
        assert (result.status, result.out) == (2, "0 events sent, 1 still wait\n")
        receiver.status = 200
        result = fprnet(*words)
        assert (result.status, result.out) == (0, "1 events sent, 0 still wait\n")
    listed = fprnet("events", "list", "--gallery", uri, "--json")
    assert json.loads(listed.out)["identity"] == "carl"
    assert "carl" in fprnet("events", "list", "--gallery", uri).out
    for wrong, words in (
        (("--webhook", receiver.url), "--webhook and --secret go together"),
        ((), "nobody is told"),
    ):
        result = fprnet("events", "send", "--gallery", uri, *wrong)
        assert result.status == 2
        assert words in result.complaint
