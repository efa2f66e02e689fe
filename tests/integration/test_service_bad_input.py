"""What must not be sent, sent to ``fprnet serve``: a line that helps, and nothing half-written."""

import http.client
import io
import json
import socket

import numpy as np
import pytest
from PIL import Image

from service_cases import IDS, add, bomb, image_bytes, part, post_images, problem, search, sha256

GOOD = image_bytes(300, colour=False)
DAY = {"modality": "visible"}
FORM = "multipart/form-data; boundary=x"


def saved(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


COLOUR = Image.open(io.BytesIO(image_bytes(301)))
DEEP = Image.fromarray(np.asarray(COLOUR)[..., 0].astype(np.uint16) * 257)
FRAMES = [Image.fromarray(np.asarray(COLOUR)[..., k].copy()) for k in (0, 1)]
REFUSED = [
    (b"", 422, "image_empty"),
    (b"no image at all", 422, "image_format"),
    (GOOD[:-100], 422, "image_damaged"),
    (image_bytes(302, format="JPEG")[:-300], 422, "image_damaged"),
    (saved(COLOUR.convert("F"), "TIFF"), 422, "image_bits"),
    (bomb(6000), 413, "too_many_pixels"),
    (bomb(60_000), 413, "too_many_pixels"),
]


@pytest.fixture
def client(running):
    """A client of a service that a test must leave as it was."""
    process, client = running
    folder = process.folder / "people.db.service"
    before = sorted(folder.rglob("*"))
    yield client
    assert sorted(folder.rglob("*")) == before
    assert client.post("/v1/search", json={"embeddings": [unit(client)]}).json()["candidates"] == 12
    assert 'status="500"' not in client.get("/metrics").text


def unit(client):
    return [1.0] * client.get("/v1/gallery").json()["embedding_size"]


@pytest.mark.parametrize(("content", "status", "code"), REFUSED)
def test_images_that_cannot_be_used(client, content, status, code):
    answer = post_images(client, content)
    assert problem(answer) == (status, code)
    assert answer.json()["error"]["message"].startswith("0.png ")
    # One of several images is enough to refuse the search; it is named.
    answer = post_images(client, GOOD, content)
    assert problem(answer) == (status, code)
    assert answer.json()["error"]["message"].startswith("1.png ")


def test_image_of_30_megabytes(client):
    large = GOOD + bytes(30_000_000)
    answer = post_images(client, large)
    assert problem(answer) == (413, "image_too_large")
    assert answer.json()["error"]["message"] == "0.png has more than 16 MB"
    files = [("metadata", (None, json.dumps(DAY))), ("image", ("a.png", large, "image/png"))]
    assert problem(client.post("/v1/gallery/images", files=files)) == (413, "image_too_large")
    answer = client.post("/v1/search", content=bytes(40_000_000), headers={"Content-Type": FORM})
    assert problem(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("content", "modality", "warnings"),
    [
        (saved(COLOUR.convert("CMYK"), "JPEG"), "visible", []),
        (saved(DEEP, "PNG"), "infrared", []),
        (saved(COLOUR.convert("RGBA"), "WEBP"), "visible", []),
        (
            saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
            "infrared",
            ["animation"],
        ),
        (image_bytes(303), "infrared", ["other_modality"]),
        (image_bytes(303, colour=False), "visible", ["other_modality"]),
    ],
)
def test_unusual_images_are_searched_for_and_warned_of(client, content, modality, warnings):
    found = search(client, content, modality=modality)
    assert len(found["matches"]) == 12
    assert [warning["code"] for warning in found["queries"][0]["warnings"]] == warnings
    assert all(
        warning["message"].startswith("0.png ") for warning in found["queries"][0]["warnings"]
    )


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"filters": {"cameras": [77]}}, "filter", "77"),
        ({"filters": {"locations": [55]}}, "filter", "55"),
        (
            {"filters": {"since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}},
            "filter",
            "2026-03-02",
        ),
        ({"filters": {"since": "2026-03-02T00:00:00"}}, "invalid", "filters.since"),
        ({"filters": {"since": "yesterday"}}, "invalid", "filters.since"),
        ({"filters": {"camera": 1}}, "invalid", "filters.camera"),
        ({"filters": {"cameras": [-1]}}, "invalid", "filters.cameras.0"),
        ({"filters": {"cameras": ["1 or 1 == 1"]}}, "filter", "1 or 1 == 1"),
        ({"filters": {"cameras": [True]}}, "invalid", "filters.cameras.0"),
        ({"filters": {"cameras": ["a\nb"]}}, "invalid", "filters.cameras.0"),
        ({"filters": {"since": "0001-01-01T00:00:00+14:00"}}, "invalid", "filters.since"),
        ({"filters": {"identity": "somebody"}}, "invalid", "filters.identity"),
        ({"modality": "thermal"}, "invalid", "modality"),
        ({"top": 0}, "invalid", "top"),
        ({"top": 2.5}, "invalid", "top"),
        ({"top": "3"}, "invalid", "top"),
        ({"top": True}, "invalid", "top"),
        ({"top": 10**30}, "invalid", "top"),
        ({"false_match_rate": 0.9}, "invalid", "false_match_rate"),
        ({"false_match_rate": float("nan")}, "invalid", "false_match_rate"),
        ({"confirmed": ["x"]}, "invalid", "confirmed.0"),
    ],
)
def test_options_that_make_no_sense(client, options, code, said):
    answer = post_images(client, GOOD, **options)
    assert problem(answer) == (422, code)
    assert said in answer.json()["error"]["message"]
    assert "\n" not in answer.json()["error"]["message"]


