"""Who did what, when: an append-only file of JSON lines, on the disk before the answer leaves.

One thread writes; entries that arrive while it waits for the disk share the next fsync.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fprnet.errors import UsageError

__all__ = ["AuditLog"]

AT_ONCE = 1000  # entries in one write


class AuditLog:
    """An open audit log.

    The file is found by its name for every write, so that the operator's tools can rotate it:
    after a rename the next entry begins a new file. It is never truncated, and nobody but its owner
    may read it.

    Args:
        file: Made if it is not there.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = _open(file)
        except OSError as error:
            raise UsageError(
                f"the audit log {file} cannot be written ({error.strerror}); give another --audit"
            ) from error
        self._entries: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, **entry: Any) -> Future[None]:  # noqa: ANN401 - whatever JSON can hold
        """Append an entry; the time is added.

        Returns:
            Done when the entry is on the disk; its exception is an OSError where that failed.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": now, **entry}, ensure_ascii=True) + "\n"
        done: Future[None] = Future()
        self._entries.put((line.encode(), done))
        return done

    def close(self) -> None:
        """Write what is waiting, and close."""
        self._entries.put(None)
        self._thread.join()
        os.close(self._descriptor)

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
            self._append(waiting)
            if last:
                return

    def _append(self, entries: list[tuple[bytes, Future[None]]]) -> None:
        try:
            self._reopen_if_renamed()
            content = memoryview(b"".join(line for line, _ in entries))
            while content:
                content = content[os.write(self._descriptor, content) :]
            os.fsync(self._descriptor)
        except OSError as error:
            for _, done in entries:
                done.set_exception(error)
        else:
            for _, done in entries:
                done.set_result(None)

    def _reopen_if_renamed(self) -> None:
        try:
            there = self.file.stat()
        except FileNotFoundError:
            there = None
        mine = os.fstat(self._descriptor)
        if there is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            new = _open(self.file)
            os.close(self._descriptor)
            self._descriptor = new


def _open(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
