"""Tracklets come back from a gallery as they were, in a file and in a server, and go completely."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from fprnet.errors import GalleryError, GalleryMissingError, GalleryModelError
from fprnet.gallery.audit import AuditEntry, read_entries
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Filters
from fprnet.gallery.tracklets import (
    add_tracklet,
    get_tracklets,
    latest_tracklets,
    stored_image,
    templates,
    tracklet_path,
    tracklets_with,
)
from fprnet.tracklets import PathPoint, Tracklet
from gallery_cases import MODEL, record, unit, vectors
from tracklet_cases import NOON, image_of, seconds, tracklet


@pytest.fixture
def gallery(placed):
    return placed


def test_a_tracklet_comes_back_as_it_was(gallery, place):
    given = tracklet(7, vectors=vectors(3), start=1.25, modality="infrared")
    added = add_tracklet(gallery, given, location="hall")
    assert (added.id, added.new, added.identity, added.person) == (1, True, None, None)
    with Gallery.open(place.uri, name=place.name) as other:
        (found,) = get_tracklets(other, [added.id])
        assert found == added.model_copy(update={"new": False})
        assert (found.camera, found.location, found.modality) == ("door", "hall", "infrared")
        assert (found.start, found.end) == (seconds(1.25), seconds(5.25))
        assert (found.source, found.number) == ("door.mp4", 7)
        assert [crop.quality for crop in found.crops] == pytest.approx([0.9, 0.8, 0.7])
        assert [crop.box for crop in found.crops] == [(n, 20, 64, 128) for n in (0, 10, 20)]
        assert [stored_image(other, crop.id) for crop in found.crops] == [
            crop.image for crop in given.crops
        ]
        assert tracklet_path(other, added.id) == given.path
        # A crop is a record like others: searches find it, filters hold for it.
        assert len(other) == 3
        ((best, *_),) = other.search(vectors(3)[:1], top=3).matches
        assert best.record.id == found.crops[0].id
        assert best.record.path == "door.mp4#7"
        assert other.count(Filters(locations=("hall",), modality="infrared")) == 3
        assert other.count(Filters(until=seconds(1.25))) == 1
        np.testing.assert_allclose(
            templates(other, [found, found]), [unit(vectors(3).mean(axis=0))] * 2, atol=2e-3
        )
        gallery.remove([found.crops[1].id])
        (hidden,) = get_tracklets(other, [added.id])
        seen = unit(vectors(3)[[0, 2]].mean(axis=0))
        np.testing.assert_allclose(templates(other, [hidden])[0], seen, atol=2e-3)


def test_a_tracklet_that_is_there_stays_as_it_is(gallery):
    entry = AuditEntry("add", "clerk")
    first = add_tracklet(gallery, tracklet(1, vectors=vectors(2)), audit=[entry])
    for again in (
        tracklet(1, vectors=vectors(2)),  # the same
        tracklet(1, vectors=vectors(3, seed=1), length=9),  # the same number at the same start
        tracklet(5, vectors=vectors(2), source="copy.mp4", images=[image_of(1, 1), image_of(1, 0)]),
    ):
        found = add_tracklet(gallery, again, audit=[entry])
        assert (found.new, found.model_copy(update={"new": True})) == (False, first)
    assert len(gallery) == 2
    assert len(list(read_entries(gallery.database))) == 1  # nothing was done, nothing is said
    later = tracklet(1, vectors=vectors(1, seed=2), start=60, images=[image_of(9)])
    second = add_tracklet(gallery, later)
    assert (second.id, second.new) == (2, True)


def test_images_that_are_elsewhere_are_no_part_of_a_tracklet(gallery):
    add_tracklet(gallery, tracklet(1, vectors=vectors(2)))
    shared = tracklet(2, vectors=vectors(2), images=[image_of(1, 0), image_of(2, 0)])
    second = add_tracklet(gallery, shared)
    assert [stored_image(gallery, crop.id) for crop in second.crops] == [image_of(2, 0)]
    # Equal images of one tracklet are one crop, the better one; an image that was there joins.
    gallery.add(vectors(1), [record(0)])
    third = tracklet(
        3, vectors=vectors(3), images=[b"image 0", image_of(3), image_of(3)], start=9, camera="roof"
    )
    found = add_tracklet(gallery, third)
    assert found.crops[0].id == record(0).id
    assert [crop.quality for crop in found.crops] == pytest.approx([0.9, 0.8])
    assert stored_image(gallery, record(0).id) == b"image 0"
    assert tracklets_with(gallery, [record(0).id, record(1).id]) == {
        record(0).id: found.model_copy(update={"new": False})
    }
    assert [one.id for one in latest_tracklets(gallery)] == [3, 2, 1]
    assert [one.id for one in latest_tracklets(gallery, before=3, limit=1)] == [2]


def test_what_cannot_be_added_leaves_nothing(gallery, place):
    with pytest.raises(GalleryModelError, match="8 numbers"):
        add_tracklet(gallery, tracklet(1, vectors=[[1, 0]]))
    with pytest.raises(GalleryError, match="camera"):
        add_tracklet(gallery, tracklet(1, camera="\n"))
    with (
        Gallery.open(place.uri, name=place.name) as other,
        pytest.raises(GalleryError, match="read"),
    ):
        add_tracklet(other, tracklet(1))
    with pytest.raises(GalleryMissingError, match="tracklet 3"):
        get_tracklets(gallery, [3])
    with pytest.raises(GalleryMissingError, match="tracklet 3"):
        tracklet_path(gallery, 3)
    assert (len(gallery), latest_tracklets(gallery)) == (0, [])


def bytes_of(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_what_was_erased_is_in_no_file(gallery, place):
    # Numbers that no other gallery of this server has.
    known = vectors(20, seed=77)
    given = [
        tracklet(8000 + n, vectors=known[2 * n : 2 * n + 2], source=f"secret-{n}-.mp4")
        for n in range(10)
    ]
    added = [add_tracklet(gallery, one) for one in given]

    def traces(n):
        crops = [crop.image for crop in given[n].crops]
        ids = [crop.id.encode() for crop in added[n].crops]
        halves = known[2 * n].astype(np.float16).tobytes()
        return [given[n].source.encode(), *crops, *ids, halves]

    gone = [crop.id for n in (3, 4) for crop in added[n].crops]
    gallery.erase([*gone, added[6].crops[0].id])
    content = bytes_of(place.folder)
    for n in (3, 4):
        assert not [trace for trace in traces(n) if trace in content]
        with pytest.raises(GalleryMissingError):
            get_tracklets(gallery, [added[n].id])
    assert all(trace in content for trace in traces(5))
    # A tracklet that keeps an image stays, with that.
    assert [crop.id for crop in get_tracklets(gallery, [added[6].id])[0].crops] == [
        added[6].crops[1].id
    ]
    again = add_tracklet(gallery, given[3])
    assert (again.id, again.new) == (11, True)  # numbers are never used again


def test_tracklets_are_kept_for_so_many_days(gallery):
    gallery.keep(30)
    days = (datetime.now(UTC) - NOON) / timedelta(days=1)
    for number, age in ((1, 31), (2, 29)):
        start = (days - age) * 86_400
        add_tracklet(gallery, tracklet(number, vectors=vectors(2, seed=number), start=start))
    assert gallery.expire("clerk", "command line") == 2
    assert [one.number for one in latest_tracklets(gallery)] == [2]


def test_a_long_path_is_thinned_out(gallery):
    given = tracklet(1)
    path = tuple(PathPoint(seconds(n / 100), n / 1000, 0.1, 0.1, 0.4) for n in range(400))
    long = Tracklet("door", "visible", seconds(0), seconds(4), path, given.crops, "door.mp4", 1)
    found = tracklet_path(gallery, add_tracklet(gallery, long).id)
    assert len(found) == 64
    assert (found[0], found[-1]) == (path[0], path[-1])
    gaps = np.diff([point.x for point in found])
    assert set(gaps.round(6).tolist()) == {0.006, 0.007}


def test_a_gallery_of_the_first_version_takes_tracklets(tmp_path, monkeypatch):
    uri = str(tmp_path / "people.db")
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(3), [record(n) for n in range(3)])
        names = [table.name for table in gallery.database.tables.of_tracklets]
    with sqlite3.connect(uri) as connection:
        for name in reversed(names):
            connection.execute(f"DROP TABLE {name}")
        connection.execute("UPDATE gallery SET version = 1")
    connection.close()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(GalleryError, match="schema 1"):
        Gallery.open(uri)
    monkeypatch.undo()
    with Gallery.open(uri, writable=True) as gallery:
        assert len(gallery) == 3
        assert add_tracklet(gallery, tracklet(1)).id == 1


FAULTS = [
    ({"start": seconds(5)}, "before its start"),
    ({"crops": ()}, "no crop"),
    ({"end": seconds(4).replace(tzinfo=None)}, "UTC"),
    ({"end": seconds(4).astimezone(timezone(timedelta(hours=8)))}, "UTC"),
]


@pytest.mark.parametrize(("values", "said"), FAULTS)
def test_a_tracklet_checks_itself(values, said):
    with pytest.raises(ValueError, match=said):
        Tracklet(**{**vars(tracklet(1)), **values})


def test_the_unit_vectors_of_the_cases_are_unit():
    (crop,) = tracklet(1, vectors=[[3, 4, 0, 0, 0, 0, 0, 0]]).crops
    np.testing.assert_allclose(crop.embedding, unit(np.array([3.0, 4, 0, 0, 0, 0, 0, 0])))
