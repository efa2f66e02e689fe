"""Several levels compared at once: pooled C(5) and striped pyramid levels, each its own head.

This is preset ``fprnet`` (docs/model.md); without levels it is the one- and two-stream
baseline. Shapes: R = V + I rows; C channels of C(5); P channels of a pyramid level; level k is
pooled in s_k horizontal stripes; M identities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from fprnet.data.records import Modality
from fprnet.models.heads import BatchNormNeck, HeadOutput, identity_classifier, unit_length
from fprnet.models.pair import Pair
from fprnet.models.pooling import StripedMaps, pool_stripes

__all__ = ["LevelPrediction", "NeckedHead"]

Neck = Literal["batchnorm", "none"]
Side = Literal["before", "after"]


class NeckedHead(nn.Module):
    """Vector -> optional Linear -> [features] -> neck -> classifier.

    Args:
        inputs: Size of the incoming vectors.
        identities: M.
        size: Outputs of the Linear (N(0, 1 / inputs), which keeps the scale of distances; no bias
            before a BatchNorm neck, which would cancel it), None leaves it out.
        neck: "batchnorm" (BNNeck, and a classifier without bias) or "none" (classifier with bias).
    """

    def __init__(
        self, inputs: int, identities: int, *, size: int | None, neck: Neck = "batchnorm"
    ) -> None:
        super().__init__()
        with_bias = neck == "none"
        self.features = size or inputs
        self.embedding: nn.Module = nn.Identity()
        if size is not None:
            self.embedding = nn.Linear(inputs, size, bias=with_bias)
            nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="linear")
            if with_bias:
                nn.init.zeros_(self.embedding.bias)
        self.neck: nn.Module = nn.Identity() if with_bias else BatchNormNeck(self.features)
        self.classifier = identity_classifier(self.features, identities, bias=with_bias)

    def forward(self, vectors: Tensor, labels: Tensor) -> HeadOutput:
        """Return features before the neck and logits after it for ``(R, inputs)``."""
        features = self.embedding(vectors)
        return HeadOutput(features, self.classifier(self.neck(features)), labels)

    def side(self, vectors: Tensor, side: Side) -> Tensor:
        """Return the features ``(N, D)`` of one side of the neck, of any length."""
        features: Tensor = self.embedding(vectors)
        return features if side == "before" else self.neck(features)


class LevelPrediction(nn.Module):
    """A main head on pooled C(5) and one head per pyramid level; all of them always learn.

    Heads: "main", "level5", "level4", ... The test embedding is every head's features, each of
    unit length, side by side with equal weights.

    Args:
        channels: C.
        identities: M.
        stripes: Level -> s_k, coarsest first, e.g. ``{5: 1, 4: 2, 3: 6}``; empty for a baseline.
        level_channels: P.
        level_size: Size of each level's features.
        embedding_size: Size of a Linear before the main head's neck; None leaves it out.
        neck: Of the main head; levels always have a BatchNorm neck.
        embedding_from: Side of the neck that test embeddings are taken from.
    """

    def __init__(
        self,
        channels: int,
        identities: int,
        *,
        stripes: Mapping[int, int],
        level_channels: int = 64,
        level_size: int = 256,
        embedding_size: int | None = None,
        neck: Neck = "batchnorm",
        embedding_from: Side = "before",
    ) -> None:
        super().__init__()
        if neck not in ("batchnorm", "none"):
            raise ValueError(f"neck {neck!r} is unknown; use batchnorm or none")
        if embedding_from not in ("before", "after"):
            raise ValueError(f"embedding_from is {embedding_from!r}; use before or after")
        self.stripes = dict(stripes)
        self.embedding_from: Side = embedding_from
        self.main = NeckedHead(channels, identities, size=embedding_size, neck=neck)
        self.levels = nn.ModuleDict(
            {
                str(level): NeckedHead(count * level_channels, identities, size=level_size)
                for level, count in self.stripes.items()
            }
        )
        self.embedding_size = self.main.features + level_size * len(self.stripes)

    def levels_of(self, modality: Modality) -> tuple[int, ...]:
        """Return the pyramid levels that training needs of one modality."""
        return tuple(self.stripes)

    @property
    def embedding_levels(self) -> tuple[int, ...]:
        """Pyramid levels that the test embedding needs."""
        return tuple(self.stripes)

    def pool(self, stages: Mapping[int, Pair], levels: Mapping[int, Pair]) -> dict[str, Pair]:
        """Return the vectors of local images: "main" ``(R, C)`` and "level<k>" ``(R, s_k P)``."""
        vectors = {"main": stages[5].map_rows(pool_stripes)}
        for level, count in self.stripes.items():
            pool = partial(pool_stripes, stripes=count)
            vectors[f"level{level}"] = levels[level].map_rows(pool)
        return vectors

    def forward(self, vectors: Mapping[str, Pair], labels: Pair) -> dict[str, HeadOutput]:
        """Return every head's output on the vectors of the whole batch."""
        return {
            name: head(vectors[name].joint, labels.joint) for name, head in self._heads().items()
        }

    def embed(self, vectors: Mapping[str, Pair]) -> Tensor:
        """Return ``(N, embedding_size)`` float32, heads side by side; every row of unit length."""
        joint = {name: pair.joint for name, pair in vectors.items()}
        parts = [unit_length(part) for part in self.embedding_parts(joint).values()]
        return torch.cat(parts, dim=1) / math.sqrt(len(parts))

    def embedding_parts(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the test embedding is made of: head -> features ``(N, D)`` of any length.

        Args:
            vectors: As :meth:`pool` returns them, but the rows of one modality or of both.
        """
        return {
            name: head.side(vectors[name], self.embedding_from)
            for name, head in self._heads().items()
        }

    def embedding_maps(
        self, stages: Mapping[int, Pair], levels: Mapping[int, Pair]
    ) -> dict[str, StripedMaps]:
        """Return the maps whose pooled stripes are the heads' vectors."""
        maps = {"main": StripedMaps(stages[5].joint, 1)}
        for level, count in self.stripes.items():
            maps[f"level{level}"] = StripedMaps(levels[level].joint, count)
        return maps

    def _heads(self) -> dict[str, NeckedHead]:
        heads: dict[str, NeckedHead] = {"main": self.main}
        for level in self.stripes:
            head = self.levels[str(level)]
            assert isinstance(head, NeckedHead)
            heads[f"level{level}"] = head
        return heads
