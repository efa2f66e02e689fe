"""A search from the image file to the answer, among many records: milliseconds, recall, memory.

The plain side reads the records from the file for each query. Wall-clock time.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import select

from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.projection import Projection
from fprnet.gallery.adding import add_images
from fprnet.gallery.conditions import condition
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Filters, ModelIdentity
from fprnet.gallery.searcher import Searcher
from fprnet.gallery.sources import of_folder
from fprnet_lab.benchmarking.drawn_gallery import drawn_embeddings, drawn_records
from fprnet_lab.benchmarking.gallery import in_turns, milliseconds
from fprnet_lab.benchmarking.measurement import Measurement, Sizes, Value
from fprnet_lab.benchmarking.reranking import peak_gib
from fprnet_lab.benchmarking.untrained import write_untrained

__all__ = ["measure"]

LEAST_RECALL = 0.99
DIMENSIONS = 256
PART = 20_000  # records that are drawn at a time
QUERIES = 100
PLAIN_QUERIES = 10
TOP = 10
OWN_LOCATION = Filters(exclude_location="0", modality="visible")


def measure(sizes: Sizes) -> Measurement:
    """Fill a gallery with drawn embeddings, search it, and compare with exact search.

    The network is fprnet on a ResNet-50 of the asked width and size, untrained: whom it finds does
    not matter here. How long the tiny one takes to embed is measured beside it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(sizes.threads)
    try:
        with tempfile.TemporaryDirectory(prefix="fprnet-") as folder:
            return _measure(sizes, Path(folder))
    finally:
        torch.set_num_threads(before)


def _measure(sizes: Sizes, folder: Path) -> Measurement:
    height, width = sizes.size
    words = {"--data.height": height, "--data.width": width, "--model.backbone.width": sizes.width}
    overrides = [str(word) for pair in words.items() for word in pair]
    full = load_model(
        write_untrained(folder / "full", "full", overrides), device="cpu", precision="auto"
    )
    tiny = load_model(write_untrained(folder / "tiny", "tiny"), device="cpu", precision="auto")
    embedder = full.compact(_drawn_projection(full))
    model = ModelIdentity.of(embedder)
    uri = str(folder / "people.db")
    started = time.perf_counter()
    with Gallery.create(uri, model, projection=embedder.projection) as gallery:
        for start in range(0, sizes.records, PART):
            rows = range(start, min(start + PART, sizes.records))
            vectors, _ = drawn_embeddings(sizes.records, model.embedding_size, 0, rows=rows)
            gallery.add(vectors, drawn_records(rows))
    filling = time.perf_counter() - started
    queries = drawn_embeddings(sizes.records, model.embedding_size, QUERIES, rows=range(0))[1]
    started = time.perf_counter()
    with Gallery.open(uri, writable=True) as gallery:
        gallery.search(queries[:1])
        opening = time.perf_counter() - started
        truth = [_compared(gallery, query) for query in queries[:PLAIN_QUERIES]]
        recall = float(
            np.mean(
                [
                    len(set(best) & set(_search(gallery, query))) / len(best)
                    for best, query in zip(truth, queries[:PLAIN_QUERIES], strict=True)
                ]
            )
        )
        files = _pictures(folder / "images", max(2 * sizes.images, QUERIES))
        searcher = Searcher(embedder, gallery)
        whole, network = in_turns(
            lambda file: searcher.search([file], filters=OWN_LOCATION),
            lambda file: embedder.embed([file], "infrared"),
            files,
        )
        ours = milliseconds(lambda query: _search(gallery, query), queries)
        plain = milliseconds(lambda query: _compared(gallery, query), queries[:PLAIN_QUERIES])
        index = gallery.info().index
        # Of the other modality, so that no search meets them.
        images = of_folder(folder / "images", "infrared")[: 2 * sizes.images]
        started = time.perf_counter()
        add_images(gallery, embedder, images, workers=sizes.threads, progress=False)
        adding = time.perf_counter() - started
    network_p50 = float(np.median(network))
    tiny_p50 = float(np.median(milliseconds(lambda file: tiny.embed([file], "infrared"), files)))
    beyond_p50 = float(np.median(np.subtract(whole, network)))
    p50, p95 = np.quantile(whole, (0.5, 0.95)).tolist()
    search_p50, search_p95 = np.quantile(ours, (0.5, 0.95)).tolist()
    plain_p50 = float(np.median(plain))
    details: dict[str, Value] = {
        "records": sizes.records,
        "dimensions": model.embedding_size,
        "index": index,
        "p50_ms": p50,
        "p95_ms": p95,
        "image_and_network_p50_ms": network_p50,
        "beyond_network_p50_ms": beyond_p50,
        "image_and_tiny_network_p50_ms": tiny_p50,
        "search_p50_ms": search_p50,
        "search_p95_ms": search_p95,
        "plain_search_p50_ms": plain_p50,
        "images_added_per_second": len(images) / adding,
        "records_filled_per_second": sizes.records / filling,
        "opening_seconds": opening,
        "recall_at_10": recall,
        "peak_gib": peak_gib(),
        "runtime": embedder.about["runtime"],
        "precision": embedder.about["precision"],
        "threads": sizes.threads,
    }
    return Measurement(
        ratio=plain_p50 / search_p50,
        max_difference=1 - recall,
        tolerance=1 - LEAST_RECALL,
        speeds=f"{search_p50:.1f} ms against {plain_p50:.0f} of reading the file for each query, "
        f"among {sizes.records} records; from the image file to the answer p50 {p50:.0f} ms, p95 "
        f"{p95:.0f} ms, of which image and network {network_p50:.0f} ms (the tiny one "
        f"{tiny_p50:.0f}), the rest {beyond_p50:.1f} (median of the differences, image by image)",
        details=details,
    )


def _drawn_projection(embedder: Embedder) -> Projection:
    """Return a projection of the usual size; an untrained network has nothing to fit one on."""
    full = embedder.embedding_size
    drawn = np.random.default_rng(0).standard_normal((full, min(DIMENSIONS, full // 2)))
    matrix = np.linalg.qr(drawn)[0].astype(np.float32)
    return Projection(matrix, embedder.about["checkpoint_sha256"])


def _compared(gallery: Gallery, query: NDArray[np.float32]) -> list[str]:
    """Search the plain way: read what passes the filter from the file, compare, sort."""
    record = gallery.database.tables.record
    passes = condition(OWN_LOCATION, record.c)
    scores = []
    with gallery.database.reading() as connection:
        for id, embedding in connection.execute(
            select(record.c.id, record.c.embedding).where(passes)
        ):
            scores.append((float(embedding.astype(np.float32) @ query), id))
    return [id for _, id in sorted(scores, reverse=True)[:TOP]]


def _search(gallery: Gallery, query: NDArray[np.float32]) -> list[str]:
    (found,) = gallery.search(query[None], filters=OWN_LOCATION, top=TOP).matches
    return [match.record.id for match in found]


def _pictures(folder: Path, count: int) -> list[Path]:
    """Write infrared images as a camera's detector might cut them out."""
    folder.mkdir()
    generator = np.random.default_rng(1)
    files = [folder / f"{number:04d}.jpg" for number in range(count)]
    for file in files:
        gray = Image.fromarray(generator.integers(0, 256, (24, 12), dtype=np.uint8))
        gray.resize((144, 288), Image.Resampling.BICUBIC).convert("RGB").save(file)
    return files
