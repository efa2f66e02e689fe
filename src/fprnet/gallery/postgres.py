"""A gallery in a PostgreSQL server or cluster with pgvector: HNSW over halfvec, or exact search.

Shapes: q queries, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, func, select, text
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
from fprnet.gallery.database import CONNECTIONS, WAIT, Database
from fprnet.gallery.schema import Tables

__all__ = ["PostgresServer", "change_size", "create_postgres", "index_embeddings"]

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
SETTINGS = {"m": 16, "ef_construction": 64}  # pgvector's own defaults
MAX_INDEXED = 4000  # numbers of a halfvec that HNSW takes
FILTERED = ("(modality, time, location)", "(camera)")  # indexes that filters use
ABSENT_RIGHT = "42501"
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
