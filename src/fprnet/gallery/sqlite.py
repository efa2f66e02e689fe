"""A gallery in one SQLite file: made, opened, written anew without what was erased."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from fprnet.errors import (
    FprnetError,
    GalleryError,
    GalleryExistsError,
    GalleryLockedError,
    GalleryMissingError,
    GalleryUnavailableError,
)
from fprnet.files import replacing
from fprnet.gallery.damage import is_damaged
from fprnet.gallery.database import CONNECTIONS, WAIT, Database, damaged_text
from fprnet.gallery.schema import APPLICATION, Tables

__all__ = ["SqliteFile", "create_sqlite"]

PAUSE = 0.02  # seconds between two looks whether readers have finished


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

    def back_up(self, path: Path) -> None:
        """Copy the state of this moment to a new file, while others read and write.

        Raises:
            GalleryExistsError: There is something at the path already.
            GalleryError: The disk is full, or the gallery cannot be read.
        """
        if path.exists():
            raise GalleryExistsError(f"there is something at {path} already; give a new file")
        try:
            with self._translated(), replacing(path) as temporary:
                os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
                with (
                    closing(self._connect()) as connection,
                    closing(sqlite3.connect(temporary)) as copy,
                ):
                    connection.backup(copy)
        except sqlite3.Error as error:
            raise self.translate(DBAPIError("backup", {}, error)) from error

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
            return GalleryError(damaged_text(str(self.path)))
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


def _disk_is_full(error: DBAPIError) -> bool:
    return getattr(error.orig, "errno", 0) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
