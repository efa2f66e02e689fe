"""The tables of a gallery, the same in SQLite and PostgreSQL, and how older ones become these.

A record has a number that is never used again, so that whoever follows the changes can tell new
records from old ones, and the audit log need not keep what erasing has to remove. Times are
milliseconds since 1970 in UTC; unknown is NULL. Embeddings are D float16 numbers. What belongs to a
record goes with it: images, places in tracklets, memberships of people, and their history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["APPLICATION", "MIGRATIONS", "VERSION", "Embedding", "Tables"]

VERSION = 2
APPLICATION = 0x66707267  # "fprg", at byte 68 of an SQLite file

# What turns a gallery of version v into one of version v + 1; run in one transaction with the
# change of the number. Version 1 is the first that was released.
MIGRATIONS: dict[int, Callable[[Connection, Tables], None]] = {
    1: lambda connection, tables: tables.metadata.create_all(connection, tables.of_tracklets),
}

Number = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER numbers its rows itself


class Embedding(TypeDecorator[NDArray[np.float16]]):
    """D numbers in float16: bytes in SQLite, a ``halfvec`` of pgvector in PostgreSQL."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the database's own type."""
        if dialect.name == "postgresql":
            from pgvector.sqlalchemy import HALFVEC

            return dialect.type_descriptor(HALFVEC(self.size))
        return dialect.type_descriptor(LargeBinary())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401
        """Return what the driver takes for ``(D,)`` numbers."""
        if value is None:
            return None
        halves = np.asarray(value, dtype="<f2")
        return halves.tolist() if dialect.name == "postgresql" else halves.tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401
        """Return ``(D,)`` float16 for what the driver gives."""
        if value is None:
            return None
        if isinstance(value, bytes):
            return np.frombuffer(value, dtype="<f2")
        return np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value, np.float16)


