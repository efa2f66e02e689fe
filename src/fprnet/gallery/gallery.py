"""A gallery of embeddings in a database: add, correct, hide, erase, search; a file or a server.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from fprnet.embeddings.projection import Projection
from fprnet.errors import (
    FilterError,
    GalleryError,
    GalleryMissingError,
    GalleryModelError,
)
from fprnet.gallery.audit import AuditEntry, forget_images, write_entries
from fprnet.gallery.conditions import condition
from fprnet.gallery.counts import count_contents
from fprnet.gallery.database import Database, create_sqlite, is_server, open_database
from fprnet.gallery.records import (
    NO_FILTERS,
    Added,
    Filters,
    Found,
    GalleryInfo,
    GalleryRecord,
    Match,
    ModelIdentity,
    check_id,
)
from fprnet.gallery.schema import VERSION, Tables
from fprnet.gallery.search import open_search
from fprnet.gallery.times import from_milliseconds, milliseconds
from fprnet.gallery.verdicts import forget_feedback

__all__ = ["MAX_MATCHES", "Gallery"]

MAX_MATCHES = 1000  # of one search
WRITE_ROWS = 5000  # records of one transaction
ASKED_ROWS = 500  # ids in one statement
KEPT_CHANGES = 100_000  # of the log of changes that other processes follow
TRIES = 5  # searches of a gallery that others erase from meanwhile
UNIT = 1e-3  # how far a length may be from 1
FIELDS = ("id", "path", "modality", "camera", "location", "time", "identity")
FACTS = ("modality", "camera", "location", "time", "identity")


class Gallery:
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
        self.database = database
        self.uri = database.uri
        self.name = name
        self.model = ModelIdentity(
            checkpoint_sha256=row["checkpoint_sha256"],
            preset=row["preset"],
            embedding_size=row["embedding_size"],
            path=row["path"],
            projection_sha256=row["projection_sha256"],
        )
        self.writable = writable
        self._tables = database.tables
        self._search = open_search(database, self.model.embedding_size)
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
            "keep_days": _checked_days(keep_days),
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

        if is_server(uri):
            from fprnet.gallery.postgres import create_postgres

            create_postgres(uri, name, model.embedding_size, fill)
        else:
            create_sqlite(Path(uri), model.embedding_size, fill)
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

    def __len__(self) -> int:
        """Return how many records a search can find."""
        return self.count()

    def count(self, filters: Filters = NO_FILTERS) -> int:
        """Return how many records pass some filters."""
        passes = condition(filters, self._tables.record.c)
        with self.database.reading() as connection:
            return connection.scalar(select(func.count()).where(passes)) or 0

    def require(self, model: ModelIdentity) -> None:
        """Refuse a model whose embeddings cannot be compared with those of the gallery.

        Raises:
            GalleryModelError: It is another one, or projects its embeddings in another way.
        """
        if not self.model.same_as(model):
            raise GalleryModelError(
                f"gallery {self.uri} holds embeddings of {self.model}, but these come from "
                f"{model}; give the gallery's model, or make a gallery for this one"
            )

    def projection(self) -> Projection | None:
        """Return what makes the model's embeddings compact; None where they are full."""
        with self.database.reading() as connection:
            row = connection.execute(select(self._tables.projection)).one_or_none()
        if row is None:
            return None
        matrix = np.frombuffer(row.matrix, dtype="<f4").reshape(-1, row.size)
        return Projection(matrix, row.checkpoint_sha256)

    def add(
        self,
        embeddings: NDArray[np.float32],
        records: Sequence[GalleryRecord],
        *,
        update: bool = False,
        audit: Sequence[AuditEntry] = (),
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

        Raises:
            GalleryModelError: The embeddings have another size than the gallery's model.
            GalleryError: Another number of embeddings than of records, a row has no such length,
                or the gallery was opened for reading.
        """
        self._check_writable()
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
                    write_entries(connection, self._tables, audit)
        return Added(
            new=tuple(id for part in parts for id in part.new),
            updated=tuple(id for part in parts for id in part.updated),
            already=tuple(id for part in parts for id in part.already),
            differing={id: text for part in parts for id, text in part.differing.items()},
            hidden=tuple(id for part in parts for id in part.hidden),
        )

    def plan(self, records: Sequence[GalleryRecord], *, update: bool = False) -> Added:
        """Return what :meth:`add` would do with n records, without their embeddings."""
        with self.database.reading() as connection:
            rows = self._rows(connection, [record.id for record in records])
        return _plan(rows, records, update)

    def _add_part(
        self,
        connection: Connection,
        vectors: NDArray[np.float32],
        records: Sequence[GalleryRecord],
        update: bool,
    ) -> Added:
        present = self._rows(connection, [record.id for record in records])
        planned = _plan(present, records, update)
        now = milliseconds(datetime.now(UTC))
        new, updated = set(planned.new), set(planned.updated)
        rows = []
        for vector, record in zip(vectors, records, strict=True):
            values = _values(record)
            if record.id in new:
                new.remove(record.id)  # the first of several counts
                rows.append({**values, "added": now, "hidden": False, "embedding": vector})
            elif record.id in updated:
                updated.remove(record.id)
                said = {name: value for name, value in values.items() if value is not None}
                number = present[record.id].number
                self._change(connection, number, {**said, "embedding": vector})
        if rows:
            connection.execute(insert(self._tables.record), rows)
        self._log_changes(connection, [present[id].number for id in planned.updated])
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
        self._check_writable()
        vector = None if embedding is None else self._checked(embedding, stored=True)[0]
        with self.database.writing() as connection:
            row = self._required(connection, [id])[id]
            old = _record(row)
            new = GalleryRecord.checked(**{**dict(old), **values, "id": id})
            if new.modality != old.modality and vector is None:
                raise GalleryError(
                    f"record {id[:12]} is {old.modality}, and its embedding, too; to make it "
                    f"{new.modality} the image is needed again: add it with --update"
                )
            changed = _values(new)
            if vector is not None:
                changed["embedding"] = vector
            self._change(connection, row.number, changed)
            self._log_changes(connection, [row.number])
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
        """Erase records for good, visible or hidden, and all feedback about them.

        Afterwards no file of the gallery holds their embeddings, paths, hashes or identities. A
        process that is killed in between has erased nothing, or the records and not yet their
        bytes: opening the gallery for writing finishes that.

        Returns:
            How many records there were.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was erased then.
            GalleryError: The records are gone but their bytes could not be removed yet.
        """
        self._check_writable()
        unique = list(dict.fromkeys(ids))
        with self.database.writing() as connection:
            rows = self._required(connection, unique)
            for start in range(0, len(unique), ASKED_ROWS):
                some = unique[start : start + ASKED_ROWS]
                table = self._tables.record
                connection.execute(delete(table).where(table.c.id.in_(some)))
                forget_feedback(connection, self._tables, some)
                forget_images(connection, self._tables, some)
            self._log_changes(connection, [row.number for row in rows.values()])
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

    def expired(self, keep_days: int | None = None) -> list[str]:
        """Return the ids of records that are too old, by their time or, without one, their adding.

        Args:
            keep_days: Age in days; None is the gallery's own, which may keep everything.
        """
        days = self.keep_days if keep_days is None else _checked_days(keep_days)
        if days is None:
            return []
        limit = milliseconds(datetime.now(UTC) - timedelta(days=days))
        table = self._tables.record
        age = func.coalesce(table.c.time, table.c.added)
        with self.database.reading() as connection:
            return list(connection.scalars(select(table.c.id).where(age < limit)))

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

    @property
    def keep_days(self) -> int | None:
        """Age in days at which records are erased; None keeps them."""
        with self.database.reading() as connection:
            return connection.scalar(select(self._tables.gallery.c.keep_days))

    def keep(self, days: int | None, *, audit: Sequence[AuditEntry] = ()) -> None:
        """Set the age in days at which records are erased; None keeps them."""
        self._check_writable()
        with self.database.writing() as connection:
            values = {"keep_days": _checked_days(days)}
            connection.execute(update(self._tables.gallery).values(values))
            write_entries(connection, self._tables, audit)

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the gallery, hidden or not."""
        with self.database.reading() as connection:
            return set(self._rows(connection, ids))

    def hidden(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the gallery and hidden."""
        with self.database.reading() as connection:
            return {id for id, row in self._rows(connection, ids).items() if row.hidden}

    def select(self, filters: Filters = NO_FILTERS, *, identities: Sequence[str] = ()) -> list[str]:
        """Return the ids of all records, hidden ones, too, that pass; in no particular order.

        Args:
            filters: As of a search.
            identities: Only of these people; empty: of anybody.

        Raises:
            FilterError: No record names one of the people.
        """
        table = self._tables.record
        passes = condition(filters, table.c, hidden=True)
        with self.database.reading() as connection:
            for identity in identities:
                shown = select(table.c.number).where(table.c.identity == identity).limit(1)
                if connection.scalar(shown) is None:
                    raise FilterError(
                        f"identity {identity!r} is in no record of gallery {self.uri}; see "
                        "'fprnet search --json' for how they are written"
                    )
            if identities:
                passes = passes & or_(*[table.c.identity == identity for identity in identities])
            return list(connection.scalars(select(table.c.id).where(passes)))

    def get(self, ids: Sequence[str]) -> list[GalleryRecord]:
        """Return records by their ids, hidden ones, too, in that order.

        Raises:
            GalleryMissingError: One of them is not in the gallery.
        """
        with self.database.reading() as connection:
            rows = self._required(connection, ids)
        return [_record(rows[id]) for id in ids]

    def embeddings(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(n, D)`` float32 embeddings of records, in that order, rounded to float16.

        Raises:
            GalleryMissingError: One of them is not in the gallery.
        """
        table = self._tables.record
        vectors: dict[str, NDArray[np.float16]] = {}
        with self.database.reading() as connection:
            self._required(connection, ids)
            unique = list(dict.fromkeys(ids))
            for start in range(0, len(unique), ASKED_ROWS):
                some = unique[start : start + ASKED_ROWS]
                rows = select(table.c.id, table.c.embedding).where(table.c.id.in_(some))
                vectors |= {row.id: row.embedding for row in connection.execute(rows)}
        result = np.empty((len(ids), self.model.embedding_size), dtype=np.float32)
        for place, id in enumerate(ids):
            result[place] = vectors[id]
        return result

    def search(
        self, vectors: NDArray[np.float32], *, filters: Filters = NO_FILTERS, top: int = 20
    ) -> Found:
        """Find the records whose embeddings have the largest inner products with each query.

        Args:
            vectors: ``(q, D)`` float32. Several queries in one call cost little more than one.
            filters: Which records may be found.
            top: At most so many, 1 to 1000.

        Raises:
            GalleryModelError: The vectors have another size than the gallery's model.
            GalleryError: They are not finite, or ``top`` is out of range.
        """
        if not 1 <= top <= MAX_MATCHES:
            raise GalleryError(f"top is {top}; give 1 to {MAX_MATCHES}")
        queries = self._checked(vectors, stored=False)
        for last in (False,) * (TRIES - 1) + (True,):
            best, candidates, images = self._search(queries, filters, top)
            wanted = {int(number) for numbers, _ in best for number in numbers}
            rows = self._visible(wanted)
            # Where a record was hidden or erased meanwhile, the gallery as it is now is searched.
            if last or len(rows) == len(wanted):
                break
        matches = [
            [
                Match(rows[int(number)], float(similarity))
                for number, similarity in zip(numbers, similarities, strict=True)
                if int(number) in rows
            ]
            for numbers, similarities in best
        ]
        return Found(matches, candidates, images)

    def check_filters(self, filters: Filters) -> None:
        """Refuse filters that name a camera or location of which there is no record.

        Raises:
            FilterError: There is one.
        """
        table = self._tables.record
        asked = [("camera", value) for value in filters.cameras]
        asked += [("location", value) for value in filters.locations]
        with self.database.reading() as connection:
            for name, value in asked:
                visible = select(table.c.number).where(~table.c.hidden).limit(1)
                if connection.scalar(visible.where(table.c[name] == value)) is None:
                    contents = count_contents(connection, self._tables)
                    counted = contents["cameras" if name == "camera" else "locations"]
                    known = ", ".join(one.value for one in counted if one.value is not None)
                    raise FilterError(
                        f"{name} {value} is in no record of gallery {self.uri}; it has "
                        f"{known or 'none'}"
                    )

    def info(self) -> GalleryInfo:
        """Count what is in the gallery."""
        with self.database.reading() as connection:
            contents = count_contents(connection, self._tables)
            row = connection.execute(select(self._tables.gallery)).one()
        return GalleryInfo(
            uri=self.uri,
            name=self.name,
            model=self.model,
            index=self._search.index,
            index_settings=self._search.settings,
            recall=row.recall if self.database.server else 1.0,
            size_bytes=self.database.size_bytes,
            keep_days=row.keep_days,
            **contents,
        )

    def _checked(self, vectors: NDArray[np.float32], *, stored: bool) -> NDArray[np.float32]:
        size = self.model.embedding_size
        if vectors.ndim != 2 or vectors.shape[1] != size:
            raise GalleryModelError(
                f"embeddings of shape {vectors.shape} do not fit gallery {self.uri}, which holds "
                f"{size} numbers for each image; give the gallery's model"
            )
        floats = np.ascontiguousarray(vectors, dtype=np.float32)
        lengths = np.linalg.norm(floats, axis=1)
        shortest = 0.0 if self.model.projection_sha256 else 1 - UNIT
        if not np.isfinite(lengths).all() or (
            stored and not ((lengths >= shortest) & (lengths <= 1 + UNIT)).all()
        ):
            raise GalleryError("an embedding is not of unit length; give what the model gives")
        return floats

    def _check_writable(self) -> None:
        if not self.writable:
            raise GalleryError(f"gallery {self.uri} was opened for reading; open it writable")

    def _set_hidden(self, ids: Sequence[str], *, hidden: bool, audit: Sequence[AuditEntry]) -> int:
        self._check_writable()
        with self.database.writing() as connection:
            rows = self._required(connection, ids)
            changed = [row.number for row in rows.values() if row.hidden != hidden]
            for number in changed:
                self._change(connection, number, {"hidden": hidden})
            self._log_changes(connection, changed)
            write_entries(connection, self._tables, audit)
        return len(changed)

    def _change(self, connection: Connection, number: int, values: Mapping[str, Any]) -> None:
        table = self._tables.record
        connection.execute(update(table).where(table.c.number == number).values(dict(values)))

    def _log_changes(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Tell those who follow the gallery which records have changed; new ones they see."""
        table = self._tables.change
        if not numbers:
            return
        connection.execute(insert(table), [{"record": number} for number in numbers])
        newest = connection.scalar(select(func.max(table.c.number))) or 0
        connection.execute(delete(table).where(table.c.number <= newest - KEPT_CHANGES))

    def _rows(self, connection: Connection, ids: Iterable[str]) -> dict[str, Row[Any]]:
        """Return number, fields and visibility of those ids that are there.

        Raises:
            GalleryError: An id is none.
        """
        unique = list(dict.fromkeys(ids))
        for id in unique:
            check_id(id)
        table = self._tables.record
        columns = [table.c[name] for name in ("number", "hidden", *FIELDS)]
        rows: dict[str, Row[Any]] = {}
        for start in range(0, len(unique), ASKED_ROWS):
            some = unique[start : start + ASKED_ROWS]
            found = connection.execute(select(*columns).where(table.c.id.in_(some)))
            rows |= {row.id: row for row in found}
        return rows

    def _required(self, connection: Connection, ids: Iterable[str]) -> dict[str, Row[Any]]:
        """Return the rows of all the ids.

        Raises:
            GalleryMissingError: One of them is not there.
        """
        wanted = list(ids)
        rows = self._rows(connection, wanted)
        for id in wanted:
            if id not in rows:
                raise GalleryMissingError(f"there is no record {id} in gallery {self.uri}")
        return rows

    def _visible(self, numbers: Iterable[int]) -> dict[int, GalleryRecord]:
        """Return the records of those numbers that a search may find."""
        table = self._tables.record
        wanted = list(numbers)
        columns = [table.c[name] for name in ("number", *FIELDS)]
        with self.database.reading() as connection:
            rows = [
                row
                for start in range(0, len(wanted), ASKED_ROWS)
                for row in connection.execute(
                    select(*columns).where(
                        table.c.number.in_(wanted[start : start + ASKED_ROWS]), ~table.c.hidden
                    )
                )
            ]
        return {row.number: _record(row) for row in rows}


def _record(row: Row[Any]) -> GalleryRecord:
    values = {name: getattr(row, name) for name in FIELDS}
    time = values["time"]
    # What was checked when it was stored is not checked again.
    return GalleryRecord.model_construct(
        **{**values, "time": None if time is None else from_milliseconds(time)}
    )


def _values(record: GalleryRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in FIELDS}
    return {**values, "time": None if record.time is None else milliseconds(record.time)}


def _plan(present: Mapping[str, Row[Any]], records: Sequence[GalleryRecord], update: bool) -> Added:
    """Return what becomes of records, given the rows of those that are there."""
    new: dict[str, None] = {}
    updated: dict[str, None] = {}
    already: list[str] = []
    differing: dict[str, str] = {}
    for record in records:
        row = present.get(record.id)
        if row is None:
            if record.id in new:
                already.append(record.id)
            new[record.id] = None
            continue
        differs = _difference(row, record)
        if update and record.id not in updated and (differs or row.path != record.path):
            updated[record.id] = None
        elif differs and not update:
            differing[record.id] = differs
        else:
            already.append(record.id)
    hidden = [id for id, row in present.items() if row.hidden]
    return Added(tuple(new), tuple(updated), tuple(already), differing, tuple(hidden))


def _difference(row: Row[Any], record: GalleryRecord) -> str:
    """Return what the record that is there says otherwise; "" where it says the same, or more."""
    old, new = _record(row), record
    differs = [
        f"{name} {getattr(old, name)}, not {getattr(new, name)}"
        for name in FACTS
        if getattr(new, name) is not None and getattr(new, name) != getattr(old, name)
    ]
    return "; ".join(differs)


def _checked_days(days: int | None) -> int | None:
    if days is not None and not 1 <= days <= 36_500:
        raise GalleryError(f"--keep-days {days} is no age; give 1 to 36500 days")
    return days
