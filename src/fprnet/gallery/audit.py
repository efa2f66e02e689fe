"""Who did what, when: entries in the gallery's database, in the transaction they are about.

The hashes of images are kept beside an entry, so that erasing an image takes its hash out of the
log and leaves who did what, and when.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from fprnet.gallery.database import Database
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds, milliseconds

__all__ = ["AuditEntry", "forget_images", "read_entries", "write_entries"]

ERASED = "erased"  # stands for the hash of an erased image
MAX_TEXT = 200  # letters of a text that somebody without a key may choose
MAX_DENIED = 20_000  # entries about callers who were not let in; the oldest make room
PAGE = 1000
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class AuditEntry:
    """One line of the log.

    Attributes:
        event: What was done, e.g. "search" or "erase".
        by: Name of the key, or of the user of the command line; None where nobody was let in.
        role: What the key allows, or "command line".
        address: Machine that the request came from; None of a command.
        outcome: "ok", or the error's code.
        details: Anything else that JSON can hold; no hashes of images.
        images: Kind, e.g. "ids" or "queries" -> SHA-256 of the images.
    """

    event: str
    by: str | None
    role: str | None = None
    address: str | None = None
    outcome: str = "ok"
    details: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_entries(connection: Connection, tables: Tables, entries: Sequence[AuditEntry]) -> None:
    """Append entries; they are on the disk when the transaction is."""
    now = milliseconds(datetime.now(UTC))
    for entry in entries:
        denied = entry.event == "denied"
        details = {
            name: _shortened(value) if denied else value for name, value in entry.details.items()
        }
        result = connection.execute(
            tables.audit.insert().values(
                time=now,
                event=entry.event,
                by=entry.by,
                role=entry.role,
                address=entry.address,
                outcome=entry.outcome,
                details=json.dumps(details),
            )
        )
        number = result.inserted_primary_key[0] if result.inserted_primary_key else None
        rows = [
            {"entry": number, "kind": kind, "sha256": sha256}
            for kind, hashes in entry.images.items()
            for sha256 in hashes
        ]
        if rows:
            connection.execute(tables.audit_image.insert(), rows)
    if any(entry.event == "denied" for entry in entries):
        _make_room(connection, tables)


def read_entries(database: Database, *, after: int = 0) -> Iterator[dict[str, Any]]:
    """Yield what JSON lines hold, oldest first.

    Args:
        database: Database of the gallery.
        after: Only entries of a larger ``number``.
    """
    audit, images = database.tables.audit, database.tables.audit_image
    while True:
        with database.reading() as connection:
            rows = connection.execute(
                select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(PAGE)
            ).all()
            numbers = [row.number for row in rows]
            of_entry: dict[int, dict[str, list[str]]] = {}
            if numbers:
                found = connection.execute(
                    select(images)
                    .where(images.c.entry >= numbers[0], images.c.entry <= numbers[-1])
                    .order_by(images.c.number)
                )
                for image in found:
                    kinds = of_entry.setdefault(image.entry, {})
                    kinds.setdefault(image.kind, []).append(image.sha256 or ERASED)
            entries = [_entry(row, of_entry.get(row.number, {})) for row in rows]
        yield from entries
        if len(rows) < PAGE:
            return
        after = numbers[-1]


def _entry(row: Row[Any], images: dict[str, list[str]]) -> dict[str, Any]:
    time = from_milliseconds(row.time).isoformat(timespec="milliseconds")
    return {
        "number": row.number,
        "time": time.replace("+00:00", "Z"),
        "event": row.event,
        "by": row.by,
        "role": row.role,
        "address": row.address,
        **json.loads(row.details),
        **images,
        "outcome": row.outcome,
    }


def forget_images(connection: Connection, tables: Tables, ids: Sequence[str]) -> None:
    """Take the hashes of erased images out of the log; the entries stay."""
    images = tables.audit_image
    connection.execute(update(images).where(images.c.sha256.in_(ids)).values(sha256=None))


def _make_room(connection: Connection, tables: Tables) -> None:
    """Drop the oldest entries about callers who were not let in: anybody can make them."""
    audit = tables.audit
    denied = select(audit.c.number).where(audit.c.event == "denied")
    count = connection.scalar(select(func.count()).select_from(denied.subquery())) or 0
    if count > MAX_DENIED:
        oldest = denied.order_by(audit.c.number).limit(count - MAX_DENIED + MAX_DENIED // 10)
        connection.execute(delete(audit).where(audit.c.number.in_(oldest.scalar_subquery())))


def _shortened(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    return HASH.sub("{id}", value)[:MAX_TEXT] if isinstance(value, str) else value
