"""A gallery in a PostgreSQL server or cluster with pgvector: HNSW over halfvec, or exact search.

Shapes: q queries, D numbers per embedding.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Float, create_engine, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.schema import CreateSchema

from fprnet.errors import (
    FprnetError,
    GalleryError,
    GalleryExistsError,
    GalleryUnavailableError,
    UsageError,
)
from fprnet.gallery.conditions import condition
from fprnet.gallery.database import CONNECTIONS, WAIT, Database, check_name
from fprnet.gallery.records import Filters
from fprnet.gallery.schema import Tables
from fprnet.gallery.search import Best

__all__ = [
    "PostgresServer",
    "ServerSearch",
    "change_size",
    "create_postgres",
    "index_embeddings",
]

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
SETTINGS = {"m": 16, "ef_construction": 64}  # pgvector's own defaults
EXPLORED = 100  # candidates that a search in the graph compares, at least
PER_CANDIDATE = 400  # records that pass, for each candidate
MAX_EXPLORED = 1000  # candidates of one pass through the graph that pgvector allows
SCANNING = {  # of a search that goes on after one pass, until it has its candidates
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "100000",
    "hnsw.scan_mem_multiplier": "16",  # times work_mem; with one, it ends before 2,000 candidates
    "enable_sort": "off",  # the graph has an order; plans that read and sort everything have none
}
EXACT = 20_000  # records that pass, up to which all of them are compared
MAX_INDEXED = 4000  # numbers of a halfvec that HNSW takes
FILTERED = ("(modality, time, location)", "(camera)")  # indexes that filters use
COUNTED = 100  # filters whose number of records is kept
CONTENT_REST = 60.0  # seconds for which the usual number of a person's images is kept
ABSENT_RIGHT = "42501"
NEGATIVE_PRODUCT = "<#>"  # pgvector's; it sorts ascending, so that the index can
OPTIONS = "-c plan_cache_mode=force_custom_plan -c application_name=fprnet"


class PostgresServer(Database):
    """A gallery in one schema of a PostgreSQL database."""

    def __init__(self, uri: str, name: str) -> None:
        url = parse_address(uri)
        super().__init__(_engine(url), url.render_as_string(hide_password=True), name)

    @property
    def read_only(self) -> bool:
        """Whether the server is a replica."""
        with self.reading() as connection:
            return bool(connection.scalar(select(func.pg_is_in_recovery())))

    @property
    def size_bytes(self) -> int:
        """Bytes of the tables and their indexes."""
        names = [f"{self.schema}.{table.name}" for table in self.tables.metadata.sorted_tables]
        size = func.pg_total_relation_size
        with self.reading() as connection:
            return sum(connection.scalar(select(size(text(f"'{name}'")))) or 0 for name in names)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose changes are on the disk when the block ends; one at a time."""
        with self._translated(), self.engine.connect() as connection:
            writer = connection.execution_options(isolation_level="READ COMMITTED")
            with writer.begin():
                lock = func.pg_advisory_xact_lock(func.hashtext(f"fprnet {self.schema}"))
                writer.execute(select(lock))
                yield writer

    def shred(self) -> None:
        """Write the tables anew without what was deleted, and let go of the write-ahead log.

        Old segments of the log are removed where ``wal_recycle`` is off and nothing else (a
        replica's slot, an archive, ``wal_keep_size``) holds them.
        """
        with (
            self._translated(),
            self.engine.connect() as connection,
            connection.execution_options(isolation_level="AUTOCOMMIT") as cleaner,
        ):
            for table in self.tables.metadata.sorted_tables:
                cleaner.exec_driver_sql(f'VACUUM (FULL) "{self.schema}"."{table.name}"')
            try:
                cleaner.exec_driver_sql("SELECT pg_switch_wal()")
                cleaner.exec_driver_sql("CHECKPOINT")
            except DBAPIError as error:
                if _state(error) != ABSENT_RIGHT:
                    raise  # without the right to it, the server's next checkpoint does it

    def translate(self, error: DBAPIError) -> FprnetError:
        """Return the project's own error for PostgreSQL's."""
        state = _state(error)
        line = (str(error.orig).strip().splitlines() or [type(error).__name__])[0]
        if error.connection_invalidated or not state or state[:2] in ("08", "57", "28", "3D"):
            return GalleryUnavailableError(
                f"gallery {self.uri} does not answer ({line}); check the server, user and password"
            )
        if state[:2] == "53":
            return GalleryError(
                f"gallery {self.uri}: the server has no room ({line}); nothing was changed"
            )
        if state in (ABSENT_RIGHT, "25006"):
            return GalleryError(
                f"gallery {self.uri} may only be read here ({line}); use the primary server, or a "
                "user who may write"
            )
        return GalleryError(f"gallery {self.uri}: {line}")


