"""The database of a gallery: transactions, and one line for whatever goes wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fprnet.errors import (
    FprnetError,
    GalleryError,
    GalleryLockedError,
    GalleryMissingError,
)
from fprnet.gallery.damage import is_row_of_gallery
from fprnet.gallery.schema import MIGRATIONS, VERSION, Tables, gallery_table

__all__ = ["Database", "damaged_text"]

WAIT = 30.0  # seconds for another writer to finish
CONNECTIONS = 12


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
            raise GalleryError(damaged_text(self.uri))
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
        except (TypeError, ValueError, OverflowError) as error:  # of a value: read, or given
            if self.damaged():
                raise GalleryError(damaged_text(self.uri)) from error
            if isinstance(error, (OverflowError, UnicodeEncodeError)):
                raise GalleryError(
                    f"gallery {self.uri} can hold no such number or text ({error}); correct it"
                ) from error
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


def damaged_text(uri: str) -> str:
    """Return the sentence for a gallery that holds what no gallery holds."""
    return f"gallery {uri} is damaged; put back a backup"


def _absent(error: DBAPIError) -> bool:
    return "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", "") in (
        "42P01",
        "3F000",
    )
