"""Who may reach ``fprnet serve``, how fast, from which pages, and how it comes to an end."""

import http.client
import json
import shutil
import signal
import sqlite3
import time
from contextlib import closing, contextmanager

import httpx2
import pytest

from fprnet.gallery.gallery import Gallery
from fprnet.serving.keys import add_key, revoke_key
from service_cases import (
    IDS,
    MODEL,
    add,
    audit,
    client_at,
    image_bytes,
    part,
    problem,
    process_of,
    search,
    sha256,
)

BURST = 40
UPLOAD = "/v1/gallery/images"
KEPT = image_bytes(510)
ABOUT = part("metadata", b'{"modality": "visible"}')
ELSEWHERE = "https://elsewhere.example"


def test_any_address_but_the_machines_own_needs_keys(fprnet, tmp_path):
    words = ("serve", "--gallery", tmp_path / "people.db", "--port", 0, "--host", "0.0.0.0")
    refused = fprnet(*words)
    assert refused.status == 2
    assert "fprnet keys add" in refused.complaint


@pytest.fixture(scope="module")
def guarded(serve, keys):
    """Reachable from other machines, only reads, and its buckets take an hour to fill."""
    words = ("--host", "0.0.0.0", "--keys", "--read-only", "--rate", 0.01, "--burst", BURST)
    words += ("--trusted-proxy", "127.0.0.1")
    with serve(*words, key=keys["search"]) as (process, client):
        yield process, client
        assert process.stop(signal.SIGINT) == 0
        assert "Traceback" not in process.log.read_text()


def test_keys_are_asked_for(guarded, keys):
    address = guarded[0].address
    with client_at(address, keys["monitor"]) as monitor, client_at(address) as stranger:
        assert monitor.get("/metrics").status_code == 200
        assert stranger.get("/healthz").status_code == 200
        for path in ("/metrics", "/v1/gallery", "/v1/me", f"/v1/gallery/images/{IDS[0]}/content"):
            assert problem(stranger.get(path)) == (401, "key_missing")


def test_pages_of_other_sites_get_nothing(guarded, keys):
    with client_at(guarded[0].address, keys["write"], origin=ELSEWHERE) as client:
        ask = {"Access-Control-Request-Method": "POST"}
        preflight = client.options("/v1/search", headers=ask)
        assert problem(preflight)[0] in (403, 405)
        refused = client.post("/v1/search", json={"embeddings": [[1.0]]})
        assert problem(refused) == (403, "foreign_origin")
        for answer in (preflight, refused, client.get("/v1/gallery"), client.get("/healthz")):
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_address_is_what_the_trusted_proxy_says(guarded, keys):
    process, _ = guarded
    elsewhere = httpx2.HTTPTransport(local_address="127.0.0.3")
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    with (
        client_at(process.address) as proxy,
        client_at(process.address, transport=elsewhere) as liar,
    ):
        assert proxy.get("/v1/gallery", headers=forwarded).status_code == 401
        assert liar.get("/v1/gallery/images", headers=forwarded).status_code == 401
    with client_at(process.address, keys["admin"]) as client:
        search(client, KEPT)  # the log is written in order, and a search waits for it
    entries = audit(process.folder)
    denied = {entry["path"]: entry["address"] for entry in entries if entry["event"] == "denied"}
    assert denied["/v1/gallery"] == "203.0.113.9"
    assert denied["/v1/gallery/images"] == "127.0.0.3"


def test_too_many_requests_of_one_key(guarded, keys):
    process, client = guarded
    answers = [client.get("/v1/me") for _ in range(BURST + 5)]
    assert [answer.status_code for answer in answers] == [200] * BURST + [429] * 5
    assert problem(answers[-1]) == (429, "too_fast")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 100
    with client_at(process.address, keys["admin"]) as other:
        assert other.get("/v1/me").status_code == 200
    # Guessing keys is slowed down, too: by address.
    elsewhere = httpx2.HTTPTransport(local_address="127.0.0.2")
    with client_at(process.address, "fprnet_00000000_guess", transport=elsewhere) as guesser:
        codes = [problem(guesser.get("/v1/me"))[0] for _ in range(BURST + 1)]
    assert codes[-1] == 429
    assert set(codes) == {401, 429}


