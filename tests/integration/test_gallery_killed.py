"""One file, many processes: killed writers, readers beside a writer, a full disk."""

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from fprnet.errors import GalleryError
from fprnet.gallery import database, sqlite
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Filters
from fprnet.gallery.schema import MIGRATIONS, VERSION
from gallery_cases import MODEL, record, vectors
from killed_cases import KilledWriters, child, said_before_the_end

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
KILLS = 200


@pytest.mark.slow
def test_writers_that_are_killed_leave_all_that_they_acknowledged_and_nothing_half(tmp_path):
    uri = str(tmp_path / "people.db")
    Gallery.create(uri, MODEL, keep_days=300).close()
    moments = random.Random(0)
    writers = KilledWriters(uri)
    for seed in range(KILLS):
        writers.kill_one(seed, moments)
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert not [n for n in writers.erased if record(n).id.encode() in content]
    assert set(writers.killed_at) == {"add", "hide", "correct", "erase", "expire"}


@pytest.mark.slow
def test_migrations_that_are_killed_are_done_or_not_begun(tmp_path, monkeypatch):
    uri = str(tmp_path / "people.db")
    with Gallery.create(uri, MODEL) as gallery:
        known = np.concatenate([vectors(1, seed=number) for number in range(2000)])
        gallery.add(known, [record(number) for number in range(2000)])

    def migration(version):
        def migrate(connection, tables):
            connection.exec_driver_sql(f"ALTER TABLE record ADD COLUMN new_{version} TEXT")
            connection.exec_driver_sql(f"UPDATE record SET new_{version} = path")

        return migrate

    moments = random.Random(0)
    first = done = VERSION
    for _ in range(40):
        monkeypatch.setitem(MIGRATIONS, done, migration(done))
        monkeypatch.setattr(database, "VERSION", done + 1)

        def migrate(say):
            say("begin")
            Gallery.open(uri).close()
            say("done")

        with child(migrate) as (process, said):
            said.readline()
            time.sleep(moments.uniform(0, 0.03))
            os.kill(process, signal.SIGKILL)
            acknowledged = bool(said_before_the_end(said))
        connection = sqlite3.connect(uri)
        (version,) = connection.execute("SELECT version FROM gallery").fetchone()
        columns = [row[1] for row in connection.execute("PRAGMA table_info(record)")]
        connection.close()
        assert version == done + 1 or not acknowledged
        assert [name for name in columns if name.startswith("new_")] == [
            f"new_{number}" for number in range(first, version)
        ]
        done = version
        if done > first + 7:
            break
    with Gallery.open(uri) as gallery:
        assert len(gallery.search(vectors(1), top=1000).matches[0]) == 1000


def test_readers_in_other_processes_see_states_that_existed(tmp_path):
    """A writer adds, hides and erases pairs; a reader never finds half a pair, or an erased one."""
    uri = str(tmp_path / "people.db")
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(2, seed=999), [record(998), record(999)])

    def write(say):
        with Gallery.open(uri, writable=True) as gallery:
            for start in range(0, 60, 2):
                pair = [record(start, camera=1), record(start + 1, camera=1)]
                ids = [one.id for one in pair]
                gallery.add(vectors(2, seed=start), pair)
                if start % 4:
                    gallery.remove(ids)
                if start % 6 == 0:
                    gallery.erase(ids)
            say("done")

    def read(say):
        searches = 0
        with Gallery.open(uri) as gallery:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                found = gallery.search(vectors(1), filters=Filters(cameras=(1,)), top=1000)
                numbers = {match.record.path for match in found.matches[0]}
                pairs = {int(path[4:8]) // 2 for path in numbers}
                if len(numbers) != 2 * len(pairs) or len(numbers) != found.candidates:
                    say("half a pair", sorted(numbers), found.candidates)
                searches += 1
                if len(gallery.known([record(58).id, record(59).id])) == 2 and searches > 20:
                    break
        say("searches", searches)

    with child(read) as (_, first), child(read) as (_, second), child(write) as (_, writer):
        assert said_before_the_end(writer) == [["done"]]
        for reader in (first, second):
            ((word, searches),) = said_before_the_end(reader)
            assert (word, searches > 20) == ("searches", True)


def test_a_writer_waits_for_another(tmp_path):
    uri = str(tmp_path / "people.db")
    Gallery.create(uri, MODEL).close()

    def write(start):
        def work(say):
            with Gallery.open(uri, writable=True) as gallery:
                for number in range(start, start + 30):
                    gallery.add(vectors(1, seed=number), [record(number)])
            say("done")

        return work

    with child(write(0)) as (_, first), child(write(100)) as (_, second):
        assert said_before_the_end(first) == said_before_the_end(second) == [["done"]]
    with Gallery.open(uri) as gallery:
        assert len(gallery) == 60


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, monkeypatch):
    uri = str(tmp_path / "people.db")
    Gallery.create(uri, MODEL).close()
    pages = Path(uri).stat().st_size // 4096
    with monkeypatch.context() as patch:
        # What SQLite answers is what it answers on a disk without space.
        patch.setattr(sqlite, "PRAGMAS", (*sqlite.PRAGMAS, f"max_page_count = {pages + 20}"))
        acknowledged = []
        with Gallery.open(uri, writable=True) as gallery:
            complaint = None
            while complaint is None:
                number = len(acknowledged)
                try:
                    gallery.add(vectors(2, seed=number), [record(number), record(number + 1)])
                    acknowledged += [number, number + 1]
                except GalleryError as error:
                    complaint = str(error)
            assert "disk is full; nothing was changed" in complaint
            assert len(gallery) == len(acknowledged)
            assert len(gallery.search(vectors(1), top=1000).matches[0]) == len(acknowledged)
    with Gallery.open(uri, writable=True) as gallery:
        assert gallery.known([record(n).id for n in range(len(acknowledged) + 9)]) == {
            record(number).id for number in acknowledged
        }
        gallery.add(vectors(1, seed=77), [record(100_000)])
        assert len(gallery) == len(acknowledged) + 1
