"""An address becomes a database: an SQLite file, or a schema of a PostgreSQL server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from fprnet.errors import GalleryMissingError, UsageError
from fprnet.gallery.database import Database
from fprnet.gallery.schema import Tables
from fprnet.gallery.sqlite import SqliteFile, create_sqlite

__all__ = ["create_database", "is_server", "open_database"]

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


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
    _check_name(name)
    if is_server(uri):
        from fprnet.gallery.postgres import PostgresServer

        return PostgresServer(uri, name)
    if name != "gallery":
        raise GalleryMissingError(
            f"a file holds one gallery, so {uri} has none of the name {name!r}; --name is for "
            "postgresql:// addresses"
        )
    return SqliteFile(Path(uri))


def create_database(
    uri: str, name: str, size: int, fill: Callable[[Connection, Tables], None]
) -> None:
    """Make the tables of an empty gallery; all of them, or nothing.

    Args:
        uri: Path of a file to be, or ``postgresql://USER@HOST/DATABASE``.
        name: Name of the gallery in a PostgreSQL database: its schema.
        size: Numbers per embedding.
        fill: Writes what the gallery is.

    Raises:
        GalleryExistsError: There is one already.
        GalleryError: It cannot be made.
        UsageError: The address or the name is none, or a package is missing.
    """
    if not is_server(uri):
        create_sqlite(Path(uri), size, fill)
        return
    from fprnet.gallery.postgres import create_postgres

    _check_name(name)
    create_postgres(uri, name, size, fill)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or name.startswith("pg_"):
        raise UsageError(
            f"{name!r} is no name for a gallery; use small letters, digits and _, letters first"
        )
