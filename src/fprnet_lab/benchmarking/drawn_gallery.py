"""A gallery of any size without a single image: embeddings of people that nobody is.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from fprnet.gallery.records import GalleryRecord

__all__ = ["LOCATIONS", "drawn_embeddings", "drawn_records"]

LOCATIONS = 6
IMAGES_PER_PERSON = 20
SPREAD = 0.7  # of the images of a person around their middle, as a share of that between people


def drawn_embeddings(
    count: int, size: int, queries: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return unit vectors ``(count, size)`` in people, and ``(queries, size)`` of some of them."""
    generator = np.random.default_rng(0)
    people = -(-count // IMAGES_PER_PERSON)
    middle = generator.standard_normal((people, size), dtype=np.float32)

    def of(who: NDArray[np.int64]) -> NDArray[np.float32]:
        images = middle[who]
        images += SPREAD * generator.standard_normal((len(who), size), dtype=np.float32)
        images /= np.linalg.norm(images, axis=1, keepdims=True)
        return images

    return of(np.arange(count) // IMAGES_PER_PERSON), of(generator.integers(people, size=queries))


def drawn_records(count: int) -> list[GalleryRecord]:
    """Return the visible records of `drawn_embeddings`; record i is at location i % LOCATIONS."""
    return [
        GalleryRecord(
            id=hashlib.sha256(str(row).encode()).hexdigest(),
            path=f"{row}.jpg",
            modality="visible",
            location=str(row % LOCATIONS),
            identity=str(row // IMAGES_PER_PERSON),
        )
        for row in range(count)
    ]
