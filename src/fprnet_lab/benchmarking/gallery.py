"""A gallery in a file or a server, without a network: filled, opened, searched, and how fast.

Shapes: n records, q queries, D numbers per embedding. Wall-clock time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from fprnet.gallery.gallery import Gallery
from fprnet.gallery.postgres import index_embeddings
from fprnet.gallery.records import NO_FILTERS, Filters, GalleryRecord, ModelIdentity
from fprnet_lab.benchmarking.drawn_gallery import LOCATIONS, drawn_embeddings, drawn_records
from fprnet_lab.benchmarking.reranking import peak_gib

__all__ = ["FILTERS", "GallerySpeed", "in_turns", "measure_gallery", "milliseconds"]

QUERIES = 100
TOP = 10
CALL = 500  # records that one call adds, as 'fprnet gallery add' does
ALONE = 200  # records that are added one by one, each on the disk before the next
DURABLE = 5000  # records whose adding in calls is timed after the gallery was filled
# Named by the share of the records that pass.
FILTERS = {
    "all": NO_FILTERS,
    "half": Filters(locations=tuple(str(place) for place in range(0, LOCATIONS, 2))),
    "hundredth": Filters(cameras=("7",)),
}

Question = TypeVar("Question")


@dataclass(frozen=True)
class GallerySpeed:
    """What was measured.

    Attributes:
        filled_per_second: Records of the first filling, in calls of 500.
        added_per_second: Records added to the full gallery, in calls of 500; each call is on the
            disk when it returns.
        added_alone_per_second: Records added one by one.
        opening_seconds: Until the first search of a newly opened gallery is answered.
        p50: Name of a filter -> milliseconds of a search.
        processor_p50: Name of a filter -> milliseconds of this process's processors in a search;
            in a server the searching is another process's.
        p95: Name of a filter -> milliseconds within which 95 of 100 searches are answered.
        recall: Name of a filter -> share of the ten best records that a search finds, by comparing
            all in NumPy.
        size_bytes: Size of the gallery's files.
        filling_peak_gib: Largest resident memory until the gallery was filled.
        graph_seconds: Duration of building a server's graph over the filled gallery; None where
            the graph grew with each record, or there is none.
    """

    filled_per_second: float
    added_per_second: float
    added_alone_per_second: float
    opening_seconds: float
    p50: dict[str, float]
    processor_p50: dict[str, float]
    p95: dict[str, float]
    recall: dict[str, float]
    size_bytes: int
    filling_peak_gib: float
    graph_seconds: float | None


def measure_gallery(
    uri: str, records: int, size: int, *, name: str = "gallery", graph_last: bool = False
) -> GallerySpeed:
    """Fill a gallery that is not there yet, and search it.

    Args:
        uri: Address of the gallery to be.
        records: n.
        size: D.
        name: Name of the gallery there.
        graph_last: Fill a server's gallery without its graph, and build that afterwards.
    """
    model = ModelIdentity("0" * 64, "fprnet", size)
    seconds, graph_seconds = 0.0, None
    with Gallery.create(uri, model, name=name) as gallery:
        if graph_last:
            with gallery.database.writing() as connection:
                _drop_graph(connection, name)
        for vectors, some in _parts(records, size):
            started = time.perf_counter()
            for start in range(0, len(some), CALL):
                gallery.add(vectors[start : start + CALL], some[start : start + CALL])
            seconds += time.perf_counter() - started
        if graph_last:
            started = time.perf_counter()
            with gallery.database.writing() as connection:
                index_embeddings(connection, name, size)
            graph_seconds = time.perf_counter() - started
    peak = peak_gib()
    queries = drawn_embeddings(records, size, QUERIES, rows=range(0))[1]
    started = time.perf_counter()
    with Gallery.open(uri, name=name, writable=True) as gallery:
        gallery.search(queries[:1])
        opening = time.perf_counter() - started
        times = {
            kind: milliseconds(lambda query: _search(gallery, query, filters), queries)  # noqa: B023
            for kind, filters in FILTERS.items()
        }
        busy = {
            kind: milliseconds(
                lambda query: _search(gallery, query, filters),  # noqa: B023
                queries,
                time.process_time,
            )
            for kind, filters in FILTERS.items()
        }
        recall = _recall(gallery, records, size, queries)
        added, alone = _adding(gallery, records, size)
        used = gallery.info().size_bytes
    return GallerySpeed(
        filled_per_second=records / seconds,
        added_per_second=added,
        added_alone_per_second=alone,
        opening_seconds=opening,
        p50={kind: float(np.median(some)) for kind, some in times.items()},
        processor_p50={kind: float(np.median(some)) for kind, some in busy.items()},
        p95={kind: float(np.quantile(some, 0.95)) for kind, some in times.items()},
        recall=recall,
        size_bytes=used,
        filling_peak_gib=peak,
        graph_seconds=graph_seconds,
    )


def _drop_graph(connection: Connection, name: str) -> None:
    """Remove the graph of gallery ``name``; searches compare with every record until it is back."""
    found = connection.execute(
        text(
            "SELECT indexname FROM pg_indexes WHERE schemaname = :name AND tablename = 'record' "
            "AND indexdef LIKE '%USING hnsw%'"
        ),
        {"name": name},
    )
    for index in found.scalars().all():
        connection.exec_driver_sql(f'DROP INDEX "{name}"."{index}"')


def milliseconds(
    work: Callable[[Question], object],
    questions: Iterable[Question],
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Return how long each question takes, after one to warm up."""
    asked = list(questions)
    work(asked[0])
    found = []
    for question in asked:
        started = clock()
        work(question)
        found.append(1000 * (clock() - started))
    return found


