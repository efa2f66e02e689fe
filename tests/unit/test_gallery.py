"""The gallery keeps, finds, hides and erases what it should, and refuses the rest."""

import os
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fprnet.errors import (
    FilterError,
    GalleryError,
    GalleryExistsError,
    GalleryMissingError,
    GalleryModelError,
    GalleryUnavailableError,
    UsageError,
)
from fprnet.events.watch_list import watch_for
from fprnet.gallery import audit, columns
from fprnet.gallery.audit import AuditEntry, read_entries
from fprnet.gallery.columns import largest
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Added, Counted, Filters, GalleryRecord
from fprnet.gallery.schema import MIGRATIONS, VERSION
from fprnet.gallery.tracklets import get_tracklets
from gallery_cases import MODEL, SIZE, kept, record, records, unit, vectors

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def uri(tmp_path):
    return str(tmp_path / "people.db")


@pytest.fixture
def gallery(uri):
    with Gallery.create(uri, MODEL) as gallery:
        yield gallery


def search(gallery, queries, **options):
    return gallery.search(queries, **options).matches


def changed(record, **values):
    return GalleryRecord(**{**dict(record), **values})


def ids_of(matches):
    return [match.record.id for match in matches]


def test_a_record_comes_back_as_it_was_after_reopening(uri):
    given = record(
        0,
        modality="infrared",
        camera=6,
        location=5,
        identity=12,
        time=datetime(2026, 11, 25, 18, 30, 1, 234567, tzinfo=UTC) - timedelta(hours=8),
    )
    vector = vectors(1)
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vector, [given])
    with Gallery.open(uri) as gallery:
        assert gallery.model == MODEL
        assert gallery.get([given.id]) == [given]
        assert given.as_dict()["time"] == "2026-11-25T10:30:01.234000Z"
        np.testing.assert_array_equal(gallery.embeddings([given.id]), kept(vector))


def test_unknown_values_stay_unknown(gallery):
    given = record(0)
    gallery.add(vectors(1), [given])
    assert gallery.get([given.id]) == [given]
    unknown = ("camera", "location", "identity", "time")
    assert [given.as_dict()[name] for name in unknown] == [None] * 4


def test_adding_again_changes_nothing(gallery):
    some = records(5)
    ids = tuple(one.id for one in some)
    assert gallery.add(vectors(5), some) == Added(new=ids)
    # Another path is no difference, and what the new record does not say is none, either.
    moved = [changed(one, path="elsewhere.jpg", camera=None) for one in some]
    assert gallery.add(vectors(5, seed=1), moved) == Added(already=ids)
    assert gallery.get(ids) == some
    np.testing.assert_array_equal(gallery.embeddings([some[3].id])[0], kept(vectors(5))[3])


DIFFERENT = [
    ({"camera": 9}, "camera 1, not 9"),
    ({"location": "dock"}, "location 1, not dock"),
    ({"identity": "0012"}, "identity 0, not 0012"),
    ({"time": NOON}, "time None, not 2026-11-25"),
    ({"modality": "infrared"}, "modality visible, not infrared"),
]


@pytest.mark.parametrize(("values", "said"), DIFFERENT)
def test_a_record_that_says_otherwise_is_left_or_corrected(gallery, values, said):
    old = record(1, camera=1, location=1, identity=0)
    gallery.add(vectors(1), [old])
    new = record(1, path="elsewhere.jpg", **{"identity": 0, **values})
    added = gallery.add(vectors(1, seed=1), [new])
    assert (added.new, added.already, list(added.differing)) == ((), (), [old.id])
    assert said in added.differing[old.id]
    assert gallery.get([old.id]) == [old]
    search(gallery, vectors(1))  # so that the columns in memory have to follow
    assert gallery.add(vectors(1, seed=1), [new], update=True) == Added(updated=(old.id,))
    assert gallery.get([old.id]) == [changed(old, path="elsewhere.jpg", **values)]
    ((found,),) = search(gallery, vectors(1, seed=1))
    assert found.similarity == pytest.approx(1, abs=1e-3)


