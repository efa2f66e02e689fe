"""Galleries whose writers are killed: at random changes, while adding, erasing and expiring."""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from forking import Forked, command, ended, killed
from outcomes import Row

from fprnet.gallery import adding
from fprnet.gallery.audit import read_entries
from fprnet.gallery.gallery import Gallery
from gallery_cases import MODEL, record, vectors
from killed_cases import OLD, KilledWriters
from postgres_server import postgres_server

__all__ = ["kill_adding", "kill_erasing", "kill_writers"]

FRESH = 100  # kills until the next gallery: it grows by each
STOCK = 4000  # records of a gallery that is erased from
PICTURES = 40  # of them have a copy in the service's folder
CHUNK = 16  # images that are added together


def kill_writers(folder: Path, seed: int, kills: int, *, server: bool = False) -> Row:
    """Kill processes that add, hide, correct, erase and expire, at every moment of that."""
    row = Row(f"SIGKILL of writers, {'PostgreSQL' if server else 'SQLite'}", patience=60.0)
    moments = random.Random(f"{seed} writers")
    acknowledged = 0
    killed_at: dict[str, int] = {}
    try:
        place = postgres_server() if server else nullcontext(None)
        with place as running:
            for start in range(0, kills, FRESH):
                home = folder / f"{row.name.rpartition(' ')[2]}{start}"
                home.mkdir()
                name = f"writers{start}" if server else "gallery"
                uri = running.uri if running is not None else str(home / "people.db")
                Gallery.create(uri, MODEL, name=name, keep_days=300).close()
                writers = KilledWriters(uri, name)
                for number in range(start, min(start + FRESH, kills)):
                    with row.one(f"writer {number}"):
                        writers.kill_one(f"{seed} {number}", moments)
                        row.kills += 1
                        if not server:
                            _assert_gone(home, _traces(writers.erased))
                acknowledged += writers.acknowledged
                for kind, count in writers.killed_at.items():
                    killed_at[kind] = killed_at.get(kind, 0) + count
    except pytest.skip.Exception as error:
        row.note = str(error)
        return row
    at = ", ".join(f"{kind} {count}" for kind, count in sorted(killed_at.items()))
    row.note = f"{acknowledged} changes acknowledged; killed at {at}"
    return row


def kill_adding(folder: Path, run: Path, data: Path, seed: int, kills: int) -> Row:
    """Kill ``fprnet gallery add``; started again, it goes on, and ends as if it had been alone."""
    row = Row("SIGKILL of gallery add", patience=60.0)
    moments = random.Random(f"{seed} add")
    log = folder / "adding.log"
    adding.CHUNK = CHUNK  # type: ignore[misc]
    unbroken, uri = folder / "unbroken.db", folder / "added.db"

    def words(where: Path) -> tuple[object, ...]:
        return ("gallery", "add", "--uri", where, "--data", data)

    ended(command("gallery", "create", "--uri", unbroken, "--model", run), log)
    empty = shutil.copy(unbroken, folder / "empty.db")
    spent = ended(command(*words(unbroken)), log)
    wanted = _held(unbroken)
    before: dict[str, bytes] = {}
    finished = 0
    shutil.copy(empty, uri)
    while row.kills < kills:
        with row.one(f"add {row.kills}"):
            alive = killed(command(*words(uri)), log, spent, moments)
            row.kills += alive
            now = _held(uri)
            assert before.items() <= now.items() <= wanted.items()
            assert alive or now == wanted
            before = now
        if len(before) == len(wanted) or row.counts["faults"]:
            finished += 1
            before = {}
            for suffix in ("", "-wal", "-shm"):
                Path(f"{uri}{suffix}").unlink(missing_ok=True)
            shutil.copy(empty, uri)
    row.note = f"{finished} galleries were filled between the kills, {len(wanted)} images each"
    return row


def _held(uri: Path) -> dict[str, bytes]:
    """Id -> embedding of all records, which searches find and the audit log names, too."""
    with Gallery.open(str(uri)) as gallery:
        ids = gallery.select()
        query = np.zeros((1, gallery.model.embedding_size), np.float32)
        query[:, 0] = 1
        found = gallery.search(query, top=1000).matches[0]
        assert {match.record.id for match in found} == set(ids)
        entries = list(read_entries(gallery.database))
        assert {id for entry in entries for id in entry["ids"]} == set(ids)
        rows = gallery.embeddings(ids)
    return {id: row.tobytes() for id, row in zip(ids, rows, strict=True)}