def in_turns(
    work: Callable[[Question], object],
    other: Callable[[Question], object],
    questions: Sequence[Question],
) -> tuple[list[float], list[float]]:
    """Return milliseconds of two works for each question, one after the other.

    What else the machine does falls on both, so that their difference keeps its meaning.
    """
    found: tuple[list[float], list[float]] = ([], [])
    for each in (work, other):
        each(questions[0])
    for question in questions:
        for each, times in zip((work, other), found, strict=True):
            started = time.perf_counter()
            each(question)
            times.append(1000 * (time.perf_counter() - started))
    return found


def _search(gallery: Gallery, query: NDArray[np.float32], filters: Filters) -> list[str]:
    (found,) = gallery.search(query[None], filters=filters, top=TOP).matches
    return [match.record.id for match in found]


def _parts(
    records: int, size: int, first: int = 0
) -> Iterator[tuple[NDArray[np.float32], list[GalleryRecord]]]:
    """Yield embeddings and records, a part at a time: they are never in memory all at once."""
    for start in range(first, records, 20_000):
        rows = range(start, min(start + 20_000, records))
        yield drawn_embeddings(records, size, 0, rows=rows)[0], drawn_records(rows)


def _adding(gallery: Gallery, records: int, size: int) -> tuple[float, float]:
    """Return records added a second to the full gallery, in calls and one by one."""
    rows = range(records, records + DURABLE + ALONE)
    vectors = drawn_embeddings(records + len(rows), size, 0, rows=rows)[0]
    some = drawn_records(rows)
    started = time.perf_counter()
    for start in range(0, DURABLE, CALL):
        gallery.add(vectors[start : start + CALL], some[start : start + CALL])
    added = DURABLE / (time.perf_counter() - started)
    started = time.perf_counter()
    for row in range(DURABLE, DURABLE + ALONE):
        gallery.add(vectors[row : row + 1], some[row : row + 1])
    return added, ALONE / (time.perf_counter() - started)


def _recall(
    gallery: Gallery, records: int, size: int, queries: NDArray[np.float32]
) -> dict[str, float]:
    """Compare with all records by NumPy, in float16 as they are kept, a part at a time."""
    best = {
        kind: (np.full((len(queries), TOP), -np.inf), np.full((len(queries), TOP), "", "U64"))
        for kind in FILTERS
    }
    for vectors, some in _parts(records, size):
        scores = queries @ vectors.astype(np.float16).astype(np.float32).T
        ids = np.array([record.id for record in some])
        for kind, filters in FILTERS.items():
            passes = np.array(
                [
                    (not filters.cameras or record.camera in filters.cameras)
                    and (not filters.locations or record.location in filters.locations)
                    for record in some
                ]
            )
            both = np.concatenate((best[kind][0], np.where(passes, scores, -np.inf)), axis=1)
            names = np.concatenate((best[kind][1], np.tile(ids, (len(queries), 1))), axis=1)
            order = np.argpartition(-both, TOP - 1, axis=1)[:, :TOP]
            best[kind] = (
                np.take_along_axis(both, order, axis=1),
                np.take_along_axis(names, order, axis=1),
            )
    shares: dict[str, float] = {}
    for kind, (scores, names) in best.items():
        found = []
        for row, query in enumerate(queries):
            truth = set(names[row][np.isfinite(scores[row])].tolist())
            found.append(len(truth & set(_search(gallery, query, FILTERS[kind]))) / len(truth))
        shares[kind] = float(np.mean(found))
    return shares