def test_confirmed_match_that_is_not_in_the_gallery(client):
    assert problem(post_images(client, GOOD, confirmed=["0" * 64])) == (404, "record_unknown")


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ([("options", (None, "{}"))], 422, "image_missing"),
        ([("images", (f"{i}.png", GOOD)) for i in range(9)], 422, "too_many_images"),
        ([("picture", ("a.png", GOOD))], 422, "invalid"),
        ([("images", ("a.png", GOOD)), ("options", (None, "{'top': 3}"))], 422, "invalid"),
        ([("images", ("a.png", GOOD)), ("options", (None, "[" * 100_000))], 422, "invalid"),
        ([("images", ("a.png", GOOD)), *2 * [("options", (None, "{}"))]], 422, "invalid"),
    ],
)
def test_forms_that_are_no_search(client, files, status, code):
    assert problem(client.post("/v1/search", files=files)) == (status, code)


@pytest.mark.parametrize(
    ("kind", "content", "status", "code"),
    [
        ("text/plain", b"hello", 415, "media_type"),
        ("multipart/form-data", b"--x--", 415, "media_type"),
        (FORM, b"hello", 400, "malformed_multipart"),
        (FORM, b"--x\r\nContent-Disposition: form-data; name", 400, "malformed_multipart"),
        ("application/json", b"{", 422, "invalid"),
        ("application/json", b"\xff\xfe\x00", 422, "invalid"),
        ("application/json", b"[]", 422, "invalid"),
        ("application/json", b"{}", 422, "invalid"),
        ("application/json", b'{"search": "../../keys"}', 422, "invalid"),
        ("application/json", b'{"search": "unknown"}', 404, "search_expired"),
        ("application/json", b'{"embeddings": [[0.5, 0.5]]}', 422, "embedding"),
        ("application/json", b'{"embeddings": [[1e999]]}', 422, "invalid"),
        ("application/json", b'{"embeddings": [[NaN]]}', 422, "invalid"),
        ("application/json", b" " * 2_000_001, 413, "body_too_large"),
    ],
)
def test_bodies_that_are_no_search(client, kind, content, status, code):
    answer = client.post("/v1/search", content=content, headers={"Content-Type": kind})
    assert problem(answer) == (status, code)


def test_embedding_of_zeros_and_of_another_model(client):
    size = len(unit(client))
    answer = client.post("/v1/search", json={"embeddings": [[0.0] * size]})
    assert problem(answer) == (422, "embedding")
    answer = client.post("/v1/search", json={"embeddings": [[1.0] * (size + 1)]})
    assert problem(answer) == (422, "embedding")
    assert f"has {size + 1} numbers, but the gallery's have {size}" in answer.text


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/explanations", {"search": "unknown", "match": IDS[0]}, 404, "search_expired"),
        ("/v1/explanations", {"search": "unknown", "match": "x"}, 422, "invalid"),
        ("/v1/feedback", {"search": "unknown", "match": IDS[0], "verdict": "right"}, 404, None),
        ("/v1/feedback", {"search": "unknown", "match": IDS[0], "verdict": "maybe"}, 422, None),
    ],
)
def test_what_refers_to_no_search(client, path, body, status, code):
    got = problem(client.post(path, json=body))
    assert got[0] == status
    assert code in (None, got[1])


def test_explanation_after_a_search_by_embedding(client):
    found = client.post("/v1/search", json={"embeddings": [unit(client)]}).json()
    body = {"search": found["search"], "match": found["matches"][0]["id"]}
    assert problem(client.post("/v1/explanations", json=body)) == (409, "no_image")
    assert problem(client.post("/v1/feedback", json=body | {"verdict": "right"})) == (
        409,
        "no_image",
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/gallery/images/xyz", 422),
        ("GET", f"/v1/gallery/images/{'0' * 64}", 404),
        ("GET", f"/v1/gallery/images/{'0' * 64}/content", 404),
        ("GET", f"/v1/gallery/images/{IDS[0]}/content?height=1", 422),
        ("GET", f"/v1/gallery/images/{IDS[0]}/content?height=1e9", 422),
        ("DELETE", "/v1/gallery/images/' or '1'='1", 422),
        ("DELETE", f"/v1/gallery/images/{'0' * 64}", 404),
        ("GET", "/v1/feedback?format=xls", 422),
    ],
)
def test_addresses_of_nothing(client, method, path, status):
    assert problem(client.request(method, path))[0] == status


