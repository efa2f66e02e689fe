"""A gallery in a real PostgreSQL with pgvector: the same answers as in a file, and a replica."""

import signal
import subprocess
import sys
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from conftest import environment
from fprnet.errors import (
    FilterError,
    GalleryError,
    GalleryExistsError,
    GalleryMissingError,
    GalleryUnavailableError,
)
from fprnet.gallery import postgres, server_search
from fprnet.gallery.audit import AuditEntry, read_entries
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Added, Filters, GalleryRecord, ModelIdentity
from fprnet_lab.benchmarking import gallery as measuring
from gallery_cases import MODEL, kept, record, records, vectors
from postgres_server import postgres_server, replica_of

pytestmark = pytest.mark.slow
pytest.importorskip("psycopg", reason="needs a client: pip install 'fprnet[postgres]'")
pytest.importorskip("pgvector", reason="needs a client: pip install 'fprnet[postgres]'")

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def name(request):
    return f"g{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def gallery(server, name):
    with Gallery.create(server.uri, MODEL, name=name) as gallery:
        yield gallery


def ids_of(matches):
    return [match.record.id for match in matches]


def some_records(count):
    return [
        GalleryRecord(
            **{
                **dict(one),
                "time": None if number % 5 == 0 else NOON + timedelta(hours=number - 20),
                "modality": "infrared" if number % 7 == 0 else "visible",
                "location": None if number % 11 == 0 else one.location,
            }
        )
        for number, one in enumerate(records(count))
    ]


FILTERS = [
    Filters(),
    Filters(cameras=(1, 3)),
    Filters(locations=("2",)),
    Filters(exclude_location=2),
    Filters(identity="known"),
    Filters(identity="unknown"),
    Filters(modality="infrared"),
    Filters(since=NOON),
    Filters(until=NOON),
    Filters(cameras=(1,), since=NOON - timedelta(hours=5), until=NOON, exclude_location=0),
]


@pytest.mark.parametrize("exact", [10**9, 0], ids=["exact", "graph"])
def test_a_server_answers_as_a_file_does(gallery, tmp_path, monkeypatch, exact):
    monkeypatch.setattr(server_search, "EXACT", exact)
    some, known = some_records(200), vectors(200)
    with Gallery.create(str(tmp_path / "people.db"), MODEL) as file:
        for one in (gallery, file):
            one.add(known, some)
            one.remove([some[1].id])
            one.erase([some[2].id])
        for filters in FILTERS:
            theirs, ours = (
                one.search(vectors(3, seed=9), filters=filters, top=200) for one in (gallery, file)
            )
            assert theirs.candidates == ours.candidates
            assert theirs.images == pytest.approx(ours.images)
            for found, expected in zip(theirs.matches, ours.matches, strict=True):
                assert set(ids_of(found)) == set(ids_of(expected))
                np.testing.assert_allclose(
                    [match.similarity for match in found],
                    [match.similarity for match in expected],
                    atol=2e-3,
                )
        assert {**vars(gallery.info()), "uri": 0, "name": 0, "size_bytes": 0, "index": 0} == {
            **vars(file.info()),
            **{"uri": 0, "name": 0, "size_bytes": 0, "index": 0},
            "index_settings": postgres.SETTINGS,
            "recall": None,
        }