def test_a_plan_is_what_adding_does(gallery):
    gallery.add(vectors(2), [record(0, camera=1), record(1, camera=1)])
    gallery.remove([record(1).id])
    given = [record(0, camera=2), record(1, camera=1), record(2), record(2)]
    for update in (False, True):
        planned = gallery.plan(given, update=update)
        assert planned.new == (record(2).id,)
        assert set(planned.already) == {record(1).id, record(2).id}
        assert planned.hidden == (record(1).id,)
        side = planned.updated if update else tuple(planned.differing)
        assert side == (record(0).id,)
    assert gallery.add(vectors(4), given, update=True) == planned


@pytest.mark.parametrize("text", ["0012", "12", "a1b2c3d4-0000-4000-8000-1234567890ab", "Zoë 夜"])
def test_identities_and_cameras_are_any_text(gallery, text):
    gallery.add(vectors(2), [record(0, identity=text, camera=text, location=text), record(1)])
    assert gallery.select(identities=[text]) == [record(0).id]
    for filters in (
        Filters(cameras=(text,)),
        Filters(locations=(text,)),
        Filters(identity="known"),
    ):
        assert ids_of(search(gallery, vectors(1), filters=filters)[0]) == [record(0).id]
    shown = gallery.get([record(0).id])[0].as_dict()
    assert shown["identity"] == (12 if text == "12" else text)


def test_no_text_stands_for_unknown(gallery):
    gallery.add(vectors(3), [record(0), record(1, identity="-1"), record(2, identity="None")])
    for text in ("-1", "None"):
        assert len(gallery.select(identities=[text])) == 1
    gallery.erase(gallery.select(identities=["-1", "None"]))
    assert gallery.get([record(0).id]) == [record(0)]
    for text in ("-1", "", "null", "NULL"):
        with pytest.raises(FilterError, match="no record"):
            gallery.select(identities=[text])


def test_a_record_can_be_corrected_field_by_field(gallery):
    gallery.add(vectors(1), [record(0, camera=1, identity=7)])
    id = record(0).id
    for values in ({"camera": "gate"}, {"identity": None}, {"time": NOON}, {"path": "b.jpg"}):
        new = gallery.correct(id, values)
        assert {name: getattr(new, name) for name in values} == values
    assert gallery.get([id]) == [record(0, camera="gate", time=NOON, path="b.jpg")]
    with pytest.raises(GalleryError, match="infrared"):
        gallery.correct(id, {"modality": "infrared"})
    with pytest.raises(GalleryError, match="camera"):
        gallery.correct(id, {"camera": "a\nb"})
    gallery.correct(id, {"modality": "infrared"}, embedding=vectors(1, seed=3))
    np.testing.assert_array_equal(gallery.embeddings([id]), kept(vectors(1, seed=3)))
    with pytest.raises(GalleryMissingError):
        gallery.correct(record(9).id, {"camera": 1})


def test_one_image_twice_in_one_call_is_one_record(gallery):
    id = record(0).id
    assert gallery.add(vectors(2), [record(0), record(0)]) == Added(new=(id,), already=(id,))
    assert len(gallery) == 1


def test_more_records_than_go_into_one_call(gallery):
    some = records(2345)
    assert len(gallery.add(vectors(2345), some).new) == 2345
    assert len(gallery) == 2345
    assert gallery.known([one.id for one in some]) == {one.id for one in some}
    # By hand: cosines of the unit vectors, the largest first.
    query = vectors(1, seed=7)
    best = np.argsort(-(vectors(2345) @ query[0]))[:10]
    assert ids_of(search(gallery, query, top=10)[0]) == [some[row].id for row in best]