def test_bulk_keeps_what_is_good_and_says_why_the_rest_is_not(running):
    process, client = running
    fresh = image_bytes(400)
    lines = add(client, *((DAY, content) for content, _, _ in REFUSED), (DAY, fresh))
    assert [line["status"] for line in lines] == ["refused"] * len(REFUSED) + ["added"]
    assert [line["error"]["code"] for line in lines[:-1]] == [code for _, _, code in REFUSED]
    bad = ("", "{}", {**DAY, "camera": -1}, {**DAY, "time": "2026-03-01T08:00:00"})
    lines = add(client, *((metadata, image_bytes(401)) for metadata in bad))
    assert {line["error"]["code"] for line in lines} == {"invalid"}
    assert "camera" in lines[2]["error"]["message"]
    kept = [file.stem for file in (process.folder / "people.db.service/images").rglob("*.png")]
    assert kept == [sha256(fresh)]
    assert client.delete(f"/v1/gallery/images/{sha256(fresh)}").status_code == 200


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("image", ("a.png", GOOD))], "invalid"),
        ([("metadata", (None, json.dumps(DAY)))], "image_missing"),
        (2 * [("metadata", (None, json.dumps(DAY)))], "invalid"),
        (2 * [("image", ("a.png", GOOD))], "invalid"),
        ([("note", (None, "hello"))], "invalid"),
    ],
)
def test_bulk_without_pairs(client, files, code):
    assert problem(client.post("/v1/gallery/images", files=files)) == (422, code)


def test_bulk_that_breaks_off(running):
    """The connection goes away in the middle of the second image: the first is there, whole."""
    process, client = running
    first, second = image_bytes(410), image_bytes(411)
    host, port = process.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.putrequest("POST", "/v1/gallery/images")
    connection.putheader("Content-Type", FORM)
    connection.putheader("Authorization", client.headers["Authorization"])
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(pair(first) + pair(second)[:-500])
    line = json.loads(connection.getresponse().readline())
    assert (line["status"], line["id"]) == ("added", sha256(first))
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    assert client.get(f"/v1/gallery/images/{sha256(first)}").json()["path"].endswith(".png")
    assert client.get(f"/v1/gallery/images/{sha256(second)}").status_code == 404
    kept = list((process.folder / "people.db.service/images").rglob("*.*"))
    assert [file.read_bytes() for file in kept] == [first]
    assert client.delete(f"/v1/gallery/images/{sha256(first)}").json()["image_erased"] is True


def pair(image):
    return part("metadata", json.dumps(DAY).encode()) + part("image", image, file="a.png")


def test_gallery_that_cannot_be_served(fprnet, stock, tmp_path):
    tiny = ("--scale", "tiny", "--port", 0, "--folder", tmp_path)
    other = fprnet("serve", "--gallery", stock / "people.db", "--model", "agw", *tiny)
    assert other.status == 2
    assert "holds embeddings of" in other.complaint
    missing = fprnet("serve", "--gallery", tmp_path / "none.db", "--model", "fprnet", *tiny)
    assert missing.status == 2
    assert "none.db" in missing.complaint


@pytest.mark.parametrize("name", ["夜.png", "ü.png", "\U0001f31b.png"])
def test_names_of_any_script_are_repeated_as_sent(client, name):
    form = part("images", GOOD, name) + b"--x--\r\n"
    answer = client.post("/v1/search", content=form, headers={"Content-Type": FORM})
    assert answer.status_code == 200
    assert answer.json()["queries"][0]["name"] == name
    lines = part("metadata", b"{}") + part("image", GOOD, name) + b"--x--\r\n"
    answer = client.post("/v1/gallery/images", content=lines, headers={"Content-Type": FORM})
    [line] = [json.loads(line) for line in answer.text.splitlines()]
    assert (line["name"], line["status"]) == (name, "refused")  # the metadata lack the modality


@pytest.mark.parametrize("path", ["/v1/search", "/v1/gallery/images"])
def test_long_boundary_is_answered(client, path):
    kind = f"multipart/form-data; boundary={'x' * 300}"
    answer = client.post(path, content=b"", headers={"Content-Type": kind})
    assert problem(answer) == (400, "malformed_multipart")


@pytest.mark.parametrize("origin", ["http://[", "null", "http://", "\x01"])
def test_origin_that_is_none_is_refused(client, origin):
    answer = client.post("/v1/search", json={}, headers={"Origin": origin})
    assert problem(answer) == (403, "foreign_origin")


def test_head_answers_where_get_does(client):
    for path in ("/healthz", "/openapi.json", "/v1/gallery", "/metrics"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
