"""The audit log: on the disk before anybody goes on; in the gallery, or in a file of lines."""

import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from fprnet.errors import UsageError
from fprnet.gallery.audit import AuditEntry, read_entries, write_entries
from fprnet.gallery.gallery import Gallery
from fprnet.serving import audit
from fprnet.serving.audit import open_audit
from gallery_cases import MODEL


def log_to(file):
    return open_audit(None, file)


def entry(event="search", **details):
    return AuditEntry(event, "ward-3", "search", "10.0.0.7", details=details)


def entries(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_entry_is_on_the_disk_when_its_future_is_done(tmp_path):
    file = tmp_path / "new" / "audit.jsonl"
    log = log_to(file)
    log.write(AuditEntry("search", "ward-3", images={"ids": ["a", "b"]})).result()
    [found] = entries(file)
    assert found["time"].endswith("Z")
    assert (found["event"], found["by"], found["ids"]) == ("search", "ward-3", ["a", "b"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    log.close()


def test_line_breaks_and_other_scripts_cannot_forge_a_line(tmp_path):
    log = log_to(tmp_path / "audit.jsonl")
    log.write(entry("mark", note='a\n{"event": "erase"}\u2028é')).result()
    log.close()
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 1
    assert (tmp_path / "audit.jsonl").read_bytes().isascii()


def test_log_goes_on_where_it_ended(tmp_path):
    for number in range(3):
        log = log_to(tmp_path / "audit.jsonl")
        log.write(entry(number=number))
        log.close()  # writes what is waiting
    assert [one["number"] for one in entries(tmp_path / "audit.jsonl")] == [0, 1, 2]


def test_renamed_and_removed_files_are_opened_anew(tmp_path):
    file = tmp_path / "audit.jsonl"
    log = log_to(file)
    log.write(entry(number=0)).result()
    file.rename(tmp_path / "old.jsonl")
    log.write(entry(number=1)).result()
    file.unlink()
    log.write(entry(number=2)).result()
    log.close()
    assert [one["number"] for one in entries(tmp_path / "old.jsonl")] == [0]
    assert [one["number"] for one in entries(file)] == [2]


def test_entries_of_many_threads_are_all_there_and_whole(tmp_path):
    log = log_to(tmp_path / "audit.jsonl")
    with ThreadPoolExecutor(8) as pool:
        wait(list(pool.map(lambda n: log.write(entry(number=n, text="x" * 3000)), range(400))))
    log.close()
    assert sorted(e["number"] for e in entries(tmp_path / "audit.jsonl")) == list(range(400))


def test_many_waiting_entries_share_a_fsync(tmp_path, monkeypatch):
    log = log_to(tmp_path / "audit.jsonl")
    calls = []
    real = os.fsync
    monkeypatch.setattr("os.fsync", lambda descriptor: (calls.append(1), real(descriptor)))
    wait([log.write(entry(number=number)) for number in range(500)])
    log.close()
    assert len(entries(tmp_path / "audit.jsonl")) == 500
    assert len(calls) < 500


def test_full_disk_is_told_to_whoever_waits(tmp_path, monkeypatch):
    log = log_to(tmp_path / "audit.jsonl")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            log.write(entry(number=0)).result()
    log.write(entry(number=1)).result()  # it goes on when there is space again
    log.close()


def test_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"audit log .* cannot be written"):
        log_to(tmp_path / "file" / "audit.jsonl")


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(str(tmp_path / "people.db"), MODEL) as gallery:
        yield gallery


def test_log_in_the_gallery_has_what_was_written(gallery):
    log = open_audit(gallery.database, None)
    ids = ["a" * 64, "b" * 64]
    log.write(
        AuditEntry(
            "search",
            "ward-3",
            "search",
            "10.0.0.7",
            details={"options": {"top": 3}},
            images={"queries": ids[:1], "ids": ids},
        )
    ).result()
    wait([log.write(entry(place=number)) for number in range(50)])
    log.close()
    first, *others = read_entries(gallery.database)
    assert first.pop("time").endswith("Z")
    assert first == {
        "number": 1,
        "event": "search",
        "by": "ward-3",
        "role": "search",
        "address": "10.0.0.7",
        "options": {"top": 3},
        "queries": ids[:1],
        "ids": ids,
        "outcome": "ok",
    }
    assert [one["place"] for one in others] == list(range(50))
    assert next(read_entries(gallery.database, after=50))["place"] == 49


def test_log_is_read_page_by_page(gallery, monkeypatch):
    monkeypatch.setattr("fprnet.gallery.audit.PAGE", 3)
    log = open_audit(gallery.database, None)
    for number in range(7):
        log.write(AuditEntry("search", "a", images={"ids": [f"{number:064x}"]}))
    log.close()
    found = [one["ids"] for one in read_entries(gallery.database)]
    assert found == [[f"{number:064x}"] for number in range(7)]


def denied(address, path="/v1/gallery"):
    details = {"path": path}
    return AuditEntry("denied", None, None, address, "key_missing", details=details)


def test_strangers_can_fill_neither_log(gallery, tmp_path):
    """A flood from one address and from many leaves few short entries, and says how many not."""
    file = tmp_path / "audit.jsonl"
    for log, read in (
        (open_audit(gallery.database, None), lambda: list(read_entries(gallery.database))),
        (log_to(file), lambda: entries(file)),
    ):
        for number in range(2000):
            log.note_denied(denied("203.0.113.9"))
            log.note_denied(denied(f"10.{number // 250}.{number % 250}.1"))
        log.write(entry()).result()
        log.close()
        found = read()
        strangers = [one for one in found if one["event"] == "denied"]
        assert len([one for one in strangers if one["address"] == "203.0.113.9"]) <= 25
        assert 20 <= len(strangers) <= 230
        assert found[-1]["event"] == "search"


def test_entry_says_how_many_were_left_out(gallery, monkeypatch):
    monkeypatch.setattr(audit, "DENIED_BURST", 2)
    log = open_audit(gallery.database, None)
    for _ in range(5):
        log.note_denied(denied("203.0.113.9"))
    log.note_denied(denied("203.0.113.10"))
    log.close()
    assert [one.get("left_out") for one in read_entries(gallery.database)] == [None, None, 3]


def test_strangers_get_no_room_on_a_disk_that_is_nearly_full(gallery, monkeypatch):
    monkeypatch.setattr(audit, "RESERVE", 2**62)
    log = open_audit(gallery.database, None)
    log.note_denied(denied("203.0.113.9"))
    log.write(entry()).result()
    log.close()
    assert [one["event"] for one in read_entries(gallery.database)] == ["search"]


def test_strangers_words_are_cut_and_name_no_image(gallery):
    log = open_audit(gallery.database, None)
    log.note_denied(denied("203.0.113.9", f"/v1/gallery/images/{'a' * 64}"))
    log.note_denied(denied("203.0.113.9", "/" + "x" * 60_000))
    log.close()
    first, second = read_entries(gallery.database)
    assert first["path"] == "/v1/gallery/images/{id}"
    assert len(second["path"]) == 200


def test_oldest_strangers_make_room(gallery, monkeypatch):
    monkeypatch.setattr("fprnet.gallery.audit.MAX_DENIED", 10)
    with gallery.database.writing() as connection:
        given = [entry(), *(denied(f"10.0.0.{number}") for number in range(30))]
        for one in given:
            write_entries(connection, gallery.database.tables, [one])
    found = list(read_entries(gallery.database))
    assert found[0]["event"] == "search"
    assert len(found) <= 11
    assert found[-1]["address"] == "10.0.0.29"
