"""The watch list of a gallery: identities whose next tracklet is an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, delete, func, insert, select

from fprnet.errors import GalleryMissingError
from fprnet.gallery.audit import AuditEntry, write_entries
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.reading import GalleryReader
from fprnet.gallery.records import Name, Time
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds, milliseconds

__all__ = ["Watched", "unwatch", "watch_for", "watch_list"]


class Watched(BaseModel):
    """An identity on the watch list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: Name
    since: Time = Field(description="When it was put on the list")
    by: str = Field(description="Who did that")
    images: int = Field(description="Images of the person that searches find; 0 matches nothing")


def watch_list(gallery: GalleryReader) -> list[Watched]:
    """Return who is on the list, in the order of their identities."""
    tables = gallery.database.tables
    watched, record = tables.watched, tables.record
    count = (
        select(func.count())
        .where(record.c.identity == watched.c.identity, ~record.c.hidden)
        .scalar_subquery()
    )
    with gallery.database.reading() as connection:
        rows = connection.execute(
            select(watched, count.label("images")).order_by(watched.c.identity)
        ).all()
    return [
        Watched.model_construct(
            identity=row.identity,
            since=from_milliseconds(row.since),
            by=row.by,
            images=row.images,
        )
        for row in rows
    ]


def watch_for(
    gallery: Gallery, identity: str, *, by: str, audit: Sequence[AuditEntry] = ()
) -> Watched:
    """Put an identity on the list; one that is there stays as it is.

    Args:
        gallery: Writable.
        identity: Who is watched for: an identity that a record of the gallery says.
        by: Who asks.
        audit: Entries for the log, on the disk together with the change; an image of the person
            joins them.

    Raises:
        GalleryMissingError: No record says this identity.
        GalleryError: The gallery is read-only.
    """
    gallery.check_writable()
    tables = gallery.database.tables
    watched = tables.watched
    with gallery.database.writing() as connection:
        known = _record_of(connection, tables, identity)
        if known is None:
            raise GalleryMissingError(
                f"no image of gallery {gallery.uri} says identity {identity!r}; add one, or name a "
                "person with 'fprnet gallery name'"
            )
        there = connection.scalar(select(watched.c.identity).where(watched.c.identity == identity))
        if there is None:
            now = milliseconds(datetime.now(UTC))
            values = {"identity": identity, "since": now, "by": by}
            connection.execute(insert(watched).values(values))
            write_entries(connection, tables, _about(audit, known))
    return next(one for one in watch_list(gallery) if one.identity == identity)


def unwatch(gallery: Gallery, identity: str, *, audit: Sequence[AuditEntry] = ()) -> None:
    """Take an identity off the list; its events stay.

    Args:
        gallery: Writable.
        identity: On the list.
        audit: Entries for the log, on the disk together with the change.

    Raises:
        GalleryMissingError: It is not on the list.
        GalleryError: The gallery is read-only.
    """
    gallery.check_writable()
    tables = gallery.database.tables
    with gallery.database.writing() as connection:
        table = tables.watched
        known = _record_of(connection, tables, identity)
        gone = connection.execute(delete(table).where(table.c.identity == identity)).rowcount
        if not gone:
            raise GalleryMissingError(
                f"identity {identity!r} is not on the watch list of gallery {gallery.uri}"
            )
        write_entries(connection, tables, _about(audit, known))


def _record_of(connection: Connection, tables: Tables, identity: str) -> str | None:
    """Return the id of the first record that says an identity."""
    record = tables.record
    chosen = select(record.c.id).where(record.c.identity == identity)
    return connection.scalar(chosen.order_by(record.c.number).limit(1))


def _about(audit: Sequence[AuditEntry], id: str | None) -> list[AuditEntry]:
    """Say whom entries are about by an image: erasing it takes that out of the log."""
    images = {} if id is None else {"ids": [id]}
    return [replace(entry, images={**entry.images, **images}) for entry in audit]
