"""Unknown people are grouped, joined, taken apart, named, and every step can be undone."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from fprnet.errors import GalleryError, GalleryMissingError, GalleryModelError
from fprnet.gallery.audit import AuditEntry, read_entries
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.people import (
    get_person,
    list_people,
    list_steps,
    merge_people,
    name_person,
    split_person,
    undo_step,
)
from fprnet.gallery.records import Filters
from fprnet.gallery.strangers import Strangers
from fprnet.gallery.tracklets import add_tracklet, get_tracklets
from fprnet.gallery.unknown_people import group_unknown, link_thresholds
from gallery_cases import MODEL, record
from tracklet_cases import NOON, seconds, tracklet


def strangers(place):
    """Similarities of strangers are below ``place``, nearly all of them."""
    return Strangers(tuple(np.linspace(-1, place, 96).tolist()), 1e-6, 0.0)


def calibration(*, cross=0.6, same=0.8):
    """People are alike above 0.6 in two modalities, above 0.8 in one; images above 0.9."""

    def of(cross, visible, infrared, tracklets=None):
        tail = strangers(cross)
        return Calibration(
            checkpoint_sha256=MODEL.checkpoint_sha256,
            method="logistic",
            similarities=(-1.0, 1.0),
            log_ratios=(-5.0, 5.0),
            stranger_quantiles=tail.quantiles,
            tail_scale=tail.tail_scale,
            tail_shape=tail.tail_shape,
            same_modality={"visible": strangers(visible), "infrared": strangers(infrared)},
            tracklets=tracklets,
        )

    return of(0.9, 0.9, 0.9, of(cross, same, same))


@pytest.fixture
def gallery(placed):
    return placed


def at(*degrees, axis=0):
    """Unit vectors in a plane of their own."""
    vectors = np.zeros((len(degrees), 8), np.float32)
    radians = np.radians(degrees)
    vectors[:, 2 * axis], vectors[:, 2 * axis + 1] = np.cos(radians), np.sin(radians)
    return vectors


def fill(gallery, start=0):
    """Person A by day twice and by night, B once, and an image of B; all at other times."""
    made = [
        tracklet(start + 1, vectors=at(0, 4), start=0),
        tracklet(start + 2, vectors=at(10, 14), start=60, camera="hall"),
        tracklet(start + 3, vectors=at(45, 45), start=120, camera="yard", modality="infrared"),
        tracklet(start + 4, vectors=at(0, axis=1), start=180),
    ]
    return [add_tracklet(gallery, one).id for one in made]


def grouped(gallery, **options):
    return group_unknown(gallery, calibration(), by="clerk", **options)


def people_of(gallery, tracklets):
    return [one.person for one in get_tracklets(gallery, tracklets)]


def test_thresholds_are_those_of_each_kind_of_pair():
    thresholds = link_thresholds(calibration(), 0.05, 1)
    # Of one pair 5 % of strangers lie beyond the last quantile.
    expected = [[0.9, 0.9, 0.8, 0.6], [0.9, 0.9, 0.6, 0.8], [0.8, 0.6, 0.8, 0.6], [0.6, 0.8] * 2]
    np.testing.assert_allclose(thresholds, expected, atol=1e-6)
    np.testing.assert_allclose(thresholds, thresholds.T)
    for rate in (0, 1, -0.5, float("nan")):
        with pytest.raises(GalleryError, match="false-link rate"):
            link_thresholds(calibration(), rate, 1)
    with pytest.raises(GalleryError, match="fprnet calibrate"):
        link_thresholds(replace(calibration(), tracklets=None), 0.1, 1)


def test_unknown_people_get_numbers_that_stay(gallery):
    ids = fill(gallery)
    first = grouped(gallery, audit=[AuditEntry("group", "clerk")])
    # cos 10 = 0.98 by day; the night is 45 - 2 and 45 - 12 degrees from the days: 0.73 and 0.84.
    assert (first.units, first.joined, first.people) == (4, 0, (1, 2))
    assert people_of(gallery, ids) == [1, 1, 1, 2]
    assert first.thresholds["visible tracklet, infrared tracklet"] == pytest.approx(0.6, abs=1e-4)
    (entry,) = read_entries(gallery.database)
    assert (entry["event"], entry["step"], entry["records"]) == ("group", 1, 7)

    again = grouped(gallery)
    assert (again.step, again.units, again.people) == (None, 0, ())
    gallery.add(at(6, axis=1), [record(0, time=NOON + timedelta(hours=1))])
    new = [
        add_tracklet(gallery, tracklet(11, vectors=at(5), start=240)).id,
        add_tracklet(gallery, tracklet(12, vectors=at(0, axis=2), start=300)).id,
    ]
    more = grouped(gallery)
    assert (more.units, more.joined, more.people) == (3, 2, (3,))
    assert people_of(gallery, ids + new) == [1, 1, 1, 2, 1, 3]
    everybody = list_people(gallery)
    assert [one.id for one in everybody] == [2, 3, 1]
    assert [(one.tracklets, one.images, one.unnamed) for one in everybody] == [
        (1, 1, 2),
        (1, 0, 1),
        (4, 0, 4),
    ]
    person = everybody[2]
    assert person.cameras == ("door", "hall", "yard")
    assert (person.first, person.last) == (seconds(0), seconds(244))
    details = get_person(gallery, 2)
    assert [one.id for one in details.images] == [record(0).id]
    assert [one.id for one in get_person(gallery, 1).tracklets] == [*ids[:3], new[0]]
    assert [one.id for one in list_people(gallery, limit=1)] == [2]


def test_who_is_at_two_places_at_one_time_is_two_people(gallery):
    ids = [
        add_tracklet(gallery, tracklet(1, vectors=at(0), start=0)).id,
        add_tracklet(gallery, tracklet(2, vectors=at(1), start=2)).id,  # beside the first
        add_tracklet(gallery, tracklet(3, vectors=at(2), start=2, camera="yard")).id,
        add_tracklet(gallery, tracklet(4, vectors=at(1.5), start=60)).id,
    ]
    # Two cameras that see one place may see one person at once.
    shared = tracklet(5, vectors=at(1.5), start=61, camera="door 2")
    ids.append(add_tracklet(gallery, shared, location="door").id)
    found = grouped(gallery)
    people = people_of(gallery, ids)
    assert len(set(people[:3])) == 3
    assert people[3] == people[4]
    assert people[3] in people[:3]
    # They look alike, but cannot be one: nobody is told to join them.
    assert found.alike == ()


def test_whom_somebody_knows_is_not_grouped(gallery):
    gallery.add(at(0, 1), [record(0, identity="Anna"), record(1)])
    gallery.add(at(0, 2), [record(2), record(3)])
    gallery.remove([record(2).id])
    found = grouped(gallery)
    assert (found.units, len(found.people)) == (2, 1)
    with pytest.raises(GalleryMissingError, match="person 2"):
        get_person(gallery, 2)
    assert {one.id for one in get_person(gallery, 1).images} == {record(1).id, record(3).id}


def test_people_are_joined_split_and_named_and_all_of_it_is_undone(gallery):
    ids = fill(gallery)
    gallery.add(at(90, axis=1), [record(0)])
    grouped(gallery)
    states = [people_of(gallery, ids)]
    assert states == [[1, 1, 1, 2]]

    def identities():
        return [one.identity for one in get_tracklets(gallery, ids)]

    name_person(gallery, 1, "Anna", by="clerk", audit=[AuditEntry("name", "clerk")])
    assert identities() == ["Anna"] * 3 + [None]
    assert gallery.select(Filters(identity="known"), identities=["Anna"])
    (found,) = gallery.search(at(2), filters=Filters(identity="known"), top=9).matches
    assert {match.record.identity for match in found} == {"Anna"}  # searches follow
    merge_people(gallery, 1, [2, 3], by="clerk")
    assert people_of(gallery, ids) == [1] * 4
    assert list_people(gallery)[0].names == ("Anna",)
    assert list_people(gallery)[0].unnamed == 2
    split = split_person(gallery, 1, tracklets=ids[1:2], images=[record(0).id], by="clerk")
    assert people_of(gallery, ids) == [1, 4, 1, 1]
    assert identities() == ["Anna", None, "Anna", None]
    assert (split.kind, split.people, split.records) == ("split", (1, 4), 3)
    assert [(one.id, one.kind, one.people) for one in list_steps(gallery)] == [
        (4, "split", (1, 4)),
        (3, "merge", (1, 2, 3)),
        (2, "name", (1,)),
        (1, "group", (1, 2, 3)),
    ]
    # Neither what was taken apart nor what a name was given to is grouped again.
    assert grouped(gallery).step is None

    with pytest.raises(GalleryError, match="step 4"):
        undo_step(gallery, 3, by="clerk")
    undo_step(gallery, by="clerk")
    assert people_of(gallery, ids) == [1] * 4
    assert identities() == ["Anna"] * 3 + [None]
    undo_step(gallery, 5, by="clerk")  # what was undone is done again
    assert people_of(gallery, ids) == [1, 4, 1, 1]
    undone = [(one.id, one.undoes, one.undone) for one in list_steps(gallery, limit=3)]
    assert undone == [(6, 5, False), (5, 4, True), (4, None, False)]
    for step in (4, 3, 2):  # again and again, back to the beginning
        assert undo_step(gallery, by="clerk").undoes == step
    assert (people_of(gallery, ids), identities()) == (states[0], [None] * 4)
    assert undo_step(gallery, by="clerk").undoes == 1
    with pytest.raises(GalleryMissingError, match="no step to undo"):
        undo_step(gallery, by="clerk")
    assert people_of(gallery, ids) == [None] * 4
    assert list_people(gallery) == []
    assert grouped(gallery).people == (5, 6, 7)  # numbers are never used again
    names = [entry for entry in read_entries(gallery.database) if entry["event"] == "name"]
    assert [(one["step"], one["people"]) for one in names] == [(2, [1])]
    assert "Anna" not in str(names)


def test_a_named_person_goes_on(gallery):
    fill(gallery)
    grouped(gallery)
    name_person(gallery, 1, "Anna", by="clerk")
    later = add_tracklet(gallery, tracklet(9, vectors=at(6), start=600)).id
    grouped(gallery)
    (found,) = get_tracklets(gallery, [later])
    assert (found.person, found.identity) == (1, None)  # nobody has said so yet
    assert [one.unnamed for one in list_people(gallery, [1])] == [1]
    name_person(gallery, 1, "Anna", by="clerk")
    assert get_tracklets(gallery, [later])[0].identity == "Anna"


def test_people_who_look_alike_are_named_but_not_joined(gallery):
    a = add_tracklet(gallery, tracklet(1, vectors=at(0), start=0)).id
    grouped(gallery)
    b = add_tracklet(gallery, tracklet(2, vectors=at(38), start=60)).id
    grouped(gallery)
    assert people_of(gallery, [a, b]) == [1, 2]
    # Half way between both; it joins one, and then the mean of 38 and 19 degrees is above 0.8.
    c = add_tracklet(gallery, tracklet(3, vectors=at(19), start=120)).id
    found = grouped(gallery)
    assert people_of(gallery, [a, b]) == [1, 2]
    assert people_of(gallery, [c])[0] in (1, 2)
    ((alike),) = found.alike
    assert alike.people == (1, 2)
    expected = (np.cos(np.radians(38)) + np.cos(np.radians(19))) / 2 - 0.8
    assert alike.margin == pytest.approx(expected, abs=2e-3)


FAULTS = [
    (lambda g: merge_people(g, 1, [1], by="x"), GalleryError, "nobody else"),
    (lambda g: merge_people(g, 1, [9], by="x"), GalleryMissingError, "person 9"),
    (lambda g: split_person(g, 1, tracklets=[4], by="x"), GalleryError, "4 does not belong"),
    (lambda g: split_person(g, 1, images=["f" * 64], by="x"), GalleryError, "ffff"),
    (lambda g: split_person(g, 1, tracklets=[1, 2, 3], by="x"), GalleryError, "0 of 6"),
    (lambda g: split_person(g, 1, by="x"), GalleryError, "6 of 6"),
    (lambda g: split_person(g, 9, tracklets=[1], by="x"), GalleryMissingError, "person 9"),
    (lambda g: name_person(g, 1, "a\n", by="x"), GalleryError, "identity"),
    (lambda g: name_person(g, 1, None, by="x"), GalleryError, "already"),
    (lambda g: undo_step(g, 99, by="x"), GalleryMissingError, "step 99"),
    (lambda g: undo_step(g, 1, by="x"), None, None),
]


@pytest.mark.parametrize(("change", "error", "said"), FAULTS)
def test_what_cannot_be_changes_nothing(tmp_path, change, error, said):
    with Gallery.create(str(tmp_path / "people.db"), MODEL) as gallery:
        with pytest.raises(GalleryMissingError, match="step"):
            undo_step(gallery, by="x")
        ids = fill(gallery)
        grouped(gallery)
        if error is None:
            change(gallery)
            return
        with pytest.raises(error, match=said):
            change(gallery)
        assert people_of(gallery, ids) == [1, 1, 1, 2]
        assert len(list_steps(gallery)) == 1


def test_two_names_are_not_joined(gallery):
    fill(gallery)
    grouped(gallery)
    name_person(gallery, 1, "Anna", by="clerk")
    name_person(gallery, 2, "Zoë", by="clerk")
    with pytest.raises(GalleryError, match="Anna, Zoë"):
        merge_people(gallery, 1, [2], by="clerk")


def test_a_calibration_of_another_model(gallery):
    other = replace(calibration(), checkpoint_sha256="b" * 64)
    with pytest.raises(GalleryModelError, match="fprnet calibrate"):
        group_unknown(gallery, other, by="clerk")
    assert grouped(gallery).people == ()


def test_an_identity_that_was_corrected_since_is_not_overwritten(gallery):
    ids = fill(gallery)
    grouped(gallery)
    step = name_person(gallery, 1, "Anna", by="clerk")
    crop = get_tracklets(gallery, ids)[0].crops[0].id
    gallery.correct(crop, {"identity": "Berta"})
    with pytest.raises(GalleryError, match="corrected"):
        undo_step(gallery, step.id, by="clerk")
    assert list_people(gallery, [1])[0].names == ("Anna", "Berta")


def test_who_was_erased_leaves_no_trace(gallery, place):
    ids = fill(gallery)
    grouped(gallery)
    name_person(gallery, 1, "Secret-Anna.", by="clerk")
    name_person(gallery, 2, "Kept-Zoe.", by="clerk")
    name_person(gallery, 1, "Secret-Berta.", by="clerk")
    gone = [crop.id for one in get_tracklets(gallery, ids[:3]) for crop in one.crops]
    gallery.erase(gone)
    content = b"".join(f.read_bytes() for f in place.folder.rglob("*") if f.is_file())
    for name in (b"Secret-Anna.", b"Secret-Berta."):
        assert name not in content
    assert b"Kept-Zoe." in content
    assert [one.id for one in list_people(gallery)] == [2]
    assert [one.id for one in list_steps(gallery)] == [3, 1]
    table = gallery.database.tables.person
    with gallery.database.reading() as connection:
        assert [row.number for row in connection.execute(table.select())] == [2]


def test_grouping_starts_anew_where_somebody_changed_the_people_meanwhile(gallery, monkeypatch):
    from fprnet.gallery import unknown_people

    fill(gallery)
    grouped(gallery)
    add_tracklet(gallery, tracklet(9, vectors=at(6), start=600))
    real, calls = unknown_people.group_units, []

    def slow(units, thresholds):
        calls.append(len(units))
        if len(calls) == 1:
            name_person(gallery, 1, "Anna", by="somebody else")
        return real(units, thresholds)

    monkeypatch.setattr(unknown_people, "group_units", slow)
    found = grouped(gallery)
    assert (len(calls), found.joined) == (2, 1)
    monkeypatch.setattr(unknown_people, "TRIES", 0)
    with pytest.raises(GalleryError, match="try again"):
        grouped(gallery)