def test_similarity_is_the_cosine(gallery):
    # 3-4-5: cos(e1, 0.6 e1 + 0.8 e2) = 0.6.
    axes = np.eye(SIZE, dtype=np.float32)
    gallery.add(unit([0.6 * axes[0] + 0.8 * axes[1], -axes[0]]), [record(0), record(1)])
    (found,) = search(gallery, axes[:1])
    assert [match.record.path for match in found] == ["day/0000.jpg", "day/0001.jpg"]
    np.testing.assert_allclose(
        [match.similarity for match in found], [0.6, -1.0], atol=1e-3
    )  # float16


def test_several_queries_at_once_are_answered_each(gallery):
    gallery.add(vectors(20), records(20))
    together = search(gallery, vectors(20), top=3)
    assert [found[0].record for found in together] == records(20)
    alone = search(gallery, vectors(20)[4:5], top=3)[0]
    assert [match.record for match in together[4]] == [match.record for match in alone]
    similarities = [[match.similarity for match in found] for found in (together[4], alone)]
    np.testing.assert_allclose(*similarities, rtol=0, atol=1e-6)


def test_hidden_records_are_not_found_and_adding_does_not_show_them(gallery):
    gallery.add(vectors(3), records(3))
    one = records(3)[1].id
    assert gallery.remove([one]) == 1
    assert gallery.remove([one]) == 0
    assert one not in ids_of(search(gallery, vectors(3)[1:2])[0])
    assert gallery.add(vectors(3), records(3)).hidden == (one,)
    assert (len(gallery), gallery.info().hidden, gallery.hidden([one])) == (2, 1, {one})
    assert gallery.get([one]) == [records(3)[1]]
    assert gallery.restore([one]) == 1
    assert ids_of(search(gallery, vectors(3)[1:2])[0])[0] == one


def test_nothing_changes_where_one_of_the_ids_is_unknown(gallery):
    gallery.add(vectors(2), records(2))
    ids = [records(2)[0].id, record(99).id]
    for change in (gallery.remove, gallery.erase, gallery.restore):
        with pytest.raises(GalleryMissingError, match=record(99).id):
            change(ids)
    assert len(gallery) == 2


def bytes_of(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("count", [20, 3000])
def test_what_was_erased_is_in_no_file(uri, tmp_path, count):
    known = vectors(count)
    some = [
        record(number, path=f"secret-{number}-.jpg", identity=f"person {number}.")
        for number in range(count)
    ]
    gone, stays = [3, 4, count - 1], [5, count - 2]

    def traces(row):
        text = (some[row].id, some[row].path, some[row].identity)
        return [known[row].astype(np.float16).tobytes(), *(part.encode() for part in text)]

    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(known, some)
        gallery.add(known[3:4], [changed(some[3], camera=7)], update=True)
        gallery.remove([some[4].id])
        entry = AuditEntry("search", "ward-3", images={"ids": [one.id for one in some[:6]]})
        with gallery.database.writing() as connection:
            audit.write_entries(connection, gallery.database.tables, [entry])
    for trace in traces(3):
        assert trace in bytes_of(tmp_path)
    with Gallery.open(uri, writable=True) as gallery, Gallery.open(uri) as other:
        search(other, vectors(1))
        assert gallery.erase([some[row].id for row in gone]) == 3
        contents = [bytes_of(tmp_path)]
        assert len(gallery) == len(other) == count - 3
        assert len(search(other, vectors(1), top=1000)[0]) == min(1000, count - 3)
        (logged,) = [one for one in read_entries(gallery.database) if one["event"] == "search"]
        assert logged["ids"][3:] == ["erased", "erased", some[5].id]
    for content in (*contents, bytes_of(tmp_path)):
        for row in gone:
            assert not [trace for trace in traces(row) if trace in content]
        for row in stays:
            assert all(trace in content for trace in traces(row))


def test_an_erasure_that_was_cut_off_is_finished_by_the_next_writer(uri, tmp_path, monkeypatch):
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(20), records(20))

        def killed():
            raise KeyboardInterrupt

        monkeypatch.setattr(gallery.database, "shred", killed)
        with pytest.raises(KeyboardInterrupt):
            gallery.erase([records(20)[3].id])
        assert records(20)[3].id.encode() in bytes_of(tmp_path)
    with Gallery.open(uri) as gallery:
        assert len(gallery) == 19
    Gallery.open(uri, writable=True).close()
    assert records(20)[3].id.encode() not in bytes_of(tmp_path)


