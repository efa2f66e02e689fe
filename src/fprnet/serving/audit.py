"""Who did what, when: on the disk before the answer leaves, in the gallery or in a file of lines.

One thread writes; entries that arrive while it waits for the disk share the next commit.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

from fprnet.errors import FprnetError, UsageError
from fprnet.gallery.audit import AuditEntry, write_entries
from fprnet.gallery.database import Database
from fprnet.serving.limits import TokenBuckets

__all__ = ["AuditLog", "FileWriter", "open_audit"]

AT_ONCE = 1000  # entries in one write
DENIED_RATE, DENIED_BURST = 0.2, 20  # entries a second about one address that was not let in
ALL_DENIED_RATE, ALL_DENIED_BURST = 5.0, 200  # ... about all of them
RESERVE = 64 * 2**20  # bytes of the disk that are kept for entries about those who were let in

Write = Callable[[Sequence[AuditEntry]], None]


class AuditLog:
    """A log that several threads write to.

    Args:
        write: Puts entries on the disk, all of them or none; raises an OSError or FprnetError.
        place: A folder on the disk that holds the log; None where a server does.
    """

    def __init__(self, write: Write, place: Path | None = None) -> None:
        self._write = write
        self._place = place
        self._denied = TokenBuckets(DENIED_RATE, DENIED_BURST)
        self._all_denied = TokenBuckets(ALL_DENIED_RATE, ALL_DENIED_BURST)
        self._left_out = 0
        self._entries: queue.SimpleQueue[tuple[AuditEntry, Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, entry: AuditEntry) -> Future[None]:
        """Append an entry.

        Returns:
            Done when the entry is on the disk; its exception says that it is not.
        """
        done: Future[None] = Future()
        self._entries.put((entry, done))
        return done

    def note_denied(self, entry: AuditEntry) -> None:
        """Append an entry about somebody who was not let in, if there is room for such.

        Anybody can make these, so each address gets a few, all together get some, and none is
        written where the disk is nearly full. The next one says how many were left out.
        """
        waits = self._denied.take(entry.address or "") or self._all_denied.take("all")
        if waits or not self._has_room():
            self._left_out += 1
            return
        details = {**entry.details}
        if self._left_out:
            details["left_out"], self._left_out = self._left_out, 0
        self.write(
            AuditEntry(entry.event, None, None, entry.address, entry.outcome, details=details)
        )

    def close(self) -> None:
        """Write what is waiting, and close."""
        self._entries.put(None)
        self._thread.join()

    def _has_room(self) -> bool:
        return self._place is None or shutil.disk_usage(self._place).free > RESERVE

    def _run(self) -> None:
        while True:
            first = self._entries.get()
            if first is None:
                return
            waiting = [first]
            last = False
            while len(waiting) < AT_ONCE and not self._entries.empty():
                entry = self._entries.get()
                if entry is None:
                    last = True
                    break
                waiting.append(entry)
            try:
                self._write([entry for entry, _ in waiting])
            except (OSError, FprnetError) as error:
                for _, done in waiting:
                    done.set_exception(error)
            else:
                for _, done in waiting:
                    done.set_result(None)
            if last:
                return


def open_audit(database: Database, file: Path | None) -> AuditLog:
    """Open the log in the gallery's own database, or in a file.

    Args:
        database: Database of the gallery.
        file: JSON lines; made if it is not there. None is the database.

    Raises:
        UsageError: The file cannot be written.
    """
    if file is not None:
        return AuditLog(FileWriter(file), file.parent)

    def write(entries: Sequence[AuditEntry]) -> None:
        with database.writing() as connection:
            write_entries(connection, database.tables, entries)

    return AuditLog(write, None if database.server else Path(database.uri).absolute().parent)


class FileWriter:
    """Appends JSON lines to a file.

    The file is found by its name for every write, so that the operator's tools can rotate it:
    after a rename the next entry begins a new file. It is never truncated, and nobody but its owner
    may read it.

    Args:
        file: Made if it is not there.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.close(_open(file))
        except OSError as error:
            raise UsageError(
                f"the audit log {file} cannot be written ({error.strerror}); give another --audit"
            ) from error

    def __call__(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries; they are on the disk afterwards."""
        content = memoryview(b"".join(_line(entry) for entry in entries))
        descriptor = _open(self._file)
        try:
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _line(entry: AuditEntry) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {
        "time": now,
        "event": entry.event,
        "by": entry.by,
        "role": entry.role,
        "address": entry.address,
        **entry.details,
        **{kind: list(hashes) for kind, hashes in entry.images.items() if hashes},
        "outcome": entry.outcome,
    }
    return json.dumps(line, ensure_ascii=True).encode() + b"\n"


def _open(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
