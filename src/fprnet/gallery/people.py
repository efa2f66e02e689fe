"""Records become people without a name: grouped, joined, taken apart, named; and all of it undone.

Every change is a step with the state before and after it of each record, in one transaction with
its entry in the audit log. Undoing a step is a step itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from fprnet.errors import GalleryError, GalleryMissingError
from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.people_rows import (
    Change,
    Person,
    Step,
    apply_changes,
    member_rows,
    members_of,
    new_people,
    person_of,
    steps_of,
)
from fprnet.gallery.reading import GalleryReader
from fprnet.gallery.records import GalleryRecord
from fprnet.gallery.tracklet_rows import TrackletRecord, tracklets_of

__all__ = [
    "Person",
    "PersonDetails",
    "Step",
    "get_person",
    "list_people",
    "list_steps",
    "merge_people",
    "name_person",
    "split_person",
    "undo_step",
]


@dataclass(frozen=True)
class PersonDetails:
    """A person, and everything that shows them.

    Attributes:
        person: Who.
        tracklets: In the order of time.
        images: Records that are part of no tracklet, in the order of time; unknown last.
    """

    person: Person
    tracklets: list[TrackletRecord]
    images: list[GalleryRecord]


def list_people(
    gallery: GalleryReader, people: Sequence[int] | None = None, *, limit: int | None = None
) -> list[Person]:
    """Return people, whoever was seen last first; those without a time come last.

    Args:
        gallery: Open.
        people: Only these; None is everybody.
        limit: At most so many.
    """
    tables = gallery.database.tables
    with gallery.database.reading() as connection:
        rows = member_rows(connection, tables, people)
    grouped: dict[int, list[Row[Any]]] = {}
    for row in rows:
        grouped.setdefault(row.person, []).append(row)
    found = [person_of(number, members) for number, members in grouped.items()]
    oldest = datetime.min.replace(tzinfo=UTC)
    found.sort(key=lambda one: (one.last or oldest, one.id), reverse=True)
    return found[:limit]


def get_person(gallery: GalleryReader, number: int) -> PersonDetails:
    """Return a person with their tracklets and images.

    Raises:
        GalleryMissingError: There is nobody of that number.
    """
    tables = gallery.database.tables
    with gallery.database.reading() as connection:
        rows = members_of(connection, tables, number, gallery.uri)
        numbers = dict.fromkeys(row.tracklet for row in rows if row.tracklet is not None)
        tracklets = list(tracklets_of(connection, tables, list(numbers)).values())
    images = gallery.get([row.id for row in rows if row.tracklet is None])
    latest = datetime.max.replace(tzinfo=UTC)
    return PersonDetails(
        person_of(number, rows),
        sorted(tracklets, key=lambda one: (one.start, one.id)),
        sorted(images, key=lambda one: (one.time or latest, one.id)),
    )


def merge_people(
    gallery: Gallery, into: int, others: Sequence[int], *, by: str, audit: Sequence[AuditEntry] = ()
) -> Step:
    """Join people who are one: everything of the others becomes the first's.

    Identities stay as they are; :func:`name_person` gives everybody the same.

    Args:
        gallery: Writable.
        into: The person who stays.
        others: People who become that one.
        by: Who says so.
        audit: Entries for the log, on the disk together with the change.

    Raises:
        GalleryMissingError: One of them is nobody.
        GalleryError: There are no others, or they have other names than the first.
    """
    chosen = [number for number in dict.fromkeys(others) if number != into]
    if not chosen:
        raise GalleryError(f"person {into} cannot be joined with nobody else; name another one")
    tables = gallery.database.tables
    with _changing(gallery) as connection:
        rows = {n: members_of(connection, tables, n, gallery.uri) for n in (into, *chosen)}
        names = {row.identity for members in rows.values() for row in members} - {None}
        if len(names) > 1:
            told = ", ".join(sorted(map(str, names)))
            raise GalleryError(
                f"people {', '.join(map(str, rows))} have different names ({told}); give them one "
                "with 'fprnet gallery name' first"
            )
        changes = [
            Change(row.record, (number, into), (row.identity, row.identity))
            for number in chosen
            for row in rows[number]
        ]
        return apply_changes(connection, tables, "merge", by, changes, audit)


def split_person(
    gallery: Gallery,
    person: int,
    *,
    tracklets: Sequence[int] = (),
    images: Sequence[str] = (),
    by: str,
    audit: Sequence[AuditEntry] = (),
) -> Step:
    """Take out of a person what shows somebody else, who becomes a person of their own.

    They lose the name that they had with the others.

    Args:
        gallery: Writable.
        person: Whom it was taken for.
        tracklets: Numbers of tracklets.
        images: Ids of records that are part of no tracklet.
        by: Who says so.
        audit: Entries for the log.

    Raises:
        GalleryMissingError: The person is nobody.
        GalleryError: Something is not of the person, or everything is, or nothing is named.
    """
    tables = gallery.database.tables
    with _changing(gallery) as connection:
        rows = members_of(connection, tables, person, gallery.uri)
        taken = [row for row in rows if row.tracklet in tracklets]
        taken += [row for row in rows if row.tracklet is None and row.id in images]
        absent = [str(one) for one in tracklets if one not in {row.tracklet for row in taken}]
        absent += [id[:12] for id in images if id not in {row.id for row in taken}]
        if absent:
            raise GalleryError(
                f"{absent[0]} does not belong to person {person}; see 'fprnet gallery people "
                f"{person}'"
            )
        if not taken or len(taken) == len(rows):
            raise GalleryError(
                f"person {person} would keep {len(rows) - len(taken)} of {len(rows)} records; take "
                "out some of the tracklets, not all and not none"
            )
        kept = {row.identity for row in rows if row.record not in {one.record for one in taken}}
        [number] = new_people(connection, tables, 1)
        changes = [
            Change(
                row.record,
                (person, number),
                (row.identity, None if row.identity in kept else row.identity),
            )
            for row in taken
        ]
        return apply_changes(connection, tables, "split", by, changes, audit)


def name_person(
    gallery: Gallery,
    person: int,
    name: str | None,
    *,
    by: str,
    audit: Sequence[AuditEntry] = (),
) -> Step:
    """Say who a person is: the identity of all that is grouped now becomes the name.

    What joins the person later has no identity until the name is given again.

    Args:
        gallery: Writable.
        person: Who.
        name: An identity; None takes it back.
        by: Who says so.
        audit: Entries for the log.

    Raises:
        GalleryMissingError: The person is nobody.
        GalleryError: It is no name, or all have it.
    """
    tables = gallery.database.tables
    with _changing(gallery) as connection:
        rows = members_of(connection, tables, person, gallery.uri)
        checked = GalleryRecord.checked(
            id=rows[0].id, path=f"person {person}", modality="visible", identity=name
        ).identity
        changes = [
            Change(row.record, (person, person), (row.identity, checked))
            for row in rows
            if row.identity != checked
        ]
        if not changes:
            raise GalleryError(f"person {person} has that name already; nothing was changed")
        return apply_changes(connection, tables, "name", by, changes, audit)


def undo_step(
    gallery: Gallery, step: int | None = None, *, by: str, audit: Sequence[AuditEntry] = ()
) -> Step:
    """Put back what a step changed, as far as it is still in the gallery.

    Args:
        gallery: Writable.
        step: Its number; None is the last one that is neither undone nor an undoing.
        by: Who says so.
        audit: Entries for the log.

    Raises:
        GalleryMissingError: There is no such step.
        GalleryError: Somebody has changed the same records since: undo that first.
    """
    tables = gallery.database.tables
    table, steps = tables.grouping_change, tables.grouping
    with _changing(gallery) as connection:
        if step is None:
            everything = connection.scalar(select(func.count()).select_from(steps)) or 0
            step = next(
                (
                    one.id
                    for one in steps_of(connection, tables, everything)
                    if one.undoes is None and not one.undone
                ),
                None,
            )
        rows = connection.execute(
            select(table, tables.record.c.identity, tables.member.c.person)
            .join(tables.record, tables.record.c.number == table.c.record)
            .outerjoin(tables.member, tables.member.c.record == table.c.record)
            .where(table.c.step == step)
        ).all()
        if not rows:
            which = "step" if step is None else f"step {step}"
            raise GalleryMissingError(f"there is no {which} to undo in {gallery.uri}")
        for row in rows:
            if (row.person, row.identity) == (row.new_person, row.new_identity):
                continue
            later = connection.scalar(
                select(func.max(table.c.step)).where(
                    table.c.record == row.record, table.c.step > step
                )
            )
            cause = "a record was corrected" if later is None else f"step {later} changed the same"
            raise GalleryError(f"step {step} cannot be undone: {cause} since; undo that first")
        changes = [
            Change(
                row.record,
                (row.new_person, row.old_person),
                (row.new_identity, row.old_identity),
            )
            for row in rows
        ]
        return apply_changes(connection, tables, "undo", by, changes, audit, undoes=step)


def list_steps(gallery: GalleryReader, *, limit: int = 50) -> list[Step]:
    """Return the last steps, newest first."""
    tables = gallery.database.tables
    with gallery.database.reading() as connection:
        return steps_of(connection, tables, limit)


@contextmanager
def _changing(gallery: Gallery) -> Iterator[Connection]:
    gallery.check_writable()
    with gallery.database.writing() as connection:
        yield connection