class ServerSearch:
    """Searches in the server: through the graph, or exactly where few records pass the filters."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._content: tuple[float, int, float] | None = None  # good until; records, images
        self._counts = FollowedCounts(database.tables)
        self.index = "HNSW" if size <= MAX_INDEXED else "FLAT"
        self.settings: Mapping[str, int] = SETTINGS if size <= MAX_INDEXED else {}

    def __call__(
        self, queries: NDArray[np.float32], filters: Filters, top: int
    ) -> tuple[Best, int, float]:
        """Search; all queries see one state."""
        table = self._database.tables.record
        passes = condition(filters, table.c)
        best: Best = []
        with self._database.reading() as connection:
            count = self._counts.of(connection, filters)
            exact = count <= EXACT or self.index == "FLAT"
            if not exact:
                explored = max(EXPLORED, 2 * top, count // PER_CANDIDATE)
                settings = {**SCANNING, "hnsw.ef_search": min(MAX_EXPLORED, explored)}
                for name, value in settings.items():
                    connection.exec_driver_sql(f"SET LOCAL {name} = {value}")
            chosen = select(table.c.number, table.c.embedding).where(passes)
            passing = chosen.cte("passing").prefix_with("MATERIALIZED").c if exact else table.c
            for query in queries:
                distance = passing.embedding.op(NEGATIVE_PRODUCT, return_type=Float())(query)
                nearest = select(passing.number, distance.label("distance")).order_by(distance)
                if not exact:
                    candidates = nearest.where(passes).limit(explored).cte("candidates")
                    found = candidates.prefix_with("MATERIALIZED").c
                    # Without "+ 0" the server takes them for sorted, and stops at the first.
                    nearest = select(found.number, found.distance).order_by(found.distance + 0)
                rows = connection.execute(nearest.limit(top)).all()
                numbers = np.array([row.number for row in rows], dtype=np.int64)
                best.append((numbers, -np.array([row.distance for row in rows], np.float32)))
            records, images = self._contents(connection)
        return best, count, max(1.0, images * count / max(records, 1))

    def _contents(self, connection: Connection) -> tuple[int, float]:
        """Return how many records there are, and the images of an identified person."""
        with self._lock:
            if self._content is None or self._content[0] < time.monotonic():
                record = self._database.tables.record
                named = record.c.identity
                row = connection.execute(
                    select(func.count(), func.count(named), func.count(named.distinct())).where(
                        ~record.c.hidden
                    )
                ).one()
                images = row[1] / max(row[2], 1)
                self._content = (time.monotonic() + CONTENT_REST, row[0], images)
            return self._content[1:]


class FollowedCounts:
    """How many records pass filters, counted once and followed. Thread-safe.

    Counting reads the whole table, so it is done again only where a record has changed since; new
    ones alone are counted and added. Other processes may write at any time.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._lock = threading.Lock()
        self._known: OrderedDict[Filters, tuple[int, int, int]] = OrderedDict()
        self._newest = select(
            select(func.max(tables.change.c.number)).scalar_subquery(),
            select(func.max(tables.record.c.number)).scalar_subquery(),
        )

    def of(self, connection: Connection, filters: Filters) -> int:
        """Return the number of records that pass in the state that a connection sees."""
        table = self._tables.record
        changed, newest = (number or 0 for number in connection.execute(self._newest).one())
        counting = select(func.count()).where(condition(filters, table.c))
        with self._lock:
            known = self._known.get(filters)
        # A connection may see less than another thread's, which has counted meanwhile.
        if known is not None and known[0] == changed and known[1] <= newest:
            count = known[2]
            if known[1] < newest:
                count += connection.scalar(counting.where(table.c.number > known[1])) or 0
        else:
            count = connection.scalar(counting) or 0
        with self._lock:
            self._known[filters] = (changed, newest, count)
            self._known.move_to_end(filters)
            while len(self._known) > COUNTED:
                self._known.popitem(last=False)
        return count


