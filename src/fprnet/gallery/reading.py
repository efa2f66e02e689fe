"""A gallery as it is read: records and embeddings by their ids, searches, counts.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, func, or_, select

from fprnet.embeddings.projection import Projection
from fprnet.errors import FilterError, GalleryError, GalleryModelError
from fprnet.gallery.conditions import condition
from fprnet.gallery.counts import count_contents
from fprnet.gallery.database import Database
from fprnet.gallery.records import (
    NO_FILTERS,
    Added,
    Filters,
    Found,
    GalleryInfo,
    GalleryRecord,
    Match,
    ModelIdentity,
)
from fprnet.gallery.rows import (
    ASKED_ROWS,
    FIELDS,
    erased_since,
    newest_change,
    plan_of,
    record_of,
    required_rows,
    rows_of,
)
from fprnet.gallery.search import open_search
from fprnet.gallery.times import milliseconds
from fprnet.gallery.verdicts import queried

__all__ = ["MAX_MATCHES", "GalleryReader", "checked_days"]

MAX_MATCHES = 1000  # of one search
TRIES = 5  # searches of a gallery that others erase from meanwhile
UNIT = 1e-3  # how far a length may be from 1


class GalleryReader:
    """What :class:`fprnet.gallery.gallery.Gallery` can do without changing anything.

    Args:
        database: Where everything is.
        name: Name of the gallery there.
        row: What the gallery is.
        writable: Whether the object may change it.
    """

    def __init__(
        self, database: Database, name: str, row: Mapping[str, Any], *, writable: bool
    ) -> None:
        self.database = database
        self.uri = database.uri
        self.name = name
        self.created: int = row["created"]  # in milliseconds since 1970; no two galleries' is alike
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
                f"{model}; give the gallery's model, or move the gallery to this one with "
                "'fprnet gallery upgrade'"
            )

    def projection(self) -> Projection | None:
        """Return what makes the model's embeddings compact; None where they are full."""
        with self.database.reading() as connection:
            row = connection.execute(select(self._tables.projection)).one_or_none()
        if row is None:
            return None
        matrix = np.frombuffer(row.matrix, dtype="<f4").reshape(-1, row.size)
        return Projection(matrix, row.checkpoint_sha256)

    def plan(self, records: Sequence[GalleryRecord], *, update: bool = False) -> Added:
        """Return what adding n records would do, without their embeddings."""
        with self.database.reading() as connection:
            rows = rows_of(connection, self._tables, [record.id for record in records])
            return plan_of(rows, records, update)

    def erased_since(self, change: int) -> tuple[bool, int]:
        """Return whether anybody has erased a record since a change, and the newest change.

        Args:
            change: What this method or `newest_change` returned before; 0 the first time.
        """
        with self.database.reading() as connection:
            return erased_since(connection, self._tables, change)

    def newest_change(self) -> int:
        """Return the number of the newest change; 0 before the first."""
        with self.database.reading() as connection:
            return newest_change(connection, self._tables)

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the gallery, hidden or not."""
        with self.database.reading() as connection:
            return set(rows_of(connection, self._tables, ids))

    def erasable(self, ids: Sequence[str]) -> set[str]:
        """Return those of the ids that are records, or query images that marks keep."""
        with self.database.reading() as connection:
            known = set(rows_of(connection, self._tables, ids))
            return known | queried(connection, self._tables, ids)

    def hidden(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the gallery and hidden."""
        with self.database.reading() as connection:
            return {id for id, row in rows_of(connection, self._tables, ids).items() if row.hidden}

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
            rows = required_rows(connection, self._tables, ids, self.uri)
            return [record_of(rows[id]) for id in ids]

    def embeddings(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(n, D)`` float32 embeddings of records, in that order, rounded to float16.

        Raises:
            GalleryMissingError: One of them is not in the gallery.
        """
        table = self._tables.record
        vectors: dict[str, NDArray[np.float16]] = {}
        with self.database.reading() as connection:
            required_rows(connection, self._tables, ids, self.uri)
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
            try:
                best, candidates, images = self._search(queries, filters, top)
            finally:  # embeddings of another size would be a fault of the search itself
                self.check_model()
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

    def check_model(self) -> None:
        """Refuse to go on where the gallery has become another model's since it was opened.

        Raises:
            GalleryModelError: It has.
        """
        table = self._tables.gallery
        with self.database.reading() as connection:
            self._check_model(connection.execute(select(table)).one())

    def _check_model(self, row: Row[Any]) -> None:
        own = (self.model.checkpoint_sha256, self.model.projection_sha256)
        if (row.checkpoint_sha256, row.projection_sha256) != own:
            raise GalleryModelError(
                f"gallery {self.uri} was upgraded to another model after it was opened; open it "
                "again, and start a service again"
            )

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

    def expired(self, keep_days: int | None = None) -> list[str]:
        """Return the ids of records that are too old, by their time or, without one, their adding.

        Args:
            keep_days: Age in days; None is the gallery's own, which may keep everything.
        """
        days = self.keep_days if keep_days is None else checked_days(keep_days)
        if days is None:
            return []
        limit = milliseconds(datetime.now(UTC) - timedelta(days=days))
        table = self._tables.record
        age = func.coalesce(table.c.time, table.c.added)
        with self.database.reading() as connection:
            return list(connection.scalars(select(table.c.id).where(age < limit)))

    @property
    def keep_days(self) -> int | None:
        """Age in days at which records are erased; None keeps them."""
        with self.database.reading() as connection:
            return connection.scalar(select(self._tables.gallery.c.keep_days))

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
            return {row.number: record_of(row) for row in rows}


def checked_days(days: int | None) -> int | None:
    """Return an age in days, or None.

    Raises:
        GalleryError: It is no age.
    """
    if days is not None and not 1 <= days <= 36_500:
        raise GalleryError(f"--keep-days {days} is no age; give 1 to 36500 days")
    return days
