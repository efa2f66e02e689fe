"""``fprnet serve`` as a process, asked over HTTP: searching, adding, hiding, erasing, judging."""

import csv
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2
import pytest

from service_cases import FIRST, IDS, add, audit, client_at, image_bytes, problem, search, sha256


@pytest.fixture(scope="module")
def client(running):
    return running[1]


@pytest.fixture(scope="module")
def as_role(running, keys):
    with (
        client_at(running[0].address, keys["search"]) as searcher,
        client_at(running[0].address, keys["write"]) as writer,
        client_at(running[0].address, keys["monitor"]) as monitor,
        client_at(running[0].address, keys["gone"]) as gone,
        client_at(running[0].address) as stranger,
    ):
        yield {
            "search": searcher,
            "write": writer,
            "monitor": monitor,
            "gone": gone,
            "stranger": stranger,
        }


def test_image_of_the_gallery_finds_itself(client):
    found = search(client, image_bytes(4), modality="visible", top=5)
    assert [match["rank"] for match in found["matches"]] == [1, 2, 3, 4, 5]
    first = found["matches"][0]
    assert (first["id"], first["camera"], first["location"], first["identity"]) == (IDS[4], 2, 0, 4)
    assert first["similarity"] == pytest.approx(1, abs=1e-3)
    assert found["candidates"] == 12
    assert found["queries"][0]["sha256"] == IDS[4]
    assert (found["queries"][0]["width"], found["queries"][0]["height"]) == (32, 64)
    assert [warning["code"] for warning in found["warnings"]] == ["not_calibrated"]
    assert found["decision"] is None
    shown = client.get(first["image"], params={"height": 32})
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.content[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"cameras": [2]}, {1, 4, 7, 10}),
        ({"locations": [1]}, {1, 3, 5, 7, 9, 11}),
        ({"exclude_location": 1}, {0, 2, 4, 6, 8, 10}),
        ({"identity": "known"}, {0, 1, 2, 3, 4, 5}),
        ({"identity": "unknown", "cameras": [1, 3]}, {6, 8, 9, 11}),
        (
            {
                "since": (FIRST + timedelta(minutes=2)).isoformat(),
                "until": (FIRST + timedelta(minutes=4)).isoformat(),
            },
            {2, 3, 4},
        ),
        ({"modality": "infrared"}, set()),
    ],
)
def test_filters_leave_what_they_say(client, filters, left):
    found = search(client, image_bytes(100), modality="visible", filters=filters)
    assert {match["id"] for match in found["matches"]} == {IDS[i] for i in left}
    assert found["candidates"] == len(left)


def test_earlier_search_and_embedding(client, untrained):
    """The same ranking whether the image, its search's id or its embedding is sent."""
    found = search(client, image_bytes(3), modality="visible")
    ranking = [match["id"] for match in found["matches"]]
    again = client.post("/v1/search", json={"search": found["search"]}).json()
    assert [match["id"] for match in again["matches"]] == ranking
    size = client.get("/v1/gallery").json()["embedding_size"]
    assert size == untrained.embedding_size
    [row] = client.post("/v1/search", json={"embeddings": [[1.0] * size], "top": 1}).json()[
        "matches"
    ]
    assert row["id"] in IDS
    refined = client.post(
        "/v1/search", json={"search": found["search"], "confirmed": [IDS[7]]}
    ).json()
    assert refined["confirmed"] == [IDS[7]]
    assert {match["id"] for match in refined["matches"] if match["confirmed"]} <= {IDS[7]}


def test_explanation_adds_up(client):
    found = search(client, image_bytes(2), modality="visible", top=2)
    other = found["matches"][1]
    answer = client.post(
        "/v1/explanations", json={"search": found["search"], "match": other["id"]}
    ).json()
    assert sum(part["share"] for part in answer["parts"]) == pytest.approx(
        answer["similarity"], abs=1e-4
    )
    assert answer["similarity"] == pytest.approx(other["similarity"], abs=2e-3)
    assert all(
        picture.startswith("data:image/png;base64,") for picture in answer["heat_maps"].values()
    )