def test_a_server_counts_after_each_change_of_anybody(server, gallery, name, tmp_path, monkeypatch):
    monkeypatch.setattr(server_search, "COUNTED", 3)  # fewer than are asked for
    some, known = some_records(60), vectors(60)
    changes = [
        lambda one: one.add(known[:20], some[:20]),
        lambda one: one.add(known[20:40], some[20:40]),
        lambda one: one.remove([some[2].id, some[39].id]),
        lambda one: one.restore([some[2].id]),
        lambda one: one.erase([some[38].id, some[39].id]),  # the newest
        lambda one: one.add(known[40:], some[40:]),
        lambda one: one.correct(some[5].id, {"camera": 1, "identity": None}),
    ]
    with (
        Gallery.create(str(tmp_path / "people.db"), MODEL) as file,
        Gallery.open(server.uri, name=name, writable=True) as other,
    ):
        for number, change in enumerate(changes):
            change((gallery, other)[number % 2])
            change(file)
            for filters in (*FILTERS, *FILTERS[-2:]):
                theirs, ours = (
                    one.search(vectors(1, seed=9), filters=filters, top=1)
                    for one in (gallery, file)
                )
                assert theirs.candidates == ours.candidates, (number, filters)


def test_a_graph_that_is_built_last_finds_the_same(server, name, monkeypatch):
    monkeypatch.setattr(server_search, "EXACT", 0)
    monkeypatch.setattr(measuring, "DURABLE", 20)
    monkeypatch.setattr(measuring, "ALONE", 5)
    speed = measuring.measure_gallery(server.uri, 300, 8, name=name, graph_last=True)
    assert min(speed.recall.values()) >= 0.99
    assert speed.graph_seconds > 0
    with Gallery.open(server.uri, name=name) as gallery:
        assert gallery.info().index == "HNSW"