def test_a_gallery_keeps_records_for_so_many_days(uri):
    old, new = datetime.now(UTC) - timedelta(days=31), datetime.now(UTC) - timedelta(days=29)
    some = [record(0, time=old), record(1, time=new), record(2)]  # the last was added just now
    with Gallery.create(uri, MODEL, keep_days=30) as gallery:
        gallery.add(vectors(3), some)
        gallery.remove([some[0].id])
        assert (gallery.keep_days, gallery.info().keep_days) == (30, 30)
        assert gallery.expire("clerk", "command line") == 1
        assert gallery.known([one.id for one in some]) == {some[1].id, some[2].id}
        assert gallery.expire("clerk", "command line") == 0
        gallery.keep(28)
        assert gallery.expire("clerk", "command line") == 1
        gallery.keep(None)
        assert gallery.expire("clerk", "command line") == 0
        events = [
            (one["event"], one["by"], one["records"]) for one in read_entries(gallery.database)
        ]
        assert events == [("expire", "clerk", 1)] * 2
        with pytest.raises(GalleryError, match="0"):
            gallery.keep(0)


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_scores_are_those_of_a_whole_sort(seed):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 40, 1 + 997 * seed).astype(np.float32)  # many ties
    scores[generator.random(len(scores)) < 0.5] = -np.inf
    for count in (0, 1, 7, len(scores)):
        expected = np.argsort(-scores, kind="stable")[:count]
        np.testing.assert_array_equal(largest(scores, count), expected)


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_columns_follow_what_another_process_would_write(uri, monkeypatch, page):
    """After every change two galleries on one file answer alike, and like loops."""
    monkeypatch.setattr(columns, "PAGE", page)
    known = vectors(60)
    with Gallery.create(uri, MODEL) as writer, Gallery.open(uri) as reader:
        model = {}

        def check():
            found = reader.search(known[:1], filters=Filters(cameras=(1, 2)), top=100)
            passing = {id for id, one in model.items() if one[2] and one[1].camera in ("1", "2")}
            assert set(ids_of(found.matches[0])) == passing
            assert found.candidates == len(passing)
            for match in found.matches[0]:
                expected = float(known[0] @ kept(model[match.record.id][0]))
                assert match.similarity == pytest.approx(expected, abs=1e-6)
                assert match.record == model[match.record.id][1]

        generator = np.random.default_rng(page)
        for step in range(60):
            action = generator.integers(5)
            ids = sorted(model)
            some = [ids[place] for place in generator.permutation(len(ids))[:2]]
            if action < 2 or not some:
                new = record(step, camera=int(generator.integers(4)))
                writer.add(known[step : step + 1], [new])
                model[new.id] = (known[step], new, True)
            elif action == 2:
                hide = bool(generator.integers(2))
                (writer.remove if hide else writer.restore)(some)
                model |= {id: (*model[id][:2], not hide) for id in some}
            elif action == 3:
                new = changed(model[some[0]][1], camera=int(generator.integers(4)))
                writer.add(known[step : step + 1], [new], update=True)
                if new != model[some[0]][1]:
                    model[some[0]] = (known[step], new, model[some[0]][2])
            else:
                writer.erase(some)
                for id in some:
                    del model[id]
            check()


def test_a_log_of_changes_that_is_cut_makes_columns_load_anew(uri, monkeypatch):
    monkeypatch.setattr("fprnet.gallery.rows.KEPT_CHANGES", 2)
    with Gallery.create(uri, MODEL) as writer, Gallery.open(uri) as reader:
        writer.add(vectors(9), records(9))
        assert len(search(reader, vectors(1))[0]) == 9
        for one in records(9)[:5]:
            writer.remove([one.id])
        assert set(ids_of(search(reader, vectors(1))[0])) == {one.id for one in records(9)[5:]}