class Tables:
    """The tables of a gallery whose embeddings have ``size`` numbers.

    Args:
        size: D.
        schema: Schema of a PostgreSQL database; None in SQLite.
    """

    def __init__(self, size: int, schema: str | None = None) -> None:
        self.metadata: MetaData = MetaData(schema=schema)
        meta, self._prefix = self.metadata, f"{schema}." if schema else ""
        of = self._of
        self.gallery = gallery_table(meta)
        self.projection = Table(
            "projection",
            meta,
            Column("checkpoint_sha256", Text, nullable=False),
            Column("size", Integer, nullable=False),
            Column("matrix", LargeBinary, nullable=False),  # (D, d) float32
        )
        self.record = _numbered(
            "record",
            meta,
            Column("id", Text, nullable=False, unique=True),
            Column("path", Text, nullable=False),
            Column("modality", Text, nullable=False),
            Column("camera", Text),
            Column("location", Text),
            Column("time", BigInteger),
            Column("identity", Text),
            Column("added", BigInteger, nullable=False),
            Column("hidden", Boolean, nullable=False),
            Column("embedding", Embedding(size), nullable=False),
            Index("record_identity", "identity"),
            Index("record_time", "time"),
        )
        self.change = _numbered(
            "change",
            meta,
            Column("record", BigInteger, nullable=False),
        )
        self.verdict = _numbered(
            "verdict",
            meta,
            Column("time", BigInteger, nullable=False),
            Column("by", Text, nullable=False),
            Column("query", Text, nullable=False),
            Column("query_modality", Text, nullable=False),
            Column("record", Text, nullable=False),
            Column("verdict", Text, nullable=False),
            Column("similarity", Float, nullable=False),
            Column("note", Text),
            Index("verdict_query", "query"),
            Index("verdict_record", "record"),
        )
        self.verdict_image = Table(
            "verdict_image",
            meta,
            Column("number", Number, primary_key=True, autoincrement=True),
            Column("verdict", of("verdict"), nullable=False),
            Column("sha256", Text, nullable=False),
            Column("file", Text, nullable=False),
            Index("verdict_image_verdict", "verdict"),
            Index("verdict_image_sha256", "sha256"),
        )
        self.access_key = Table(
            "access_key",
            meta,
            Column("number", Text, primary_key=True),
            Column("name", Text, nullable=False),
            Column("role", Text, nullable=False),
            Column("sha256", Text, nullable=False),
            Column("created", Text, nullable=False),
            Column("revoked", Text),
        )
        self.audit = _numbered(
            "audit",
            meta,
            Column("time", BigInteger, nullable=False),
            Column("event", Text, nullable=False),
            Column("by", Text),
            Column("role", Text),
            Column("address", Text),
            Column("outcome", Text, nullable=False),
            Column("details", Text, nullable=False),
            Index("audit_event", "event"),
        )
        self.audit_image = Table(
            "audit_image",
            meta,
            Column("number", Number, primary_key=True, autoincrement=True),
            Column("entry", of("audit"), nullable=False),
            Column("kind", Text, nullable=False),
            Column("sha256", Text),  # NULL: erased
            Index("audit_image_entry", "entry"),
            Index("audit_image_sha256", "sha256"),
        )
        self._add_tracklets(meta)

    def _add_tracklets(self, meta: MetaData) -> None:
        of = self._of

        def of_record(*, primary: bool) -> Column[int]:
            target = of("record")
            return Column("record", Number, target, primary_key=primary, nullable=False)

        self.image = Table(
            "image",
            meta,
            of_record(primary=True),
            Column("content", LargeBinary, nullable=False),
        )
        self.tracklet = _numbered(
            "tracklet",
            meta,
            Column("camera", Text, nullable=False),
            Column("location", Text, nullable=False),
            Column("modality", Text, nullable=False),
            Column("start_time", BigInteger, nullable=False),
            Column("end_time", BigInteger, nullable=False),
            Column("source", Text, nullable=False),
            Column("source_number", BigInteger, nullable=False),
            Column("path", Text, nullable=False),  # JSON: [[time, x, y, width, height], ...]
            UniqueConstraint("source", "camera", "source_number", "start_time"),
            Index("tracklet_start_time", "start_time"),
        )
        self.crop = Table(
            "crop",
            meta,
            of_record(primary=True),
            Column(
                "tracklet",
                of("tracklet"),
                nullable=False,
            ),
            Column("rank", Integer, nullable=False),  # 0 is the best
            Column("box_left", Integer, nullable=False),
            Column("box_top", Integer, nullable=False),
            Column("box_width", Integer, nullable=False),
            Column("box_height", Integer, nullable=False),
            Column("quality", Float, nullable=False),
            Index("crop_tracklet", "tracklet"),
        )
        self.person = _numbered(
            "person",
            meta,
            Column("created", BigInteger, nullable=False),
        )
        self.member = Table(
            "member",
            meta,
            of_record(primary=True),
            Column("person", ForeignKey(f"{self._prefix}person.number"), nullable=False),
            Index("member_person", "person"),
        )
        self.grouping = _numbered(
            "grouping_step",
            meta,
            Column("time", BigInteger, nullable=False),
            Column("by", Text, nullable=False),
            Column("kind", Text, nullable=False),
            Column("undoes", BigInteger),  # number of a step
        )
        self.grouping_change = Table(
            "grouping_change",
            meta,
            Column("number", Number, primary_key=True, autoincrement=True),
            Column(
                "step",
                of("grouping_step"),
                nullable=False,
            ),
            of_record(primary=False),
            Column("old_person", BigInteger),
            Column("new_person", BigInteger),
            Column("old_identity", Text),
            Column("new_identity", Text),
            Index("grouping_change_step", "step"),
            Index("grouping_change_record", "record"),
        )

        self._add_events(meta)

    def _add_events(self, meta: MetaData) -> None:
        of = self._of
        self.watched = Table(
            "watched",
            meta,
            Column("identity", Text, primary_key=True),
            Column("since", BigInteger, nullable=False),
            Column("by", Text, nullable=False),
        )
        self.event = _numbered(
            "event",
            meta,
            Column("id", Text, nullable=False, unique=True),
            Column("time", BigInteger, nullable=False),
            Column("tracklet", of("tracklet"), nullable=False),
            Column("record", of("record"), nullable=False),
            Column("identity", Text, nullable=False),
            Column("similarity", Float, nullable=False),
            Column("probability", Float),
            Column("threshold", Float, nullable=False),
            Column("false_match_rate", Float, nullable=False),
            UniqueConstraint("tracklet", "identity"),
            Index("event_record", "record"),
        )
        self.delivery = Table(
            "delivery",
            meta,
            Column("event", of("event"), primary_key=True),
            Column("sink", Text, primary_key=True),
            Column("attempts", Integer, nullable=False),
            Index("delivery_sink", "sink", "attempts"),
        )

    def _of(self, table: str) -> ForeignKey:
        """Return what lets a row go with the row of another table that it is of."""
        return ForeignKey(f"{self._prefix}{table}.number", ondelete="CASCADE")

    @property
    def of_tracklets(self) -> list[Table]:
        """What version 2 added: tracklets, their images, people who were grouped, and events."""
        return [
            *(self.image, self.tracklet, self.crop),
            *(self.person, self.member, self.grouping, self.grouping_change),
            *(self.watched, self.event, self.delivery),
        ]


def _numbered(name: str, metadata: MetaData, *items: SchemaItem) -> Table:
    """Return a table whose rows have numbers that are never used again."""
    number = Column("number", Number, primary_key=True, autoincrement=True)
    return Table(name, metadata, number, *items, sqlite_autoincrement=True)


def gallery_table(metadata: MetaData) -> Table:
    """Return the table of one row that says what the gallery is, whatever its embeddings' size."""
    return Table(
        "gallery",
        metadata,
        Column("version", Integer, nullable=False),
        Column("checkpoint_sha256", Text, nullable=False),
        Column("projection_sha256", Text, nullable=False),
        Column("preset", Text, nullable=False),
        Column("embedding_size", Integer, nullable=False),
        Column("path", Text, nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("keep_days", Integer),
        Column("recall", Float),
        Column("erasing", Boolean, nullable=False),
    )
