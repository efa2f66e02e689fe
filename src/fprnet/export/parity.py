"""Graphs and the model that they were made from embed the same images; how far apart are they?

Shapes: N images of H x W pixels, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from fprnet.data.augmentation import normalise
from fprnet.data.records import Modality
from fprnet.embeddings.backend import Backend, Embeddings, Pixels
from fprnet.embeddings.extract import embed_images
from fprnet.models.reidentifier import Reidentifier

__all__ = ["Parity", "compare", "seeded_images"]

IMAGES = 8  # of each modality, where there is no data


@dataclass(frozen=True)
class Parity:
    """How far the graphs' embeddings are from PyTorch's in float32.

    Attributes:
        images: How many were compared.
        max_difference: Largest difference of any number of any embedding; each has unit length.
        min_cosine: Smallest cosine of any image's two embeddings.
    """

    images: int
    max_difference: float
    min_cosine: float


def compare(model: Reidentifier, backend: Backend, images: Mapping[Modality, Pixels]) -> Parity:
    """Compare graphs with the model itself, nothing folded, nothing converted.

    Args:
        model: In evaluation mode, on the CPU.
        backend: Runs the graphs.
        images: Modality -> ``(N, H, W, 3)`` uint8.
    """
    differences, cosines = [], []
    for modality, pixels in images.items():
        ours = embed_images(backend, pixels, modality)
        right = _embedded(model, pixels, modality)
        differences.append(float(np.abs(ours - right).max()))
        cosines.append(float((ours * right).sum(axis=1).min()))
    # max and min of Python let NaN pass where it comes second; these do not.
    return Parity(
        images=sum(map(len, images.values())),
        max_difference=float(np.max(differences)),
        min_cosine=float(np.min(cosines)),
    )


def seeded_images(size: tuple[int, int]) -> Pixels:
    """Return ``(8, H, W, 3)`` images of coloured patches and noise, always the same."""
    generator = np.random.default_rng(0)
    patches = generator.integers(0, 256, (IMAGES, 9, 5, 3))
    rows, columns = (np.arange(count) * n // count for count, n in zip(size, (9, 5), strict=True))
    pixels = patches[:, rows][:, :, columns] + generator.integers(-16, 17, (IMAGES, *size, 3))
    images: Pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    return images


def _embedded(model: Reidentifier, pixels: Pixels, modality: Modality) -> Embeddings:
    with torch.inference_mode():
        found: Embeddings = model.embed(normalise(torch.from_numpy(pixels)), modality).numpy()
    return found
