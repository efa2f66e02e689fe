"""The search of Milvus Lite, with arrays where it walks over every record in Python.

Milvus Lite 3.2 asks, in each search and for each record, whether a newer version or a deletion
hides it: a quarter of a second at 100,000 records, whatever the index. The answer changes only
when something is written, so it is kept here between writes. Filters that leave few records are
answered exactly, since a graph whose nodes are mostly not to be found loses its way; where they
leave more, the graph looks at so many more nodes, and reads the filter as bits.

Shapes: q queries, D numbers per vector; a segment is an immutable part of a collection, of n rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

__all__ = ["VERIFIED", "install", "milvus_search"]

VERIFIED = ("3.2.2",)  # versions whose search this is known to equal; others keep their own
MOST_EXACT = 20_000  # rows that pass the filters, up to which a segment is searched exactly

Mask = NDArray[np.bool_]


def install() -> bool:
    """Put this search in the place of Milvus Lite's own, in this process; twice is allowed.

    Returns:
        False where the installed version is none of ``VERIFIED``: its own search stays, which
        gives the same answers later.
    """
    import milvus_lite
    from milvus_lite.engine import collection

    if milvus_lite.__version__ not in VERIFIED:
        return False
    with _installing:
        current = collection.execute_search_with_index
        if not isinstance(current, _Search):
            collection.execute_search_with_index = _Search(current)
    return True


@contextmanager
def milvus_search() -> Iterator[None]:
    """Have Milvus Lite search by itself for the time of the block, to compare the two."""
    from milvus_lite.engine import collection

    current = collection.execute_search_with_index
    if isinstance(current, _Search):
        collection.execute_search_with_index = current.original
    try:
        yield
    finally:
        collection.execute_search_with_index = current


_installing = threading.Lock()


@dataclass(frozen=True)
class _Alive:
    """Which rows of the segments are the newest version of their record, and not deleted.

    Attributes:
        segments: In order.
        deletions: Id -> number of its last deletion.
        masks: For each segment ``(n,)``.
        places: Id -> segment and row of the newest version.
    """

    segments: tuple[Any, ...]
    deletions: dict[str, int]
    masks: tuple[Mask, ...]
    places: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, segments: tuple[Any, ...], deletions: dict[str, int]) -> _Alive:
        newest: dict[str, tuple[int, int, int]] = {}
        for number, segment in enumerate(segments):
            for row, (key, version) in enumerate(
                zip(segment.pks, segment.seqs.tolist(), strict=True)
            ):
                if key not in newest or version > newest[key][0]:
                    newest[key] = (version, number, row)
        masks = tuple(np.zeros(segment.num_rows, dtype=bool) for segment in segments)
        places = {}
        for key, (version, number, row) in newest.items():
            if deletions.get(key, -1) <= version:
                masks[number][row] = True
                places[key] = (number, row)
        return cls(segments, deletions, masks, places)

    def is_of(self, segments: tuple[Any, ...], deletions: dict[str, int]) -> bool:
        return (
            len(self.segments) == len(segments)
            and all(a is b for a, b in zip(self.segments, segments, strict=True))
            and self.deletions == deletions
        )


class _Search:
    """Takes the arguments of Milvus Lite's function; what it is not made for goes to that one."""

    def __init__(self, original: Callable[..., list[list[dict[str, Any]]]]) -> None:
        self.original = original
        # A collection has a new memory table after each flush; its entry goes with the old one.
        self._alive: WeakKeyDictionary[Any, _Alive] = WeakKeyDictionary()

    def __call__(self, **arguments: Any) -> list[list[dict[str, Any]]]:  # noqa: ANN401
        if (
            arguments.get("partition_names")
            or arguments["metric_type"] != "IP"
            or arguments.get("project_record_fn") is None
            or arguments.get("indexed_filter_plan") is not None
        ):
            return self.original(**arguments)
        queries = np.atleast_2d(np.asarray(arguments["query_vectors"], dtype=np.float32))
        sources = self._sources(arguments)
        top = int(arguments["top_k"])
        parameters = arguments.get("search_params")
        found: list[list[tuple[float, int, int]]] = [[] for _ in queries]
        for number, source in enumerate(sources):
            for query, (rows, distances) in enumerate(source.nearest(queries, top, parameters)):
                found[query] += zip(
                    distances.tolist(), [number] * len(rows), rows.tolist(), strict=True
                )
        project = arguments["project_record_fn"]
        results = []
        for candidates in found:
            candidates.sort()
            results.append(
                [
                    {
                        "id": sources[number].keys[row],
                        "distance": distance,
                        "entity": project(sources[number].record(row)),
                    }
                    for distance, number, row in candidates[:top]
                ]
            )
        return results

    def _sources(self, arguments: dict[str, Any]) -> list[_Source]:
        """Return everything that is to be searched: the segments, then what is in memory only."""
        from milvus_lite.search.filter import evaluate_mask

        field, condition = arguments["vector_field"], arguments.get("compiled_filter")
        wanted = arguments.get("output_fields") or ()
        segments = tuple(segment for segment in arguments["segments"] if segment.num_rows)
        memory = arguments["memtable"]
        keys, _, vectors, references, table = memory.to_search_snapshot(
            vector_field=field, partition_names=None, include_table=condition is not None
        )
        alive = self._alive_of(memory, segments, arguments["delta_index"])
        # What memory holds is newer than all segments.
        hidden = [*keys, *memory.delete_index_snapshot()]
        places = [alive.places[key] for key in hidden if key in alive.places]
        sources = []
        for number, (segment, mask) in enumerate(zip(segments, alive.masks, strict=True)):
            own = [row for of, row in places if of == number]
            if own:
                mask = mask.copy()
                mask[own] = False
            if condition is not None:
                mask = mask & np.asarray(evaluate_mask(condition, segment.table), dtype=bool)
            sources.append(
                _Source(
                    keys=segment.pks,
                    vectors=segment.vector_data(field)[0],
                    index=segment.indexes.get(field),
                    mask=mask,
                    record=_reader(segment.table, wanted, segment.row_to_dict),
                )
            )
        if keys:
            mask = np.ones(len(keys), dtype=bool)
            if condition is not None:
                mask = np.asarray(evaluate_mask(condition, table), dtype=bool)
            sources.append(
                _Source(
                    keys=keys,
                    vectors=vectors,
                    index=None,
                    mask=mask,
                    record=lambda row: memory.materialize_row(*references[row]),
                )
            )
        return sources

    def _alive_of(self, memory: Any, segments: tuple[Any, ...], delta_index: Any) -> _Alive:  # noqa: ANN401
        deletions = dict(delta_index._map)
        alive = self._alive.get(memory)
        if alive is None or not alive.is_of(segments, deletions):
            alive = _Alive.of(segments, deletions)
            self._alive[memory] = alive
        return alive


