"""An operator's right or wrong becomes a line on the disk, and later a label to train with.

``feedback.jsonl`` holds every judgement; the last one about a query and a match counts. Beside it
lie the query images of judged searches, by their SHA-256: labels without images train nothing.
Shapes: Q query images.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fprnet.data.records import Modality
from fprnet.files import replacing, write_text
from fprnet.serving.answers import Verdict

__all__ = ["Feedback", "Judgement"]

FILE = "feedback.jsonl"


@dataclass(frozen=True)
class Judgement:
    """What somebody said about a match.

    Attributes:
        time: ISO 8601.
        by: Name of the key.
        query_sha256: Of the Q query images, sorted.
        query_files: Their copies' names, in that order.
        query_modality: Of them.
        match: Record.
        verdict: "none" takes an earlier one back.
        similarity: As the search gave it.
        note: Free text.
    """

    time: str
    by: str
    query_sha256: tuple[str, ...]
    query_files: tuple[str, ...]
    query_modality: Modality
    match: str
    verdict: Literal["right", "wrong", "none"]
    similarity: float
    note: str | None = None

    @property
    def key(self) -> tuple[tuple[str, ...], str]:
        """What it is about."""
        return self.query_sha256, self.match


class Feedback:
    """The judgements in a folder. Thread-safe.

    Args:
        folder: Made when the first judgement comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._last: dict[tuple[tuple[str, ...], str], Judgement] = {}
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                if line.endswith("}"):  # a process killed while it wrote leaves half a line
                    self._take(_parsed(line))

    def add(self, judgement: Judgement, images: Sequence[bytes]) -> None:
        """Store a judgement and the images of its query; it is on the disk afterwards.

        Raises:
            OSError: The disk is full.
        """
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, content in zip(judgement.query_files, images, strict=True):
                place = self.folder / name
                if not place.exists():
                    with replacing(place) as temporary:
                        temporary.write_bytes(content)
                        temporary.chmod(0o600)
            self._mend()
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, _line(judgement).encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._take(judgement)

    def marks(self, query_sha256: Sequence[str]) -> dict[str, Verdict]:
        """Return the verdicts about matches of a query, by record."""
        wanted = tuple(sorted(query_sha256))
        with self._lock:
            return {
                judgement.match: judgement.verdict
                for judgement in self._last.values()
                if judgement.query_sha256 == wanted and judgement.verdict != "none"
            }

    def all(self) -> list[Judgement]:
        """Return the judgements that count, in the order in which they were made."""
        with self._lock:
            return [judgement for judgement in self._last.values() if judgement.verdict != "none"]

    def forget(self, record: str) -> int:
        """Erase what was said about a record, and query images that nothing refers to any more.

        A query that is itself the image of the record is erased, too.

        Returns:
            How many judgements there were.
        """
        with self._lock:
            gone = [j for j in self._last.values() if record in (j.match, *j.query_sha256)]
            if not gone:
                return 0
            for judgement in gone:
                del self._last[judgement.key]
            write_text(self._file, "".join(_line(kept) for kept in self._last.values()))
            self._file.chmod(0o600)
            needed = {name for kept in self._last.values() for name in kept.query_files}
            for name in {name for judgement in gone for name in judgement.query_files} - needed:
                (self.folder / name).unlink(missing_ok=True)
            return len(gone)

    @property
    def _file(self) -> Path:
        return self.folder / FILE

    def _take(self, judgement: Judgement) -> None:
        self._last.pop(judgement.key, None)
        self._last[judgement.key] = judgement

    def _mend(self) -> None:
        """End a line of which a killed process wrote only half."""
        if self._file.exists() and self._file.stat().st_size:
            with self._file.open("rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def _line(judgement: Judgement) -> str:
    return json.dumps(asdict(judgement), ensure_ascii=True) + "\n"


def _parsed(line: str) -> Judgement:
    content = json.loads(line)
    for name in ("query_sha256", "query_files"):
        content[name] = tuple(content[name])
    return Judgement(**content)