def test_hidden_records_survive_the_erasing_of_others(gallery):
    gallery.add(vectors(3), records(3))
    gallery.remove([records(3)[0].id])
    gallery.erase([records(3)[1].id])
    assert (len(gallery), gallery.info().hidden) == (1, 1)


FILTERS = [
    (Filters(cameras=(1, 3)), lambda one: one.camera in ("1", "3")),
    (Filters(locations=("2",)), lambda one: one.location == "2"),
    (Filters(exclude_location=2), lambda one: one.location != "2"),
    (Filters(exclude_location="nowhere"), lambda one: True),
    (Filters(identity="known"), lambda one: one.identity is not None),
    (Filters(identity="unknown"), lambda one: one.identity is None),
    (Filters(modality="infrared"), lambda one: one.modality == "infrared"),
    (Filters(since=NOON), lambda one: one.time and one.time >= NOON),
    (Filters(until=NOON), lambda one: one.time and one.time <= NOON),
    (
        Filters(cameras=(1,), since=NOON - timedelta(hours=5), until=NOON, exclude_location=0),
        lambda one: (
            one.time
            and one.camera == "1"
            and one.location != "0"
            and NOON - timedelta(hours=5) <= one.time <= NOON
        ),
    ),
]


@pytest.mark.parametrize(("filters", "passes"), FILTERS)
def test_filters(gallery, filters, passes):
    some = [
        changed(
            one,
            time=None if number % 5 == 0 else NOON + timedelta(hours=number - 20),
            modality="infrared" if number % 7 == 0 else "visible",
            location=None if number % 11 == 0 else one.location,
        )
        for number, one in enumerate(records(40))
    ]
    gallery.add(vectors(40), some)
    gallery.remove([some[1].id])
    expected = {one.id for one in some if passes(one)} - {some[1].id}
    assert 0 < len(expected) < 40
    # All that pass are found, which ranking first and filtering then would not give.
    found = gallery.search(vectors(1, seed=5), filters=filters, top=len(expected) + 1)
    assert set(ids_of(found.matches[0])) == expected
    assert found.candidates == len(expected)
    assert gallery.count(filters) == len(expected)
    assert set(gallery.select(filters)) - {some[1].id} == expected


def counts(counted):
    return {one.value: one.records for one in counted}


def test_info_counts(gallery):
    some = [changed(one, time=NOON) for one in records(8)] + records(2, start=8)
    gallery.add(vectors(10), some)
    gallery.remove([some[0].id])
    info = gallery.info()
    # Cameras 0 1 2 3 0 1 2 3 0 1 without the first; identities n // 5 where n % 3 > 0.
    assert counts(info.cameras) == {"0": 2, "1": 3, "2": 2, "3": 2}
    assert counts(info.locations) == {"0": 3, "1": 3, "2": 3}
    assert (info.records, info.hidden, info.known_identities) == (9, 1, 2)
    assert (info.first, info.last, info.modalities) == (
        NOON,
        NOON,
        (Counted(value="visible", records=9),),
    )
    assert (info.index, info.recall) == ("FLAT", 1.0)
    assert info.size_bytes > 9 * 2 * SIZE
    assert info.as_dict()["model"]["checkpoint_sha256"] == MODEL.checkpoint_sha256
    # 6 identified images (n = 1 2 4 5 7 8) of 2 people.
    assert gallery.search(vectors(1)).images == 3.0
    # Of those, three of nine records are at location 1: n = 1 4 7.
    only = gallery.search(vectors(1), filters=Filters(locations=(1,)))
    assert only.images == pytest.approx(3 * 3 / 9)


