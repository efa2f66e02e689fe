"""Tracklets and people over HTTP: shown, searched, grouped, joined, taken apart, named, undone."""

import io
import shutil

import pytest
from PIL import Image

from service_cases import audit, client_at, image_bytes, problem, process_of, search
from tracklet_cases import make_walks


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks")
    return folder / "people.db", make_walks(folder / "people.db")


@pytest.fixture(scope="module")
def served(walked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(walked[0], folder / "people.db")
    with process_of("--gallery", folder / "people.db", "--rate", 0) as process:
        with client_at(process.address) as client:
            yield client, walked[1], folder
        assert process.stop() == 0
        assert "Traceback" not in process.log.read_text()


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_tracklets_and_their_images_are_shown(served):
    client, ids, _ = served
    page = good(client.get("/v1/tracklets", params={"limit": 5}))
    assert [one["id"] for one in page["tracklets"]] == ids[:1:-1]
    rest = good(client.get("/v1/tracklets", params={"limit": 5, "before": page["before"]}))
    assert [one["id"] for one in rest["tracklets"]] == [ids[1], ids[0]]
    assert rest["before"] is None
    one = good(client.get(f"/v1/tracklets/{ids[2]}"))
    assert (one["camera"], one["modality"], len(one["path"])) == ("yard", "infrared", 3)
    assert {"x", "y", "width", "height", "time"} == set(one["path"][0])
    content = client.get(f"/v1/gallery/images/{one['crops'][0]['id']}/content")
    assert Image.open(io.BytesIO(content.content)).size == (32, 64)
    facts = good(client.get("/v1/gallery"))
    assert (facts["tracklets"], facts["records"]) == (7, 21)
    assert problem(client.get("/v1/tracklets/99")) == (404, "record_unknown")
    assert problem(client.get("/v1/tracklets/0"))[0] == 422


def test_tracklets_find_tracklets(served):
    client, ids, folder = served
    found = good(client.post("/v1/tracklets/search", json={"tracklet": ids[0], "top": 4}))
    assert {match["tracklet"]["id"] for match in found["matches"][:3]} == set(ids[1:4])
    assert [match["accepted"] for match in found["matches"]] == [True] * 3 + [False]
    # The images of an earlier search are crops of one tracklet.
    earlier = search(client, image_bytes(100), image_bytes(101), modality="visible")
    assert {match["tracklet"] for match in earlier["matches"]} <= set(ids)
    assert all(match["image"] for match in earlier["matches"])
    again = good(client.post("/v1/tracklets/search", json={"search": earlier["search"]}))
    assert (again["queries"], again["candidates"]) == (2, 7)
    entry = next(one for one in audit(folder) if one["event"] == "search tracklets")
    assert (entry["outcome"], len(entry["ids"])) == ("ok", 4)
    for body, code in (
        ({}, "invalid"),
        ({"tracklet": 1, "search": "x"}, "invalid"),
        ({"tracklet": 99}, "record_unknown"),
        ({"search": "nothing"}, "search_expired"),
        ({"tracklet": ids[0], "filters": {"cameras": ["roof"]}}, "filter"),
    ):
        assert problem(client.post("/v1/tracklets/search", json=body))[1] == code


def test_people_are_grouped_and_changed(served):
    client, ids, folder = served
    grouped = good(client.post("/v1/grouping", json={"false_link_rate": 0.05}))
    assert (grouped["units"], grouped["people"], grouped["alike"]) == (7, [1, 2, 3], [])
    people = good(client.get("/v1/people"))["people"]
    assert [(one["id"], one["tracklets"]) for one in people] == [(3, 1), (1, 4), (2, 2)]
    person = good(client.get("/v1/people/1"))
    assert [one["id"] for one in person["tracklets"]] == ids[:4]
    assert person["person"]["cameras"] == ["dock", "gate", "hall", "yard"]

    assert good(client.post("/v1/people/1/name", json={"name": "Anna"}))["kind"] == "name"
    assert good(client.post("/v1/people/1/merge", json={"others": [3]}))["people"] == [1, 3]
    split = good(client.post("/v1/people/1/split", json={"tracklets": [ids[1]]}))
    assert split["people"] == [1, 4]
    names = [one["names"] for one in good(client.get("/v1/people"))["people"]]
    assert sorted(names) == [[], [], ["Anna"]]
    steps = good(client.get("/v1/grouping/steps"))["steps"]
    assert [one["kind"] for one in steps] == ["split", "merge", "name", "group"]
    status, code = problem(client.post(f"/v1/grouping/steps/{steps[2]['id']}/undo"))
    assert (status, code) == (422, "gallery")
    assert good(client.post(f"/v1/grouping/steps/{steps[0]['id']}/undo"))["kind"] == "undo"
    assert len(good(client.get("/v1/people/1"))["tracklets"]) == 5
    events = [one for one in audit(folder) if one["event"] in ("group", "name", "merge", "undo")]
    assert [one["event"] for one in events][:2] == ["group", "name"]
    assert all(one["outcome"] == "ok" and "step" in one for one in events if one["event"] != "undo")
    for path, body, status in (
        ("people/9/name", {"name": "x"}, 404),
        ("people/1/name", {}, 422),
        ("people/1/merge", {"others": []}, 422),
        ("people/1/merge", {"others": [1]}, 422),
        ("people/1/split", {}, 422),
        ("grouping", {"false_link_rate": 0}, 422),
        ("grouping/steps/99/undo", None, 404),
    ):
        assert problem(client.post(f"/v1/{path}", json=body))[0] == status


def test_only_who_may_write_groups(serve, keys):
    with serve("--keys", key=keys["search"]) as (process, client):
        assert good(client.get("/v1/people")) == {"people": []}
        assert good(client.get("/v1/tracklets")) == {"tracklets": [], "before": None}
        assert problem(client.post("/v1/grouping", json={}))[0] == 403
        assert "group" not in good(client.get("/v1/me"))["may"]
        with client_at(process.address, keys["write"]) as writer:
            assert "group" in good(writer.get("/v1/me"))["may"]
            # The tiny model is not calibrated.
            assert problem(writer.post("/v1/grouping", json={})) == (409, "not_calibrated")
            assert problem(writer.post("/v1/people/1/name", json={"name": "x"}))[0] == 404
