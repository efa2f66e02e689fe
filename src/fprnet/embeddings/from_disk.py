"""A model and a folder, a data set or loose images, become features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fprnet
from fprnet.data.cache import open_cache
from fprnet.data.records import Modality, Records
from fprnet.data.sysu_mm01 import IMAGE_SUFFIXES, read_records
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.extract import extract_features
from fprnet.embeddings.store import Features
from fprnet.errors import DataError

__all__ = ["embed_records", "extract_data_set", "extract_folder"]


def extract_data_set(
    embedder: Embedder, root: Path, *, identities: Sequence[int] | None = None, **options: Any
) -> Features:
    """Embed a data set in the layout of SYSU-MM01.

    Args:
        embedder: The model.
        root: The data set's folder.
        identities: Whose images; None is everybody's.
        options: Of ``embed_records``.
    """
    records = read_records(root)
    rows = np.arange(len(records))
    if identities is not None:
        rows = np.flatnonzero(np.isin(records.identity, np.asarray(identities)))
    return embed_records(embedder, records, rows=rows, **options)


def extract_folder(
    embedder: Embedder, folder: Path, modality: Modality, **options: Any
) -> Features:
    """Embed all images under a folder, of one modality; identity, camera and location stay unknown.

    Raises:
        DataError: There is no image.
    """
    paths = sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{folder} holds no images; they end in {', '.join(IMAGE_SUFFIXES)}")
    unknown = np.full(len(paths), -1, dtype=np.int64)
    records = Records(
        root=folder,
        path=np.array(paths),
        identity=unknown,
        camera=unknown,
        modality=np.full(len(paths), modality),
        location=unknown,
        index=unknown,
    )
    features = embed_records(embedder, records, rows=np.arange(len(paths)), **options)
    return Features(
        features=features.features,
        identity=features.identity,
        camera=features.camera,
        modality=features.modality,
        path=features.path,
        index=None,
        meta=features.meta,
    )


def embed_records(
    embedder: Embedder,
    records: Records,
    *,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    flip: bool = False,
    precision: str = "float32",
    cache: Path | None = None,
) -> Features:
    """Embed some images of a data set, through its cache of resized images.

    Args:
        embedder: The model.
        records: All images of the set; the cache is of all of them.
        rows: Which are embedded.
        flip: Average with the mirror image.
        precision: "float32" or "bfloat16".
        cache: Folder of the cache; None is ROOT/.fprnet-cache.
    """
    images = open_cache(records, embedder.size, folder=cache, workers=os.cpu_count() or 1)
    meta = {
        "model": embedder.about,
        "size": list(embedder.size),
        "flip": flip,
        "precision": precision,
        "versions": {"fprnet": fprnet.__version__},
    }
    return extract_features(
        embedder.model,
        images,
        records.where(rows),
        rows=rows,
        meta=meta,
        flip=flip,
        precision=precision,
        progress=True,
    )