def test_unknown_cameras_and_locations_are_named(gallery):
    gallery.add(vectors(4), records(4))
    gallery.check_filters(Filters(cameras=(0, 3), locations=(2,)))
    with pytest.raises(FilterError, match=r"camera 7 .* 0, 1, 2, 3"):
        gallery.check_filters(Filters(cameras=(0, 7)))
    with pytest.raises(FilterError, match="location 9"):
        gallery.check_filters(Filters(locations=(9,)))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"since": NOON, "until": NOON - timedelta(days=1)}, "upside down"),
        ({"since": datetime(2026, 1, 1)}, "since"),
        ({"identity": "maybe"}, "maybe"),
        ({"modality": "thermal"}, "thermal"),
    ],
)
def test_filters_that_can_match_nothing(values, text):
    with pytest.raises(FilterError, match=text):
        Filters.checked(**values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"id": "abc"}, "id 'abc'"),
        ({"id": "A" * 64}, "id 'A"),
        ({"modality": "thermal"}, "thermal"),
        ({"camera": -2}, "camera -2"),
        ({"camera": True}, "camera True"),
        ({"identity": ""}, "identity ''"),
        ({"time": datetime(2026, 1, 1)}, "time"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time"),
    ],
)
def test_records_that_are_none(values, text):
    with pytest.raises(GalleryError, match=text):
        GalleryRecord.checked(**{"id": "a" * 64, "path": "x.jpg", "modality": "visible", **values})


def test_embeddings_that_do_not_fit(gallery):
    for wrong, kind, text in (
        (np.ones((1, SIZE + 1), dtype=np.float32), GalleryModelError, "8 numbers"),
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
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(GalleryMissingError, match="folder"):
        Gallery.open(str(tmp_path / "folder.db"))
    for content in (b"", b"no database", b"SQLite format 3\0" + bytes(200)):
        (tmp_path / "file.db").write_bytes(content)
        with pytest.raises(GalleryMissingError, match="no gallery"):
            Gallery.open(str(tmp_path / "file.db"))
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE record (id TEXT)")
    with pytest.raises(GalleryMissingError, match="no gallery"):
        Gallery.open(str(tmp_path / "other.db"))
    with Gallery.create(uri, MODEL):
        pass
    with pytest.raises(GalleryExistsError, match="already"):
        Gallery.create(uri, MODEL)
    with pytest.raises(GalleryMissingError, match="'other'"):
        Gallery.open(uri, name="other")
    with pytest.raises(UsageError, match="no-dashes"):
        Gallery.open(uri, name="no-dashes")
    for address in ("http://127.0.0.1:19530", "mysql://x/y"):
        with pytest.raises(UsageError, match="postgresql"):
            Gallery.open(address)
    assert not list(tmp_path.glob(".*"))


def test_a_gallery_of_a_newer_version(uri):
    Gallery.create(uri, MODEL).close()
    with sqlite3.connect(uri) as connection:
        connection.execute("UPDATE gallery SET version = 99")
    connection.close()
    with pytest.raises(GalleryError, match=r"99.*newer fprnet"):
        Gallery.open(uri)


def test_a_gallery_of_an_older_version_is_brought_up_to_date(uri, monkeypatch):
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(3), records(3))

    def migrate(connection, tables):
        connection.exec_driver_sql("ALTER TABLE record ADD COLUMN colour TEXT")

    monkeypatch.setattr("fprnet.gallery.database.VERSION", VERSION + 1)
    monkeypatch.setitem(MIGRATIONS, VERSION, migrate)
    for _ in range(2):
        with Gallery.open(uri) as gallery:
            assert len(search(gallery, vectors(1))[0]) == 3
    with sqlite3.connect(uri) as connection:
        assert connection.execute("SELECT version FROM gallery").fetchone() == (VERSION + 1,)
    connection.close()