def kill_erasing(folder: Path, seed: int, kills: int) -> Iterator[Row]:
    """Kill ``gallery erase`` and ``gallery expire``: all of it or nothing, and no bytes left."""
    stock = folder / "stock"
    pictures = _make_stock(stock, seed)
    for kind in ("erase", "expire"):
        row = Row(f"SIGKILL of gallery {kind}", patience=60.0)
        chance = random.Random(f"{seed} {kind}")
        log = folder / f"{kind}.log"
        undone = 0
        for _ in range(2):  # the first one warms up
            with _copy_of(stock) as home:
                spent = ended(_forgetting(kind, home, chance, pictures)[0], log)
        while row.kills < kills:
            with row.one(f"{kind} {row.kills}"), _copy_of(stock) as home:
                uri = str(home / "people.db")
                work, some = _forgetting(kind, home, chance, pictures)
                ids = [_id(number, pictures) for number in some]
                alive = killed(work, log, spent, chance, since=0.3)
                row.kills += alive
                with Gallery.open(uri) as gallery:
                    left = gallery.known(ids)
                    assert len(gallery) == STOCK - len(set(ids)) + len(left)
                assert not left or (alive and left == set(ids))
                undone += bool(left)
                if alive:
                    # Who was interrupted says it again; what is gone already is complained of.
                    again = Forked(work, log).wait()
                    assert again == 0 or (again == 2 and not left)
                traces = _traces(set(some) - set(range(PICTURES)))
                for number in set(some) & set(range(PICTURES)):
                    picture = pictures[number]
                    traces += [picture[:40], picture[-40:], ids[some.index(number)].encode()]
                _assert_gone(home, traces)
        row.note = f"{undone} were killed before anything was erased"
        yield row


@contextmanager
def _copy_of(stock: Path) -> Iterator[Path]:
    """Yield a copy of a gallery's folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=stock.parent) as place:
        yield Path(shutil.copytree(stock, Path(place) / "home"))


def _forgetting(
    kind: str, home: Path, chance: random.Random, pictures: list[bytes]
) -> tuple[Callable[[], int], list[int]]:
    """Return the work of ``gallery erase`` or ``gallery expire``, and the records it takes."""
    uri = home / "people.db"
    if kind == "expire":
        expired = [number for number in range(STOCK) if number % 7 == 0]
        return command("gallery", "expire", "--uri", uri), expired
    some = chance.sample(range(PICTURES, STOCK), 3) + chance.sample(range(PICTURES), 2)
    ids = [_id(number, pictures) for number in some]
    return command("gallery", "erase", "--uri", uri, *ids), some


def _make_stock(home: Path, seed: int) -> list[bytes]:
    """A gallery of which some records have copies in the service's folder; returns those."""
    chance = np.random.default_rng(seed)
    pictures = [chance.bytes(3000) for _ in range(PICTURES)]
    home.mkdir()
    with Gallery.create(str(home / "people.db"), MODEL, keep_days=300) as gallery:
        records = []
        for number in range(STOCK):
            time = OLD if number % 7 == 0 else None
            one = record(number, time=time, identity=f"person {number}")
            records.append(one.model_copy(update={"id": _id(number, pictures)}))
        embeddings = np.concatenate([vectors(1, seed=number) for number in range(STOCK)])
        gallery.add(embeddings, records)
    for content in pictures:
        id = hashlib.sha256(content).hexdigest()
        copy = home / "people.db.service" / "images" / id[:2] / f"{id}.png"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    return pictures


def _id(number: int, pictures: list[bytes]) -> str:
    if number < len(pictures):
        return hashlib.sha256(pictures[number]).hexdigest()
    id: str = record(number).id
    return id


def _traces(numbers: set[int]) -> list[bytes]:
    """What a record leaves where it is: its hash, its path, its embedding."""
    traces = []
    for number in numbers:
        one = record(number)
        embedding = vectors(1, seed=number).astype(np.float16).tobytes()
        traces += [one.id.encode(), one.path.encode(), embedding]
    return traces


def _assert_gone(home: Path, traces: list[bytes]) -> None:
    content = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    left = [trace for trace in traces if trace in content]
    assert not left, f"{len(left)} traces of what was erased, e.g. {left[0]!r}"
