"""What the records of a gallery are, counted by the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from fprnet.gallery.records import Counted
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds

__all__ = ["count_contents"]


def count_contents(connection: Connection, tables: Tables) -> dict[str, Any]:
    """Return the counts of :class:`fprnet.gallery.records.GalleryInfo` by their names."""
    record = tables.record
    visible = ~record.c.hidden
    whole = connection.execute(
        select(
            func.count(),
            func.count(record.c.identity.distinct()),
            func.min(record.c.time),
            func.max(record.c.time),
        ).where(visible)
    ).one()
    belonging = {
        name: connection.scalar(
            select(func.count(column.distinct()))
            .join(record, record.c.number == column.table.c.record)
            .where(visible)
        )
        or 0
        for name, column in (
            ("tracklets", tables.crop.c.tracklet),
            ("anonymous_identities", tables.member.c.person),
        )
    }
    hidden = connection.scalar(select(func.count()).where(record.c.hidden)) or 0
    first, last = (None if time is None else from_milliseconds(time) for time in whole[2:])
    counted: dict[str, tuple[Counted, ...]] = {}
    for plural, name in (
        ("cameras", "camera"),
        ("locations", "location"),
        ("modalities", "modality"),
    ):
        column = record.c[name]
        rows = connection.execute(select(column, func.count()).where(visible).group_by(column))
        found = [Counted(value=value, records=count) for value, count in rows]
        counted[plural] = tuple(sorted(found, key=_order))
    return {
        "records": whole[0],
        "hidden": hidden,
        "known_identities": whole[1],
        **belonging,
        "first": first,
        "last": last,
        **counted,
    }


def _order(one: Counted) -> tuple[bool, bool, int, str]:
    """Numbers in their order, then texts, then unknown."""
    text = one.value or ""
    number = text.isdecimal()
    return one.value is None, not number, int(text) if number else 0, text
