"""Files that are either complete or not there: written to a temporary name, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from filelock import lock_descriptor

__all__ = [
    "locked",
    "remove_leftovers",
    "remove_leftovers_of",
    "replacing",
    "sha256",
    "write_text",
]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path`` that takes its name when the block ends.

    If the block raises, the temporary file is removed and ``path`` stays as it was. The content is
    on the disk (fsync) before the name changes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text so that ``path`` never holds half of it."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(file: Path, *, waiting: str | None = None) -> Iterator[TextIO]:
    """Hold a lock, and yield its open file; the system frees the lock of a process that dies.

    Args:
        file: Made if it is not there, and left there.
        waiting: Said on stderr where another process holds the lock, before waiting for it.

    Raises:
        BlockingIOError: Another process holds it, and ``waiting`` is None.
        OSError: The file cannot be written.
    """
    with file.open("a") as lock:
        if not lock_descriptor(lock.fileno(), blocking=False):
            if waiting is None:
                raise BlockingIOError(errno.EAGAIN, "another process holds it", str(file))
            print(waiting, file=sys.stderr)
            lock_descriptor(lock.fileno())
        yield lock


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in ``folder``."""
    for leftover in folder.glob(".*.part*"):
        leftover.unlink(missing_ok=True)


def remove_leftovers_of(path: Path) -> None:
    """Remove the temporary files that a killed process left of ``path``, and no others."""
    for leftover in path.parent.glob(f".{path.stem}.{'[0-9a-f]' * 8}.part{path.suffix}"):
        leftover.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
