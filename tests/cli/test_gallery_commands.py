"""``fprnet gallery``, ``search`` and ``keys`` as users type them, with an untrained model."""

import csv
import io
import json
import os
import re
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fprnet.cli import gallery as commands
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.verdicts import Feedback
from fprnet.serving.feedback import FeedbackStore
from fprnet.serving.folder import claim
from service_cases import IDS, image_bytes, sha256


@pytest.fixture
def uri(stock, tmp_path):
    """A copy of the stock: 12 images, cameras 1 to 3, people 0 to 5 and six unknown."""
    shutil.copy(stock / "people.db", tmp_path / "people.db")
    connection = sqlite3.connect(tmp_path / "people.db")
    connection.execute("UPDATE gallery SET path = 'fprnet'")  # an untrained preset, at tiny scale
    connection.commit()
    connection.close()
    return tmp_path / "people.db"


@pytest.fixture
def gallery(fprnet, uri):
    def run(action, *words):
        result = fprnet("gallery", action, "--uri", uri, *words, "--json")
        return json.loads(result.out) if result.out else result

    return run


def write_images(folder, *seeds):
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        (folder / f"{seed}.png").write_bytes(image_bytes(seed))


def test_an_identity_is_a_text_and_no_marker(fprnet, uri, gallery):
    for action in ("erase", "remove", "restore"):
        result = fprnet("gallery", action, "--uri", uri, "--identity=-1")
        assert (result.status, "'-1'" in result.complaint) == (2, True)
    assert gallery("info")["records"] == 12
    assert gallery("erase", "--identity", "3") == {"changed": 1, "records": 11}
    assert gallery("info")["known_identities"] == 5


def test_what_is_added_again_otherwise_is_left_out_or_corrected(fprnet, uri, gallery, tmp_path):
    write_images(tmp_path / "day", 4)
    (tmp_path / "day.csv").write_text("Path;camera;identity\nday\\4.png;dock 7;0012\n")
    words = ("--table", tmp_path / "day.csv")
    result = fprnet("gallery", "add", "--uri", uri, *words)
    assert result.status == 2
    assert "left out" in result.err
    assert "camera 2, not dock 7; location 0, not dock 7; identity 4, not 0012" in result.err
    corrected = gallery("add", *words, "--update")
    assert (corrected["updated"], corrected["left_out"], corrected["records"]) == (1, [], 12)
    again = gallery("add", *words)
    assert (again["updated"], again["already"], again["left_out"]) == (0, 1, [])
    query = ("search", tmp_path / "day/4.png", "--gallery", uri, "--modality", "visible")
    found = json.loads(fprnet(*query, "--camera", "dock 7", "--json").out)
    assert [match["identity"] for match in found["matches"]] == ["0012"]
    assert found["filters"]["cameras"] == ["dock 7"]
    assert "dock 7" in fprnet(*query, "--group").out
    assert "camera 8" in fprnet(*query, "--camera", 8).complaint
    shown = fprnet("gallery", "info", "--uri", uri)
    assert "dock 7: 1" in shown.out


def test_a_difference_of_many_images_is_one_line(fprnet, uri, gallery, stock):
    words = ("--images", stock / "day", "--modality", "infrared", "--camera", 1)
    result = fprnet("gallery", "add", "--uri", uri, *words)
    lines = [line for line in result.err.splitlines() if "left out" in line]
    assert len(lines) < 12
    assert any(
        re.search(r"left out: 2 images \(.*\) are in .* infrared; cam", line) for line in lines
    )
    assert "12 left out" in result.out
    listed = gallery("add", *words)["left_out"]
    stems = {Path(text.split(" is in ")[0]).stem for text in listed}
    assert stems == {str(number) for number in range(12)}


