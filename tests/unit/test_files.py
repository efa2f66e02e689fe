"""A file is complete or not there."""

import os

import pytest

from fprnet.files import locked, remove_leftovers, replacing, write_text


def test_text_is_written_and_replaced(tmp_path):
    file = tmp_path / "new" / "a.txt"
    write_text(file, "grün")
    write_text(file, "blau")
    assert file.read_text(encoding="utf-8") == "blau"
    assert list(file.parent.iterdir()) == [file]


def test_failure_leaves_what_was_there(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(file) as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        assert temporary.parent == file.parent
        assert temporary.suffix == file.suffix
        raise KeyboardInterrupt
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_content_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    file, calls = tmp_path / "a.txt", []
    monkeypatch.setattr(os, "fsync", lambda number: calls.append(file.exists()))
    write_text(file, "new")
    assert calls == [False]
    assert file.exists()


def test_leftovers_of_killed_processes_go_and_nothing_else(tmp_path):
    kept = [tmp_path / name for name in ("a.pt", ".lock", "b.part.pt")]
    for path in (*kept, tmp_path / ".a.01234567.part.pt", tmp_path / ".a.89abcdef.part"):
        path.write_text("x")
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_lock_keeps_others_away_until_it_is_given_back(tmp_path):
    file = tmp_path / "lock"
    with locked(file), pytest.raises(BlockingIOError), locked(file):
        pass
    with locked(file) as held:
        assert held.fileno() > 2
    assert file.exists()
