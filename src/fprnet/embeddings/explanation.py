"""Two images and their similarity become its reasons: shares of levels, stripes and positions.

The shares are no estimate: they sum to the similarity. A part (head) of the embedding is a
function f of x, the means of s stripes of a map. Linear and BatchNorm layers are affine, a
LeakyReLU is linear around x, so f(x) = J x + c with J the derivative at x, and the cosine with
another image's unit feature g is a sum over the positions m of the map that x is the mean of:
(v m w + <c, g> / positions) / |f|, where v = J^T g and w is the position's weight in its stripe.

Shapes: H x W pixels of the network's input; a part has maps ``(1, C, h, w)``, s stripes, D
features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fprnet.data.augmentation import normalise
from fprnet.data.records import Modality
from fprnet.embeddings.embedder import Embedder
from fprnet.errors import UsageError
from fprnet.models.pooling import StripedMaps, stripe_weights
from fprnet.models.reidentifier import Reidentifier

__all__ = ["Explanation", "PartSimilarity", "Picture", "explain"]

Picture = Path | str | Image.Image | NDArray[np.uint8]


@dataclass(frozen=True)
class PartSimilarity:
    """What one part of the embedding (the main head, or a pyramid level) says about two images.

    Attributes:
        name: "main", "level5", "level4", ...
        cosine: Cosine of the two images' features of this part alone, -1 to 1.
        share: What it adds to the similarity; the shares of all parts sum to the similarity.
        query_stripes: What each horizontal stripe of the query adds, top to bottom; they sum to
            ``share``. One stripe is the whole image.
        gallery_stripes: What each horizontal stripe of the gallery image adds, top to bottom; they
            sum to ``share``.
        query_map: ``(h, w)`` float32, what each position of the query's map adds; sums to
            ``share``.
        gallery_map: ``(h, w)`` float32, what each position of the gallery image's map adds; sums to
            ``share``.
    """

    name: str
    cosine: float
    share: float
    query_stripes: tuple[float, ...]
    gallery_stripes: tuple[float, ...]
    query_map: NDArray[np.float32]
    gallery_map: NDArray[np.float32]


@dataclass(frozen=True)
class Explanation:
    """Why two images are as alike as they are.

    Attributes:
        similarity: Cosine of the two embeddings, -1 to 1.
        parts: They sum to it.
        query_map: ``(H, W)`` float32, how much each pixel of the query adds; sums to the
            similarity. Negative where the images disagree.
        gallery_map: ``(H, W)``, the same for the gallery image.
    """

    similarity: float
    parts: tuple[PartSimilarity, ...]
    query_map: NDArray[np.float32]
    gallery_map: NDArray[np.float32]

    def as_dict(self) -> dict[str, object]:
        """Return what JSON can hold: everything but the maps."""
        return {
            "similarity": self.similarity,
            "parts": [
                {
                    "name": part.name,
                    "cosine": part.cosine,
                    "share": part.share,
                    "query_stripes": list(part.query_stripes),
                    "gallery_stripes": list(part.gallery_stripes),
                }
                for part in self.parts
            ],
        }


def explain(
    embedder: Embedder, query: tuple[Picture, Modality], match: tuple[Picture, Modality]
) -> Explanation:
    """Explain the similarity of two images.

    Args:
        embedder: The model.
        query: Image and its modality.
        match: The gallery image and its modality.

    Raises:
        DataError: An image cannot be read.
        UsageError: It is an exported graph, or a network that cannot say what it looks at.
    """
    ours, theirs = (_parts(embedder, *image) for image in (query, match))
    parts = []
    for name, mine in ours.items():
        other = theirs[name]
        query_map, query_stripes = _shares(mine, other.unit)
        match_map, match_stripes = _shares(other, mine.unit)
        cosine = float(mine.unit @ other.unit)
        count = len(ours)
        parts.append(
            PartSimilarity(
                name=name,
                cosine=cosine,
                share=cosine / count,
                query_stripes=tuple((query_stripes / count).tolist()),
                gallery_stripes=tuple((match_stripes / count).tolist()),
                query_map=(query_map / count).float().numpy(),
                gallery_map=(match_map / count).float().numpy(),
            )
        )
    return Explanation(
        similarity=sum(part.share for part in parts),
        parts=tuple(parts),
        query_map=_together([part.query_map for part in parts], embedder.size),
        gallery_map=_together([part.gallery_map for part in parts], embedder.size),
    )


@dataclass(frozen=True)
class _Part:
    """One part of one image's embedding, in float64.

    Attributes:
        maps: What it is pooled from.
        pooled: ``(s * C,)``, a leaf of autograd.
        features: ``(D,)``, a function of ``pooled``.
    """

    maps: StripedMaps
    pooled: Tensor
    features: Tensor

    @property
    def unit(self) -> Tensor:
        """The features ``(D,)`` divided by their length."""
        unit: Tensor = (self.features / self.features.norm()).detach()
        return unit


def _parts(embedder: Embedder, image: Picture, modality: Modality) -> dict[str, _Part]:
    pixels = torch.from_numpy(embedder.fit([image], modality))
    model: Reidentifier = embedder.model
    if not hasattr(model, "embedding_maps"):
        raise UsageError(
            f"network {embedder.config.model.name} cannot explain its similarities, it has no "
            "embedding_maps; search without an explanation"
        )
    device = next(model.parameters()).device
    with torch.no_grad():
        maps = model.embedding_maps(normalise(pixels.to(device)), modality)
    pooled = {name: striped.pooled().requires_grad_() for name, striped in maps.items()}
    features = model.head.embedding_parts(pooled)
    return {
        name: _Part(maps[name], pooled[name], features[name][0].cpu().double()) for name in maps
    }


def _shares(part: _Part, other: Tensor) -> tuple[Tensor, Tensor]:
    """Split the cosine of a part with the other image's unit feature ``(D,)``.

    Returns:
        ``(h, w)`` and ``(s,)``, float64; either sums to the cosine.
    """
    maps, stripes = part.maps
    product = part.features @ other
    (gradient,) = torch.autograd.grad(product, part.pooled, retain_graph=True)
    direction = gradient.cpu().double().reshape(stripes, -1)  # (s, C)
    pooled = part.pooled.detach().cpu().double().reshape(stripes, -1)
    positions = maps[0].detach().cpu().double()  # (C, h, w)
    height, width = positions.shape[1:]
    by_stripe = (direction * pooled).sum(dim=1)
    constant = product.detach() - by_stripe.sum()
    weights = stripe_weights(height, stripes).double() / width  # (s, h)
    by_position = torch.einsum("sc,chw,sh->hw", direction, positions, weights)
    length = part.features.detach().norm()
    return (
        (by_position + constant / (height * width)) / length,
        (by_stripe + constant / stripes) / length,
    )


def _together(maps: list[NDArray[np.float32]], size: tuple[int, int]) -> NDArray[np.float32]:
    """Enlarge maps ``(h, w)`` to the image's size and add them up; their sums are kept."""
    total = np.zeros(size)
    for one in maps:
        down, right = (
            _enlargement(small, large) for small, large in zip(one.shape, size, strict=True)
        )
        total += down @ one.astype(np.float64) @ right.T
    return total.astype(np.float32)


def _enlargement(small: int, large: int) -> NDArray[np.float64]:
    """Return ``(large, small)``: each position spread by linear interpolation, columns sum to 1."""
    centres = (np.arange(large) + 0.5) * small / large - 0.5
    centres = centres.clip(0, small - 1)
    hats = np.maximum(1 - np.abs(centres[:, None] - np.arange(small)), 0)
    spread: NDArray[np.float64] = hats / hats.sum(axis=0, keepdims=True)
    return spread
