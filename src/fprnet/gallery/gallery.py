"""A gallery of embeddings on Milvus: add, hide, erase, search; a folder or a server.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import (
    FilterError,
    GalleryError,
    GalleryExistsError,
    GalleryMissingError,
    GalleryModelError,
)
from fprnet.gallery.census import Census
from fprnet.gallery.collections import EXACT, GRAPH, LARGEST_EXACT, Collections, Index
from fprnet.gallery.connection import Connection, connect
from fprnet.gallery.rebuild import ExactNeighbours, copy_gallery, measure_recall, see_all
from fprnet.gallery.records import (
    UNKNOWN,
    Added,
    Filters,
    GalleryInfo,
    GalleryRecord,
    Match,
    ModelIdentity,
)
from fprnet.gallery.rows import (
    FIELDS,
    NO_TIME,
    expression,
    moment_of,
    record_of,
    row_of,
)
from fprnet.gallery.table import Table

__all__ = ["MOST_MATCHES", "Gallery"]

BATCH = 1000  # rows in one call
UNIT_TOLERANCE = 1e-3  # how far an embedding's length may be from 1
MOST_MATCHES = 1000  # of one search
NO_FILTERS = Filters()


class Gallery:
    """Records and embeddings of one model. Use it in a ``with`` block, or close it.

    Thread-safe: any thread may call any method at any time. Searches and other reading calls run
    side by side; ``add``, ``remove``, ``restore`` and ``erase`` follow one another.
    An embedded gallery belongs to one process at a time, whether it reads or writes; a server takes
    any number of processes. What a writing call has returned from is kept, even if the process is
    killed in the next moment.

    Made by :meth:`create` and :meth:`open`.

    Attributes:
        uri: Address.
        name: Of the gallery at that address.
        model: Whose embeddings it holds.
        writable: Whether it may be changed.
    """

    def __init__(
        self, connection: Connection, name: str, model: ModelIdentity, *, writable: bool
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._collections = Collections(connection, name)
        self._table = Table(connection, self._collections)
        self._index = EXACT
        self._writing = threading.RLock()
        self._images_per_person: float | None = None
        self.uri = connection.uri
        self.name = name
        self.model = model
        self.writable = writable

    @classmethod
    def create(
        cls, uri: str, model: ModelIdentity, *, token: str | None = None, name: str = "gallery"
    ) -> Self:
        """Make an empty gallery, and open it for writing.

        Args:
            uri: Folder that ends in ``.db``, or ``http://HOST:PORT`` of a Milvus server.
            model: Whose embeddings it will hold, and refuse all others.
            token: Of a server, ``user:password`` or an API key.
            name: A server may hold several.

        Raises:
            GalleryExistsError: There is one already.
            GalleryLockedError: Another process has the folder open.
            GalleryUnavailableError: The server does not answer.
            UsageError: The address is none, or pymilvus is not installed.
        """
        connection = connect(uri, token, create=True)
        try:
            collections = Collections(connection, name)
            if collections.exist():
                raise GalleryExistsError(
                    f"there is a gallery at {uri} already; add to it, or give another address"
                )
            collections.make(model)
        except BaseException:
            connection.close()
            raise
        return cls(connection, name, model, writable=True)

    @classmethod
    def open(
        cls,
        uri: str,
        *,
        token: str | None = None,
        name: str = "gallery",
        writable: bool = False,
    ) -> Self:
        """Open a gallery.

        Args:
            uri: Folder that ends in ``.db``, or ``http://HOST:PORT`` of a Milvus server.
            token: Of a server.
            name: Of the gallery there.
            writable: Allow ``add``, ``remove``, ``restore`` and ``erase``.

        Raises:
            GalleryMissingError: There is none.
            GalleryLockedError: Another process has the folder open.
            GalleryUnavailableError: The server does not answer.
        """
        connection = connect(uri, token)
        try:
            collections = Collections(connection, name)
            if not collections.exist():
                raise GalleryMissingError(
                    f"there is no gallery {name!r} at {uri}; make it with 'fprnet gallery create'"
                )
            collections.load()
            if writable or connection.folder is not None:
                collections.remove_leftovers()
            gallery = cls(connection, name, collections.model(), writable=writable)
            gallery._index = collections.index()
        except BaseException:
            connection.close()
            raise
        return gallery

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
        with self._writing:
            try:
                if not self._connection.closed:
                    self._table.seal()
            finally:
                self._connection.close()

    def __len__(self) -> int:
        """Records that a search can find."""
        return self.count()

    def count(self, filters: Filters = NO_FILTERS) -> int:
        """Return how many records pass some filters."""
        return self._table.count(filters)

    def require(self, model: ModelIdentity) -> None:
        """Refuse a model whose embeddings cannot be compared with those of the gallery.

        Raises:
            GalleryModelError: It is another one.
        """
        if not self.model.same_as(model):
            raise GalleryModelError(
                f"gallery {self.uri} holds embeddings of {_words(self.model)}, but these come from "
                f"{_words(model)}; give the gallery's model, or make a gallery for this one"
            )

    def add(self, embeddings: NDArray[np.float32], records: Sequence[GalleryRecord]) -> Added:
        """Add images that are not there yet; those that are there stay as they are.

        Args:
            embeddings: ``(n, D)`` float32, rows of unit length.
            records: n of them.

        Raises:
            GalleryModelError: The embeddings have another size than the gallery's model.
            GalleryError: Another number of embeddings than of records, a row is not of unit length,
                or the gallery was opened for reading.
        """
        self._check_writable()
        vectors = self._checked(embeddings)
        if len(vectors) != len(records):
            raise GalleryError(f"{len(vectors)} embeddings do not fit {len(records)} records")
        new = already = hidden = 0
        with self._writing:
            for start in range(0, len(records), BATCH):
                part = records[start : start + BATCH]
                there = self._table.hidden(record.id for record in part)
                rows = {
                    record.id: row_of(record, vector, hidden=False)
                    for record, vector in zip(part, vectors[start : start + BATCH], strict=True)
                    if record.id not in there
                }
                self._table.write(list(rows.values()))
                new += len(rows)
                already += len(part) - len(rows)
                hidden += sum(there.get(record.id, False) for record in part)
            if self._index is EXACT and new and self.count() > LARGEST_EXACT:
                self._rebuild(GRAPH, ())
        return Added(new, already, hidden)

    def remove(self, ids: Sequence[str]) -> int:
        """Hide records from every search; ``restore`` brings them back, ``add`` does not.

        Returns:
            How many were visible before.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was hidden then.
        """
        return self._set_hidden(ids, hidden=True)

    def restore(self, ids: Sequence[str]) -> int:
        """Bring hidden records back; returns how many were hidden.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was changed then.
        """
        return self._set_hidden(ids, hidden=False)

    def erase(self, ids: Sequence[str]) -> int:
        """Erase records for good, visible or hidden: afterwards no file holds their embeddings.

        Milvus keeps what is deleted in its files, so everything else is copied into a new
        collection and the old one dropped; searches go on meanwhile. A process that is killed in
        between has erased nothing; call it again. On a server the old files go when its garbage
        collection next runs.

        Returns:
            How many were there.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was erased then.
        """
        self._check_writable()
        with self._writing:
            erased = set(self._table.required(ids, ("id",)))
            if erased:
                self._rebuild(self._index, erased)
            return len(erased)

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the gallery, hidden or not."""
        return set(self._table.hidden(ids))

    def hidden(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the gallery and hidden."""
        return {id for id, hidden in self._table.hidden(ids).items() if hidden}

    def select(self, filters: Filters = NO_FILTERS, *, identities: Sequence[int] = ()) -> list[str]:
        """Return the ids of all records, hidden ones, too, that pass; in no particular order.

        Args:
            filters: As of a search.
            identities: Only of these people; empty: of anybody.
        """
        return self._table.counted(lambda census: census.ids(filters, tuple(identities)))

    def get(self, ids: Sequence[str]) -> list[GalleryRecord]:
        """Return records by their ids, hidden ones, too, in that order.

        Raises:
            GalleryMissingError: One of them is not in the gallery.
        """
        rows = self._table.required(ids, FIELDS)
        return [record_of(rows[id]) for id in ids]

    def embeddings(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(n, D)`` float32 embeddings of records, in that order.

        Raises:
            GalleryMissingError: One of them is not in the gallery.
        """
        rows = self._table.required(ids, ("id", "embedding"))
        vectors = np.empty((len(ids), self.model.embedding_size), dtype=np.float32)
        for place, id in enumerate(ids):
            vectors[place] = rows[id]["embedding"]
        return vectors

    def search(
        self, vectors: NDArray[np.float32], *, filters: Filters = NO_FILTERS, top: int = 20
    ) -> list[list[Match]]:
        """Find the records whose embeddings are most alike to each query's.

        Args:
            vectors: ``(q, D)`` float32, rows of unit length. Several queries in one call cost
                little more than one.
            filters: Which records may be found.
            top: At most so many, 1 to 1000.

        Returns:
            For each query up to ``top`` matches, most alike first.

        Raises:
            GalleryModelError: The vectors have another size than the gallery's model.
            FilterError: A camera or location is in no record, so that nothing could be found.
        """
        if not 1 <= top <= MOST_MATCHES:
            raise GalleryError(f"top is {top}; give 1 to {MOST_MATCHES}")
        found = self._connection.call(
            self._client.search,
            self._collections.records,
            data=list(self._checked(vectors)),
            anns_field="embedding",
            filter=expression(filters),
            limit=top,
            output_fields=list(FIELDS),
            search_params={"metric_type": "IP", "params": dict(self._index.search)},
        )
        return [
            [
                Match(record_of({**hit["entity"], "id": hit["id"]}), float(hit["distance"]))
                for hit in hits
            ]
            for hits in found
        ]

    def images_per_person(self) -> float:
        """Return how many visible records an identified person has on average; 1 without any.

        Of a server it is read once and kept for as long as this object lives.
        """
        if self._images_per_person is None or self._connection.folder is not None:
            identity = self._table.column("identity")
            known = identity[identity != UNKNOWN]
            self._images_per_person = len(known) / len(np.unique(known)) if len(known) else 1.0
        return self._images_per_person

    def check_filters(self, filters: Filters) -> None:
        """Refuse filters that name a camera or location of which there is no record.

        Raises:
            FilterError: There is one.
        """
        for name, asked in (("camera", filters.cameras), ("location", filters.locations)):
            if not asked:
                continue
            there = set(self._table.column(name).tolist())
            for value in asked:
                if value not in there:
                    known = ", ".join(str(key) for key in sorted(there - {UNKNOWN})) or "none"
                    raise FilterError(
                        f"{name} {value} is in no record of gallery {self.uri}; it has {known}"
                    )

    def info(self) -> GalleryInfo:
        """Count what is in the gallery."""
        names = ("camera", "location", "timestamp", "identity", "visible")

        def read(census: Census) -> tuple[dict[str, NDArray[np.int64]], int]:
            return {name: census.column(name) for name in names}, census.hidden

        columns, hidden = self._table.counted(read)
        when = columns["timestamp"][columns["timestamp"] != NO_TIME]
        visible = int(columns["visible"].sum())
        modalities = {"visible": visible, "infrared": len(columns["visible"]) - visible}
        folder = self._connection.folder
        self._index = self._collections.index()
        recall = self._collections.read("recall")
        return GalleryInfo(
            uri=self.uri,
            name=self.name,
            model=self.model,
            records=len(columns["camera"]),
            hidden=hidden,
            cameras=_counts(columns["camera"]),
            locations=_counts(columns["location"]),
            modalities={name: count for name, count in modalities.items() if count},
            known_identities=len(set(columns["identity"].tolist()) - {UNKNOWN}),
            first=moment_of(int(when.min())) if len(when) else None,
            last=moment_of(int(when.max())) if len(when) else None,
            index=self._index.kind,
            index_settings={**self._index.build, **self._index.search},
            recall=1.0 if self._index is EXACT else (recall or {}).get("recall"),
            size_bytes=None
            if folder is None
            else sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        )

    def measure_recall(self) -> float:
        """Measure recall@10 of the index against exact search, and remember it for ``info``.

        Reads the whole gallery: a minute at 100,000 records.

        Returns:
            The mean over 100 queries.
        """
        self._check_writable()
        with self._writing:
            return self._remember_recall(see_all(self._collections, self.model.embedding_size))

    def _check_writable(self) -> None:
        if not self.writable:
            raise GalleryError(f"gallery {self.uri} was opened for reading; open it writable")

    def _checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        matrix = np.asarray(vectors, dtype=np.float32)
        size = self.model.embedding_size
        if matrix.ndim != 2 or matrix.shape[1] != size:
            raise GalleryModelError(
                f"embeddings have shape {matrix.shape}, but gallery {self.uri} holds {size} "
                f"numbers each, of {_words(self.model)}"
            )
        lengths = np.linalg.norm(matrix, axis=1)
        if not (np.abs(lengths - 1) < UNIT_TOLERANCE).all():
            raise GalleryError("embeddings must have unit length; divide each by its length")
        return matrix

    def _set_hidden(self, ids: Sequence[str], *, hidden: bool) -> int:
        self._check_writable()
        with self._writing:
            rows = self._table.required(ids, ("hidden", "embedding", *FIELDS))
            changed = [row | {"hidden": hidden} for row in rows.values() if row["hidden"] != hidden]
            for start in range(0, len(changed), BATCH):
                self._table.write(changed[start : start + BATCH])
            return len(changed)

    def _rebuild(self, index: Index, without: Iterable[str]) -> None:
        """Copy the gallery, for an index or without some records."""
        exact = copy_gallery(
            self._collections, self.model.embedding_size, index, frozenset(without)
        )
        self._index = index
        self._table.forget()
        if index is not EXACT:
            self._remember_recall(exact)

    def _remember_recall(self, exact: ExactNeighbours) -> float:
        found: list[list[str]] = []
        if len(exact.queries):
            found = [
                [match.record.id for match in matches]
                for matches in self.search(exact.queries, top=10)
            ]
        recall = measure_recall(exact, found)
        self._collections.write("recall", {"recall": recall, "queries": len(found)})
        return recall


def _counts(column: NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(column, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _words(model: ModelIdentity) -> str:
    return (
        f"{model.preset} {model.checkpoint_sha256[:12]} ({model.embedding_size} numbers per image)"
    )
