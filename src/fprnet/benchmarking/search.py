"""A search from the image file to the answer, among many records: milliseconds, recall, memory.

The plain side is Milvus Lite's own search, with the same index and filter. Wall-clock time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fprnet.benchmarking.drawn_gallery import LOCATIONS, drawn_embeddings, drawn_records
from fprnet.benchmarking.measurement import Measurement, Sizes
from fprnet.benchmarking.reranking import peak_gib
from fprnet.benchmarking.untrained import write_untrained
from fprnet.embeddings.embedder import load_model
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.lite_search import milvus_search
from fprnet.gallery.records import Filters, GalleryRecord, ModelIdentity
from fprnet.gallery.searcher import Searcher

__all__ = ["measure"]

LEAST_RECALL = 0.98
QUERIES = 100
PLAIN_QUERIES = 10
TOP = 10
OWN_LOCATION = Filters(exclude_location=0, modality="visible")


def measure(sizes: Sizes) -> Measurement:
    """Fill a gallery with drawn embeddings, search it, and compare with exact search.

    ``sizes.width`` below 64 takes the tiny network.
    """
    torch.set_num_threads(sizes.threads)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = write_untrained(Path(folder), "full" if sizes.width >= 64 else "tiny")
        embedder = load_model(checkpoint, device="cpu")
    vectors, queries = drawn_embeddings(sizes.records, embedder.embedding_size, QUERIES)
    records = drawn_records(sizes.records)
    with tempfile.TemporaryDirectory() as folder:
        uri = str(Path(folder) / "people.db")
        started = time.perf_counter()
        with Gallery.create(uri, ModelIdentity.of(embedder)) as gallery:
            gallery.add(vectors, records)
        adding = time.perf_counter() - started
        started = time.perf_counter()
        with Gallery.open(uri) as gallery:
            opening = time.perf_counter() - started
            recall = _recall(gallery, records, vectors, queries)
            file = _picture(Path(folder))
            searcher = Searcher(embedder, gallery)
            whole = _seconds(lambda _: searcher.search([file], filters=OWN_LOCATION), QUERIES)
            ours = _seconds(lambda row: _search(gallery, queries[row]), QUERIES)
            with milvus_search():
                plain = _seconds(lambda row: _search(gallery, queries[row]), PLAIN_QUERIES)
            info = gallery.info()
    details: dict[str, str | int | float] = {
        "records": sizes.records,
        "dimensions": embedder.embedding_size,
        "index": info.index,
        "p50_ms": 1000 * float(np.quantile(whole, 0.5)),
        "p95_ms": 1000 * float(np.quantile(whole, 0.95)),
        "search_p50_ms": 1000 * float(np.median(ours)),
        "plain_search_p50_ms": 1000 * float(np.median(plain)),
        "records_added_per_second": sizes.records / adding,
        "opening_seconds": opening,
        "recall_at_10": recall,
        "peak_gib": peak_gib(),
        "threads": sizes.threads,
    }
    return Measurement(
        ratio=float(np.median(plain) / np.median(ours)),
        max_difference=1 - recall,
        tolerance=1 - LEAST_RECALL,
        speeds=f"{details['search_p50_ms']:.0f} ms against {details['plain_search_p50_ms']:.0f} "
        f"of Milvus Lite alone; with image and network p50 {details['p50_ms']:.0f} ms, "
        f"p95 {details['p95_ms']:.0f} ms among {sizes.records} records",
        details=details,
    )


def _seconds(work: Callable[[int], object], count: int) -> list[float]:
    """Return how long each call takes, after one to warm up."""
    work(0)
    seconds = []
    for row in range(count):
        started = time.perf_counter()
        work(row)
        seconds.append(time.perf_counter() - started)
    return seconds


def _search(gallery: Gallery, query: NDArray[np.float32]) -> list[str]:
    (found,) = gallery.search(query[None], filters=OWN_LOCATION, top=TOP)
    return [match.record.id for match in found]


def _recall(
    gallery: Gallery,
    records: list[GalleryRecord],
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
) -> float:
    allowed = np.flatnonzero(np.arange(len(records)) % LOCATIONS)
    scores = queries @ vectors[allowed].T
    top = min(TOP, len(allowed))
    hits = 0
    for row, query in enumerate(queries):
        best = allowed[np.argpartition(-scores[row], top - 1)[:top]]
        hits += len({records[place].id for place in best} & set(_search(gallery, query)))
    return hits / (len(queries) * top)


def _picture(folder: Path) -> Path:
    """Write an infrared image as a camera's detector might cut it out."""
    gray = np.random.default_rng(1).integers(0, 256, (24, 12), dtype=np.uint8)
    file = folder / "query.jpg"
    Image.fromarray(gray).resize((144, 288), Image.Resampling.BICUBIC).convert("RGB").save(file)
    return file