def test_many_differences_are_counted(fprnet, uri, stock, tmp_path):
    rows = [f"{stock / 'day' / str(i)}.png,{i},elsewhere {i}" for i in range(12)]
    (tmp_path / "day.csv").write_text("\n".join(["path,identity,location", *rows]))
    result = fprnet("gallery", "add", "--uri", uri, "--table", tmp_path / "day.csv")
    lines = [line for line in result.err.splitlines() if "left out" in line]
    assert len(lines) == 11
    assert "2 more images" in lines[-1]


def test_images_without_the_time_that_was_asked_for_are_said(fprnet, uri, tmp_path):
    write_images(tmp_path / "day", 60, 61)
    (tmp_path / "day/60.png").rename(tmp_path / "day/20260301_081500.png")
    words = ("gallery", "add", "--uri", uri, "--images", tmp_path / "day", "--modality", "visible")
    result = fprnet(*words, "--time-from", "%Y%m%d_%H%M%S")
    (said,) = [line for line in result.err.splitlines() if "--time-from" in line]
    assert ("61.png has no time" in said, "of 2 images" in said) == (True, True)
    assert result.status == 0
    assert "--time-from" not in fprnet(*words, "--time-from", "mtime").err


def test_matches_stand_in_columns_whatever_cameras_are_called(fprnet, uri, gallery, stock):
    words = ("--camera", "Einfahrt Süd, Schranke 2", "--update", "--modality", "visible")
    gallery("add", "--images", stock / "day", *words)
    query = ("search", stock / "day/4.png", stock / "day/5.png", "--gallery", uri)
    result = fprnet(*query, "--modality", "infrared", "--top", 3)
    head, *rows = result.out.splitlines()[2:6]
    place = head.index("location")
    assert {row[place - 2 : place] for row in rows} == {"  "}
    assert all(row[head.index("image") :].endswith(".png") for row in rows)
    warned = [line for line in result.err.splitlines() if "declared infrared" in line]
    assert [line.count("4.png") for line in warned] == [1, 0]


def test_images_that_cannot_be_read_are_named_and_the_others_added(gallery, tmp_path):
    write_images(tmp_path / "day", 50, 51)
    (tmp_path / "day" / "52.png").write_bytes(image_bytes(52)[:90])
    (tmp_path / "day" / "53.png").write_bytes(image_bytes(50))  # the same image again
    words = ("--images", tmp_path / "day", "--modality", "visible", "--camera", "9")
    added = gallery("add", *words)
    assert (added["new"], added["already"], added["records"]) == (2, 1, 14)
    assert ["52.png" in fault for fault in added["left_out"]] == [True]


def test_one_file_does_not_stop_the_addition_of_the_others(fprnet, uri, tmp_path):
    write_images(tmp_path / "day", 54, 55)
    (tmp_path / "day/gone.png").symlink_to(tmp_path / "nothing.png")
    named = os.fsencode(tmp_path / "day") + b"/\xfc.png"
    try:
        Path(os.fsdecode(named)).write_bytes(image_bytes(56))
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    words = ("--images", tmp_path / "day", "--modality", "visible", "--time-from", "mtime")
    result = fprnet("gallery", "add", "--uri", uri, *words)
    assert (result.status, result.out.split()[0]) == (2, "2")
    left_out = [line for line in result.err.splitlines() if "left out" in line]
    assert ["gone.png" in left_out[0], "not UTF-8" in left_out[1]] == [True, True]


def test_columns_that_nobody_reads_are_named(fprnet, uri, tmp_path):
    write_images(tmp_path / "day", 57)
    (tmp_path / "day.csv").write_text("Path;Camera ID;Date\nday/57.png;3;2026-07-01\n")
    result = fprnet("gallery", "add", "--uri", uri, "--table", tmp_path / "day.csv")
    assert result.status == 0
    assert "camera id, date; known are path, modality, camera" in result.err


