"""Who may use the service, and in which role: keys in the gallery's own database.

A key is 256 random bits, shown once. The gallery holds its SHA-256: a key that long cannot be
guessed from its hash, so the slow hashes made for passwords would only slow down every request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from fprnet.errors import AccessKeyError
from fprnet.gallery.database import Database
from fprnet.serving.answers import Role

__all__ = ["Key", "add_key", "find_key", "list_keys", "revoke_key"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
PREFIX = "fprnet"
NOBODY = hashlib.sha256(b"").hexdigest()  # compared with where no key has the number


@dataclass(frozen=True)
class Key:
    """A key as the gallery has it.

    Attributes:
        number: Public part of the key, eight hexadecimal digits; finds the entry.
        name: Whose it is; what the audit log says.
        role: What it allows.
        sha256: Hash of the whole key.
        created: When, ISO 8601.
        revoked: When; None while it is good.
    """

    number: str
    name: str
    role: Role
    sha256: str
    created: str
    revoked: str | None = None


def list_keys(database: Database) -> list[Key]:
    """Return all keys, revoked ones, too, oldest first."""
    table = database.tables.access_key
    with database.reading() as connection:
        rows = connection.execute(select(table).order_by(table.c.created, table.c.number))
        return [Key(**row) for row in rows.mappings()]


def add_key(database: Database, name: str, role: Role) -> str:
    """Add a key.

    Returns:
        The key. It is stored nowhere.

    Raises:
        AccessKeyError: The name is not one, or has a key already.
    """
    if not NAME.fullmatch(name):
        raise AccessKeyError(
            f"{name!r} is no name for a key; use up to 64 letters, digits and . _ @ -"
        )
    table = database.tables.access_key
    number = secrets.token_hex(4)
    text = f"{PREFIX}_{number}_{secrets.token_urlsafe(32)}"
    with database.writing() as connection:
        good = select(table.c.number).where(table.c.name == name, table.c.revoked.is_(None))
        if connection.scalar(good) is not None:
            raise AccessKeyError(f"{name} has a key already; revoke it first, or take another name")
        connection.execute(
            insert(table).values(asdict(Key(number, name, role, _hash(text), _now())))
        )
    return text


def revoke_key(database: Database, name: str) -> None:
    """Make the key of a name useless; a running service notices at once.

    Raises:
        AccessKeyError: Nobody of that name has a key.
    """
    table = database.tables.access_key
    good = table.c.revoked.is_(None)
    with database.writing() as connection:
        revoked = update(table).where(table.c.name == name, good).values(revoked=_now())
        if not connection.execute(revoked).rowcount:
            holders = connection.scalars(select(table.c.name).where(good).order_by(table.c.name))
            raise AccessKeyError(
                f"{name} has no key of gallery {database.uri}; "
                f"{', '.join(holders) or 'nobody'} has one"
            )


def find_key(database: Database, text: str) -> Key | None:
    """Return a key's entry, a revoked one, too; None where there is none.

    Raises:
        GalleryError: The gallery cannot be read; then nobody may come in.
    """
    parts = text.split("_", 2)
    table = database.tables.access_key
    key = None
    if len(parts) == 3 and parts[1].isalnum() and parts[1].isascii():
        with database.reading() as connection:
            row = connection.execute(select(table).where(table.c.number == parts[1])).mappings()
            found = row.one_or_none()
            key = None if found is None else Key(**found)
    # The comparison takes the same time whether the number is known or not.
    same = hmac.compare_digest(_hash(text), key.sha256 if key else NOBODY)
    return key if same else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