def test_key_that_is_revoked_while_the_service_runs(guarded):
    process, _ = guarded
    with Gallery.open(str(process.folder / "people.db"), writable=True) as gallery:
        text = add_key(gallery.database, "ward-3", "search")
        with client_at(process.address, text) as client:
            assert client.get("/v1/gallery").json()["writable"] is False
            revoke_key(gallery.database, "ward-3")
            assert problem(client.get("/v1/gallery")) == (401, "key_revoked")


def test_gallery_that_is_only_read(guarded, keys):
    image = f"/v1/gallery/images/{IDS[0]}"
    with client_at(guarded[0].address, keys["admin"]) as client:
        assert problem(client.delete(image)) == (403, "read_only")
        assert problem(client.patch(image, json={"hidden": True})) == (403, "read_only")
        files = [("metadata", (None, '{"modality": "visible"}')), ("image", ("a.png", b"x"))]
        assert problem(client.post("/v1/gallery/images", files=files)) == (403, "read_only")
        assert client.get(image).status_code == 200


@pytest.fixture(scope="module")
def revived(serve):
    """A service that was killed after it had acknowledged an image, and started again."""
    words = ("--rate", 0)
    with serve(*words) as (process, client):
        (line,) = add(client, ({"modality": "visible"}, KEPT))
        assert line["status"] == "added"
        process.process.kill()
        process.process.wait()
        fixed = ("--gallery", process.folder / "people.db", *MODEL)
        with process_of(*fixed, *words) as again:
            again.folder = process.folder
            yield again


def test_what_was_acknowledged_before_sigkill_is_there(revived):
    with client_at(revived.address) as client:
        (match,) = search(client, KEPT, modality="visible", top=1)["matches"]
        assert match["id"] == sha256(KEPT)
        assert client.get(match["image"]).status_code == 200
        (line,) = add(client, ({"modality": "visible"}, KEPT))
        assert line["status"] == "known"


def test_what_another_process_erases_goes_from_a_folder_elsewhere(serve, tmp_path):
    images = [image_bytes(530), image_bytes(531)]
    elsewhere = tmp_path / "elsewhere"
    with serve("--rate", 0, "--folder", elsewhere) as (process, client):
        lines = add(client, *[({"modality": "visible"}, image) for image in images])
        assert [line["status"] for line in lines] == ["added", "added"]
        other = process_of("--gallery", process.folder / "other.db", *MODEL, "--folder", elsewhere)
        shutil.copy(process.folder / "people.db", process.folder / "other.db")
        with sqlite3.connect(process.folder / "other.db") as connection:
            connection.execute("UPDATE gallery SET created = created + 1")
        with pytest.raises(AssertionError, match="holds the images of another gallery"), other:
            pass  # it would erase what is not in its own gallery
        with Gallery.open(str(process.folder / "people.db"), writable=True) as gallery:
            gallery.erase([lines[0]["id"]])
        deadline = time.monotonic() + 30
        while len(copies(elsewhere)) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert copies(elsewhere) == [lines[1]["id"]]


@pytest.mark.parametrize("words", [(), ("--read-only", "--audit", "audit.jsonl")])
def test_nothing_goes_back_to_a_search_of_what_another_process_erased(serve, tmp_path, words):
    words = [tmp_path / word if word.endswith(".jsonl") else word for word in words]
    with serve("--rate", 0, *words) as (process, client):
        image = image_bytes(2)
        found = search(client, image, modality="visible")
        assert found["matches"][0]["id"] == sha256(image)
        with Gallery.open(str(process.folder / "people.db"), writable=True) as gallery:
            gallery.erase([sha256(image)])
        other = {"search": found["search"], "match": found["matches"][1]["id"]}
        asked = [
            ("/v1/search", {"search": found["search"]}),
            ("/v1/explanations", other),
            ("/v1/tracklets/search", {"search": found["search"]}),
        ]
        if not words:
            asked.append(("/v1/feedback", other | {"verdict": "right"}))
        for path, body in asked:
            assert problem(client.post(path, json=body)) == (404, "search_expired"), path
        again = search(client, image, modality="visible")
        assert sha256(image) not in [match["id"] for match in again["matches"]]