def test_a_listed_gallery_is_a_table_that_corrects_it(fprnet, uri, gallery, tmp_path):
    write_images(tmp_path / "day", 58, 59)
    words = ("--images", tmp_path / "day", "--modality", "visible", "--camera", "gate, left")
    gallery("add", *words)
    gallery("remove", tmp_path / "day/59.png")
    listed = fprnet("gallery", "list", "--uri", uri)
    rows = list(csv.DictReader(io.StringIO(listed.out)))
    assert [row["id"] for row in rows] == [*IDS, *(sha256(image_bytes(seed)) for seed in (58, 59))]
    assert (rows[4]["camera"], rows[4]["identity"], rows[4]["time"]) == (
        "2",
        "4",
        "2026-03-01T08:04:00Z",
    )
    assert [row["hidden"] for row in rows[-2:]] == ["", "yes"]
    assert rows[-1]["camera"] == "gate, left"
    lines = fprnet("gallery", "list", "--uri", uri, "--json").out.splitlines()
    assert [json.loads(line)["hidden"] for line in lines[-2:]] == [False, True]
    mended = [line for line in listed.out.splitlines() if line.startswith(("path", str(tmp_path)))]
    (tmp_path / "records.csv").write_text("\n".join(mended).replace("gate, left", "gate"))
    result = fprnet("gallery", "add", "--uri", uri, "--table", tmp_path / "records.csv", "--update")
    assert (result.status, result.out.split(",")[1], "left alone" in result.err) == (
        0,
        " 2 corrected",
        False,
    )
    assert "gate, left" not in fprnet("gallery", "list", "--uri", uri).out


def test_a_backup_has_what_others_have_just_written(fprnet, uri, gallery, tmp_path):
    copy = tmp_path / "copies" / "people.db"
    with Gallery.open(str(uri), writable=True) as writer:
        writer.remove([IDS[0]])  # is in the write-ahead log alone as long as this one is open
        assert gallery("backup", "--out", copy) == {"backup": str(copy), "records": 11}
    assert [file.name for file in copy.parent.iterdir()] == ["people.db"]
    assert copy.stat().st_mode & 0o077 == 0
    listed = [fprnet("gallery", "list", "--uri", one).out for one in (uri, copy)]
    assert listed[0] == listed[1]
    again = fprnet("gallery", "backup", "--uri", uri, "--out", copy)
    assert (again.status, "already" in again.complaint) == (2, True)
    server = fprnet("gallery", "backup", "--uri", "postgresql://x@127.0.0.1/y", "--out", copy)
    assert (server.status, "pg_dump --schema gallery" in server.complaint) == (2, True)


def test_old_images_expire(fprnet, uri, gallery, tmp_path):
    refused = fprnet("gallery", "expire", "--uri", uri)
    assert "--keep-days" in refused.complaint
    write_images(tmp_path / "day", 60, 61)
    now = datetime.now(UTC)
    rows = [f"day/{60 + n}.png,{(now - timedelta(days=40 * n)).isoformat()}" for n in range(2)]
    (tmp_path / "day.csv").write_text("path,time\n" + "\n".join(rows))
    gallery("add", "--table", tmp_path / "day.csv")
    # The stock's images were taken on 2026-03-01.
    keep = max(30, (now - datetime(2026, 3, 1, tzinfo=UTC)).days - 1)
    erased = [sha256(image_bytes(61)), *IDS] if keep < 40 else IDS
    assert gallery("expire", "--keep-days", keep)["changed"] == len(erased)
    info = gallery("info")
    assert (info["keep_days"], info["records"]) == (keep, 14 - len(erased))
    content = uri.read_bytes().decode("latin-1")
    assert not [id for id in erased if id in content]
    assert gallery("expire")["changed"] == 0


