"""A gallery of any size without a single image: embeddings of people that nobody is.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fprnet.gallery.records import GalleryRecord

__all__ = ["CAMERAS", "LOCATIONS", "drawn_embeddings", "drawn_records"]

LOCATIONS = 6
CAMERAS = 100
IMAGES_PER_PERSON = 20
BLOCK = 1000  # records that are drawn together
SPREAD = 0.7  # of the images of a person around their middle, as a share of that between people


def drawn_embeddings(
    count: int, size: int, queries: int, *, rows: Sequence[int] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return unit vectors ``(n, size)`` in people, and ``(queries, size)`` of some of them.

    Args:
        count: Records of the whole gallery.
        size: D.
        queries: q.
        rows: The n records that are drawn, ascending and without a gap; None is all. The same
            record has the same embedding whichever others are drawn with it.
    """
    rows = range(count) if rows is None else rows
    people = np.random.default_rng(1).integers(max(1, count // IMAGES_PER_PERSON), size=queries)
    found = np.empty((queries, size), np.float32)
    noise = np.random.default_rng(2).standard_normal((queries, size), dtype=np.float32)
    for row, person in enumerate(people.tolist()):
        block, place = divmod(person, BLOCK // IMAGES_PER_PERSON)
        found[row] = _people(block, size)[place] + SPREAD * noise[row]
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    drawn = np.empty((len(rows), size), np.float32)
    first = rows[0] if len(rows) else 0
    for block in range(first // BLOCK, -(-(first + len(rows)) // BLOCK)):
        images = _images(block, size)
        start, end = max(first, block * BLOCK), min(first + len(rows), (block + 1) * BLOCK)
        drawn[start - first : end - first] = images[start - block * BLOCK : end - block * BLOCK]
    return drawn, found


def _people(block: int, size: int) -> NDArray[np.float32]:
    """Return the middles of the people of a block of records."""
    generator = np.random.default_rng((0, block))
    people = BLOCK // IMAGES_PER_PERSON
    return generator.standard_normal((people, size), dtype=np.float32)


def _images(block: int, size: int) -> NDArray[np.float32]:
    """Return the ``(BLOCK, size)`` embeddings of a block of records."""
    images = np.repeat(_people(block, size), IMAGES_PER_PERSON, axis=0)
    noise = np.random.default_rng((3, block))
    images += SPREAD * noise.standard_normal((BLOCK, size), dtype=np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    return images


def drawn_records(rows: Sequence[int]) -> list[GalleryRecord]:
    """Return the visible records of `drawn_embeddings`.

    Record i is of camera i % CAMERAS, at location i % LOCATIONS.
    """
    return [
        GalleryRecord(
            id=hashlib.sha256(str(row).encode()).hexdigest(),
            path=f"{row}.jpg",
            modality="visible",
            camera=str(row % CAMERAS),
            location=str(row % LOCATIONS),
            identity=str(row // IMAGES_PER_PERSON),
        )
        for row in rows
    ]
