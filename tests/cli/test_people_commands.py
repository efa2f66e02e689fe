"""``fprnet gallery group`` and the like, and ``fprnet search --tracklet``, as users type them."""

import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from documents import blocks, commands
from fprnet.gallery.calibration import read_calibration, write_calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import ModelIdentity
from fprnet.pretrained import SHIPPED
from service_cases import image_bytes
from tracklet_cases import make_walks


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks")
    return folder / "people.db", make_walks(folder / "people.db")


@pytest.fixture
def uri(walked, tmp_path):
    return shutil.copy(walked[0], tmp_path / "people.db")


@pytest.fixture
def gallery(fprnet, uri):
    def run(action, *words):
        result = fprnet("gallery", action, *words, "--uri", uri, "--json")
        return json.loads(result.out) if result.out else result

    return run


def test_a_search_shows_and_explains_crops_that_only_the_gallery_has(fprnet, uri, tmp_path):
    (tmp_path / "night.png").write_bytes(image_bytes(5, colour=False))
    words = ("search", tmp_path / "night.png", "--gallery", uri, "--top", "2", "--json")
    picture = tmp_path / "found.png"
    result = fprnet(*words, "--explain", "--picture", picture)
    assert "not explained" not in result.err
    assert [one["rank"] for one in json.loads(result.out)["explanations"]] == [1, 2]
    with Image.open(picture) as drawn:
        colours = drawn.convert("RGB").crop((6, 206, 166, 366)).getcolors(100_000)
    assert len(colours) > 1000  # the crops are noise; "no image" is plain


def test_a_service_takes_the_calibration_of_a_site(fprnet, uri, tmp_path, monkeypatch):
    pytest.importorskip("fastapi", reason="needs the service: pip install 'fprnet[service]'")
    from fprnet.serving import server

    shipped = read_calibration(SHIPPED / "fprnet-people" / "model.calibration.json")
    site = replace(shipped, tail_scale=2 * shipped.tail_scale)
    write_calibration(tmp_path / "site.json", site)
    used = []
    monkeypatch.setattr(
        server, "run_server", lambda service, _: used.append(service.searcher.calibration)
    )
    words = ("serve", "--gallery", uri, "--port", 0)
    for more in ((), ("--calibration", tmp_path / "site.json")):
        assert fprnet(*words, *more).status == 0
    assert used == [shipped, site]
    refused = fprnet(*words, "--calibration", tmp_path / "none.json")
    assert (refused.status, "none.json" in refused.complaint) == (2, True)


def test_copies_of_pictures_do_not_outlive_a_mistake(fprnet, uri, tmp_path):
    crops = ("--gallery", uri, "--json")
    adapted = fprnet("adapt", *crops, "--model", tmp_path / "none", "--out", tmp_path / "site")
    out = tmp_path / "calibrated" / "site.json"
    calibrated = fprnet("calibrate", tmp_path / "none", "--unlabelled", *crops, "--out", out)
    assert (adapted.status, calibrated.status) == (2, 2)
    assert "none" in adapted.complaint
    assert [file for file in tmp_path.rglob("*") if file.is_file() and ".crops" in str(file)] == []
    (tmp_path / "site/.crops").mkdir()  # of a run that was interrupted, which goes on with them
    (tmp_path / "site/.crops/picture").write_bytes(b"x")
    fprnet("adapt", *crops, "--model", tmp_path / "none", "--out", tmp_path / "site")
    assert (tmp_path / "site/.crops/picture").exists()


def test_a_list_says_to_which_tracklet_a_crop_belongs(fprnet, uri, walked):
    lines = fprnet("gallery", "list", "--uri", uri, "--json").out.splitlines()
    assert [json.loads(line)["tracklet"] for line in lines] == [n for n in walked[1] for _ in "123"]


def test_from_grouping_to_undoing(fprnet, uri, gallery, walked):
    ids = walked[1]
    grouped = gallery("group", "--false-link-rate", 0.05)
    assert (grouped["units"], grouped["joined"], grouped["people"]) == (7, 0, [1, 2, 3])
    people = {one["id"]: one for one in gallery("people")}
    assert [people[n]["tracklets"] for n in (1, 2, 3)] == [4, 2, 1]
    shown = gallery("people", 1)["shown"]
    assert [one["id"] for one in shown["tracklets"]] == ids[:4]
    again = fprnet("gallery", "group", "--uri", uri)
    assert (again.status, again.out.split()[:3]) == (0, ["0", "tracklets", "and"])
    assert gallery("name", 1, "Anna")["kind"] == "name"
    assert gallery("merge", 1, 3)["people"] == [1, 3]
    assert gallery("split", 1, "--tracklet", ids[1])["records"] == 3
    assert "Anna" in fprnet("gallery", "people", "--uri", uri).out
    table = fprnet("gallery", "people", 1, "--uri", uri).out
    assert f"tracklet {ids[0]}" in table
    assert f"tracklet {ids[1]} " not in table
    assert [one["kind"] for one in gallery("history")] == ["split", "merge", "name", "group"]
    refused = fprnet("gallery", "undo", 2, "--uri", uri)
    assert (refused.status, "step 4" in refused.complaint) == (2, True)
    said = fprnet("gallery", "undo", "--uri", uri)
    assert said.out.startswith("step 5: undo, 3 images")
    assert len(gallery("people", 1)["shown"]["tracklets"]) == 5
    assert "undo" in fprnet("gallery", "history", "--uri", uri, "--top", 1).out
    audit = fprnet("gallery", "audit", "--uri", uri).out
    events = [json.loads(line) for line in audit.splitlines()]
    assert [one["event"] for one in events] == ["group", "name", "merge", "split", "undo"]
    assert all(one["by"] and one["role"] == "command line" for one in events)
    info = gallery("info")
    assert (info["tracklets"], info["anonymous_identities"]) == (7, 2)
    assert "7, of 2 anonymous identities" in fprnet("gallery", "info", "--uri", uri).out