def test_a_table_is_read_in_the_time_zone_that_is_said(fprnet, uri, gallery, tmp_path):
    write_images(tmp_path / "day", 70)
    (tmp_path / "day.csv").write_text("path,time\nday/70.png,2026-07-01T08:00\n")
    gallery("add", "--table", tmp_path / "day.csv", "--time-zone", "Europe/Berlin")
    query = ("search", tmp_path / "day/70.png", "--gallery", uri, "--modality", "visible")
    found = json.loads(fprnet(*query, "--json").out)
    assert found["matches"][0]["time"] == "2026-07-01T06:00:00Z"
    for words, said in (
        (("--table", tmp_path / "day.csv", "--time-zone", "Berlin"), "'Berlin' is unknown"),
        (("--images", tmp_path / "day", "--modality", "visible", "--time-zone", "UTC"), "of --t"),
    ):
        refused = fprnet("gallery", "add", "--uri", uri, *words)
        assert (refused.status, said in refused.complaint) == (2, True), refused.err


def test_a_table_of_a_european_spreadsheet(fprnet, uri, tmp_path):
    write_images(tmp_path / "Tag", 70)
    lines = ["sep=;", "Path;Modality;Time", "Tag\\70.png;visible;02.11.2026 08:15:33", ";;", ""]
    (tmp_path / "vms.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    words = ("gallery", "add", "--uri", uri, "--table", tmp_path / "vms.csv")
    refused = fprnet(*words)
    assert (refused.status, "--time-format" in refused.complaint) == (2, True)
    added = fprnet(*words, "--time-format", "%d.%m.%Y %H:%M:%S", "--time-zone", "Europe/Berlin")
    assert added.status == 0
    assert "2026-11-02T07:15:33Z" in fprnet("gallery", "list", "--uri", uri).out
    folder = ("gallery", "add", "--uri", uri, "--images", tmp_path / "Tag", "--modality", "visible")
    other = fprnet(*folder, "--time-format", "%Y")
    assert (other.status, "--time-format is of --table" in other.complaint) == (2, True)


def test_audit_log_says_what_the_command_line_did(fprnet, uri, gallery, stock):
    gallery("remove", stock / "day" / "1.png")
    gallery("restore", IDS[1])
    gallery("erase", IDS[2])
    result = fprnet("gallery", "audit", "--uri", uri)
    entries = [json.loads(line) for line in result.out.splitlines()]
    assert [entry["event"] for entry in entries] == ["hide", "show", "erase"]
    assert {entry["role"] for entry in entries} == {"command line"}
    assert entries[0]["ids"] == [IDS[1]]
    assert IDS[2] not in result.out
    assert entries[2]["records"] == 1


def test_erasing_reaches_the_copies_of_the_service(fprnet, uri, gallery, tmp_path):
    folder = tmp_path / "people.db.service" / "images"
    for number in (2, 3):
        (folder / IDS[number][:2]).mkdir(parents=True, exist_ok=True)
        (folder / IDS[number][:2] / f"{IDS[number]}.png").write_bytes(image_bytes(number))
    gallery("erase", IDS[2])
    assert [file.stem for file in folder.rglob("*.png")] == [IDS[3]]


def test_a_query_image_that_marks_keep_is_erased_by_its_file(fprnet, uri, gallery, tmp_path):
    (tmp_path / "query.png").write_bytes(image_bytes(80))
    query = sha256(image_bytes(80))
    refused = fprnet("gallery", "erase", "--uri", uri, tmp_path / "query.png")
    assert (refused.status, "no record of" in refused.complaint) == (2, True)
    about = Feedback(
        datetime.now(UTC), "a", (query,), (f"{query}.png",), "visible", IDS[0], "right", 0
    )
    with Gallery.open(str(uri), writable=True) as opened:
        store = FeedbackStore(opened.database, tmp_path / "people.db.service" / "feedback")
        store.add(about, [image_bytes(80)], since=0)
        refused = fprnet("gallery", "remove", "--uri", uri, tmp_path / "query.png")
        assert (refused.status, "no record of" in refused.complaint) == (2, True)
        assert gallery("erase", tmp_path / "query.png") == {"changed": 1, "records": 12}
        assert store.all() == []
        assert not store.keeps(query)


def test_erasing_reaches_the_folder_that_is_named_unless_it_is_of_another_gallery(
    fprnet, uri, gallery, tmp_path
):
    copy = tmp_path / "elsewhere" / "images" / IDS[2][:2] / f"{IDS[2]}.png"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(image_bytes(2))
    with Gallery.open(str(uri)) as opened:
        claim(tmp_path / "elsewhere", opened)
    with sqlite3.connect(uri) as connection:
        connection.execute("UPDATE gallery SET created = created + 1")
    for folder, said in (("elsewhere", "of another gallery"), ("nowhere", "is no folder")):
        words = ("erase", "--uri", uri, IDS[2], "--folder", tmp_path / folder)
        refused = fprnet("gallery", *words)
        assert (refused.status, said in refused.complaint) == (2, True)
    assert copy.exists()
    with sqlite3.connect(uri) as connection:
        connection.execute("UPDATE gallery SET created = created - 1")
    assert gallery("erase", IDS[2], "--folder", tmp_path / "elsewhere")["changed"] == 1
    assert not copy.exists()


def test_erasing_that_was_interrupted_is_finished_by_saying_it_again(
    fprnet, uri, gallery, tmp_path, monkeypatch
):
    copy = tmp_path / "people.db.service" / "images" / IDS[2][:2] / f"{IDS[2]}.png"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(image_bytes(2))
    waiting = tmp_path / "people.db.service" / "feedback" / "query.png"
    waiting.parent.mkdir()
    waiting.write_bytes(image_bytes(3))

    def interrupted(uri, folder, gallery):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commands, "_sweep", interrupted)
        assert fprnet("gallery", "erase", "--uri", uri, IDS[2]).status == 130
    assert copy.exists()
    again = fprnet("gallery", "erase", "--uri", uri, IDS[2])
    assert (again.status, "no record" in again.complaint) == (2, True)
    assert not copy.exists()
    assert not waiting.exists()


