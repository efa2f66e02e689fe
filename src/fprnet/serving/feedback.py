"""An operator's right or wrong goes into the gallery; the query images it is about are kept beside.

Labels without images train nothing, so the query images of judged searches are kept in a folder, by
their SHA-256. Shapes: Q query images.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from fprnet.errors import GalleryMissingError
from fprnet.files import replacing
from fprnet.gallery.audit import AuditEntry, write_entries
from fprnet.gallery.database import Database
from fprnet.gallery.rows import erased_since
from fprnet.gallery.verdicts import (
    Feedback,
    Verdict,
    all_feedback,
    files_in_use,
    give_feedback,
    verdicts,
)

__all__ = ["FeedbackStore"]

YOUNG = 60.0  # seconds in which a copy may wait for its verdict


class FeedbackStore:
    """The verdicts in a gallery, and the query images in a folder. Thread-safe.

    Args:
        database: Database of the gallery.
        folder: Made when the first verdict comes.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self._database = database

    def add(
        self,
        feedback: Feedback,
        images: Sequence[bytes],
        *,
        since: int,
        audit: Sequence[AuditEntry] = (),
    ) -> None:
        """Store a verdict and the images of its query; they are on the disk afterwards.

        Args:
            feedback: The verdict.
            images: The content of each query image, in the order of the verdict's.
            since: Number of the gallery's newest change when the search began.
            audit: Entries for the log.

        Raises:
            OSError: The disk is full.
            GalleryError: The gallery cannot be written, or something was erased since the search
                began: perhaps the record or a query image.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in zip(feedback.query_files, images, strict=True):
            place = self.folder / name
            if not place.exists():
                with replacing(place) as temporary:
                    temporary.write_bytes(content)
                    temporary.chmod(0o600)
        with self._database.writing() as connection:
            if erased_since(connection, self._database.tables, since)[0]:
                raise GalleryMissingError(
                    "something was erased from the gallery since this search; search again"
                )
            give_feedback(connection, self._database.tables, feedback)
            write_entries(connection, self._database.tables, audit)

    def marks(self, query_sha256: Sequence[str]) -> dict[str, Verdict]:
        """Return the verdicts about matches of a query, by record."""
        if not query_sha256:
            return {}
        with self._database.reading() as connection:
            return verdicts(connection, self._database.tables, query_sha256)

    def all(self) -> list[Feedback]:
        """Return the verdicts that count, in the order in which they were given."""
        with self._database.reading() as connection:
            return all_feedback(connection, self._database.tables)

    def keeps(self, sha256: str) -> bool:
        """Whether there is a copy of a query image."""
        return any(self.folder.glob(f"{sha256}.*"))

    def sweep(self, *, young: float = YOUNG) -> int:
        """Remove the query images that no verdict refers to, and what a killed process left.

        Args:
            young: Seconds for which a file may wait for its verdict.

        Returns:
            How many files there were.
        """
        if not self.folder.is_dir():
            return 0
        with self._database.reading() as connection:
            needed = files_in_use(connection, self._database.tables)
        limit = time.time() - young
        gone = [
            file
            for file in self.folder.iterdir()
            if file.name not in needed and file.stat().st_mtime <= limit
        ]
        for file in gone:
            file.unlink(missing_ok=True)
        return len(gone)
