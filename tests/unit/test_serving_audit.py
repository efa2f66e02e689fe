"""The audit log: on the disk before anybody goes on, appended, rotated by name."""

import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from fprnet.errors import UsageError
from fprnet.serving.audit import AuditLog


def entries(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_entry_is_on_the_disk_when_its_future_is_done(tmp_path):
    file = tmp_path / "new" / "audit.jsonl"
    log = AuditLog(file)
    log.write(event="search", by="ward-3", ids=["a", "b"]).result()
    [entry] = entries(file)
    assert entry["time"].endswith("Z")
    assert (entry["event"], entry["by"], entry["ids"]) == ("search", "ward-3", ["a", "b"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    log.close()


def test_line_breaks_and_other_scripts_cannot_forge_a_line(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(event="mark", note='a\n{"event": "erase"}\u2028é').result()
    log.close()
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 1
    assert (tmp_path / "audit.jsonl").read_bytes().isascii()


def test_log_goes_on_where_it_ended(tmp_path):
    for number in range(3):
        log = AuditLog(tmp_path / "audit.jsonl")
        log.write(number=number)
        log.close()  # writes what is waiting
    assert [entry["number"] for entry in entries(tmp_path / "audit.jsonl")] == [0, 1, 2]


def test_renamed_and_removed_files_are_opened_anew(tmp_path):
    file = tmp_path / "audit.jsonl"
    log = AuditLog(file)
    log.write(number=0).result()
    file.rename(tmp_path / "old.jsonl")
    log.write(number=1).result()
    file.unlink()
    log.write(number=2).result()
    log.close()
    assert [entry["number"] for entry in entries(tmp_path / "old.jsonl")] == [0]
    assert [entry["number"] for entry in entries(file)] == [2]


def test_entries_of_many_threads_are_all_there_and_whole(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    with ThreadPoolExecutor(8) as pool:
        wait(list(pool.map(lambda n: log.write(number=n, text="x" * 3000), range(400))))
    log.close()
    assert sorted(e["number"] for e in entries(tmp_path / "audit.jsonl")) == list(range(400))


def test_many_waiting_entries_share_a_fsync(tmp_path, monkeypatch):
    log = AuditLog(tmp_path / "audit.jsonl")
    calls = []
    real = os.fsync
    monkeypatch.setattr("os.fsync", lambda descriptor: (calls.append(1), real(descriptor)))
    wait([log.write(number=number) for number in range(500)])
    log.close()
    assert len(entries(tmp_path / "audit.jsonl")) == 500
    assert len(calls) < 500


def test_full_disk_is_told_to_whoever_waits(tmp_path, monkeypatch):
    log = AuditLog(tmp_path / "audit.jsonl")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            log.write(number=0).result()
    log.write(number=1).result()  # it goes on when there is space again
    log.close()


def test_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"audit log .* cannot be written"):
        AuditLog(tmp_path / "file" / "audit.jsonl")
