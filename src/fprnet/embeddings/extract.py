"""Images that are pixels already become embeddings, in batches.

Shapes: N images of H x W pixels; D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fprnet.data.records import MODALITIES, Modality, Records
from fprnet.embeddings.backend import Backend, Embeddings, Pixels
from fprnet.embeddings.store import Features

__all__ = ["batch_size_for", "embed_images", "embed_stream", "extract_features"]

BATCH_PIXELS = 16 * 288 * 144  # larger batches are not faster and delay the first result
MAX_BATCH = 64


def batch_size_for(size: tuple[int, int]) -> int:
    """Return how many images of a size are embedded at a time."""
    return max(1, min(MAX_BATCH, BATCH_PIXELS // (size[0] * size[1])))


def embed_stream(
    backend: Backend, batches: Iterable[Pixels], modality: Modality, *, flip: bool, bulk: bool
) -> Iterator[Embeddings]:
    """Embed batches ``(B, H, W, 3)`` as they come; with ``flip`` averaged with the mirror image's.

    Yields:
        ``(B, D)`` float32, rows of unit length.
    """
    if not flip:
        yield from backend.embed_batches(batches, modality, bulk=bulk)
        return
    both = backend.embed_batches(_with_mirrored(batches), modality, bulk=bulk)
    for embeddings, mirrored in zip(both, both, strict=True):
        total = embeddings + mirrored
        yield total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def embed_images(
    backend: Backend,
    images: Pixels,
    modality: Modality,
    *,
    rows: NDArray[np.int64] | None = None,
    flip: bool = False,
    progress: bool = False,
) -> Embeddings:
    """Embed images of one modality.

    Args:
        backend: Runs the model.
        images: ``(A, H, W, 3)`` uint8, of the size the model was trained with; may be a memory map.
        modality: Modality of all images.
        rows: ``(N,)`` which images are meant; None is all.
        flip: Average each image's embedding with its mirror image's.
        progress: Show a progress bar on stderr.

    Returns:
        ``(N, D)`` float32, rows of unit length.
    """
    rows = np.arange(len(images)) if rows is None else rows
    embeddings = np.empty((len(rows), backend.embedding_size), dtype=np.float32)
    batches = row_batches(images, rows)
    stream = embed_stream(
        backend, batches, modality, flip=flip, bulk=len(rows) > batch_size_for(images.shape[1:3])
    )
    start = 0
    with tqdm(total=len(rows), desc=f"embed {modality}", unit="image", disable=not progress) as bar:
        for some in stream:
            embeddings[start : start + len(some)] = some
            start += len(some)
            bar.update(len(some))
    return embeddings


def row_batches(images: Pixels, rows: NDArray[np.int64]) -> Iterator[Pixels]:
    """Yield the rows of ``(A, H, W, 3)`` images in batches, copied."""
    size = batch_size_for((images.shape[1], images.shape[2]))
    for start in range(0, len(rows), size):
        yield images[rows[start : start + size]]  # indexing by rows copies


def extract_features(
    backend: Backend,
    images: Pixels,
    records: Records,
    *,
    rows: NDArray[np.int64] | None = None,
    meta: Mapping[str, Any],
    flip: bool = False,
    progress: bool = False,
) -> Features:
    """Embed the images of a data set, visible ones through the visible stream, and so on.

    Args:
        backend: Runs the model.
        images: ``(A, H, W, 3)`` uint8; may be a memory map.
        records: The N images.
        rows: ``(N,)`` where each of them lies in ``images``; None where N = A.
        meta: What the features file says about the model.
        flip: Average with the mirror image.
        progress: Show progress bars on stderr.
    """
    rows = np.arange(len(records)) if rows is None else rows
    features = np.empty((len(records), backend.embedding_size), dtype=np.float32)
    for modality in MODALITIES:
        chosen = np.flatnonzero(records.modality == modality)
        if len(chosen):
            features[chosen] = embed_images(
                backend, images, modality, rows=rows[chosen], flip=flip, progress=progress
            )
    return features_of(records, features, meta)


def features_of(records: Records, features: Embeddings, meta: Mapping[str, Any]) -> Features:
    """Put the embeddings ``(N, D)`` of N images beside who and where each is."""
    return Features(
        features=features,
        identity=records.identity,
        camera=records.camera,
        modality=records.modality,
        path=records.path,
        index=records.index,
        meta=dict(meta),
    )


def _with_mirrored(batches: Iterable[Pixels]) -> Iterator[Pixels]:
    for pixels in batches:
        yield pixels
        yield np.ascontiguousarray(pixels[:, :, ::-1])
