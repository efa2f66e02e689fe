"""A gallery of embeddings in a database: add, correct, hide, erase, search; a file or a server.

Shapes: n records, D numbers per embedding.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select, update

from fprnet.embeddings.projection import Projection
from fprnet.errors import GalleryError
from fprnet.gallery.addresses import create_database, open_database
from fprnet.gallery.audit import AuditEntry, forget_images, write_entries
from fprnet.gallery.database import Database
from fprnet.gallery.reading import MAX_MATCHES, GalleryReader, checked_days
from fprnet.gallery.records import Added, GalleryRecord, ModelIdentity
from fprnet.gallery.rows import (
    ASKED_ROWS,
    NO_RECORD,
    change_row,
    log_changes,
    plan_of,
    record_of,
    required_rows,
    rows_of,
    values_of,
)
from fprnet.gallery.schema import VERSION, Tables
from fprnet.gallery.times import milliseconds
from fprnet.gallery.tracklet_rows import forget_empty
from fprnet.gallery.verdicts import forget_feedback, queried

__all__ = ["MAX_MATCHES", "Gallery"]

WRITE_ROWS = 5000  # records of one transaction


class Gallery(GalleryReader):
    """Records and embeddings of one model. Use it in a ``with`` block, or close it.

    Any thread and any process may call any method at any time: a search sees one state of the
    gallery, writers follow one another. What a writing call has returned from is on the disk.

    Made by :meth:`create` and :meth:`open`.

    Attributes:
        uri: Address, without a password.
        name: Name of the gallery at that address.
        model: Whose embeddings it holds.
        writable: Whether this object may change it.
        database: Where everything is.
    """

    def __init__(
        self, database: Database, name: str, row: Mapping[str, Any], *, writable: bool
    ) -> None:
        super().__init__(database, name, row, writable=writable)
        self._erasing = threading.Lock()
        if writable and row["erasing"]:
            self.finish_erasing()

    @classmethod
    def create(
        cls,
        uri: str,
        model: ModelIdentity,
        *,
        name: str = "gallery",
        projection: Projection | None = None,
        keep_days: int | None = None,
    ) -> Self:
        """Make an empty gallery, and open it for writing.

        Args:
            uri: Path of the SQLite file to be, or ``postgresql://USER@HOST/DATABASE``.
            model: Whose embeddings it will hold, and refuse all others.
            name: Name of the gallery; a database of PostgreSQL may hold several.
            projection: What makes the model's embeddings compact; it is kept in the gallery, so
                that calibrating the model anew does not make the gallery useless.
            keep_days: Age in days at which records are erased; None keeps them.

        Raises:
            GalleryExistsError: There is one already.
            GalleryUnavailableError: The server does not answer.
            UsageError: The address is none, or a package is missing.
        """
        row = {
            "version": VERSION,
            "checkpoint_sha256": model.checkpoint_sha256,
            "projection_sha256": model.projection_sha256,
            "preset": model.preset,
            "embedding_size": model.embedding_size,
            "path": model.path,
            "created": milliseconds(datetime.now(UTC)),
            "keep_days": checked_days(keep_days),
            "erasing": False,
        }
        kept = (projection.sha256, projection.size) if projection else ("", model.embedding_size)
        if kept != (model.projection_sha256, model.embedding_size):
            raise GalleryError("the projection is not that of the model's embeddings")

        def fill(connection: Connection, tables: Tables) -> None:
            connection.execute(insert(tables.gallery).values(row))
            if projection is not None:
                values = {
                    "checkpoint_sha256": projection.checkpoint_sha256,
                    "size": projection.size,
                    "matrix": projection.matrix.astype("<f4").tobytes(),
                }
                connection.execute(insert(tables.projection).values(values))

        create_database(uri, name, model.embedding_size, fill)
        return cls.open(uri, name=name, writable=True)

    @classmethod
    def open(cls, uri: str, *, name: str = "gallery", writable: bool = False) -> Self:
        """Open a gallery.

        Args:
            uri: Path of an SQLite file, or ``postgresql://USER@HOST/DATABASE``.
            name: Name of the gallery there.
            writable: Allow everything that changes the gallery.

        Raises:
            GalleryMissingError: There is none.
            GalleryUnavailableError: The server does not answer.
        """
        database = open_database(uri, name)
        try:
            return cls(database, name, database.attach(), writable=writable)
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the address go; twice is allowed."""
        self.database.close()

    def add(
        self,
        embeddings: NDArray[np.float32],
        records: Sequence[GalleryRecord],
        *,
        update: bool = False,
        audit: Sequence[AuditEntry] = (),
        also: Callable[[Connection], None] | None = None,
    ) -> Added:
        """Add images that are not there yet, and correct those that are if that is asked for.

        A record that is there and says the same, or more, stays as it is. One that says something
        else is corrected with ``update``, and left as it is without; the path alone is no
        difference.

        Args:
            embeddings: ``(n, D)`` float32; rows of unit length, or projected from such.
            records: n of them.
            update: Correct modality, camera, location, time, identity and path of records that are
                there, where the new ones say something, and take their embedding.
            audit: Entries for the log, on the disk together with the records.
            also: Writes what belongs to the records, in the same transaction; if it raises,
                nothing has changed (of up to 5,000 records).

        Raises:
            GalleryModelError: The embeddings have another size than the gallery's model.
            GalleryError: Another number of embeddings than of records, a row has no such length,
                or the gallery was opened for reading.
        """
        self.check_writable()
        vectors = self._checked(embeddings, stored=True)
        if len(vectors) != len(records):
            raise GalleryError(f"{len(vectors)} embeddings do not fit {len(records)} records")
        parts = []
        for start in range(0, max(len(records), 1), WRITE_ROWS):
            part = slice(start, start + WRITE_ROWS)
            last = start + WRITE_ROWS >= len(records)
            with self.database.writing() as connection:
                parts.append(self._add_part(connection, vectors[part], records[part], update))
                if last:
                    if also is not None:
                        also(connection)
                    write_entries(connection, self._tables, audit)
        return Added(
            new=tuple(id for part in parts for id in part.new),
            updated=tuple(id for part in parts for id in part.updated),
            already=tuple(id for part in parts for id in part.already),
            differing={id: text for part in parts for id, text in part.differing.items()},
            hidden=tuple(id for part in parts for id in part.hidden),
        )

    def _add_part(
        self,
        connection: Connection,
        vectors: NDArray[np.float32],
        records: Sequence[GalleryRecord],
        update: bool,
    ) -> Added:
        self._check_model(connection.execute(select(self._tables.gallery)).one())
        present = rows_of(connection, self._tables, [record.id for record in records])
        planned = plan_of(present, records, update)
        now = milliseconds(datetime.now(UTC))
        new, updated = set(planned.new), set(planned.updated)
        rows = []
        for vector, record in zip(vectors, records, strict=True):
            values = values_of(record)
            if record.id in new:
                new.remove(record.id)  # the first of several counts
                rows.append({**values, "added": now, "hidden": False, "embedding": vector})
            elif record.id in updated:
                updated.remove(record.id)
                said = {name: value for name, value in values.items() if value is not None}
                number = present[record.id].number
                change_row(connection, self._tables, number, {**said, "embedding": vector})
        if rows:
            connection.execute(insert(self._tables.record), rows)
        log_changes(connection, self._tables, [present[id].number for id in planned.updated])
        return planned

    def correct(
        self,
        id: str,
        values: Mapping[str, Any],
        *,
        embedding: NDArray[np.float32] | None = None,
        audit: Sequence[AuditEntry] = (),
    ) -> GalleryRecord:
        """Change what a record says.

        Args:
            id: Id of the record.
            values: Field of :class:`GalleryRecord` but its id -> new value; None is unknown.
            embedding: ``(1, D)`` float32, needed where the modality changes; None keeps the old.
            audit: Entries for the log, on the disk together with the change.

        Returns:
            The record as it is now.

        Raises:
            GalleryMissingError: It is not in the gallery.
            GalleryError: A value cannot be, or a changed modality has no embedding.
        """
        self.check_writable()
        vector = None if embedding is None else self._checked(embedding, stored=True)[0]
        with self.database.writing() as connection:
            self._check_model(connection.execute(select(self._tables.gallery)).one())
            row = required_rows(connection, self._tables, [id], self.uri)[id]
            old = record_of(row)
            new = GalleryRecord.checked(**{**dict(old), **values, "id": id})
            if new.modality != old.modality and vector is None:
                raise GalleryError(
                    f"record {id[:12]} is {old.modality}, and its embedding, too; to make it "
                    f"{new.modality} the image is needed again: add it with --update"
                )
            changed = values_of(new)
            if vector is not None:
                changed["embedding"] = vector
            change_row(connection, self._tables, row.number, changed)
            log_changes(connection, self._tables, [row.number])
            write_entries(connection, self._tables, audit)
        return new

    def remove(self, ids: Sequence[str], *, audit: Sequence[AuditEntry] = ()) -> int:
        """Hide records from every search; ``restore`` brings them back, ``add`` does not.

        Returns:
            How many were visible before.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was hidden then.
        """
        return self._set_hidden(ids, hidden=True, audit=audit)

    def restore(self, ids: Sequence[str], *, audit: Sequence[AuditEntry] = ()) -> int:
        """Bring hidden records back; returns how many were hidden.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was changed then.
        """
        return self._set_hidden(ids, hidden=False, audit=audit)

    def erase(self, ids: Sequence[str], *, audit: Sequence[AuditEntry] = ()) -> int:
        """Erase images for good: records, visible or hidden, and query images that marks keep.

        All feedback about them goes along, and a service then erases its copies.

        Afterwards no file of the gallery holds their embeddings, paths, hashes or identities. A
        process that is killed in between has erased nothing, or the records and not yet their
        bytes: opening the gallery for writing finishes that.

        Returns:
            How many images there were.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was erased then.
            GalleryError: The records are gone but their bytes could not be removed yet.
        """
        self.check_writable()
        unique = list(dict.fromkeys(ids))
        with self.database.writing() as connection:
            queries = queried(connection, self._tables, unique)
            needed = [id for id in unique if id not in queries]
            rows = required_rows(connection, self._tables, needed, self.uri)
            rows |= rows_of(connection, self._tables, queries)
            for start in range(0, len(unique), ASKED_ROWS):
                some = unique[start : start + ASKED_ROWS]
                table = self._tables.record
                connection.execute(delete(table).where(table.c.id.in_(some)))
                forget_feedback(connection, self._tables, some)
                forget_images(connection, self._tables, some)
            forget_empty(connection, self._tables)
            numbers = [rows[id].number if id in rows else NO_RECORD for id in unique]
            log_changes(connection, self._tables, numbers)
            write_entries(connection, self._tables, audit)
            if unique:
                connection.execute(update(self._tables.gallery).values(erasing=True))
        if unique:
            self.finish_erasing()
        return len(unique)

    def finish_erasing(self) -> None:
        """Remove the bytes of what was erased from the gallery's files.

        Raises:
            GalleryError: They cannot be removed now.
        """
        with self._erasing:
            self.database.shred()
            with self.database.writing() as connection:
                connection.execute(update(self._tables.gallery).values(erasing=False))

    def expire(self, by: str, role: str) -> int:
        """Erase what is older than the gallery keeps it, with an entry in the audit log.

        Args:
            by: Who erases, for the log.
            role: In which role.

        Returns:
            How many records there were.
        """
        ids = self.expired()
        if ids:
            details = {"records": len(ids), "keep_days": self.keep_days}
            self.erase(ids, audit=[AuditEntry("expire", by, role, details=details)])
        return len(ids)

    def keep(self, days: int | None, *, audit: Sequence[AuditEntry] = ()) -> None:
        """Set the age in days at which records are erased; None keeps them."""
        self.check_writable()
        with self.database.writing() as connection:
            values = {"keep_days": checked_days(days)}
            connection.execute(update(self._tables.gallery).values(values))
            write_entries(connection, self._tables, audit)

    def check_writable(self) -> None:
        """Refuse to change a gallery that was opened for reading.

        Raises:
            GalleryError: It was.
        """
        if not self.writable:
            raise GalleryError(f"gallery {self.uri} was opened for reading; open it writable")

    def _set_hidden(self, ids: Sequence[str], *, hidden: bool, audit: Sequence[AuditEntry]) -> int:
        self.check_writable()
        with self.database.writing() as connection:
            rows = required_rows(connection, self._tables, ids, self.uri)
            changed = [row.number for row in rows.values() if row.hidden != hidden]
            for number in changed:
                change_row(connection, self._tables, number, {"hidden": hidden})
            log_changes(connection, self._tables, changed)
            write_entries(connection, self._tables, audit)
        return len(changed)