def test_mistakes_are_one_line(fprnet, uri, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "stranger.png").write_bytes(image_bytes(90))
    for words, said in (
        (("erase",), "no image is named"),
        (("erase", tmp_path / "none"), "is a folder; give the images"),
        (("erase", "nothing.jpg"), "nothing.jpg"),
        (("erase", "0" * 64), "no record"),
        (("remove", IDS[1], tmp_path / "stranger.png"), "no record of " + str(tmp_path)),
        (("erase", "--until", "soon"), "soon"),
        (("add", "--images", tmp_path / "none", "--modality", "visible"), "no images"),
        (("add", "--table", tmp_path / "none.csv"), "none.csv"),
        (("add", "--images", tmp_path), "--modality"),
        (("add", "--data", tmp_path, "--camera", "1"), "--images"),
    ):
        result = fprnet("gallery", words[0], "--uri", uri, *words[1:])
        assert result.status == 2, words
        assert said in result.complaint, words
    (tmp_path / "old.db").mkdir()
    for name in ("found", "found.xyz", "found.psd"):
        drawn = fprnet("search", tmp_path / "1.png", "--gallery", uri, "--picture", tmp_path / name)
        assert (drawn.status, drawn.out, name in drawn.complaint) == (2, "", True)
    old = fprnet("gallery", "info", "--uri", tmp_path / "old.db")
    assert "make a new gallery" in old.complaint
    elsewhere = fprnet("gallery", "info", "--uri", "http://127.0.0.1:19530")
    assert "postgresql://" in elsewhere.complaint


