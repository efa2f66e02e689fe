"""A gallery of embeddings on Milvus: add, hide, erase, search; a folder or a server.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
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
from fprnet.gallery.collections import GRAPH, Collections, Index
from fprnet.gallery.connection import Connection, connect
from fprnet.gallery.records import (
    NO_FILTERS,
    UNKNOWN,
    Added,
    Filters,
    GalleryInfo,
    GalleryRecord,
    Match,
    ModelIdentity,
)
from fprnet.gallery.rows import FIELDS, record_of
from fprnet.gallery.table import Table
from fprnet.gallery.vector_index import VectorIndex

__all__ = ["MOST_MATCHES", "Gallery"]

MOST_MATCHES = 1000  # of one search


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
        self,
        connection: Connection,
        collections: Collections,
        name: str,
        model: ModelIdentity,
        *,
        writable: bool,
    ) -> None:
        self._connection = connection
        self._table = Table(connection, collections)
        self._index = VectorIndex(connection, collections, model)
        self._writing = threading.RLock()
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
            return cls(connection, collections, name, model, writable=True)
        except BaseException:
            connection.close()
            raise

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
            return cls(connection, collections, name, collections.model(), writable=writable)
        except BaseException:
            connection.close()
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
                f"gallery {self.uri} holds embeddings of {self.model}, but these come from "
                f"{model}; give the gallery's model, or make a gallery for this one"
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
        vectors = self._index.checked(embeddings)
        if len(vectors) != len(records):
            raise GalleryError(f"{len(vectors)} embeddings do not fit {len(records)} records")
        with self._writing:
            added = self._table.add(vectors, records)
            if added.new and self._index.outgrown_by(self.count()):
                self._replace(index=GRAPH)
            return added

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
                self._replace(without=erased)
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
            GalleryError: They are not of unit length, or ``top`` is out of range.
        """
        if not 1 <= top <= MOST_MATCHES:
            raise GalleryError(f"top is {top}; give 1 to {MOST_MATCHES}")
        return self._index.search(self._index.checked(vectors), filters, top)

    def images_per_person(self) -> float:
        """Return how many visible records an identified person has on average; 1 without any.

        Of a server it is read once and kept for as long as this object lives.
        """
        return self._table.contents(anew=False).images_per_person

    def check_filters(self, filters: Filters) -> None:
        """Refuse filters that name a camera or location of which there is no record.

        Raises:
            FilterError: There is one.
        """
        asked = [("camera", value, Filters(cameras=(value,))) for value in filters.cameras]
        asked += [("location", value, Filters(locations=(value,))) for value in filters.locations]
        for name, value, only in asked:
            if not self.count(only):
                contents = self._table.contents()
                there = contents.cameras if name == "camera" else contents.locations
                known = ", ".join(str(key) for key in sorted(there) if key != UNKNOWN) or "none"
                raise FilterError(
                    f"{name} {value} is in no record of gallery {self.uri}; it has {known}"
                )

    def info(self) -> GalleryInfo:
        """Count what is in the gallery."""
        contents = self._table.contents()
        index, recall = self._index.describe()
        return GalleryInfo(
            **vars(contents),
            uri=self.uri,
            name=self.name,
            model=self.model,
            index=index.kind,
            index_settings={**index.build, **index.search},
            recall=recall,
            size_bytes=self._connection.size_bytes(),
        )

    def measure_recall(self) -> float:
        """Measure recall@10 of the index against exact search, and remember it for ``info``.

        Reads the whole gallery: a minute at 100,000 records.

        Returns:
            The mean over 100 queries.
        """
        self._check_writable()
        with self._writing:
            return self._index.measure_recall()

    def _check_writable(self) -> None:
        if not self.writable:
            raise GalleryError(f"gallery {self.uri} was opened for reading; open it writable")

    def _set_hidden(self, ids: Sequence[str], *, hidden: bool) -> int:
        self._check_writable()
        with self._writing:
            return self._table.set_hidden(ids, hidden=hidden)

    def _replace(
        self, *, index: Index | None = None, without: AbstractSet[str] = frozenset()
    ) -> None:
        """Copy the gallery, for another index or without some records."""
        try:
            self._index.replace(index, without)
        finally:
            self._table.forget()
