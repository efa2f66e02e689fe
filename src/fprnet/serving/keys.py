"""A file of keys: who may use the service, and in which role.

A key is 256 random bits, shown once. The file holds its SHA-256: a key that long cannot be guessed
from its hash, so the slow hashes made for passwords would only slow down every request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fprnet.errors import KeyFileError
from fprnet.files import locked, replacing
from fprnet.serving.answers import Role
from fprnet.serving.roles import ROLES

__all__ = ["Key", "KeyFile", "add_key", "read_keys", "revoke_key"]

FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
PREFIX = "fprnet"
NOBODY = hashlib.sha256(b"").hexdigest()  # compared with where no key has the number


@dataclass(frozen=True)
class Key:
    """A key as the file has it.

    Attributes:
        number: Public part of the key, eight hexadecimal digits; finds the entry.
        name: Whose it is; what the audit log says.
        role: What it allows.
        sha256: Of the whole key.
        created: When, ISO 8601.
        revoked: When; None while it is good.
    """

    number: str
    name: str
    role: Role
    sha256: str
    created: str
    revoked: str | None = None


def read_keys(file: Path) -> list[Key]:
    """Read a file of keys.

    Raises:
        KeyFileError: It is missing, or no file of keys.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise KeyFileError(
                f"{file} has format {content['format']}, not {FORMAT}; use a newer fprnet"
            )
        keys = [Key(**entry) for entry in content["keys"]]
        if any(key.role not in ROLES for key in keys):
            raise ValueError("unknown role")
    except FileNotFoundError as error:
        raise KeyFileError(
            f"{file} does not exist; make it with "
            f"'fprnet keys add NAME --role search --file {file}'"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise KeyFileError(f"{file} is no file of keys; make a new one") from error
    return keys


def add_key(file: Path, name: str, role: Role) -> str:
    """Add a key to a file, which is made if it is not there, readable by its owner only.

    Returns:
        The key. It is stored nowhere.

    Raises:
        KeyFileError: The name is not one, or has a key already.
    """
    if not NAME.fullmatch(name):
        raise KeyFileError(
            f"{name!r} is no name for a key; use up to 64 letters, digits and . _ @ -"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(_lock(file), waiting=f"another process changes {file}"):
        keys = read_keys(file) if file.exists() else []
        if any(key.name == name and key.revoked is None for key in keys):
            raise KeyFileError(f"{name} has a key already; revoke it first, or take another name")
        number = secrets.token_hex(4)
        text = f"{PREFIX}_{number}_{secrets.token_urlsafe(32)}"
        _write(file, [*keys, Key(number, name, role, _hash(text), _now())])
    return text


def revoke_key(file: Path, name: str) -> None:
    """Make the key of a name useless; a running service notices at once.

    Raises:
        KeyFileError: Nobody of that name has a key.
    """
    read_keys(file)
    with locked(_lock(file), waiting=f"another process changes {file}"):
        keys = read_keys(file)
        if not any(key.name == name and key.revoked is None for key in keys):
            there = ", ".join(key.name for key in keys if key.revoked is None) or "nobody"
            raise KeyFileError(f"{name} has no key in {file}; {there} has one")
        _write(
            file,
            [
                replace(key, revoked=_now()) if key.name == name and key.revoked is None else key
                for key in keys
            ],
        )


class KeyFile:
    """A file of keys as a running service sees it: read again whenever it changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}
        self._refresh()

    def find(self, text: str) -> Key | None:
        """Return the key's entry, a revoked one too; None where there is none.

        Raises:
            KeyFileError: The file is gone or damaged; then nobody may come in.
        """
        with self._lock:
            self._refresh()
            parts = text.split("_", 2)
            key = self._keys.get(parts[1]) if len(parts) == 3 else None
        # The comparison takes the same time whether the number is known or not.
        same = hmac.compare_digest(_hash(text), key.sha256 if key else NOBODY)
        return key if same else None

    def _refresh(self) -> None:
        try:
            state = self._file.stat()
        except OSError:
            self._seen = None
            read_keys(self._file)
            raise
        seen = (state.st_mtime_ns, state.st_ino, state.st_size)
        if seen != self._seen:
            self._keys = {key.number: key for key in read_keys(self._file)}
            self._seen = seen


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _lock(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _write(file: Path, keys: list[Key]) -> None:
    content: dict[str, Any] = {"format": FORMAT, "keys": [asdict(key) for key in keys]}
    with replacing(file) as temporary:
        temporary.touch(mode=0o600)
        temporary.chmod(0o600)
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
