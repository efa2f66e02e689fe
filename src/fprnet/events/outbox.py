"""Events in a gallery's database, and which of them have still to be delivered to whom.

An event is written in the transaction that adds its tracklet, so it exists exactly if the tracklet
does; a tracklet and an identity have one at most. Erasing the tracklet, or the record that it was
compared with, erases the event.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from fprnet.events.matching import Match
from fprnet.gallery.database import Database
from fprnet.gallery.reading import GalleryReader
from fprnet.gallery.records import Name, RecordId, Time
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds, milliseconds
from fprnet.gallery.tracklet_rows import TrackletRecord, tracklets_of

__all__ = [
    "Event",
    "delivered",
    "failed",
    "last_event",
    "latest_events",
    "pending",
    "waiting",
    "write_events",
]


class Event(BaseModel):
    """A tracklet of somebody on the watch list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(description="Rises with time; never used again")
    id: str = Field(description="The same at every delivery: whoever has seen it may ignore it")
    time: Time = Field(description="When it was found")
    identity: Name = Field(description="Whom the tracklet may show")
    similarity: float = Field(description="Cosine of the two templates")
    probability: float | None = Field(
        description="That it is the same person; null: both are of one modality, for which none "
        "is calibrated"
    )
    threshold: float = Field(description="Similarity from which on it is an event")
    false_match_rate: float = Field(
        description="Share of the tracklets of strangers that may be events"
    )
    record: RecordId = Field(description="Image of the person that is most like the tracklet")
    tracklet: TrackletRecord


def write_events(
    connection: Connection,
    tables: Tables,
    tracklet: int,
    matches: Sequence[Match],
    *,
    false_match_rate: float,
    sinks: Sequence[str],
) -> None:
    """Write the events of a tracklet that is being added, and to whom they go."""
    now = milliseconds(datetime.now(UTC))
    for match in matches:
        values = {
            "id": uuid.uuid4().hex,
            "time": now,
            "tracklet": tracklet,
            "record": match.record,
            "identity": match.identity,
            "similarity": match.similarity,
            "probability": match.probability,
            "threshold": match.threshold,
            "false_match_rate": false_match_rate,
        }
        inserted = connection.execute(insert(tables.event).values(values)).inserted_primary_key
        assert inserted is not None
        rows = [{"event": inserted[0], "sink": sink, "attempts": 0} for sink in sinks]
        if rows:
            connection.execute(insert(tables.delivery), rows)


def latest_events(
    gallery: GalleryReader, *, after: int | None = None, limit: int = 100
) -> list[Event]:
    """Return events in the order of their numbers.

    Args:
        gallery: Open.
        after: Those of larger numbers, the oldest of them first; None takes the newest.
        limit: At most so many.
    """
    event = gallery.database.tables.event
    chosen = _events(gallery.database.tables).limit(limit)
    if after is None:
        chosen = chosen.order_by(event.c.number.desc())
    else:
        chosen = chosen.where(event.c.number > after).order_by(event.c.number)
    with gallery.database.reading() as connection:
        rows = connection.execute(chosen).all()
        return sorted(_made(connection, gallery.database.tables, rows), key=lambda e: e.number)


def last_event(gallery: GalleryReader) -> int:
    """Return the number of the newest event; 0 without any."""
    number = gallery.database.tables.event.c.number
    with gallery.database.reading() as connection:
        return connection.scalar(select(func.max(number))) or 0


def pending(database: Database, sink: str) -> Event | None:
    """Return what a sink is to get next: what failed least often, and of that the oldest.

    One at a time, because the next one may be erased while this one is sent.
    """
    tables = database.tables
    event, delivery = tables.event, tables.delivery
    chosen = (
        _events(tables)
        .join(delivery, delivery.c.event == event.c.number)
        .where(delivery.c.sink == sink)
        .order_by(delivery.c.attempts, event.c.number)
        .limit(1)
    )
    with database.reading() as connection:
        rows = connection.execute(chosen).all()
        return next(iter(_made(connection, tables, rows)), None)


def waiting(database: Database) -> dict[str, int]:
    """Return sink -> number of events that it has not acknowledged."""
    delivery = database.tables.delivery
    with database.reading() as connection:
        rows = connection.execute(
            select(delivery.c.sink, func.count().label("waits")).group_by(delivery.c.sink)
        ).all()
    return {row.sink: row.waits for row in rows}


def delivered(database: Database, sink: str, number: int) -> None:
    """Forget a delivery that was acknowledged."""
    delivery = database.tables.delivery
    with database.writing() as connection:
        connection.execute(
            delivery.delete().where(delivery.c.event == number, delivery.c.sink == sink)
        )


def failed(database: Database, sink: str, number: int) -> None:
    """Note that a delivery failed."""
    delivery = database.tables.delivery
    with database.writing() as connection:
        connection.execute(
            update(delivery)
            .where(delivery.c.event == number, delivery.c.sink == sink)
            .values(attempts=delivery.c.attempts + 1)
        )


def _events(tables: Tables) -> Select[Any]:
    event, record = tables.event, tables.record
    return select(event, record.c.id.label("record_id")).join(
        record, record.c.number == event.c.record
    )


def _made(connection: Connection, tables: Tables, rows: Sequence[Row[Any]]) -> list[Event]:
    found: dict[int, TrackletRecord] = tracklets_of(
        connection, tables, [row.tracklet for row in rows]
    )
    return [
        Event.model_construct(
            number=row.number,
            id=row.id,
            time=from_milliseconds(row.time),
            identity=row.identity,
            similarity=row.similarity,
            probability=row.probability,
            threshold=row.threshold,
            false_match_rate=row.false_match_rate,
            record=row.record_id,
            tracklet=found[row.tracklet],
        )
        for row in rows
    ]
