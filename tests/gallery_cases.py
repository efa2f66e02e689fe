"""Galleries of a few numbers, whose right answers a test can compute."""

import hashlib

import numpy as np

from fprnet.gallery.records import GalleryRecord, ModelIdentity

SIZE = 8
MODEL = ModelIdentity("a" * 64, "fprnet", SIZE, "runs/fprnet")


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def vectors(count, seed=0, size=SIZE):
    return unit(np.random.default_rng(seed).standard_normal((count, size)))


def record(number, **values):
    id = hashlib.sha256(f"image {number}".encode()).hexdigest()
    return GalleryRecord(id, f"day/{number:04d}.jpg", **{"modality": "visible", **values})


def records(count, start=0):
    """Cameras 0 to 3, locations 0 to 2, every third one unknown."""
    return [
        record(
            number,
            camera=number % 4,
            location=number % 3,
            identity=-1 if number % 3 == 0 else number // 5,
        )
        for number in range(start, start + count)
    ]