def copies(folder):
    return sorted(file.stem for file in (folder / "images").rglob("*.png"))


def test_what_a_killed_service_left_is_swept_and_old_images_are_erased(serve, stock):
    """Half a copy without a record, and an image that is older than the gallery keeps it."""
    old = image_bytes(520)
    taken = "2020-01-01T00:00:00Z"
    with serve("--rate", 0) as (process, client):
        (line,) = add(client, ({"modality": "visible", "time": taken}, old))
        assert line["status"] == "added"
        process.process.kill()
        process.process.wait()
        half = process.folder / "people.db.service" / "images" / "ab" / f".{'ab' * 32}.1.part.png"
        half.parent.mkdir()
        half.write_bytes(image_bytes(521))
        with Gallery.open(str(process.folder / "people.db"), writable=True) as gallery:
            gallery.keep(1000)
        fixed = ("--gallery", process.folder / "people.db", *MODEL, "--rate", 0)
        with process_of(*fixed) as again, client_at(again.address) as late:
            deadline = time.monotonic() + 30
            address = f"/v1/gallery/images/{sha256(old)}"
            while late.get(address).status_code == 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert problem(late.get(address)) == (404, "record_unknown")
            assert again.stop() == 0
        content = [f.read_bytes() for f in process.folder.rglob("*") if f.is_file()]
        for trace in (old, image_bytes(521), sha256(old).encode()):
            assert not [one for one in content if trace in one]
        events = [entry for entry in audit(process.folder) if entry["event"] == "expire"]
        assert [(entry["by"], entry["records"]) for entry in events] == [("service", 1)]


def test_without_keys_only_this_machine_is_served(revived):
    """Neither a proxy's clients nor a foreign name that points here."""
    with client_at(revived.address) as client:
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
            answer = client.get("/v1/gallery", headers={name: "203.0.113.9"})
            assert problem(answer) == (403, "proxy_without_keys")
        answer = client.get("/v1/gallery", headers={"Host": "evil.example"})
        assert problem(answer) == (403, "foreign_host")
        assert client.get("/v1/gallery", headers={"Host": "localhost"}).status_code == 200


def test_sigterm_finishes_what_was_accepted(revived):
    """A search of which half has arrived is answered; a bulk says what it did not take."""
    first, late, query = image_bytes(500), image_bytes(501), image_bytes(3)
    with started(revived, "/v1/search") as asked, started(revived, UPLOAD) as adding:
        form = part("images", query, file="a.png") + b"--x--\r\n"
        asked.send(chunk(form[:200]))
        # An image is complete when the next part begins.
        adding.send(chunk(ABOUT + part("image", first, file="1.png") + ABOUT))
        lines = adding.getresponse()
        assert json.loads(lines.readline())["status"] == "added"
        revived.process.send_signal(signal.SIGTERM)
        wait_until_closed(revived)
        asked.send(chunk(form[200:]) + chunk(b""))
        answer = asked.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["matches"][0]["id"] == IDS[3]
        adding.send(chunk(part("image", late, file="2.png") + b"--x--\r\n") + chunk(b""))
        (line,) = lines.read().splitlines()
        assert json.loads(line)["error"]["code"] == "shutting_down"
    assert revived.process.wait(60) == 0
    assert "Traceback" not in revived.log.read_text()
    with Gallery.open(str(revived.folder / "people.db")) as gallery:
        assert gallery.known([sha256(first), sha256(late)]) == {sha256(first)}


@contextmanager
def started(process, path):
    """Begin a POST whose form is sent piece by piece."""
    host, port = process.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    with closing(connection):
        yield connection


def chunk(content):
    return b"%x\r\n%b\r\n" % (len(content), content)


def wait_until_closed(process):
    """Wait until the service takes no new connections."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{process.address}/healthz?live=1")
        except httpx2.TransportError:
            return
        time.sleep(0.05)
    raise AssertionError("it still listens")