def test_documented_lines(fprnet, uri, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "night" / "walk-3"
    folder.mkdir(parents=True)
    for seed in (1, 2):
        (folder / f"{seed}.png").write_bytes(image_bytes(seed, colour=False))
    lines = commands("tracklets.md")
    assert len(lines) == 13
    for words in lines:
        result = fprnet(*words[1:])
        assert result.status == 0, (words, result.err)
    (code,) = blocks("tracklets.md", "python")
    exec(compile(code, "tracklets.md", "exec"), {})
    assert capfd.readouterr().out == "8\n"
    assert "tracklets   7" in fprnet("gallery", "info", "--uri", uri).out


def test_a_tracklet_finds_tracklets(fprnet, uri, walked, tmp_path):
    ids = walked[1]
    words = ("search", "--gallery", uri, "--tracklet")
    found = json.loads(fprnet(*words, ids[0], "--json").out)
    assert (found["queries"], found["candidates"]) == (3, 6)
    ranked = [match["tracklet"]["id"] for match in found["matches"]]
    assert set(ranked[:3]) == set(ids[1:4])
    assert ids[0] not in ranked
    assert [match["accepted"] for match in found["matches"]] == [True] * 3 + [False] * 3
    for match in found["matches"]:
        assert match["best"] in [crop["id"] for crop in match["tracklet"]["crops"]]
        day = match["tracklet"]["modality"] == "visible"
        assert (match["probability"] is None) is day  # day and day: no probability is measured
    some = json.loads(fprnet(*words, ids[0], "--camera", "hall", "--top", 1, "--json").out)
    assert [match["tracklet"]["id"] for match in some["matches"]] == [ids[1]]
    assert some["candidates"] == 2
    table = fprnet(*words, ids[0]).out
    assert table.startswith("seen elsewhere: thresholds ")
    # Crops in a folder: whoever they show, they are embedded and searched for.
    folder = tmp_path / "walk"
    folder.mkdir()
    for seed in (1, 2):
        (folder / f"{seed}.png").write_bytes(image_bytes(seed))
    crops = json.loads(fprnet(*words, folder, "--json").out)
    assert (crops["queries"], crops["candidates"], len(crops["matches"])) == (2, 7, 7)


def test_tracklets_are_hidden_and_erased(fprnet, uri, gallery, walked):
    ids = walked[1]
    assert gallery("remove", "--tracklet", ids[0])["changed"] == 3
    assert gallery("info")["tracklets"] == 6
    assert gallery("restore", "--tracklet", ids[0], "--tracklet", ids[1])["changed"] == 3
    assert gallery("erase", "--tracklet", ids[0]) == {"changed": 3, "records": 18}
    gone = fprnet("search", "--gallery", uri, "--tracklet", ids[0])
    assert (gone.status, f"tracklet {ids[0]}" in gone.complaint) == (2, True)


WRONG = [
    (("gallery", "group", "--false-link-rate", "1"), "false-link rate 1"),
    (("gallery", "group", "--calibration", "nowhere.json"), "nowhere.json"),
    (("gallery", "people", "9"), "person 9"),
    (("gallery", "merge", "9", "8"), "person 9"),
    (("gallery", "name", "1"), "--no-name"),
    (("gallery", "name", "1", "Anna", "--no-name"), "--no-name"),
    (("gallery", "undo"), "step"),
    (("search", "--tracklet", "99"), "tracklet 99"),
    (("search", "--tracklet", "nowhere"), "nowhere"),
    (("search", "--tracklet", "1", "x.png"), "x.png"),
    (("search", "--tracklet", "1", "--rerank"), "--rerank"),
    (("search",), "no query image"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_mistakes_are_one_line(fprnet, uri, words, said):
    address = "--uri" if words[0] == "gallery" else "--gallery"
    result = fprnet(*words, address, uri)
    assert (result.status, said in result.complaint) == (2, True), result.err


def test_without_a_calibration_nobody_is_grouped(fprnet, tmp_path):
    uri = str(tmp_path / "people.db")
    Gallery.create(uri, ModelIdentity("a" * 64, "fprnet", 8, "fprnet-people")).close()
    result = fprnet("gallery", "group", "--uri", uri)
    assert (result.status, "fprnet calibrate" in result.complaint) == (2, True)
