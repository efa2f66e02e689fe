"""A model and a folder, a data set or loose images, become features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fprnet.config import config_as_dict
from fprnet.data.cache import open_cache
from fprnet.data.images import map_in_order, read_image
from fprnet.data.records import Modality, Records
from fprnet.data.sysu_mm01 import IMAGE_SUFFIXES
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.extract import embed_images, extract_features
from fprnet.embeddings.store import Features
from fprnet.errors import DataError

__all__ = ["extract_data_set", "extract_folder"]

CHUNK = 512  # loose images held in memory at a time


def extract_data_set(
    embedder: Embedder,
    records: Records,
    *,
    identities: Sequence[int] | None = None,
    flip: bool = False,
    precision: str = "float32",
    cache: Path | None = None,
) -> Features:
    """Embed a data set, through its cache of resized images.

    Args:
        embedder: The model.
        records: All images of the data set, because the cache is of all of them.
        identities: Whose images; None is everybody's.
        flip: Average with the mirror image.
        precision: "float32" or "bfloat16".
        cache: Folder of the cache; None is ROOT/.fprnet-cache.

    Raises:
        DataError: Images are missing or cannot be read.
    """
    images = open_cache(records, embedder.size, folder=cache, workers=os.cpu_count() or 1)
    rows = np.arange(len(records))
    if identities is not None:
        rows = np.flatnonzero(np.isin(records.identity, np.asarray(identities)))
    return extract_features(
        embedder.model,
        images,
        records.where(rows),
        rows=rows,
        meta=_meta(embedder, flip, precision),
        flip=flip,
        precision=precision,
        progress=True,
    )


def extract_folder(
    embedder: Embedder,
    folder: Path,
    modality: Modality,
    *,
    flip: bool = False,
    precision: str = "float32",
) -> Features:
    """Embed all images under a folder, of one modality; identity and camera stay unknown (-1).

    Nothing is written into the folder.

    Raises:
        DataError: There is no image, or one cannot be read.
    """
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )
    if not files:
        raise DataError(f"{folder} holds no images; they end in {', '.join(IMAGE_SUFFIXES)}")
    unknown = np.full(len(files), -1, dtype=np.int64)
    return Features(
        features=_embed_files(embedder, files, modality, flip=flip, precision=precision),
        identity=unknown,
        camera=unknown,
        modality=np.full(len(files), modality),
        path=np.array([file.relative_to(folder).as_posix() for file in files]),
        meta=_meta(embedder, flip, precision),
    )


def _embed_files(
    embedder: Embedder, files: Sequence[Path], modality: Modality, *, flip: bool, precision: str
) -> NDArray[np.float32]:
    """Return ``(N, D)``; images are decoded in parallel and held a chunk at a time."""
    embeddings = np.empty((len(files), embedder.embedding_size), dtype=np.float32)
    read = partial(read_image, size=embedder.size)
    images = map_in_order(read, files, os.cpu_count() or 1)
    with tqdm(total=len(files), desc=f"embed {modality}", unit="image") as bar:
        for start in range(0, len(files), CHUNK):
            pixels = np.stack(list(islice(images, CHUNK)))
            embeddings[start : start + len(pixels)] = embed_images(
                embedder.model, pixels, modality, flip=flip, precision=precision
            )
            bar.update(len(pixels))
    return embeddings


def _meta(embedder: Embedder, flip: bool, precision: str) -> dict[str, Any]:
    """Return what the features file says about its making."""
    return {
        "model": embedder.about,
        "config": config_as_dict(embedder.config),
        "flip": flip,
        "precision": precision,
        "versions": {name: version(name) for name in ("fprnet", "numpy", "torch")},
    }
