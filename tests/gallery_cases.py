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
    """Unit vectors of numbers that float16 holds as they are, up to 0.001 of their length."""
    return unit(np.random.default_rng(seed).standard_normal((count, size)))


def kept(vectors):
    """What the gallery gives back: rounded to float16."""
    return vectors.astype(np.float16).astype(np.float32)


def record(number, **values):
    id = hashlib.sha256(f"image {number}".encode()).hexdigest()
    facts = {"path": f"day/{number:04d}.jpg", "modality": "visible", **values}
    return GalleryRecord(id=id, **facts)


def records(count, start=0):
    """Cameras 0 to 3, locations 0 to 2; every third one shows nobody known."""
    return [
        record(
            number,
            camera=number % 4,
            location=number % 3,
            identity=None if number % 3 == 0 else number // 5,
        )
        for number in range(start, start + count)
    ]