@dataclass(frozen=True)
class _Source:
    """Rows that are searched together.

    Attributes:
        keys: n ids.
        vectors: ``(n, D)`` float32.
        index: Of Milvus Lite; None where there is none.
        mask: ``(n,)``, rows that may be found.
        record: Row -> record.
    """

    keys: Sequence[str]
    vectors: NDArray[np.float32]
    index: Any
    mask: Mask
    record: Callable[[int], dict[str, Any]]

    def nearest(
        self,
        queries: NDArray[np.float32],
        top: int,
        parameters: Any,  # noqa: ANN401
    ) -> Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield rows and distances (the negative inner product) of each query."""
        allowed = int(self.mask.sum())
        if allowed == 0:
            return
        graph = self.index is not None and hasattr(self.index, "_index")
        if graph and allowed > MOST_EXACT:
            yield from self._by_graph(queries, top, parameters)
            return
        rows = np.flatnonzero(self.mask)
        few = len(rows) < len(self.mask) // 4  # else copying them costs more than it saves
        scores = queries @ (self.vectors[rows] if few else self.vectors).T
        scores = scores if few else scores[:, rows]
        for distances in -scores:
            kept = np.arange(len(rows))
            if len(rows) > top:
                kept = np.argpartition(distances, top - 1)[:top]
            kept = kept[np.argsort(distances[kept], kind="stable")]
            yield rows[kept], distances[kept]

    def _by_graph(
        self,
        queries: NDArray[np.float32],
        top: int,
        parameters: Any,  # noqa: ANN401
    ) -> Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Search the graph; Milvus Lite hands it a hashed set of rows, which costs more than this.

        The bits of the mask are as fast to make as to look at.
        """
        from milvus_lite.index.faiss_hnsw import faiss

        allowed = int(self.mask.sum())
        # It walks over rows that may not be found as well: so much more is to be looked at.
        settings = {"efSearch": -(-int(parameters["ef"]) * len(self.mask) // allowed)}
        if allowed < len(self.mask):
            settings["sel"] = faiss.IDSelectorBitmap(np.packbits(self.mask, bitorder="little"))
        found = self.index._index.search(
            queries, top, params=faiss.SearchParametersHNSW(**settings)
        )
        for similarities, rows in zip(*found, strict=True):
            there = rows >= 0
            yield rows[there], -similarities[there]


def _reader(
    table: Any,  # noqa: ANN401 - of pyarrow
    wanted: Sequence[str],
    whole: Callable[[int], dict[str, Any]],
) -> Callable[[int], dict[str, Any]]:
    """Return what reads only the asked-for fields of a row; a vector takes a millisecond."""
    names = set(table.schema.names)
    if not wanted or not set(wanted) <= names:
        return whole
    return lambda row: {name: table.column(name)[row].as_py() for name in wanted}