def create_postgres(
    uri: str, name: str, size: int, fill: Callable[[Connection, Tables], None]
) -> None:
    """Make the schema of an empty gallery; all of it, or nothing.

    Args:
        uri: Address of the database.
        name: Name of the gallery, and of the schema.
        size: D.
        fill: Writes what the gallery is.

    Raises:
        GalleryExistsError: There is a schema of that name.
        GalleryUnavailableError: The server does not answer.
        GalleryError: It has no pgvector, or the user may not make a schema.
    """
    check_name(name)
    server = PostgresServer(uri, name)
    tables = Tables(size, name)
    try:
        with server._translated(), server.engine.connect() as connection:
            writer = connection.execution_options(isolation_level="READ COMMITTED")
            with writer.begin():
                writer.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS vector")
                writer.execute(CreateSchema(name))
                tables.metadata.create_all(writer)
                for columns in FILTERED:
                    writer.exec_driver_sql(f'CREATE INDEX ON "{name}".record {columns}')
                index_embeddings(writer, name, size)
                fill(writer, tables)
    except GalleryError as error:
        cause = error.__cause__
        state = _state(cause) if isinstance(cause, DBAPIError) else ""
        if state == "42P06":
            raise GalleryExistsError(
                f"there is a schema {name!r} in {server.uri} already; add to that gallery, or give "
                "another --name"
            ) from error
        if state in ("0A000", "58P01"):
            raise GalleryError(
                f"the server of {server.uri} has no pgvector; install its package, or use the "
                "image pgvector/pgvector"
            ) from error
        raise
    finally:
        server.close()


def index_embeddings(connection: Connection, name: str, size: int) -> None:
    """Build the graph over the embeddings of gallery ``name``, if their size allows one."""
    if size > MAX_INDEXED:
        return
    options = ", ".join(f"{key} = {value}" for key, value in SETTINGS.items())
    connection.exec_driver_sql(
        f'CREATE INDEX ON "{name}".record USING hnsw (embedding halfvec_ip_ops) WITH ({options})'
    )


def change_size(connection: Connection, name: str, size: int) -> None:
    """Replace the embeddings of gallery ``name`` by zeros of another size, without an index."""
    table = f'"{name}".record'
    connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN embedding")
    zeros = "[" + ",".join("0" * size) + "]"
    connection.exec_driver_sql(
        f"ALTER TABLE {table} ADD COLUMN embedding halfvec({size}) NOT NULL DEFAULT '{zeros}'"
    )
    connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN embedding DROP DEFAULT")


def parse_address(uri: str) -> URL:
    """Read an address of a server.

    Raises:
        UsageError: It is none, or a package is missing.
    """
    try:
        url = make_url(uri)
    except ArgumentError as error:
        raise UsageError(
            "the gallery's address cannot be read; write a file's path, or "
            "postgresql://USER@HOST/DATABASE"
        ) from error
    if url.drivername not in SCHEMES:
        raise UsageError(
            f"a gallery is a file, or postgresql://USER@HOST/DATABASE, not {url.drivername}://"
        )
    try:
        import pgvector.sqlalchemy  # noqa: F401 - needed by the column type
        import psycopg  # noqa: F401 - needed by the engine
    except ImportError as error:
        raise UsageError(
            f"{url.drivername}:// needs {error.name}; install it with: pip install "
            "'fprnet[postgres]'"
        ) from error
    return url.set(drivername="postgresql+psycopg")


def _engine(url: URL) -> Engine:
    return create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=WAIT,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "options": OPTIONS},
    )


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
