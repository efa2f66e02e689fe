"""A gallery is copied without some records, or for another index, and its recall is measured.

Shapes: q queries, n records, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.gallery.collections import Collections, Index

__all__ = ["DEPTH", "ExactNeighbours", "copy_gallery", "measure_recall", "see_all"]

QUERIES = 100
DEPTH = 10  # recall@10
SEED = 0

Array = NDArray[np.float32]


class ExactNeighbours:
    """The nearest records of some queries, found by comparing with all, page by page.

    Queries are made from the first records that come: their embeddings with noise as long as
    themselves added, so that the cosine with the record is about 0.7 and a query is no record.
    """

    def __init__(self, embedding_size: int) -> None:
        self.queries: Array = np.empty((0, embedding_size), dtype=np.float32)
        self._scores: Array = np.empty((0, 0), dtype=np.float32)
        self._ids: NDArray[np.str_] = np.empty((0, 0), dtype="U64")

    def see(self, ids: list[str], vectors: Array) -> None:
        """Compare with a page of n records, ``(n, D)``."""
        if not len(self.queries):
            self._draw(vectors)
        scores = np.concatenate((self._scores, self.queries @ vectors.T), axis=1)
        names = np.broadcast_to(np.array(ids), (len(self.queries), len(ids)))
        names = np.concatenate((self._ids, names), axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
        self._scores = np.take_along_axis(scores, best, axis=1)
        self._ids = np.take_along_axis(names, best, axis=1)

    def nearest(self) -> list[set[str]]:
        """Return the ids of each query's nearest records seen so far, at most ten."""
        return [set(row.tolist()) for row in self._ids]

    def _draw(self, vectors: Array) -> None:
        generator = np.random.default_rng(SEED)
        rows = generator.permutation(len(vectors))[:QUERIES]
        noise = generator.standard_normal((len(rows), vectors.shape[1]), dtype=np.float32)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        queries = vectors[rows] + noise
        self.queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        self._scores = np.empty((len(rows), 0), dtype=np.float32)
        self._ids = np.empty((len(rows), 0), dtype="U64")


def copy_gallery(
    collections: Collections, embedding_size: int, index: Index, without: AbstractSet[str]
) -> ExactNeighbours:
    """Fill a new collection with all records but some, and put it in the place of the old one.

    Returns:
        The exact neighbours of some queries among the records that are not hidden, to measure the
        new index by.
    """
    target = collections.next_name()
    collections.make_records(target, embedding_size, index)
    exact = ExactNeighbours(embedding_size)
    for page in collections.whole_pages(embedding_size):
        kept = [row for row in page if row["id"] not in without]
        collections.upsert(kept, target)
        _show(exact, kept)
    collections.seal(target)
    collections.swap(target)
    return exact


def see_all(collections: Collections, embedding_size: int) -> ExactNeighbours:
    """Return the exact neighbours of some queries among all records that are not hidden."""
    exact = ExactNeighbours(embedding_size)
    for page in collections.whole_pages(embedding_size):
        _show(exact, page)
    return exact


def measure_recall(exact: ExactNeighbours, found: list[list[str]]) -> float:
    """Return recall@10: the share of the exact ten nearest records that a search found, too.

    Args:
        exact: Neighbours of q queries.
        found: For each of them the ids of its first ten matches.
    """
    shares = [
        len(truth & set(ids)) / len(truth)
        for truth, ids in zip(exact.nearest(), found, strict=True)
        if truth
    ]
    return float(np.mean(shares)) if shares else 1.0


def _show(exact: ExactNeighbours, rows: list[dict[str, Any]]) -> None:
    seen = [row for row in rows if not row["hidden"]]
    if seen:
        vectors = np.array([row["embedding"] for row in seen], dtype=np.float32)
        exact.see([row["id"] for row in seen], vectors)
