"""The gallery keeps, finds, hides and erases what it should, and refuses the rest."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from milvus_lite.engine import collection

from fprnet.errors import (
    FilterError,
    GalleryError,
    GalleryExistsError,
    GalleryLockedError,
    GalleryMissingError,
    GalleryModelError,
    UsageError,
)
from fprnet.gallery import connection, lite_search, vector_index
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.rebuild import ExactNeighbours, measure_recall
from fprnet.gallery.records import Added, Filters, GalleryRecord
from gallery_cases import MODEL, SIZE, record, records, unit, vectors

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def uri(tmp_path):
    return str(tmp_path / "people.db")


@pytest.fixture
def gallery(uri):
    with Gallery.create(uri, MODEL) as gallery:
        yield gallery


def ids_of(matches):
    return [match.record.id for match in matches]


def test_a_record_comes_back_as_it_was_after_reopening(uri):
    given = record(
        0,
        modality="infrared",
        camera=6,
        location=5,
        identity=12,
        timestamp=datetime(2026, 11, 25, 18, 30, 1, 234567, tzinfo=UTC) - timedelta(hours=8),
    )
    vector = vectors(1)
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vector, [given])
    with Gallery.open(uri) as gallery:
        assert gallery.model == MODEL
        assert gallery.get([given.id]) == [given]
        assert given.as_dict()["timestamp"] == "2026-11-25T10:30:01.234000Z"
        np.testing.assert_array_equal(gallery.embeddings([given.id]), vector)


def test_unknown_values_stay_unknown(gallery):
    given = record(0)
    gallery.add(vectors(1), [given])
    assert gallery.get([given.id]) == [given]
    unknown = ("camera", "location", "identity", "timestamp")
    assert [given.as_dict()[name] for name in unknown] == [None] * 4


def test_adding_again_changes_nothing(gallery):
    some = records(5)
    assert gallery.add(vectors(5), some) == Added(new=5, already=0)
    elsewhere = [replace(one, path="elsewhere.jpg", camera=9) for one in some]
    assert gallery.add(vectors(5, seed=1), elsewhere) == Added(new=0, already=5)
    assert gallery.get([one.id for one in some]) == some
    np.testing.assert_array_equal(gallery.embeddings([some[3].id])[0], vectors(5)[3])


def test_one_image_twice_in_one_call_is_one_record(gallery):
    assert gallery.add(vectors(2), [record(0), record(0)]) == Added(new=1, already=1)
    assert len(gallery) == 1


def test_more_records_than_go_into_one_call(gallery):
    some = records(2345)
    assert gallery.add(vectors(2345), some) == Added(new=2345, already=0)
    assert len(gallery) == 2345
    assert gallery.known([one.id for one in some]) == {one.id for one in some}
    # By hand: cosines of the unit vectors, the largest first.
    query = vectors(1, seed=7)
    best = np.argsort(-(vectors(2345) @ query[0]))[:10]
    assert ids_of(gallery.search(query, top=10)[0]) == [some[row].id for row in best]


def test_similarity_is_the_cosine(gallery):
    # 3-4-5: cos(e1, 0.6 e1 + 0.8 e2) = 0.6.
    axes = np.eye(SIZE, dtype=np.float32)
    gallery.add(unit([0.6 * axes[0] + 0.8 * axes[1], -axes[0]]), [record(0), record(1)])
    (found,) = gallery.search(axes[:1])
    assert [match.record.path for match in found] == ["day/0000.jpg", "day/0001.jpg"]
    np.testing.assert_allclose([match.similarity for match in found], [0.6, -1.0], atol=1e-6)


def test_several_queries_at_once_are_answered_each(gallery):
    gallery.add(vectors(20), records(20))
    together = gallery.search(vectors(20), top=3)
    assert [found[0].record for found in together] == records(20)
    alone = gallery.search(vectors(20)[4:5], top=3)[0]
    assert [match.record for match in together[4]] == [match.record for match in alone]
    similarities = [[match.similarity for match in found] for found in (together[4], alone)]
    np.testing.assert_allclose(*similarities, rtol=0, atol=1e-6)


def test_hidden_records_are_not_found_and_adding_does_not_show_them(gallery):
    gallery.add(vectors(3), records(3))
    one = records(3)[1].id
    assert gallery.remove([one]) == 1
    assert gallery.remove([one]) == 0
    assert one not in ids_of(gallery.search(vectors(3)[1:2])[0])
    assert gallery.add(vectors(3), records(3)) == Added(new=0, already=3, hidden=1)
    assert (len(gallery), gallery.info().hidden, gallery.hidden([one])) == (2, 1, {one})
    assert gallery.get([one]) == [records(3)[1]]
    assert gallery.restore([one]) == 1
    assert ids_of(gallery.search(vectors(3)[1:2])[0])[0] == one


def test_nothing_changes_where_one_of_the_ids_is_unknown(gallery):
    gallery.add(vectors(2), records(2))
    ids = [records(2)[0].id, record(99).id]
    for change in (gallery.remove, gallery.erase, gallery.restore):
        with pytest.raises(GalleryMissingError, match=record(99).id):
            change(ids)
    assert len(gallery) == 2


def bytes_of(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("sealed", [False, True])
def test_erased_embeddings_are_in_no_file(uri, tmp_path, sealed):
    # Raw float32 bytes, as in the journal, in Parquet's pages and in index files.
    count = 600 if sealed else 20  # more than 256 are written out of the journal
    some, known = records(count), vectors(count)
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(known, some)
        gallery.remove([some[4].id])
    assert known[3].tobytes() in bytes_of(tmp_path)
    assert some[3].id.encode() in bytes_of(tmp_path)
    with Gallery.open(uri, writable=True) as gallery:
        assert gallery.erase([some[3].id, some[4].id]) == 2
        held_open = bytes_of(tmp_path)
        assert len(gallery) == count - 2
        assert gallery.hidden([one.id for one in some]) == set()
    for content in (held_open, bytes_of(tmp_path)):
        for row in (3, 4):
            assert known[row].tobytes() not in content
            assert some[row].id.encode() not in content
        assert known[5].tobytes() in content
    with Gallery.open(uri) as gallery:
        assert gallery.known([one.id for one in some]) == {
            one.id for row, one in enumerate(some) if row not in (3, 4)
        }


def test_a_gallery_that_outgrows_exact_search_gets_a_graph_and_its_recall(uri, monkeypatch):
    monkeypatch.setattr(vector_index, "LARGEST_EXACT", 400)
    monkeypatch.setattr(lite_search, "MOST_EXACT", 200)  # the graph is not asked for so few
    some, known = records(500), vectors(500)
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(known[:400], some[:400])
        assert gallery.info().index == "FLAT"
        gallery.remove([some[1].id])
        gallery.add(known[400:], some[400:])
    with Gallery.open(uri, writable=True) as gallery:
        info = gallery.info()
        assert (info.index, info.records, info.hidden) == ("HNSW", 499, 1)
        assert info.index_settings == {"M": 16, "efConstruction": 200, "ef": 256}
        assert 0.98 <= info.recall <= 1
        # Anew, and by definition: the ten records of largest inner product of random queries.
        assert gallery.measure_recall() == gallery.info().recall
        queries = vectors(50, seed=1)
        scores = queries @ known.T
        scores[:, 1] = -2
        best = np.argsort(-scores, axis=1)[:, :10]
        hits = [
            len({some[row].id for row in rows} & set(ids_of(found)))
            for rows, found in zip(best, gallery.search(queries, top=10), strict=True)
        ]
        assert sum(hits) >= 0.98 * 500
        three = np.flatnonzero([one.camera != 3 for one in some])  # more than are searched exactly
        best = [set(three[np.argsort(-row[three])[:10]]) for row in scores]
        hits = [
            len({some[row].id for row in rows} & set(ids_of(found)))
            for rows, found in zip(
                best,
                gallery.search(queries, filters=Filters(cameras=(0, 1, 2)), top=10),
                strict=True,
            )
        ]
        assert sum(hits) >= 0.98 * 500
        (found,) = gallery.search(queries[:1], filters=Filters(cameras=(2,)), top=1000)
        assert set(ids_of(found)) == {one.id for one in some if one.camera == 2}
        gallery.erase([some[3].id])
        assert gallery.info().index == "HNSW"
        assert known[3].tobytes() not in bytes_of(Path(uri))
        assert known[5].tobytes() in bytes_of(Path(uri))


def test_recall_is_measured_where_searches_miss():
    exact = ExactNeighbours(SIZE)
    exact.see([record(number).id for number in range(30)], vectors(30))
    truth = exact.nearest()
    # 30 queries; all but one of the ten are found, in any order, and one that is wrong.
    found = [[record(99).id, *sorted(ids)[:9]] for ids in truth]
    assert measure_recall(exact, found) == pytest.approx(0.9)
    # By definition.
    scores = exact.queries @ vectors(30).T
    for row, ids in zip(np.argsort(-scores, axis=1)[:, :10], truth, strict=True):
        assert ids == {record(number).id for number in row}


def test_hidden_records_survive_the_erasing_of_others(gallery):
    gallery.add(vectors(3), records(3))
    gallery.remove([records(3)[0].id])
    gallery.erase([records(3)[1].id])
    assert (len(gallery), gallery.info().hidden) == (1, 1)


FILTERS = [
    (Filters(cameras=(1, 3)), lambda one: one.camera in (1, 3)),
    (Filters(locations=(2,)), lambda one: one.location == 2),
    (Filters(exclude_location=2), lambda one: one.location != 2),
    (Filters(exclude_location=-1), lambda one: True),
    (Filters(identity="known"), lambda one: one.identity >= 0),
    (Filters(identity="unknown"), lambda one: one.identity < 0),
    (Filters(modality="infrared"), lambda one: one.modality == "infrared"),
    (Filters(since=NOON), lambda one: one.timestamp and one.timestamp >= NOON),
    (Filters(until=NOON), lambda one: one.timestamp and one.timestamp <= NOON),
    (
        Filters(cameras=(1,), since=NOON - timedelta(hours=5), until=NOON, exclude_location=0),
        lambda one: (
            one.timestamp
            and one.camera == 1
            and one.location != 0
            and NOON - timedelta(hours=5) <= one.timestamp <= NOON
        ),
    ),
]


@pytest.mark.parametrize(("filters", "passes"), FILTERS)
def test_filters(gallery, filters, passes):
    some = [
        replace(
            one,
            timestamp=None if number % 5 == 0 else NOON + timedelta(hours=number - 20),
            modality="infrared" if number % 7 == 0 else "visible",
        )
        for number, one in enumerate(records(40))
    ]
    gallery.add(vectors(40), some)
    gallery.remove([some[1].id])
    expected = {one.id for one in some if passes(one)} - {some[1].id}
    assert 0 < len(expected) < 40
    # All that pass are found, which ranking first and filtering then would not give.
    (found,) = gallery.search(vectors(1, seed=5), filters=filters, top=len(expected) + 1)
    assert set(ids_of(found)) == expected
    assert gallery.count(filters) == len(expected)
    assert set(gallery.select(filters)) - {some[1].id} == expected


def test_info_counts(gallery):
    some = [replace(one, timestamp=NOON) for one in records(8)] + records(2, start=8)
    gallery.add(vectors(10), some)
    gallery.remove([some[0].id])
    info = gallery.info()
    # Cameras 0 1 2 3 0 1 2 3 0 1 without the first; identities n // 5 where n % 3 > 0.
    assert info.cameras == {0: 2, 1: 3, 2: 2, 3: 2}
    assert info.locations == {0: 3, 1: 3, 2: 3}
    assert (info.records, info.hidden, info.known_identities) == (9, 1, 2)
    assert (info.first, info.last, info.modalities) == (NOON, NOON, {"visible": 9})
    assert (info.index, info.recall) == ("FLAT", 1.0)
    assert info.size_bytes > 9 * 4 * SIZE
    assert info.as_dict()["model"]["checkpoint_sha256"] == MODEL.checkpoint_sha256
    # 6 identified images (n = 1 2 4 5 7 8) of 2 people.
    assert gallery.images_per_person() == 3.0


def test_unknown_cameras_and_locations_are_named(gallery):
    gallery.add(vectors(4), records(4))
    gallery.check_filters(Filters(cameras=(0, 3), locations=(2,)))
    with pytest.raises(FilterError, match=r"camera 7 is in no record .* it has 0, 1, 2, 3"):
        gallery.check_filters(Filters(cameras=(0, 7)))
    with pytest.raises(FilterError, match="location 9"):
        gallery.check_filters(Filters(locations=(9,)))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"since": NOON, "until": NOON - timedelta(days=1)}, "upside down"),
        ({"since": datetime(2026, 1, 1)}, "no time zone"),
        ({"identity": "maybe"}, "maybe"),
        ({"modality": "thermal"}, "thermal"),
    ],
)
def test_filters_that_can_match_nothing(values, text):
    with pytest.raises(FilterError, match=text):
        Filters(**values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"id": "abc"}, "no id of a record"),
        ({"id": "A" * 64}, "no id of a record"),
        ({"modality": "thermal"}, "thermal"),
        ({"camera": -2}, "camera -2"),
        ({"timestamp": datetime(2026, 1, 1)}, "no time zone"),
    ],
)
def test_records_that_are_none(values, text):
    with pytest.raises(GalleryError, match=text):
        GalleryRecord(**{"id": "a" * 64, "path": "x.jpg", "modality": "visible", **values})


def test_embeddings_that_do_not_fit(gallery):
    for wrong, kind, text in (
        (np.ones((1, SIZE + 1), dtype=np.float32), GalleryModelError, "holds 8 numbers"),
        (np.ones((1, SIZE), dtype=np.float32), GalleryError, "unit length"),
        (np.full((1, SIZE), np.nan, dtype=np.float32), GalleryError, "unit length"),
        (vectors(2), GalleryError, "2 embeddings do not fit 1 records"),
    ):
        with pytest.raises(kind, match=text):
            gallery.add(wrong, [record(0)])
    assert len(gallery) == 0
    with pytest.raises(GalleryModelError, match=r"another|give the gallery's model"):
        gallery.require(replace(MODEL, checkpoint_sha256="b" * 64))
    gallery.require(replace(MODEL, path="somewhere else"))


def test_a_gallery_opened_for_reading_refuses_to_change(uri):
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(1), [record(0)])
    with Gallery.open(uri) as gallery, pytest.raises(GalleryError, match="opened for reading"):
        gallery.erase([record(0).id])


def test_places_that_are_no_gallery(tmp_path, uri):
    with pytest.raises(GalleryMissingError, match="fprnet gallery create"):
        Gallery.open(uri)
    with pytest.raises(UsageError, match=r"must end in \.db"):
        Gallery.open(str(tmp_path / "people"))
    (tmp_path / "file.db").write_text("")
    with pytest.raises(GalleryMissingError, match="is a file"):
        Gallery.open(str(tmp_path / "file.db"))
    with pytest.raises(UsageError, match="token"):
        Gallery.open(uri, token="root:Milvus")
    with Gallery.create(uri, MODEL):
        pass
    with pytest.raises(GalleryExistsError, match="already"):
        Gallery.create(uri, MODEL)
    with pytest.raises(GalleryMissingError, match="'other'"):
        Gallery.open(uri, name="other")
    with pytest.raises(GalleryError, match="no name for a gallery"):
        Gallery.open(uri, name="no-dashes")


def test_two_galleries_at_one_address(uri):
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(1), [record(0)])
    with Gallery.create(uri, MODEL, name="other") as other:
        other.add(vectors(2), records(2))
        other.erase([record(1).id])
        assert len(other) == 1
    with Gallery.open(uri) as gallery:
        assert gallery.get([record(0).id]) == [record(0)]


def test_a_folder_belongs_to_one_at_a_time(uri):
    with (
        Gallery.create(uri, MODEL),
        pytest.raises(GalleryLockedError, match=r"open in process \d+"),
    ):
        Gallery.open(uri)
    Gallery.open(uri).close()


def test_closed_means_closed(uri):
    gallery = Gallery.create(uri, MODEL)
    gallery.close()
    gallery.close()
    with pytest.raises(GalleryError, match="closed"):
        gallery.search(vectors(1))


def test_a_busy_machine_is_waited_for(gallery, monkeypatch):
    gallery.add(vectors(1), [record(0)])
    search = collection.execute_search_with_index

    def slow(**arguments):
        time.sleep(1)
        return search(**arguments)

    monkeypatch.setattr(collection, "execute_search_with_index", slow)
    monkeypatch.setattr(connection, "TIMEOUT", 0.1)
    assert ids_of(gallery.search(vectors(1))[0]) == [record(0).id]


def test_threads_search_while_others_write(gallery):
    """Every search sees a state that existed: a record that was there stays the first match."""
    gallery.add(vectors(50), records(50))
    done = threading.Event()
    wrong = []

    def search(row):
        while not done.is_set():
            found = gallery.search(vectors(50)[row : row + 1], top=5)[0]
            if len(found) != 5 or found[0].record != records(50)[row]:
                wrong.append(found)

    def write(start):
        for number in range(start, start + 40):
            gallery.add(vectors(1, seed=number), [record(number)])

    readers = [threading.Thread(target=search, args=(row,)) for row in range(4)]
    writers = [threading.Thread(target=write, args=(start,)) for start in (1000, 2000)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    gallery.remove([record(number).id for number in range(1000, 1040)])
    gallery.erase([record(number).id for number in range(2000, 2040)])
    done.set()
    for thread in readers:
        thread.join()
    assert wrong == []
    assert len(gallery) == 50
    assert gallery.count() == len(gallery.search(vectors(1), top=1000)[0])