def test_bulk_with_a_damaged_image_keeps_the_others(client, running):
    fresh, other = image_bytes(50), image_bytes(51, colour=False)
    about = {"modality": "visible", "camera": 9, "location": 4, "time": "2026-03-02T08:00:00Z"}
    lines = add(
        client,
        (about, fresh),
        (about, fresh[:200]),
        ({"modality": "visible"}, image_bytes(0)),
        ({"modality": "thermal"}, image_bytes(52)),
        ({"modality": "infrared"}, other),
    )
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["status"] for line in lines] == ["added", "refused", "known", "refused", "added"]
    assert [lines[1]["error"]["code"], lines[3]["error"]["code"]] == ["image_damaged", "invalid"]
    assert lines[0]["id"] == sha256(fresh)
    record = client.get(f"/v1/gallery/images/{sha256(fresh)}").json()
    assert (record["camera"], record["location"], record["identity"]) == (9, 4, None)
    assert record["time"] == "2026-03-02T08:00:00Z"
    again = add(client, (about, fresh))
    assert again[0]["status"] == "known"
    kept = list((running[0].folder / "people.db.service/images").rglob("*.*"))
    assert {file.stem for file in kept} == {sha256(fresh), sha256(other)}
    shown = client.get(record["image"])
    assert (shown.status_code, shown.headers["Cache-Control"]) == (200, "private, no-cache")
    for id in (sha256(fresh), sha256(other)):
        erased = client.delete(f"/v1/gallery/images/{id}").json()
        assert erased == {"id": id, "erased": True, "image_erased": True}
        assert problem(client.get(f"/v1/gallery/images/{id}")) == (404, "record_unknown")
        assert problem(client.delete(f"/v1/gallery/images/{id}")) == (404, "record_unknown")
    assert not list((running[0].folder / "people.db.service/images").rglob("*.*"))
    events = [(entry["event"], entry["outcome"]) for entry in audit(running[0].folder)]
    assert ("add", "ok") in events
    assert ("erase", "begun") in events
    assert ("erase", "ok") in events


def test_image_that_is_there_with_other_facts_is_refused_or_corrected(client):
    fresh = image_bytes(54)
    about = {"modality": "visible", "camera": "gate", "identity": "0012"}
    address = f"/v1/gallery/images/{sha256(fresh)}"
    try:
        assert add(client, (about, fresh))[0]["status"] == "added"
        other = {**about, "camera": 4, "time": "2026-03-02T08:00:00Z"}
        (line,) = add(client, (other, fresh))
        assert (line["status"], line["error"]["code"]) == ("refused", "record_differs")
        assert "camera gate, not 4" in line["error"]["message"]
        assert client.get(address).json()["camera"] == "gate"
        (line,) = add(client, ({**other, "update": True}, fresh))
        assert line["status"] == "updated"
        record = client.get(address).json()
        assert (record["camera"], record["identity"]) == (4, "0012")
        assert record["time"] == "2026-03-02T08:00:00Z"
        # What is not said is no difference.
        assert add(client, ({"modality": "visible"}, fresh))[0]["status"] == "known"
        found = search(client, fresh, modality="visible", filters={"cameras": ["4"]})
        assert found["matches"][0]["id"] == sha256(fresh)
    finally:
        client.delete(address)


def test_record_is_corrected_field_by_field(client, running):
    fresh = image_bytes(55)
    address = f"/v1/gallery/images/{sha256(fresh)}"
    add(client, ({"modality": "visible", "camera": 3, "identity": 9}, fresh))
    try:
        for change in (
            {"camera": "gate"},
            {"location": 2},
            {"identity": None},
            {"time": "2026-03-02T08:00:00Z"},
            {"path": "elsewhere/55.png"},
            {"modality": "infrared"},  # embedded anew, as an infrared image
        ):
            answer = client.patch(address, json=change)
            assert answer.status_code == 200, answer.text
            assert answer.json()["changed"] is True
            record = answer.json()["record"]
            assert {name: record[name] for name in change} == change
        assert client.patch(address, json={"camera": "gate"}).json()["changed"] is False
        found = search(client, fresh, modality="infrared")
        assert found["matches"][0]["id"] == sha256(fresh)
        assert found["matches"][0]["similarity"] == pytest.approx(1, abs=2e-3)
        both = client.patch(address, json={"hidden": True, "camera": None}).json()
        assert (both["hidden"], both["record"]["camera"]) == (True, None)
        for change in ({}, {"camera": -1}, {"camera": "a\nb"}, {"id": "x"}, {"time": "noon"}):
            assert problem(client.patch(address, json=change)) == (422, "invalid")
        events = [entry for entry in audit(running[0].folder) if entry["event"] == "correct"]
        assert events[-1]["fields"] == ["camera"]
    finally:
        client.delete(address)