def test_each_image_has_its_answer_unless_all_show_one_person(fprnet, uri, stock, tmp_path):
    images = [stock / "day" / f"{number}.png" for number in (1, 4, 7)]
    words = ("--gallery", uri, "--modality", "visible", "--top", "2")
    answers = [
        json.loads(line) for line in fprnet("search", *images, *words, "--json").out.splitlines()
    ]
    assert [answer["images"] for answer in answers] == [[str(image)] for image in images]
    assert [answer["matches"][0]["id"] for answer in answers] == [IDS[1], IDS[4], IDS[7]]
    (together,) = fprnet("search", *images, *words, "--json", "--same-person").out.splitlines()
    assert json.loads(together)["queries"] == 3
    picture = tmp_path / "found.png"
    table = fprnet("search", *images, *words, "--picture", picture)
    assert [line for line in table.out.splitlines() if line in map(str, images)] == [
        str(image) for image in images
    ]
    assert picture.stat().st_size > 0


def test_a_damaged_query_does_not_take_the_answers_of_the_others(fprnet, uri, stock, tmp_path):
    (tmp_path / "half.png").write_bytes(image_bytes(1)[:90])
    (tmp_path / "text.jpg").write_text("no image")
    images = [
        stock / "day/1.png",
        tmp_path / "half.png",
        tmp_path / "text.jpg",
        stock / "day/4.png",
    ]
    words = ("--gallery", uri, "--modality", "visible", "--top", "1")
    picture = tmp_path / "found.png"
    result = fprnet("search", *images, *words, "--json", "--picture", picture)
    assert result.status == 2
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [answer["matches"][0]["id"] for answer in found] == [IDS[1], IDS[4]]
    complaints = [line for line in result.err.splitlines() if "left out" in line]
    assert ["half.png" in complaints[0], "text.jpg" in complaints[1]] == [True, True]
    assert picture.stat().st_size > 0
    for only in (images[1:2], [*images[:2], "--same-person"]):
        refused = fprnet("search", *only, *words, "--json")
        assert (refused.status, refused.out, "half.png" in refused.complaint) == (2, "", True)


def test_what_lies_where_an_image_was_is_not_taken_for_it(fprnet, uri, tmp_path):
    write_images(tmp_path / "day", 80, 81, 82)
    fprnet("gallery", "add", "--uri", uri, "--images", tmp_path / "day", "--modality", "visible")
    (tmp_path / "query.png").write_bytes(image_bytes(80))
    (tmp_path / "day/80.png").write_bytes(image_bytes(83))  # somebody else, at the same path
    (tmp_path / "day/81.png").write_bytes(b"")
    words = ("--gallery", uri, "--modality", "visible", "--top", "20", "--explain", "--json")
    result = fprnet("search", tmp_path / "query.png", *words)
    found = json.loads(result.out)
    paths = [match["path"] for match in found["matches"][:5]]
    assert paths[0] == str(tmp_path / "day/80.png")
    explained = [paths[one["rank"] - 1] for one in found["explanations"]]
    assert {str(tmp_path / f"day/{seed}.png") for seed in (80, 81)}.isdisjoint(explained)
    assert "match 1 is not explained" in result.err


def test_an_empty_gallery_says_so(fprnet, tmp_path, stock):
    uri = tmp_path / "empty.db"
    made = fprnet("gallery", "create", "--uri", uri, "--model", "fprnet", "--scale", "tiny")
    assert made.status == 0, made.err
    words = ("search", stock / "day" / "1.png", "--gallery", uri, "--modality", "visible")
    assert "gallery is empty" in fprnet(*words).err
    assert "nobody" in fprnet("keys", "list", "--gallery", uri).out


def test_keys_are_made_listed_and_revoked(fprnet, uri):
    made = fprnet("keys", "add", "ward-3", "--role", "search", "--gallery", uri)
    assert made.status == 0
    assert made.out.strip() not in uri.read_bytes().decode("latin-1")
    listed = json.loads(fprnet("keys", "list", "--gallery", uri, "--json").out)
    assert {"ward-3"} <= {key["name"] for key in listed["keys"]}
    assert fprnet("keys", "revoke", "ward-3", "--gallery", uri).status == 0
    assert "ward-3 has no key" in fprnet("keys", "revoke", "ward-3", "--gallery", uri).complaint