def test_a_damaged_file_is_one_line(uri, tmp_path):
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(500), records(500))
    file = tmp_path / "people.db"
    content = bytearray(file.read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    file.write_bytes(content)
    with pytest.raises(GalleryError, match="damaged"), Gallery.open(uri) as gallery:
        search(gallery, vectors(1))


def find_one(gallery):
    return search(gallery, vectors(1))


def get_all(gallery):
    return gallery.get([one.id for one in records(3)])


def list_audit(gallery):
    return list(read_entries(gallery.database))


@pytest.mark.parametrize(
    ("change", "use"),
    [
        ("UPDATE gallery SET version = NULL", len),
        ("UPDATE gallery SET embedding_size = 'eight'", len),
        ("UPDATE gallery SET path = x'ff'", len),
        ("UPDATE record SET embedding = x'00' WHERE number = 2", find_one),
        ("UPDATE record SET embedding = NULL WHERE number = 2", find_one),
        ("UPDATE record SET time = 1e300 WHERE number = 2", find_one),
        ("UPDATE record SET time = 1 << 60 WHERE number = 2", Gallery.info),
        ("UPDATE record SET time = 1 << 60 WHERE number = 2", get_all),
        ("UPDATE record SET camera = x'ff' WHERE number = 2", Gallery.info),
        ("UPDATE record SET hidden = 'no', time = 1e300 WHERE number = 2", get_all),
        ("UPDATE audit SET details = '{'", list_audit),
    ],
)
def test_a_file_that_holds_what_none_can_hold_is_damaged(uri, change, use):
    """SQLite gives whatever the bytes of a damaged file say, whatever the tables allow."""
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(3), records(3), audit=[AuditEntry("add", "me", "clerk")])
    connection = sqlite3.connect(uri)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
    connection.commit()
    connection.close()
    with sqlite3.connect(uri) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(GalleryError, match="damaged"), Gallery.open(uri) as gallery:
        use(gallery)


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (lambda gallery: get_tracklets(gallery, [2**63]), "too large"),
        (lambda gallery: watch_for(gallery, "\udcff", by="me"), "surrogates"),
    ],
)
def test_a_sound_gallery_is_not_damaged_by_what_it_is_asked(uri, use, reason):
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(3), records(3), audit=[AuditEntry("add", "me", "clerk")])
        gallery.remove([record(1).id])
        with pytest.raises(GalleryError, match=f"no such number or text.*{reason}"):
            use(gallery)


def test_a_file_that_was_moved_away_takes_no_records(uri, tmp_path, gallery):
    (tmp_path / "people.db").rename(tmp_path / "moved.db")
    with pytest.raises(GalleryUnavailableError, match="moved"):
        gallery.add(vectors(1), records(1))


def test_a_gallery_where_nothing_may_be_written_is_searched(uri, monkeypatch):
    with Gallery.create(uri, MODEL) as gallery:
        gallery.add(vectors(3), records(3))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Gallery.open(uri) as gallery:
        assert len(search(gallery, vectors(1))[0]) == 3
    with (
        Gallery.open(uri, writable=True) as gallery,
        pytest.raises(GalleryError, match="may only be read"),
    ):
        gallery.add(vectors(1), [record(7)])


def test_closed_means_closed(uri):
    gallery = Gallery.create(uri, MODEL)
    gallery.close()
    gallery.close()
    with pytest.raises(GalleryError, match="closed"):
        search(gallery, vectors(1))


def test_threads_search_while_others_write(gallery):
    """Every search sees a state that existed: a record that was there stays the first match."""
    gallery.add(vectors(50), records(50))
    done = threading.Event()
    wrong = []

    def search_again(row):
        while not done.is_set():
            (found,) = search(gallery, vectors(50)[row : row + 1], top=5)
            if len(found) != 5 or found[0].record != records(50)[row]:
                wrong.append(found)

    def write(start):
        for number in range(start, start + 40):
            gallery.add(vectors(1, seed=number), [record(number)])

    readers = [threading.Thread(target=search_again, args=(row,)) for row in range(4)]
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
    assert gallery.count() == len(search(gallery, vectors(1), top=1000)[0])
