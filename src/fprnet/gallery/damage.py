"""Tables of an SQLite gallery become the word whether they hold what no gallery can hold.

SQLite gives whatever bytes a damaged file has: a text where a number was kept, nothing where
something must be. Asking costs a look at all rows, so it is asked only after something went wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.exc import DBAPIError

from fprnet.gallery.schema import Embedding, Tables, gallery_table

__all__ = ["is_damaged", "is_row_of_gallery"]

EARLIEST, LATEST = -62_135_596_800_000, 253_402_300_799_999  # milliseconds of the years 1 to 9999
MOMENTS = ("time", "added", "created")


def is_damaged(connection: Connection, tables: Tables) -> bool:
    """Whether the pages of an SQLite file are broken, or a value is none of its column."""
    try:
        if connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar() != "ok":
            return True
        return any(_is_damaged(connection, table) for table in tables.metadata.tables.values())
    except (DBAPIError, ValueError):
        return True


def is_row_of_gallery(row: Mapping[Any, Any]) -> bool:
    """Whether the row that says what a gallery is has a value of its type in each column."""
    return all(
        isinstance(row[column.name], column.type.python_type)
        or (column.nullable and row[column.name] is None)
        for column in gallery_table(MetaData()).columns
    )


def _is_damaged(connection: Connection, table: Table) -> bool:
    wrong = or_(*[_wrong(column) for column in table.columns])
    return connection.scalar(select(func.count()).select_from(table).where(wrong)) != 0


def _wrong(column: Column[Any]) -> ColumnElement[bool]:
    """Return the condition that a value is none of the column."""
    kind = column.type
    if isinstance(kind, (Integer, Boolean)):
        types = ["integer"]
    elif isinstance(kind, Float):
        types = ["real", "integer"]
    else:
        types = ["blob"] if isinstance(kind, (Embedding, LargeBinary)) else ["text"]
    if column.nullable:
        types.append("null")
    wrong: ColumnElement[bool] = func.typeof(column).not_in(types)
    if isinstance(kind, Embedding):
        wrong = or_(wrong, func.length(column) != 2 * kind.size)
    if isinstance(kind, Boolean):
        wrong = or_(wrong, cast(column, Integer).not_in((0, 1)))
    if column.name == "details":
        wrong = or_(wrong, func.json_type(column) != "object")
    if isinstance(kind, Integer) and column.name in MOMENTS:
        wrong = or_(wrong, ~column.between(EARLIEST, LATEST))
    return wrong
