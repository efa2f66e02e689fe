"""Rows of members and of what was changed become people and steps; changes become rows.

Every change is a step with the state before and after it of each record, so that it can be undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from fprnet.errors import GalleryMissingError
from fprnet.gallery.audit import AuditEntry, write_entries
from fprnet.gallery.records import Name, RecordId, Time
from fprnet.gallery.rows import ASKED_ROWS, log_changes
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds, milliseconds

__all__ = [
    "Change",
    "Person",
    "Step",
    "apply_changes",
    "member_rows",
    "members_of",
    "new_people",
    "person_of",
    "steps_of",
]


class Person(BaseModel):
    """An anonymous identity: who was grouped together, whether or not somebody has named them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(description="Number of the person in the gallery; never used again")
    names: tuple[Name, ...] = Field(
        description="Identities of the person's records; several where people do not agree"
    )
    tracklets: int = Field(description="How many tracklets show the person")
    images: int = Field(description="How many images that are part of no tracklet do")
    unnamed: int = Field(description="How many of both say no identity")
    cameras: tuple[Name, ...]
    first: Time | None = Field(description="When the person was seen first; null: unknown")
    last: Time | None = Field(description="When the person was seen last")
    picture: RecordId = Field(description="The record to show")


class Step(BaseModel):
    """A change of who is together, which can be undone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    time: Time
    by: str
    kind: str = Field(description="group, merge, split, name or undo", examples=["merge"])
    undoes: int | None = Field(description="Step that it took back; null: it is no undoing")
    undone: bool = Field(description="A later step took it back, and was not taken back itself")
    people: tuple[int, ...] = Field(description="Whom it changed")
    records: int = Field(description="How many records it changed")


@dataclass(frozen=True)
class Change:
    """What a step does to one record.

    Attributes:
        record: Its number.
        person: Person before and after; None is nobody.
        identity: Identity before and after.
    """

    record: int
    person: tuple[int | None, int | None]
    identity: tuple[str | None, str | None]


def apply_changes(
    connection: Connection,
    tables: Tables,
    kind: str,
    by: str,
    changes: Sequence[Change],
    audit: Sequence[AuditEntry] = (),
    *,
    undoes: int | None = None,
) -> Step:
    """Make a step; its number and people become part of the entries for the log."""
    now = milliseconds(datetime.now(UTC))
    values = {"time": now, "by": by, "kind": kind, "undoes": undoes}
    inserted = connection.execute(insert(tables.grouping).values(values)).inserted_primary_key
    assert inserted is not None
    number = inserted[0]
    rows = [
        {
            "step": number,
            "record": one.record,
            "old_person": one.person[0],
            "new_person": one.person[1],
            "old_identity": one.identity[0],
            "new_identity": one.identity[1],
        }
        for one in changes
    ]
    connection.execute(insert(tables.grouping_change), rows)
    _set_people(connection, tables, {c.record: c.person[1] for c in changes if _moves(c.person)})
    renamed = {c.record: c.identity[1] for c in changes if _moves(c.identity)}
    for identity, records in _by_value(renamed).items():
        for some in _pages(records):
            connection.execute(
                update(tables.record)
                .where(tables.record.c.number.in_(some))
                .values(identity=identity)
            )
    log_changes(connection, tables, list(renamed))
    people = sorted({one for change in changes for one in change.person if one is not None})
    told = {"step": number, "people": people[:100], "records": len(changes)}
    entries = [replace(entry, details={**entry.details, **told}) for entry in audit]
    write_entries(connection, tables, entries)
    return Step(
        id=number,
        time=from_milliseconds(now),
        by=by,
        kind=kind,
        undoes=undoes,
        undone=False,
        people=tuple(people),
        records=len(changes),
    )


def new_people(connection: Connection, tables: Tables, count: int) -> list[int]:
    """Make numbers for people whom a step is about to fill."""
    created = {"created": milliseconds(datetime.now(UTC))}
    numbers = []
    for _ in range(count):
        inserted = connection.execute(insert(tables.person).values(created)).inserted_primary_key
        assert inserted is not None
        numbers.append(int(inserted[0]))
    return numbers


def members_of(connection: Connection, tables: Tables, person: int, uri: str) -> Sequence[Row[Any]]:
    """Return the rows of a person's records.

    Raises:
        GalleryMissingError: The person has none in the gallery at ``uri``.
    """
    rows = member_rows(connection, tables, [person])
    if not rows:
        raise GalleryMissingError(
            f"there is no person {person} in gallery {uri}; see 'fprnet gallery people'"
        )
    return rows


def member_rows(
    connection: Connection, tables: Tables, people: Sequence[int] | None
) -> Sequence[Row[Any]]:
    """Return what is known of each record of some people, those of a tracklet best first."""
    record, member, crop, tracklet = tables.record, tables.member, tables.crop, tables.tracklet
    rows = (
        select(member.c.person, member.c.record, record.c.id, record.c.identity, record.c.camera)
        .add_columns(record.c.time, record.c.hidden, crop.c.tracklet, crop.c.rank, crop.c.quality)
        .add_columns(tracklet.c.start_time, tracklet.c.end_time)
        .join(record, record.c.number == member.c.record)
        .outerjoin(crop, crop.c.record == member.c.record)
        .outerjoin(tracklet, tracklet.c.number == crop.c.tracklet)
        .order_by(member.c.person, crop.c.tracklet, crop.c.rank, member.c.record)
    )
    if people is not None:
        rows = rows.where(member.c.person.in_(people))
    return connection.execute(rows).all()


def person_of(number: int, rows: Sequence[Row[Any]]) -> Person:
    """Return the person of some rows; there is at least one."""
    units: dict[tuple[bool, int], Row[Any]] = {}
    for row in rows:
        single = row.tracklet is None
        units.setdefault((single, row.record if single else row.tracklet), row)
    starts = [row.time if row.start_time is None else row.start_time for row in rows]
    ends = [row.time if row.end_time is None else row.end_time for row in rows]
    times = [time for time in (*starts, *ends) if time is not None]
    best = max(rows, key=lambda row: (not row.hidden, row.quality or 0.0, -row.record))
    return Person.model_construct(
        id=number,
        names=tuple(sorted({row.identity for row in rows if row.identity is not None})),
        tracklets=sum(not single for single, _ in units),
        images=sum(single for single, _ in units),
        unnamed=sum(row.identity is None for row in units.values()),
        cameras=tuple(sorted({row.camera for row in rows if row.camera is not None})),
        first=from_milliseconds(min(times)) if times else None,
        last=from_milliseconds(max(times)) if times else None,
        picture=best.id,
    )


def steps_of(connection: Connection, tables: Tables, limit: int) -> list[Step]:
    """Return the last steps, newest first."""
    table, change = tables.grouping, tables.grouping_change
    chosen = select(table).order_by(table.c.number.desc()).limit(limit)
    rows = connection.execute(chosen).all()
    numbers = [row.number for row in rows]
    people: dict[int, set[int]] = {number: set() for number in numbers}
    for column in (change.c.old_person, change.c.new_person):
        pairs = select(change.c.step, column).where(change.c.step.in_(numbers)).distinct()
        for step, person in connection.execute(pairs):
            people[step] |= {person} - {None}
    counted = connection.execute(
        select(change.c.step, func.count().label("records"))
        .where(change.c.step.in_(numbers))
        .group_by(change.c.step)
    )
    records = {row.step: row.records for row in counted}
    undone: set[int | None] = set()
    for row in rows:  # what was undone later does not undo
        if row.number not in undone:
            undone.add(row.undoes)
    return [
        Step(
            id=row.number,
            time=from_milliseconds(row.time),
            by=row.by,
            kind=row.kind,
            undoes=row.undoes,
            undone=row.number in undone,
            people=tuple(sorted(people[row.number])),
            records=records.get(row.number, 0),
        )
        for row in rows
    ]


def _set_people(connection: Connection, tables: Tables, people: Mapping[int, int | None]) -> None:
    table = tables.member
    for some in _pages(list(people)):
        connection.execute(delete(table).where(table.c.record.in_(some)))
    rows = [
        {"record": record, "person": person}
        for record, person in people.items()
        if person is not None
    ]
    if rows:
        connection.execute(insert(table), rows)


def _moves(sides: tuple[object, object]) -> bool:
    return sides[0] != sides[1]


def _by_value(values: Mapping[int, str | None]) -> dict[str | None, list[int]]:
    found: dict[str | None, list[int]] = {}
    for key, value in values.items():
        found.setdefault(value, []).append(key)
    return found


def _pages(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), ASKED_ROWS):
        yield numbers[start : start + ASKED_ROWS]