def test_a_path_that_a_client_names_shows_no_file(client):
    """00003.png lies in the folder that is shown; a record that only names it gets its own copy."""
    fresh = image_bytes(56)
    add(client, ({"modality": "visible", "path": "3.png"}, fresh))
    try:
        shown = client.get(f"/v1/gallery/images/{sha256(fresh)}/content", params={"height": 64})
        other = client.get(f"/v1/gallery/images/{IDS[3]}/content", params={"height": 64})
        assert shown.status_code == other.status_code == 200
        assert shown.content != other.content
    finally:
        erased = client.delete(f"/v1/gallery/images/{sha256(fresh)}").json()
    assert erased["image_erased"] is True


def test_image_may_come_before_what_is_known_about_it(client):
    content = image_bytes(53)
    files = [("image", ("a.png", content)), ("metadata", (None, '{"modality": "visible"}'))]
    answer = client.post("/v1/gallery/images", files=files)
    assert json.loads(answer.text)["status"] == "added"
    assert client.delete(f"/v1/gallery/images/{sha256(content)}").status_code == 200


def test_hidden_record_is_not_found_until_it_is_shown_again(client):
    address = f"/v1/gallery/images/{IDS[8]}"
    assert client.patch(address, json={"hidden": True}).json()["changed"] is True
    assert client.patch(address, json={"hidden": True}).json()["changed"] is False
    found = search(client, image_bytes(8), modality="visible")
    assert IDS[8] not in {match["id"] for match in found["matches"]}
    assert client.get("/v1/gallery").json()["hidden"] == 1
    assert client.patch(address, json={"hidden": False}).json()["changed"] is True
    found = search(client, image_bytes(8), modality="visible")
    assert found["matches"][0]["id"] == IDS[8]


def test_judgements_and_their_exports(client, running):
    query = image_bytes(60, colour=False)
    found = search(client, query)
    ids = [match["id"] for match in found["matches"][:3]]
    for id, verdict in zip(ids, ("right", "wrong", "right"), strict=True):
        body = {"search": found["search"], "match": id, "verdict": verdict, "note": "=sum(1)"}
        assert client.post("/v1/feedback", json=body).json() == {"match": id, "verdict": verdict}
    body = {"search": found["search"], "match": ids[2], "verdict": "none"}
    assert client.post("/v1/feedback", json=body).status_code == 200
    again = search(client, query)
    assert [match["marked"] for match in again["matches"][:3]] == ["right", "wrong", None]
    listed = client.get("/v1/feedback").json()
    assert [(entry["match"], entry["verdict"]) for entry in listed] == [
        (ids[0], "right"),
        (ids[1], "wrong"),
    ]
    assert listed[0]["query_sha256"] == [sha256(query)]
    table = client.get("/v1/feedback", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["match"] for row in rows] == ids[:2]
    assert rows[0]["note"] == "'=sum(1)"  # no formula
    packed = client.get("/v1/feedback", params={"format": "zip"}).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        manifest = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
        assert {(row["modality"], row["identity"]) for row in manifest} == {
            ("infrared", "0"),
            ("visible", "0"),
        }
        contents = {sha256(archive.read(row["path"])) for row in manifest}
        assert contents == {sha256(query), ids[0]}
    foreign = {"search": found["search"], "match": "0" * 64, "verdict": "right"}
    assert problem(client.post("/v1/feedback", json=foreign)) == (404, "record_unknown")
    assert [e["verdict"] for e in audit(running[0].folder) if e["event"] == "mark"][-1] == "none"


