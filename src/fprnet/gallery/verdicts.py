"""What operators said about matches, in the gallery's own database: right, wrong, or nothing.

The last verdict about a query and a record counts; earlier ones are in the audit log. Shapes: Q
query images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, or_, select

from fprnet.data.records import Modality
from fprnet.gallery.rows import ASKED_ROWS
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds, milliseconds

__all__ = [
    "Feedback",
    "all_feedback",
    "files_in_use",
    "forget_feedback",
    "give_feedback",
    "queried",
    "verdicts",
]

Verdict = Literal["right", "wrong"]


@dataclass(frozen=True)
class Feedback:
    """What somebody said about a match.

    Attributes:
        time: When, with a time zone.
        by: Name of the key.
        query_sha256: SHA-256 of the Q query images, sorted.
        query_files: Names of their copies, in that order.
        query_modality: Modality of the query images.
        match: Id of the record.
        verdict: "none" takes an earlier one back.
        similarity: As the search gave it.
        note: Free text.
    """

    time: datetime
    by: str
    query_sha256: tuple[str, ...]
    query_files: tuple[str, ...]
    query_modality: Modality
    match: str
    verdict: Literal["right", "wrong", "none"]
    similarity: float
    note: str | None = None


def give_feedback(connection: Connection, tables: Tables, feedback: Feedback) -> None:
    """Store a verdict in place of an earlier one about the same query and record."""
    table, images = tables.verdict, tables.verdict_image
    query = _query(feedback.query_sha256)
    connection.execute(
        delete(table).where(table.c.query == query, table.c.record == feedback.match)
    )
    if feedback.verdict == "none":
        return
    result = connection.execute(
        table.insert().values(
            time=milliseconds(feedback.time),
            by=feedback.by,
            query=query,
            query_modality=feedback.query_modality,
            record=feedback.match,
            verdict=feedback.verdict,
            similarity=feedback.similarity,
            note=feedback.note,
        )
    )
    assert result.inserted_primary_key is not None
    pairs = zip(feedback.query_sha256, feedback.query_files, strict=True)
    rows = [
        {"verdict": result.inserted_primary_key[0], "sha256": sha256, "file": file}
        for sha256, file in pairs
    ]
    connection.execute(images.insert(), rows)


def verdicts(
    connection: Connection, tables: Tables, query_sha256: Sequence[str]
) -> dict[str, Verdict]:
    """Return the verdicts about the matches of a query, by the record's id."""
    table = tables.verdict
    rows = connection.execute(
        select(table.c.record, table.c.verdict).where(table.c.query == _query(query_sha256))
    )
    return {row.record: row.verdict for row in rows}


def all_feedback(connection: Connection, tables: Tables) -> list[Feedback]:
    """Return the verdicts that count, in the order in which they were given."""
    table, images = tables.verdict, tables.verdict_image
    files: dict[int, list[tuple[str, str]]] = {}
    for image in connection.execute(select(images).order_by(images.c.number)):
        files.setdefault(image.verdict, []).append((image.sha256, image.file))
    return [
        Feedback(
            time=from_milliseconds(row.time),
            by=row.by,
            query_sha256=tuple(sha256 for sha256, _ in files[row.number]),
            query_files=tuple(file for _, file in files[row.number]),
            query_modality=row.query_modality,
            match=row.record,
            verdict=row.verdict,
            similarity=row.similarity,
            note=row.note,
        )
        for row in connection.execute(select(table).order_by(table.c.number))
    ]


def forget_feedback(connection: Connection, tables: Tables, ids: Sequence[str]) -> int:
    """Erase what was said about records, or with a query that is itself one of the images.

    Returns:
        How many verdicts there were.
    """
    table, images = tables.verdict, tables.verdict_image
    queried = select(images.c.verdict).where(images.c.sha256.in_(ids))
    chosen = or_(table.c.record.in_(ids), table.c.number.in_(queried))
    return connection.execute(delete(table).where(chosen)).rowcount


def queried(connection: Connection, tables: Tables, ids: Sequence[str]) -> set[str]:
    """Return those of the images that are in the query of some verdict."""
    sha256 = tables.verdict_image.c.sha256
    found: set[str] = set()
    for start in range(0, len(ids), ASKED_ROWS):
        some = sha256.in_(ids[start : start + ASKED_ROWS])
        found.update(connection.scalars(select(sha256).where(some).distinct()))
    return found


def files_in_use(connection: Connection, tables: Tables) -> set[str]:
    """Return the names of the query images' copies that some verdict refers to."""
    return set(connection.scalars(select(tables.verdict_image.c.file).distinct()))


def _query(query_sha256: Sequence[str]) -> str:
    return ",".join(sorted(query_sha256))
