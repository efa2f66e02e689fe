"""The rows of a gallery: read by id, added, hidden and shown, counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import GalleryMissingError
from fprnet.gallery.census import COLUMNS, Census
from fprnet.gallery.collections import PAGE_ROWS, WRITE_ROWS, Collections
from fprnet.gallery.connection import Connection
from fprnet.gallery.records import Added, Contents, Filters, GalleryRecord, check_id
from fprnet.gallery.rows import FIELDS, expression, id_expression, row_of

__all__ = ["Table"]

SEAL_ROWS = 256  # written rows that Milvus Lite may hold in memory, where it searches slowly

Result = TypeVar("Result")


class Table:
    """Rows of the collection in use. Reading is thread-safe, writing is for one at a time.

    Args:
        connection: Where they are.
        collections: Of the gallery.
    """

    def __init__(self, connection: Connection, collections: Collections) -> None:
        self._connection = connection
        self._collections = collections
        self._counting = threading.Lock()
        self._census: Census | None = None
        self._contents: Contents | None = None
        self._unsealed = 0

    def found(self, ids: Iterable[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of those ids that are there.

        Raises:
            GalleryError: An id is none.
        """
        unique = list(dict.fromkeys(ids))
        for id in unique:
            check_id(id)
        rows: dict[str, dict[str, Any]] = {}
        for start in range(0, len(unique), WRITE_ROWS):
            found = self._connection.call(
                self._connection.client.query,
                self._collections.records,
                filter=id_expression(unique[start : start + WRITE_ROWS]),
                output_fields=list(fields),
            )
            rows |= {row["id"]: dict(row) for row in found}
        return rows

    def required(self, ids: Iterable[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of all the ids.

        Raises:
            GalleryMissingError: One of them is not there.
        """
        wanted = list(ids)
        rows = self.found(wanted, fields)
        for id in wanted:
            if id not in rows:
                uri = self._connection.uri
                raise GalleryMissingError(f"there is no record {id} in gallery {uri}")
        return rows

    def hidden(self, ids: Iterable[str]) -> dict[str, bool]:
        """Return whether each of the ids that are there is hidden."""
        return {id: row["hidden"] for id, row in self.found(ids, ("id", "hidden")).items()}

    def add(self, vectors: NDArray[np.float32], records: Sequence[GalleryRecord]) -> Added:
        """Write the records that are not there yet, with their embeddings ``(n, D)``."""
        new = already = hidden = 0
        for start in range(0, len(records), WRITE_ROWS):
            part = records[start : start + WRITE_ROWS]
            there = self.hidden(record.id for record in part)
            rows = {
                record.id: row_of(record, vector, hidden=False)
                for record, vector in zip(part, vectors[start : start + WRITE_ROWS], strict=True)
                if record.id not in there
            }
            self._write(list(rows.values()))
            new += len(rows)
            already += len(part) - len(rows)
            hidden += sum(there.get(record.id, False) for record in part)
        self._seal_many()
        return Added(new, already, hidden)

    def set_hidden(self, ids: Sequence[str], *, hidden: bool) -> int:
        """Hide or show records; returns how many were not so before.

        Raises:
            GalleryMissingError: One of them is not there; nothing was changed then.
        """
        rows = self.required(ids, ("hidden", "embedding", *FIELDS))
        changed = [row | {"hidden": hidden} for row in rows.values() if row["hidden"] != hidden]
        self._write(changed)
        self._seal_many()
        return len(changed)

    def seal(self) -> None:
        """Have everything written that Milvus Lite still holds in memory; a server sees to it."""
        if self._unsealed and self._connection.folder is not None:
            self._collections.seal()
        self._unsealed = 0

    def forget(self) -> None:
        """Forget what was counted: the collection was replaced by one that is sealed."""
        with self._counting:
            self._census = None
        self._unsealed = 0

    def count(self, filters: Filters) -> int:
        """Return how many rows a search with these filters goes through."""
        if self._connection.folder is not None:
            return self.counted(lambda census: census.count(filters))
        # Others may write to a server, and it counts fast.
        rows = self._connection.call(
            self._connection.client.query,
            self._collections.records,
            filter=expression(filters),
            output_fields=["count(*)"],
        )
        return int(rows[0]["count(*)"])

    def contents(self, *, anew: bool = True) -> Contents:
        """Return what the records are.

        Args:
            anew: Of a server: read all rows again, and not only the first time.
        """
        if anew or self._contents is None or self._connection.folder is not None:
            self._contents = self.counted(lambda census: census.contents())
        return self._contents

    def counted(self, read: Callable[[Census], Result]) -> Result:
        """Return what ``read`` reads from the columns of all rows.

        A server's are fetched each time, those of a folder once: nobody else writes there.
        """
        with self._counting:
            census = self._census
            if census is None:
                pages = self._collections.pages(COLUMNS, PAGE_ROWS)
                census = Census(row for page in pages for row in page)
                if self._connection.folder is not None:
                    self._census = census
            return read(census)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        """Write rows, in place of those of the same ids."""
        if not rows:
            return
        self._collections.upsert(rows)
        with self._counting:
            if self._census is not None:
                self._census.put(rows)
        self._unsealed += len(rows)

    def _seal_many(self) -> None:
        """Seal what a call has written, once: every seal makes files, which Milvus merges later."""
        if self._unsealed >= SEAL_ROWS:
            self.seal()
