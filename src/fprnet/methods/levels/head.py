"""Several levels compared at once: pooled C(5) and striped pyramid levels, each its own head.

This is preset ``fprnet`` (docs/model.md); without levels it is the one- and two-stream
baseline. Shapes: R = V + I rows; C channels of C(5); P channels of a pyramid level; level k is
pooled in s_k horizontal stripes; M identities.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fprnet.data.records import Modality
from fprnet.models.heads import BatchNormNeck, HeadOutput, identity_classifier, unit_length
from fprnet.models.pair import Pair
from fprnet.models.pooling import GeneralisedMean, StripedMaps, pool_stripes
from fprnet.models.svd_layer import SvdLayer
from fprnet.ranges import BelowOne, PositiveInt

__all__ = ["LevelPrediction", "NeckedHead"]

Pooling = Literal["mean", "gem"]
Neck = Literal["batchnorm", "none"]
MainLayer = Literal["linear", "eigenlayer"]
Side = Literal["before", "after", "pooled"]


class NeckedHead(nn.Module):
    """Vector -> optional layer -> [features] -> neck -> dropout -> hidden layers -> classifier.

    Args:
        inputs: Size of the incoming vectors.
        identities: M.
        size: Outputs of the layer; None leaves it out.
        layer: "linear" (N(0, 1 / inputs), which keeps the scale of distances; no bias before a
            BatchNorm neck, which would cancel it) or "eigenlayer" (SVD layer, no bias).
        neck: "batchnorm" (BNNeck, and a classifier without bias) or "none" (classifier with bias).
        dropout: Share of the classifier's inputs that are set to 0 in training, from torch's global
            generator: every process of a run draws the same.
        classifier_layers: Sizes of Linear-ReLU layers before the classifier, which then has a bias.
    """

    def __init__(
        self,
        inputs: int,
        identities: int,
        *,
        size: int | None,
        layer: MainLayer = "linear",
        neck: Neck = "batchnorm",
        dropout: float = 0.0,
        classifier_layers: Sequence[int] = (),
    ) -> None:
        super().__init__()
        with_bias = neck == "none"
        self.features = size or inputs
        self.embedding: nn.Module = nn.Identity()
        if size is not None and layer == "eigenlayer":
            self.embedding = SvdLayer(inputs, size)
        elif size is not None:
            self.embedding = nn.Linear(inputs, size, bias=with_bias)
            nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="linear")
            if with_bias:
                nn.init.zeros_(self.embedding.bias)
        self.neck: nn.Module = nn.Identity() if with_bias else BatchNormNeck(self.features)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Sequential()
        sizes = (self.features, *classifier_layers)
        for before, after in itertools.pairwise(sizes):
            linear = nn.Linear(before, after)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)
            self.hidden.extend((linear, nn.ReLU()))
        with_bias = with_bias or len(classifier_layers) > 0
        self.classifier = identity_classifier(sizes[-1], identities, bias=with_bias)

    def forward(self, vectors: Pair, labels: Pair) -> HeadOutput:
        """Return features before the neck and logits after it for ``(R, inputs)``."""
        features = self.embedding(vectors.joint)
        logits = self.classifier(self.hidden(self.dropout(self.neck(features))))
        return HeadOutput(features, logits, labels.joint, labels.visible_rows)

    def side(self, vectors: Tensor, side: Side) -> Tensor:
        """Return features ``(N, D)`` of any length, or the vectors ``(N, inputs)`` themselves."""
        if side == "pooled":
            return vectors
        features: Tensor = self.embedding(vectors)
        return features if side == "before" else self.neck(features)


class LevelPrediction(nn.Module):
    """A main head on pooled C(5) and one head per pyramid level; all of them always learn.

    Heads: "main", "level5", "level4", ... The test embedding is every head's features, each of
    unit length, side by side with equal weights.

    Args:
        channels: C.
        level_channels: P.
        identities: M.
        stripes: Level -> s_k, e.g. ``{5: 1, 4: 2, 3: 6}``; empty for a baseline.
        level_size: Size of each level's features.
        main_size: Size of a layer before the main head's neck; None leaves it out.
        main_layer: Kind of that layer: "linear" or "eigenlayer".
        pooling: Pooling of C(5) for the main head: "mean", or "gem" with a learnt power from 3.
        neck: Neck of the main head; levels always have a BatchNorm neck.
        dropout: Between the main head's neck and its classifier.
        classifier_layers: Sizes of hidden layers between the main head's neck and its classifier.
        embedding_from: Where test embeddings are taken from: "before" or "after" the neck, or the
            "pooled" vectors that the heads start from.
    """

    def __init__(
        self,
        channels: int,
        level_channels: int,
        identities: int,
        *,
        stripes: Mapping[int, PositiveInt] = {},
        level_size: PositiveInt = 256,
        main_size: PositiveInt | None = None,
        main_layer: MainLayer = "linear",
        pooling: Pooling = "mean",
        neck: Neck = "batchnorm",
        dropout: BelowOne = 0.0,
        classifier_layers: Sequence[PositiveInt] = (),
        embedding_from: Side = "before",
    ) -> None:
        super().__init__()
        if pooling not in ("mean", "gem"):
            raise ValueError(f"pooling {pooling!r} is unknown; use mean or gem")
        if neck not in ("batchnorm", "none"):
            raise ValueError(f"neck {neck!r} is unknown; use batchnorm or none")
        if embedding_from not in ("before", "after", "pooled"):
            raise ValueError(f"embedding_from is {embedding_from!r}; use before, after or pooled")
        if main_layer not in ("linear", "eigenlayer"):
            raise ValueError(f"main_layer is {main_layer!r}; use linear or eigenlayer")
        self.stripes = dict(sorted(stripes.items(), reverse=True))  # coarsest first
        self.embedding_from: Side = embedding_from
        self.pooling = GeneralisedMean() if pooling == "gem" else None
        self.main = NeckedHead(
            channels,
            identities,
            size=main_size,
            layer=main_layer,
            neck=neck,
            dropout=dropout,
            classifier_layers=classifier_layers,
        )
        self.levels = nn.ModuleDict(
            {
                str(level): NeckedHead(count * level_channels, identities, size=level_size)
                for level, count in self.stripes.items()
            }
        )
        if embedding_from == "pooled":
            self.embedding_size = channels + level_channels * sum(self.stripes.values())
        else:
            self.embedding_size = self.main.features + level_size * len(self.stripes)

    @property
    def main_features(self) -> int:
        """Size of the features of head "main"."""
        return self.main.features

    def stripes_of(self, modality: Modality) -> dict[int, int]:
        """Return level -> s_k of the pyramid levels that training needs of one modality."""
        return dict(self.stripes)

    @property
    def embedding_levels(self) -> tuple[int, ...]:
        """Pyramid levels that the test embedding needs."""
        return tuple(self.stripes)

    def pool_main(self, maps: Tensor) -> Tensor:
        """Return the main head's vectors ``(N, C)`` of C(5), ``(N, C, H, W)``."""
        return pool_stripes(maps) if self.pooling is None else self.pooling(maps)

    def forward(self, vectors: Mapping[str, Pair], labels: Pair) -> dict[str, HeadOutput]:
        """Return every head's output.

        Args:
            vectors: Vectors of the whole batch: "main" ``(R, C)``, and "level<k>" ``(R, s_k P)``.
            labels: ``(R,)``.
        """
        return {name: head(vectors[name], labels) for name, head in self._heads().items()}

    def embed(self, vectors: Mapping[str, Pair]) -> Tensor:
        """Return ``(N, embedding_size)`` float32, heads side by side; every row of unit length."""
        joint = {name: pair.joint for name, pair in vectors.items()}
        parts = [unit_length(part) for part in self.embedding_parts(joint).values()]
        return torch.cat(parts, dim=1) / math.sqrt(len(parts))

    def embedding_parts(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the test embedding is made of: head -> features ``(N, D)`` of any length.

        Args:
            vectors: Pooled vectors of N rows, of one modality or of both: "main" ``(N, C)``, and
                "level<k>" ``(N, s_k P)``.
        """
        return {
            name: head.side(vectors[name], self.embedding_from)
            for name, head in self._heads().items()
        }

    def embedding_maps(
        self, stages: Mapping[int, Pair], levels: Mapping[int, Pair]
    ) -> dict[str, StripedMaps]:
        """Return the maps whose means over stripes are the heads' vectors."""
        last = stages[5].joint
        maps = {"main": StripedMaps(last if self.pooling is None else self.pooling.shares(last), 1)}
        for level, count in self.stripes.items():
            maps[f"level{level}"] = StripedMaps(levels[level].joint, count)
        return maps

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return all parameters as group "head"."""
        return {"head": list(self.parameters())}

    @staticmethod
    def faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield what does not fit between stripes and the pyramid that the levels come from."""
        levels, key = options["stripes"], "model.head.stripes"
        order = config.model.options["pyramid"].order
        if bool(levels) != (order != "none"):
            yield (
                f"{key} is {dict(levels)} but model.pyramid.order is {order}; levels need a "
                "pyramid and a pyramid needs levels"
            )
        if not set(levels) <= {2, 3, 4, 5}:
            yield f"{key} has levels {sorted(levels)}, they are 2 to 5"
        if options["main_layer"] != "linear" and options["main_size"] is None:
            yield (
                f"model.head.main_layer is {options['main_layer']} but model.head.main_size is "
                "null; give it a size"
            )

    def _heads(self) -> dict[str, NeckedHead]:
        heads: dict[str, NeckedHead] = {"main": self.main}
        for level in self.stripes:
            head = self.levels[str(level)]
            assert isinstance(head, NeckedHead)
            heads[f"level{level}"] = head
        return heads
