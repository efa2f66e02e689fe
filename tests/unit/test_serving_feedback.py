"""Right and wrong: stored, taken back, forgotten, and given out as labels."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fprnet.errors import GalleryMissingError
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.verdicts import Feedback
from fprnet.serving.feedback import FeedbackStore
from fprnet.serving.labels import as_csv, groups
from gallery_cases import MODEL, record, vectors

QUERY, OTHER, MATCH = "a" * 64, "b" * 64, record(0).id


def given(verdict="right", queries=(QUERY,), match=MATCH, **changes) -> Feedback:
    made = Feedback(
        time=datetime(2026, 3, 1, 8, tzinfo=UTC),
        by="ward-3",
        query_sha256=tuple(queries),
        query_files=tuple(f"{query}.png" for query in queries),
        query_modality="infrared",
        match=match,
        verdict=verdict,
        similarity=0.5,
    )
    return replace(made, **changes)


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(str(tmp_path / "people.db"), MODEL) as gallery:
        gallery.add(vectors(2), [record(0), record(1)])
        yield gallery


@pytest.fixture
def store(gallery, tmp_path):
    return FeedbackStore(gallery.database, tmp_path / "feedback")


def images_in(store):
    return sorted(file.name for file in store.folder.iterdir())


def test_last_word_counts_and_survives_a_restart(gallery, store):
    for verdict in ("right", "wrong"):
        store.add(given(verdict), [b"image"], since=0)
    again = FeedbackStore(gallery.database, store.folder)
    assert again.marks([QUERY]) == {MATCH: "wrong"}
    assert again.all() == [given("wrong")]
    store.add(given("none"), [b"image"], since=0)
    assert again.marks([QUERY]) == {}
    assert again.all() == []
    assert (store.folder / f"{QUERY}.png").read_bytes() == b"image"


def test_order_of_the_query_images_does_not_matter(store):
    store.add(given(queries=(QUERY, OTHER)), [b"1", b"2"], since=0)
    assert store.marks([OTHER, QUERY]) == {MATCH: "right"}
    assert store.marks([QUERY]) == {}
    assert store.marks([]) == {}


def test_erased_record_takes_its_feedback_and_images_along(gallery, store):
    store.add(given(queries=(QUERY,)), [b"1"], since=0)
    store.add(given(queries=(OTHER,)), [b"2"], since=0)
    store.add(given(queries=(OTHER,), match=record(1).id), [b"2"], since=0)
    gallery.erase([MATCH])
    store.sweep(young=0)
    assert [one.match for one in store.all()] == [record(1).id]
    assert images_in(store) == [f"{OTHER}.png"]


def test_erased_record_that_was_a_query_takes_its_feedback_along(gallery, store):
    query = record(1).id
    store.add(given(queries=(query, OTHER)), [b"1", b"2"], since=0)
    gallery.erase([query])
    store.sweep(young=0)
    assert store.all() == []
    assert images_in(store) == []


def test_query_image_that_is_no_record_is_erased_like_one(gallery, store):
    store.add(given(queries=(QUERY, OTHER)), [b"1", b"2"], since=0)
    store.add(given(queries=(OTHER,), match=record(1).id), [b"2"], since=0)
    assert store.keeps(QUERY)
    before = gallery.newest_change()
    found = gallery.search(vectors(1))  # what is remembered of the records stays right
    assert gallery.erase([QUERY, record(0).id]) == 2
    assert gallery.erased_since(before)[0]
    store.sweep(young=0)
    assert images_in(store) == [f"{OTHER}.png"]
    assert gallery.erase([OTHER]) == 1
    assert store.all() == []
    assert gallery.known([record(0).id, record(1).id]) == {record(1).id}
    assert [match.record.id for match in gallery.search(vectors(1)).matches[0]] == [record(1).id]
    assert len(found.matches[0]) == 2
    with pytest.raises(GalleryMissingError, match=QUERY):
        gallery.erase([QUERY, record(1).id])
    assert len(gallery) == 1


def test_no_verdict_comes_from_before_an_erasing(gallery, store):
    since = gallery.newest_change()
    gallery.remove([MATCH])
    store.add(given(), [b"1"], since=since)
    gallery.erase([MATCH])
    for match in (MATCH, record(1).id):  # the query may be what was erased
        with pytest.raises(GalleryMissingError, match="since this search; search again"):
            store.add(given(match=match), [b"1"], since=since)
    assert store.all() == []
    store.add(given(match=record(1).id), [b"1"], since=gallery.newest_change())


def test_what_a_killed_process_left_is_swept_once_it_is_old(store):
    store.add(given(), [b"1"], since=0)
    (store.folder / f".{OTHER}.1234.part.png").write_bytes(b"half")
    assert store.sweep() == 0
    assert store.sweep(young=0) == 1
    assert images_in(store) == [f"{QUERY}.png"]


def test_table_has_a_row_for_each_query_image():
    text = as_csv([given(queries=(QUERY, OTHER), note='=cmd("x"), really\n')])
    header, first, second, *_ = text.splitlines()
    assert header.startswith("query_sha256,query_modality,match,verdict")
    assert first.startswith(f"{QUERY},infrared,{MATCH},right,0.5,2026-03-01T08:00:00+00:00,ward-3,")
    assert second.startswith('"') or "'=cmd" in text  # no spreadsheet runs it
    assert "'=cmd" in text


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], []),
        ([("a", "b")], [["a", "b"]]),
        ([("a", "b"), ("c", "d")], [["a", "b"], ["c", "d"]]),
        ([("a", "b"), ("c", "d"), ("d", "a")], [["a", "b", "c", "d"]]),
        ([("a", "b", "e"), ("e", "f"), ("x", "x")], [["a", "b", "e", "f"], ["x"]]),
    ],
)
def test_people_are_what_is_connected(pairs, expected):
    assert groups(pairs) == expected