def test_roles_and_keys(as_role, client):
    image = f"/v1/gallery/images/{IDS[0]}"
    for name, code in (("stranger", "key_missing"), ("gone", "key_revoked")):
        assert problem(as_role[name].get("/v1/gallery")) == (401, code)
    wrong = {"Authorization": "Bearer fprnet_00000000_nothing"}
    answer = as_role["stranger"].get("/v1/gallery", headers=wrong)
    assert problem(answer) == (401, "key_wrong")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert as_role["monitor"].get("/metrics").status_code == 200
    assert problem(as_role["monitor"].get("/v1/gallery")) == (403, "role")
    assert as_role["search"].get("/v1/gallery").status_code == 200
    assert problem(as_role["search"].patch(image, json={"hidden": True})) == (403, "role")
    assert problem(as_role["search"].get("/v1/feedback")) == (403, "role")
    assert problem(as_role["search"].post("/v1/gallery/images")) == (403, "role")
    assert as_role["write"].get("/v1/feedback").status_code == 200
    assert problem(as_role["write"].delete(image)) == (403, "role")
    assert client.get(image).status_code == 200
    me = as_role["write"].get("/v1/me").json()
    assert (me["name"], me["role"], me["keys_required"]) == ("write", "write", True)
    assert "erase" not in me["may"]


def test_search_belongs_to_its_key(as_role, client):
    found = search(client, image_bytes(1), modality="visible")
    answer = as_role["search"].post("/v1/search", json={"search": found["search"]})
    assert problem(answer) == (404, "search_expired")


def test_audit_log_names_who_and_what(client, running):
    found = search(client, image_bytes(5), modality="visible", top=2, filters={"cameras": [3]})
    entry = [entry for entry in audit(running[0].folder) if entry["event"] == "search"][-1]
    assert (entry["by"], entry["role"], entry["outcome"]) == ("admin", "admin", "ok")
    assert entry["address"] == "127.0.0.1"
    assert entry["queries"] == [IDS[5]]
    assert entry["ids"] == [match["id"] for match in found["matches"]]
    assert entry["options"]["filters"] == {"cameras": [3]}
    client.get("/v1/gallery", headers={"Authorization": "Bearer nonsense"})
    found = search(client, image_bytes(5), modality="visible")  # the log is written in order
    denied = [entry for entry in audit(running[0].folder) if entry["event"] == "denied"][-1]
    assert (denied["outcome"], denied["path"]) == ("key_wrong", "/v1/gallery")
    assert "nonsense" not in str(audit(running[0].folder))


def counter(client, name):
    """The value of a line of the metrics; 0 where it is not there yet."""
    for line in client.get("/metrics").text.splitlines():
        if line.rpartition(" ")[0] == name:
            return float(line.rpartition(" ")[2])
    return 0.0


def test_concurrent_searches_share_batches(client):
    batches, images = (counter(client, f"fprnet_batch_images_{name}") for name in ("count", "sum"))

    def one(number):
        return search(client, image_bytes(200 + number), modality="visible", top=1)

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(one, range(48)))
    # Each got the answer to its own question.
    assert [answer["queries"][0]["sha256"] for answer in found] == [
        sha256(image_bytes(200 + number)) for number in range(48)
    ]
    assert counter(client, "fprnet_batch_images_sum") - images == 48
    assert counter(client, "fprnet_batch_images_count") - batches < 48


def test_metrics_and_health(client, as_role):
    health = as_role["stranger"].get("/healthz")
    assert health.status_code == 200
    assert health.json() == {"status": "ready", "model": True, "gallery": True, "accepting": True}
    assert counter(client, "fprnet_gallery_records") == 12
    before = counter(client, 'fprnet_requests_total{method="GET",route="/v1/gallery",status="200"}')
    client.get("/v1/gallery")
    name = 'fprnet_requests_total{method="GET",route="/v1/gallery",status="200"}'
    assert counter(client, name) == before + 1


def test_page_and_its_headers(as_role):
    answer = as_role["stranger"].get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert problem(as_role["stranger"].get("/page/../keys.json"))[0] in (401, 404)
    assert "access-control-allow-origin" not in answer.headers


def test_unknown_address_and_method(client):
    assert problem(client.get("/v2/nothing")) == (404, "not_found")
    assert problem(client.put("/v1/gallery")) == (405, "method")


def test_client_that_hangs_up_does_no_harm(client):
    body = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'

    def half():
        yield body
        raise httpx2.ReadError("the cable is out")

    with pytest.raises(httpx2.ReadError):
        client.post(
            "/v1/search",
            content=half(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    assert client.get("/healthz").status_code == 200
