"""A model and images become embeddings.

Shapes: N images of H x W pixels; D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from fprnet.data.augmentation import normalise
from fprnet.data.records import MODALITIES, Modality, Records
from fprnet.embeddings.store import Features
from fprnet.models.fprnet import Reidentifier

__all__ = ["embed_images", "extract_features"]


def embed_images(
    model: Reidentifier,
    images: NDArray[np.uint8],
    modality: Modality,
    *,
    rows: NDArray[np.int64] | None = None,
    flip: bool = False,
    batch_size: int = 64,
    precision: str = "float32",
    progress: bool = False,
) -> NDArray[np.float32]:
    """Embed images of one modality.

    Args:
        model: In evaluation mode, on any device.
        images: ``(A, H, W, 3)`` uint8, of the size the model was trained with; may be a memory map.
        modality: Of all of them.
        rows: ``(N,)`` which images are meant; None is all.
        flip: Average each image's embedding with its mirror image's.
        batch_size: Images at a time.
        precision: "float32" or "bfloat16".
        progress: Show a progress bar on stderr.

    Returns:
        ``(N, D)`` float32, rows of unit length.
    """
    device = next(model.parameters()).device
    rows = np.arange(len(images)) if rows is None else rows
    embeddings = np.empty((len(rows), model.embedding_size), dtype=np.float32)
    with (
        torch.inference_mode(),
        torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"),
        tqdm(total=len(rows), desc=f"embed {modality}", unit="image", disable=not progress) as bar,
    ):
        for start in range(0, len(rows), batch_size):
            some = slice(start, start + batch_size)
            pixels = torch.from_numpy(images[rows[some]]).to(device)  # indexing by rows copies
            batch = normalise(pixels, memory_format=torch.channels_last)
            embedding = model.embed(batch, modality)
            if flip:
                embedding = embedding + model.embed(batch.flip(3), modality)
                embedding = torch.nn.functional.normalize(embedding)
            embeddings[some] = embedding.float().cpu().numpy()
            bar.update(len(pixels))
    return embeddings


def extract_features(
    model: Reidentifier,
    images: NDArray[np.uint8],
    records: Records,
    *,
    rows: NDArray[np.int64] | None = None,
    meta: Mapping[str, Any],
    flip: bool = False,
    precision: str = "float32",
    progress: bool = False,
) -> Features:
    """Embed the images of a data set, visible ones through the visible stream, and so on.

    Args:
        model: In evaluation mode.
        images: ``(A, H, W, 3)`` uint8; may be a memory map.
        records: The N images.
        rows: ``(N,)`` where each of them lies in ``images``; None where N = A.
        meta: What the features file says about the model.
        flip: Average with the mirror image.
        precision: "float32" or "bfloat16".
        progress: Show progress bars on stderr.
    """
    rows = np.arange(len(records)) if rows is None else rows
    features = np.empty((len(records), model.embedding_size), dtype=np.float32)
    for modality in MODALITIES:
        chosen = np.flatnonzero(records.modality == modality)
        if len(chosen):
            features[chosen] = embed_images(
                model,
                images,
                modality,
                rows=rows[chosen],
                flip=flip,
                precision=precision,
                progress=progress,
            )
    return Features(
        features=features,
        identity=records.identity,
        camera=records.camera,
        modality=records.modality,
        path=records.path,
        index=records.index,
        meta=dict(meta),
    )
