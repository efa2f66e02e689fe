"""A model becomes one graph per modality: pixels as they are stored to test embeddings.

Shapes: N images of H x W pixels; D numbers per embedding.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from fprnet.data.augmentation import IMAGENET_MEAN, IMAGENET_STD
from fprnet.data.records import Modality
from fprnet.models.reidentifier import Reidentifier

__all__ = ["InferenceGraph", "folded"]


class InferenceGraph(nn.Module):
    """Normalisation and the embedding of one modality, nothing that only training needs.

    Normalisation is part of the graph, so that whoever runs it cannot get it wrong.

    Args:
        model: Network; it is copied, and BatchNorm is folded in the copy.
        modality: Modality of the images.
        projection: ``(D, d)`` float32, for a second output of compact embeddings; None for none.
    """

    scale: Tensor
    shift: Tensor
    projection: Tensor | None

    def __init__(
        self,
        model: Reidentifier,
        modality: Modality,
        projection: NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__()
        matrix = None if projection is None else torch.from_numpy(projection.copy())
        self.register_buffer("projection", matrix)
        self.model = folded(model).cpu().requires_grad_(False)
        self.modality: Modality = modality
        mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self.register_buffer("scale", (1 / (255 * deviation))[:, None, None])
        self.register_buffer("shift", (mean / deviation)[:, None, None])
        self.eval()

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return ``(N, D)`` float32 of unit length for ``(N, H, W, 3)`` uint8, R G B.

        With a projection also ``(N, d)``, the same embeddings made compact.
        """
        planes = images.permute(0, 3, 1, 2).float()
        embeddings = self.model.embed(planes * self.scale - self.shift, self.modality)
        if self.projection is None:
            return embeddings
        return embeddings, embeddings @ self.projection


def folded(model: Reidentifier) -> Reidentifier:
    """Return a copy in evaluation mode whose convolutions contain the BatchNorm after them.

    Folded is what follows a convolution, or a Linear, in an ``nn.Sequential``, and in modules that
    say with ``children_in_order = True`` that each child follows the one before it where both are a
    convolution and its BatchNorm, as in the blocks of a ResNet. Every other BatchNorm stays.
    """
    model = copy.deepcopy(model).eval()
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential) or getattr(module, "children_in_order", False):
            _fold_neighbours(module)
    return model


def _fold_neighbours(module: nn.Module) -> None:
    """Replace each pair of neighbouring children (convolution, BatchNorm) by one convolution."""
    children = list(module.named_children())
    for (name, first), (name_of_norm, norm) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(first, norm))
            setattr(module, name_of_norm, nn.Identity())
        elif isinstance(first, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
            setattr(module, name, fuse_linear_bn_eval(first, norm))
            setattr(module, name_of_norm, nn.Identity())