def test_a_larger_gallery_is_searched_beyond_one_pass_of_its_graph(server, name, monkeypatch):
    for constant, value in (("EXACT", 0), ("EXPLORED", 20), ("MAX_EXPLORED", 20)):
        monkeypatch.setattr(server_search, constant, value)
    generator = np.random.default_rng(0)  # nobody is like anybody, which is hard for a graph
    drawn = generator.standard_normal((2020, 64)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    known, queries = drawn[:2000], drawn[2000:]
    expected = [set(row) for row in np.argsort(-queries @ known.T, axis=1)[:, :10].tolist()]
    number = {one.id: place for place, one in enumerate(records(2000))}
    with Gallery.create(server.uri, ModelIdentity("0" * 64, "m", 64), name=name) as gallery:
        gallery.add(known, records(2000))
        recall = {}
        for per_candidate in (10**9, 10):  # one pass of 20 candidates, and 200 of the 2,000 records
            monkeypatch.setattr(server_search, "PER_CANDIDATE", per_candidate)
            matches = gallery.search(queries, top=10).matches
            found = [{number[match.record.id] for match in some} for some in matches]
            recall[per_candidate] = sum(map(len, map(set.__and__, found, expected))) / 200
    assert recall[10**9] < 0.95
    assert recall[10] >= 0.99


def test_records_come_back_and_are_corrected(server, gallery, name):
    given = record(0, camera="gate", identity="0012", time=NOON)
    assert gallery.add(vectors(1), [given]) == Added(new=(given.id,))
    assert gallery.get([given.id]) == [given]
    np.testing.assert_array_equal(gallery.embeddings([given.id]), kept(vectors(1)))
    other = record(0, camera="dock")
    assert list(gallery.add(vectors(1), [other]).differing) == [given.id]
    assert gallery.add(vectors(1), [other], update=True).updated == (given.id,)
    gallery.correct(given.id, {"identity": None})
    with Gallery.open(server.uri, name=name) as again:
        assert again.get([given.id]) == [record(0, camera="dock", time=NOON)]
        with pytest.raises(GalleryError, match="opened for reading"):
            again.remove([given.id])
        with pytest.raises(FilterError, match="camera 7"):
            again.check_filters(Filters(cameras=(7,)))


def test_addresses_without_a_gallery(server, gallery, name):
    with pytest.raises(GalleryExistsError, match=name):
        Gallery.create(server.uri, MODEL, name=name)
    with pytest.raises(GalleryMissingError, match="fprnet gallery create"):
        Gallery.open(server.uri, name="nobody")
    with pytest.raises(GalleryUnavailableError, match="does not answer"):
        Gallery.open("postgresql://postgres@127.0.0.1:1/postgres")
    secret = "postgresql://postgres:se-cret@127.0.0.1:1/postgres"
    with pytest.raises(GalleryUnavailableError) as caught:
        Gallery.open(secret)
    assert "se-cret" not in str(caught.value)


def test_what_was_erased_is_in_no_file_of_the_server(server, gallery):
    # Numbers and embeddings that no other gallery of this server has.
    some = [record(5000 + n, path=f"secret-{n}-.jpg", identity=f"person {n}.") for n in range(300)]
    known = vectors(300, seed=5000)
    gallery.add(known, some)
    gallery.remove([some[4].id])
    gallery.erase([some[3].id, some[4].id], audit=[AuditEntry("erase", "clerk")])
    assert [one["event"] for one in read_entries(gallery.database)] == ["erase"]
    content = b"".join(f.read_bytes() for f in server.data.rglob("*") if f.is_file())
    for row, there in ((3, False), (4, False), (5, True)):
        halves = known[row].astype(np.float16).tobytes()
        for trace in (some[row].id, some[row].path, some[row].identity):
            assert (trace.encode() in content) is there
        assert (halves in content) is there


def test_threads_and_processes_write_at_once(server, gallery, name):
    writer = """
import sys
from fprnet.gallery.gallery import Gallery
from gallery_cases import record, vectors
with Gallery.open(sys.argv[1], name=sys.argv[2], writable=True) as gallery:
    for number in range(100):
        gallery.add(vectors(1, seed=number), [record(number)])
"""
    words = [sys.executable, "-c", writer, server.uri, name]
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = threading.Event()
    wrong = []

    def search():
        while not done.is_set():
            found = gallery.search(vectors(1), top=1000)
            if len(found.matches[0]) > len(gallery):
                wrong.append(found)

    reader = threading.Thread(target=search)
    reader.start()
    writers = [subprocess.Popen(words, env=environment() | path) for _ in range(3)]
    statuses = [one.wait(timeout=120) for one in writers]
    done.set()
    reader.join()
    assert statuses == [0, 0, 0]
    assert wrong == []
    assert gallery.known([record(n).id for n in range(100)]) == {record(n).id for n in range(100)}
    assert len(gallery) == 100


def test_a_replica_answers_and_takes_no_writes(server, gallery, name):
    gallery.add(vectors(20), records(20))
    with (
        replica_of(server) as replica,
        Gallery.open(replica.uri, name=name, writable=True) as copy,
    ):
        assert copy.database.read_only
        assert not gallery.database.read_only
        assert ids_of(copy.search(vectors(20)[4:5]).matches[0])[0] == records(20)[4].id
        with pytest.raises(GalleryError, match="primary"):
            copy.add(vectors(1), [record(99)])
        gallery.add(vectors(1, seed=3), [record(99)])
        deadline = time.monotonic() + 30
        while not copy.known([record(99).id]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert copy.known([record(99).id])


def test_a_server_that_goes_away_and_comes_back(server, gallery):
    gallery.add(vectors(5), records(5))
    server.stop(signal.SIGQUIT)
    for call in (lambda: gallery.search(vectors(1)), lambda: gallery.add(vectors(1), records(1))):
        with pytest.raises(GalleryUnavailableError, match="does not answer"):
            call()
    server.start()
    assert len(gallery.search(vectors(1)).matches[0]) == 5
    assert gallery.add(vectors(1, seed=8), [record(8)]).new == (record(8).id,)


def test_a_gallery_keeps_records_for_so_many_days(server, name):
    old = datetime.now(UTC) - timedelta(days=31)
    with Gallery.create(server.uri, MODEL, name=name, keep_days=30) as gallery:
        gallery.add(vectors(2), [record(0, time=old), record(1)])
        assert gallery.expire("clerk", "command line") == 1
        assert gallery.known([record(0).id, record(1).id]) == {record(1).id}
