"""An address becomes an open database: transactions, and one line for whatever goes wrong."""

from __future__ import annotations

import errno
import os
import re
import secrets
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from fprnet.errors import (
    FprnetError,
    GalleryError,
    GalleryExistsError,
    GalleryLockedError,
    GalleryMissingError,
    GalleryUnavailableError,
    UsageError,
)
from fprnet.gallery.damage import is_damaged, is_row_of_gallery
from fprnet.gallery.schema import APPLICATION, MIGRATIONS, VERSION, Tables, gallery_table

__all__ = ["Database", "SqliteFile", "is_server", "open_database"]

WAIT = 30.0  # seconds for another writer to finish
PAUSE = 0.02  # seconds between two looks whether readers have finished
CONNECTIONS = 12
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class Database(ABC):
    """A database with the tables of one gallery. Thread-safe.

    Attributes:
        uri: Address without a password, for messages.
        tables: The gallery's tables, once :meth:`attach` has read them.
    """

    tables: Tables

    def __init__(self, engine: Engine, uri: str, schema: str | None) -> None:
        self.engine = engine
        self.uri = uri
        self.schema = schema
        self.closed = False

    @property
    def server(self) -> bool:
        """Whether a server holds it."""
        return self.engine.dialect.name == "postgresql"

    @property
    @abstractmethod
    def read_only(self) -> bool:
        """Whether nobody can write to it from here."""

    def close(self) -> None:
        """Close all connections; twice is allowed."""
        self.closed = True
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the gallery.

        Raises:
            GalleryError: The database fails; its subclasses say how.
        """
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose changes are on the disk, all of them, when the block ends.

        One writer follows another, whatever process it is in. If the block raises, nothing has
        changed.

        Raises:
            GalleryError: The database fails; its subclasses say how.
        """
        with self._translated(), self.engine.connect() as connection:
            writer = connection.execution_options(fprnet_writing=True)
            with writer.begin():
                yield writer

    def attach(self) -> dict[str, Any]:
        """Read what the gallery is, bring its tables up to date, and return its row.

        Raises:
            GalleryMissingError: There is no gallery.
            GalleryError: A newer version of fprnet made it.
        """
        table = gallery_table(MetaData(schema=self.schema))
        try:
            with self.reading() as connection:
                row = connection.execute(select(table)).mappings().one_or_none()
        except GalleryError as error:
            cause = error.__cause__
            if isinstance(cause, DBAPIError) and _absent(cause):
                raise GalleryMissingError(self.missing()) from error
            raise
        if row is None:
            raise GalleryMissingError(self.missing())
        if not is_row_of_gallery(row):
            raise GalleryError(_damaged(self.uri))
        if row["version"] > VERSION:
            raise GalleryError(
                f"gallery {self.uri} has schema {row['version']}, this version of fprnet reads up "
                f"to {VERSION}; use a newer fprnet"
            )
        self.tables = Tables(row["embedding_size"], self.schema)
        for version in range(row["version"], VERSION):
            self._migrate(version)
        return dict(row)

    def missing(self) -> str:
        """Return the sentence for an address without a gallery."""
        return f"there is no gallery at {self.uri}; make it with 'fprnet gallery create'"

    def _migrate(self, version: int) -> None:
        table = self.tables.gallery
        if self.read_only:
            raise GalleryError(
                f"gallery {self.uri} has schema {version} and may only be read here, so it cannot "
                f"become {version + 1}; open it once where it may be written"
            )
        with self.writing() as connection:
            if connection.scalar(select(table.c.version)) == version:  # nobody else has done it
                MIGRATIONS[version](connection, self.tables)
                connection.execute(table.update().values(version=version + 1))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self.closed:
            raise GalleryError(f"gallery {self.uri} is closed; open it again")
        try:
            yield
        except PoolTimeoutError as error:
            raise GalleryLockedError(
                f"gallery {self.uri} is busy: all {CONNECTIONS} connections are in use; try again"
            ) from error
        except DBAPIError as error:
            raise self.translate(error) from error
        except (TypeError, ValueError, OverflowError) as error:  # of a value that was read
            if self.damaged():
                raise GalleryError(_damaged(self.uri)) from error
            raise

    def damaged(self) -> bool:
        """Whether it holds what no gallery holds, which takes a look at all of it."""
        return False

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes of its files."""

    @abstractmethod
    def shred(self) -> None:
        """Remove from its files what was deleted.

        Raises:
            GalleryError: They cannot be removed now.
        """

    @abstractmethod
    def translate(self, error: DBAPIError) -> FprnetError:
        """Return the project's own error for the driver's."""


class SqliteFile(Database):
    """A gallery in one SQLite file, with a write-ahead log beside it while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._check()
        self._mode = self._find_mode()
        engine = create_engine(
            "sqlite+pysqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=WAIT,
        )
        event.listen(engine, "begin", _begin)
        super().__init__(engine, str(path), None)
        self._inode = self.path.stat().st_ino

    @property
    def read_only(self) -> bool:
        """Whether the file or its folder may not be written."""
        return self._mode == "immutable=1"

    @property
    def size_bytes(self) -> int:
        """Bytes of the file and its write-ahead log."""
        total = 0
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                total += Path(f"{self.path}{suffix}").stat().st_size
        return total

    def damaged(self) -> bool:
        """Whether it holds what no gallery holds, which takes a look at all of it."""
        if not hasattr(self, "tables"):  # not even the row that says what it is could be read
            return True
        with self.engine.connect() as connection:
            return is_damaged(connection, self.tables)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection to write with, unless the file has lost its name."""
        self._check_present()
        with super().writing() as connection:
            yield connection

    def _check_present(self) -> None:
        try:
            same = self.path.stat().st_ino == self._inode
        except OSError:
            same = False
        if not same:
            raise GalleryUnavailableError(
                f"gallery {self.path} was moved or removed while it was open; put it back, or open "
                "it where it is now"
            )

    def shred(self) -> None:
        """Write the file anew without what was deleted, and empty its write-ahead log.

        Raises:
            GalleryError: The disk is full, or another process reads for too long.
        """
        with self._translated(), closing(self._connect()) as connection:
            try:
                connection.execute("VACUUM")
                deadline = time.monotonic() + WAIT
                while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    if time.monotonic() > deadline:
                        raise GalleryLockedError(
                            f"what was erased is no longer found, but its bytes are still in "
                            f"{self.path}-wal, because another process reads without a pause; end "
                            "it, and open the gallery for writing again"
                        )
                    time.sleep(PAUSE)
            except sqlite3.Error as error:
                reason = self.translate(DBAPIError("VACUUM", {}, error))
                raise GalleryError(
                    f"what was erased is no longer found, but its bytes are still in {self.path} "
                    f"({reason}); then open the gallery for writing again"
                ) from error

    def translate(self, error: DBAPIError) -> FprnetError:
        """Return the project's own error for SQLite's."""
        cause = error.orig
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        name = f"gallery {self.path}"
        if code == sqlite3.SQLITE_NOTADB:
            return GalleryMissingError(f"{self.path} is no gallery; give another address")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return GalleryLockedError(
                f"{name} has been written to by another process for {WAIT:g} seconds; try again"
            )
        if code == sqlite3.SQLITE_FULL or _disk_is_full(error):
            return GalleryError(f"{name}: the disk is full; nothing was changed, free some space")
        if code == sqlite3.SQLITE_READONLY:
            return GalleryError(f"{name} may only be read here; correct its rights, or copy it")
        if code == sqlite3.SQLITE_CORRUPT:
            return GalleryError(_damaged(str(self.path)))
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
            return GalleryUnavailableError(
                f"{name} cannot be read or written ({cause}); check the disk, its folder and rights"
            )
        return GalleryError(f"{name}: {cause}")

    def _check(self) -> None:
        if self.path.is_dir():
            raise GalleryMissingError(
                f"{self.path} is a folder, as galleries of fprnet 0.1 were; make a new gallery "
                "with 'fprnet gallery create', and add the images again"
            )
        if not self.path.exists():
            raise GalleryMissingError(
                f"there is no gallery at {self.path}; make it with 'fprnet gallery create'"
            )
        if not self.path.is_file():
            raise GalleryMissingError(f"{self.path} is no file; give the gallery's")
        try:
            with self.path.open("rb") as file:
                head = file.read(100)
        except OSError as error:
            raise GalleryError(
                f"gallery {self.path} cannot be read ({error.strerror}); correct its rights"
            ) from error
        if head[:16] != b"SQLite format 3\0" or head[68:72] != APPLICATION.to_bytes(4, "big"):
            raise GalleryMissingError(f"{self.path} is no gallery; give another address")

    def _find_mode(self) -> str:
        """Return how to open the file: a write-ahead log needs a folder that can be written."""
        if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            return "mode=rw"
        log = Path(f"{self.path}-wal")
        if log.exists() and log.stat().st_size:
            raise GalleryError(
                f"gallery {self.path} lies where nothing may be written, and a writer has left "
                "changes beside it; make its folder writable, or copy both files"
            )
        return "immutable=1"

    def _connect(self) -> sqlite3.Connection:
        address = f"{self.path.as_uri()}?{self._mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=WAIT, isolation_level=None, check_same_thread=False
        )
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection


# secure_delete: what is deleted is overwritten. synchronous=FULL: a commit is on the disk.
PRAGMAS = ("secure_delete = ON", "synchronous = FULL", "foreign_keys = ON", "cache_size = -16000")


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("fprnet_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def is_server(uri: str) -> bool:
    """Whether an address is a server's and not a file's."""
    return "://" in uri


def open_database(uri: str, name: str = "gallery") -> Database:
    """Open what an address names.

    Args:
        uri: Path of an SQLite file, or ``postgresql://USER@HOST/DATABASE``.
        name: Name of the gallery in a PostgreSQL database: its schema.

    Raises:
        GalleryMissingError: There is nothing.
        GalleryUnavailableError: The server does not answer.
        UsageError: The address is none, or a package is missing.
    """
    check_name(name)
    if is_server(uri):
        from fprnet.gallery.postgres import PostgresServer

        return PostgresServer(uri, name)
    if name != "gallery":
        raise GalleryMissingError(
            f"a file holds one gallery, so {uri} has none of the name {name!r}; --name is for "
            "postgresql:// addresses"
        )
    return SqliteFile(Path(uri))


def check_name(name: str) -> None:
    """Refuse what is no name for a gallery.

    Raises:
        UsageError: It is none.
    """
    if not NAME.fullmatch(name) or name.startswith("pg_"):
        raise UsageError(
            f"{name!r} is no name for a gallery; use small letters, digits and _, letters first"
        )


def create_sqlite(path: Path, size: int, fill: Callable[[Connection, Tables], None]) -> None:
    """Make the file of an empty gallery; it is complete or not there.

    Args:
        path: The file to be.
        size: D.
        fill: Writes what the gallery is.

    Raises:
        GalleryExistsError: There is something already.
    """
    path = path.absolute()
    if path.exists():
        raise GalleryExistsError(
            f"there is something at {path} already; add to that gallery, or give another address"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    tables = Tables(size)
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        engine = create_engine(f"sqlite+pysqlite:///{temporary}")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                connection.commit()
                tables.metadata.create_all(connection)
                fill(connection, tables)
                connection.commit()
        finally:
            engine.dispose()
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError as error:
        raise GalleryExistsError(f"there is something at {path} already") from error
    except OSError as error:
        raise GalleryError(f"{path} cannot be made ({error.strerror}); check its folder") from error
    except OperationalError as error:
        raise GalleryError(f"{path} cannot be made ({error.orig}); check its disk") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{temporary}{suffix}").unlink(missing_ok=True)


def _damaged(uri: str) -> str:
    return f"gallery {uri} is damaged; put back a backup"


def _absent(error: DBAPIError) -> bool:
    return "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", "") in (
        "42P01",
        "3F000",
    )


def _disk_is_full(error: DBAPIError) -> bool:
    return getattr(error.orig, "errno", 0) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
