"""Records become rows of the table and come back; what adding would do with them is planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from fprnet.errors import GalleryMissingError
from fprnet.gallery.records import Added, GalleryRecord, check_id
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds, milliseconds

__all__ = [
    "ASKED_ROWS",
    "FIELDS",
    "NO_RECORD",
    "change_row",
    "log_changes",
    "newest_change",
    "plan_of",
    "record_of",
    "required_rows",
    "rows_of",
    "values_of",
]

ASKED_ROWS = 500  # ids in one statement
KEPT_CHANGES = 100_000  # of the log of changes that other processes follow
NO_RECORD = 2**62  # in the log: an image was erased that was no record, but a query of marks
FIELDS = ("id", "path", "modality", "camera", "location", "time", "identity")
FACTS = ("modality", "camera", "location", "time", "identity")


def rows_of(connection: Connection, tables: Tables, ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Return number, fields and visibility of those ids that are there.

    Raises:
        GalleryError: An id is none.
    """
    unique = list(dict.fromkeys(ids))
    for id in unique:
        check_id(id)
    table = tables.record
    columns = [table.c[name] for name in ("number", "hidden", *FIELDS)]
    rows: dict[str, Row[Any]] = {}
    for start in range(0, len(unique), ASKED_ROWS):
        some = unique[start : start + ASKED_ROWS]
        found = connection.execute(select(*columns).where(table.c.id.in_(some)))
        rows |= {row.id: row for row in found}
    return rows


def required_rows(
    connection: Connection, tables: Tables, ids: Iterable[str], uri: str
) -> dict[str, Row[Any]]:
    """Return the rows of all the ids.

    Raises:
        GalleryMissingError: One of them is not in the gallery at ``uri``.
    """
    wanted = list(ids)
    rows = rows_of(connection, tables, wanted)
    for id in wanted:
        if id not in rows:
            raise GalleryMissingError(f"there is no record {id} in gallery {uri}")
    return rows


def change_row(
    connection: Connection, tables: Tables, number: int, values: Mapping[str, Any]
) -> None:
    """Change columns of a record, by its number."""
    table = tables.record
    connection.execute(update(table).where(table.c.number == number).values(dict(values)))


def log_changes(connection: Connection, tables: Tables, numbers: Sequence[int]) -> None:
    """Tell those who follow the gallery which records have changed; new ones they see."""
    table = tables.change
    if not numbers:
        return
    connection.execute(insert(table), [{"record": number} for number in numbers])
    oldest = newest_change(connection, tables) - KEPT_CHANGES
    connection.execute(delete(table).where(table.c.number <= oldest))


def newest_change(connection: Connection, tables: Tables) -> int:
    """Return the number of the newest change in the log; 0 before the first."""
    return connection.scalar(select(func.max(tables.change.c.number))) or 0


def erased_since(connection: Connection, tables: Tables, number: int) -> tuple[bool, int]:
    """Return whether a record was erased after a change, and the number of the newest change.

    Args:
        connection: Sees one state.
        tables: The gallery's.
        number: Number of the change after which records count; where the log no longer goes back so
            far, a record counts as erased.
    """
    change, record = tables.change, tables.record
    newest = newest_change(connection, tables)
    if newest <= number:
        return False, newest
    oldest = connection.scalar(select(func.min(change.c.number))) or 0
    there = exists().where(record.c.number == change.c.record)
    erased = exists().where(change.c.number > number, ~there)
    return oldest > number + 1 or bool(connection.scalar(select(erased))), newest


def record_of(row: Row[Any]) -> GalleryRecord:
    """Return the record of a row."""
    values = {name: getattr(row, name) for name in FIELDS}
    time = values["time"]
    # What was checked when it was stored is not checked again.
    return GalleryRecord.model_construct(
        **{**values, "time": None if time is None else from_milliseconds(time)}
    )


def values_of(record: GalleryRecord) -> dict[str, Any]:
    """Return the columns of a record that it says."""
    values = {name: getattr(record, name) for name in FIELDS}
    return {**values, "time": None if record.time is None else milliseconds(record.time)}


def plan_of(
    present: Mapping[str, Row[Any]], records: Sequence[GalleryRecord], update: bool
) -> Added:
    """Return what becomes of records, given the rows of those that are there."""
    new: dict[str, None] = {}
    updated: dict[str, None] = {}
    already: list[str] = []
    differing: dict[str, str] = {}
    for record in records:
        row = present.get(record.id)
        if row is None:
            if record.id in new:
                already.append(record.id)
            new[record.id] = None
            continue
        differs = _difference(row, record)
        if update and record.id not in updated and (differs or row.path != record.path):
            updated[record.id] = None
        elif differs and not update:
            differing[record.id] = differs
        else:
            already.append(record.id)
    hidden = [id for id, row in present.items() if row.hidden]
    return Added(tuple(new), tuple(updated), tuple(already), differing, tuple(hidden))


def _difference(row: Row[Any], record: GalleryRecord) -> str:
    """Return what the record that is there says otherwise; "" where it says the same, or more."""
    old, new = record_of(row), record
    differs = [
        f"{name} {getattr(old, name)}, not {getattr(new, name)}"
        for name in FACTS
        if getattr(new, name) is not None and getattr(new, name) != getattr(old, name)
    ]
    return "; ".join(differs)
