"""The index over a gallery's embeddings: searched, replaced, and its recall measured.

Shapes: q queries, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import GalleryError, GalleryModelError
from fprnet.gallery.collections import EXACT, LARGEST_EXACT, Collections, Index
from fprnet.gallery.connection import Connection
from fprnet.gallery.rebuild import DEPTH, ExactNeighbours, copy_gallery, measure_recall, see_all
from fprnet.gallery.records import NO_FILTERS, Filters, Match, ModelIdentity
from fprnet.gallery.rows import FIELDS, expression, record_of

__all__ = ["VectorIndex"]

UNIT_TOLERANCE = 1e-3  # how far an embedding's length may be from 1


class VectorIndex:
    """Searching is thread-safe; replacing is for one at a time, and searches go on meanwhile.

    Args:
        connection: Where the gallery is.
        collections: Of the gallery.
        model: Whose embeddings it holds.
    """

    def __init__(
        self, connection: Connection, collections: Collections, model: ModelIdentity
    ) -> None:
        self._connection = connection
        self._collections = collections
        self._model = model
        self._index = collections.index()

    def checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors as a ``(n, D)`` matrix of unit rows, or refuse them.

        Raises:
            GalleryModelError: They have another size than the model's.
            GalleryError: One is not of unit length.
        """
        matrix = np.asarray(vectors, dtype=np.float32)
        size = self._model.embedding_size
        if matrix.ndim != 2 or matrix.shape[1] != size:
            raise GalleryModelError(
                f"embeddings have shape {matrix.shape}, but gallery {self._connection.uri} holds "
                f"{size} numbers each, of {self._model}"
            )
        lengths = np.linalg.norm(matrix, axis=1)
        if not (np.abs(lengths - 1) < UNIT_TOLERANCE).all():
            raise GalleryError("embeddings must have unit length; divide each by its length")
        return matrix

    def search(self, vectors: NDArray[np.float32], filters: Filters, top: int) -> list[list[Match]]:
        """Return, for each of ``(q, D)`` queries, the most alike records that pass."""
        # Milvus wants a graph search to look at as many records (ef) as it is to find, or more.
        parameters = {name: max(value, top) for name, value in self._index.search.items()}
        found = self._connection.call(
            self._connection.client.search,
            self._collections.records,
            data=list(vectors),
            anns_field="embedding",
            filter=expression(filters),
            limit=top,
            output_fields=list(FIELDS),
            search_params={"metric_type": "IP", "params": parameters},
        )
        return [
            [
                Match(record_of({**hit["entity"], "id": hit["id"]}), float(hit["distance"]))
                for hit in hits
            ]
            for hits in found
        ]

    def outgrown_by(self, records: int) -> bool:
        """Whether so many records want another index than the one in use."""
        return self._index is EXACT and records > LARGEST_EXACT

    def replace(self, index: Index | None = None, without: AbstractSet[str] = frozenset()) -> None:
        """Copy the gallery, for an index or without some records.

        Args:
            index: None takes the one in use.
            without: Ids of records that are left out.
        """
        index = index or self._index
        exact = copy_gallery(self._collections, self._model.embedding_size, index, without)
        self._index = index
        if index is not EXACT:
            self._remember_recall(exact)

    def describe(self) -> tuple[Index, float | None]:
        """Return the index in use and its recall@10; None where that was never measured.

        Another process may have replaced it on a server.
        """
        self._index = self._collections.index()
        measured = self._collections.read("recall") or {}
        return self._index, 1.0 if self._index is EXACT else measured.get("recall")

    def measure_recall(self) -> float:
        """Compare the index with exact search now; returns recall@10."""
        return self._remember_recall(see_all(self._collections, self._model.embedding_size))

    def _remember_recall(self, exact: ExactNeighbours) -> float:
        found: list[list[str]] = []
        if len(exact.queries):
            found = [
                [match.record.id for match in matches]
                for matches in self.search(exact.queries, NO_FILTERS, DEPTH)
            ]
        recall = measure_recall(exact, found)
        self._collections.write("recall", {"recall": recall, "queries": len(found)})
        return recall
