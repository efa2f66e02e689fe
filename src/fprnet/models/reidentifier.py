"""The whole network: images of both modalities to heads' outputs, or to test embeddings.

Shapes: V visible and I infrared images ``(V, 3, H, W)``, ``(I, 3, H, W)``; M identities;
D = ``embedding_size``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from fprnet.data.records import MODALITIES, Modality
from fprnet.models.heads import HeadOutput
from fprnet.models.pair import Pair, through_mapping
from fprnet.models.pooling import StripedMaps
from fprnet.models.precision import without_autocast
from fprnet.models.pyramid import FeaturePyramid
from fprnet.models.streams import Streams

__all__ = ["Auxiliary", "Gather", "Head", "Reidentifier"]

Gather = Callable[[Tensor], Tensor]

STAGE_OF_HEAD = {"main": 5, **{f"level{k}": k for k in (2, 3, 4, 5)}}


class Head(Protocol):
    """Pooled maps to training outputs and to embeddings: an ``nn.Module`` with these.

    Shapes: R = V + I rows; C channels of C(5); P channels of a pyramid level; level k is pooled in
    s_k horizontal stripes.
    """

    @property
    def embedding_size(self) -> int:
        """D."""

    @property
    def main_features(self) -> int:
        """Size of the features of head "main", which auxiliaries see."""

    @property
    def embedding_levels(self) -> tuple[int, ...]:
        """Pyramid levels that the test embedding needs."""

    def stripes_of(self, modality: Modality) -> dict[int, int]:
        """Return level -> s_k of the pyramid levels that training needs of one modality."""

    def pool_main(self, maps: Tensor) -> Tensor:
        """Return ``(N, C)`` for C(5), ``(N, C, H, W)``."""

    def __call__(self, vectors: Mapping[str, Pair], labels: Pair) -> dict[str, HeadOutput]:
        """Return every head's output for "main" ``(R, C)`` and "level<k>" ``(R, s_k P)``."""

    def embed(self, vectors: Mapping[str, Pair]) -> Tensor:
        """Return ``(N, D)`` float32, every row of unit length."""

    def embedding_parts(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the test embedding is made of, by head, each of any length."""

    def embedding_maps(
        self, stages: Mapping[int, Pair], levels: Mapping[int, Pair]
    ) -> dict[str, StripedMaps]:
        """Return the maps whose means over stripes are the heads' vectors."""

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters by group; an optimiser may give each a rate of its own."""


class Auxiliary(Protocol):
    """A module that sees the output of head "main" in training and adds outputs of its own."""

    @property
    def player(self) -> str:
        """Who learns its parameters: "model", or "adversary" with an optimiser of its own."""

    def __call__(self, output: HeadOutput) -> dict[str, HeadOutput]:
        """Return outputs by name, which the loss knows."""


class Reidentifier(nn.Module):
    """Streams -> pyramid -> head.

    Convolutions see the images of this process; the head sees the batch of all processes
    (``gather``), so that its BatchNorm, losses and the game do not depend on how many there are.

    Args:
        streams: Stage maps of both modalities.
        pyramids: One for both modalities, one each (visible, infrared), or None.
        head: Training outputs and embeddings; an ``nn.Module``.
        auxiliaries: Modules that look at the output of head "main" in training, by name.
        mirrored: Whether embeddings are those of the mean of an image's maps and its mirror
            image's, turned back; in training mode they never are.
    """

    def __init__(
        self,
        streams: Streams,
        pyramids: FeaturePyramid | tuple[FeaturePyramid, FeaturePyramid] | None,
        head: Head,
        auxiliaries: Mapping[str, nn.Module] | None = None,
        *,
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        self.mirrored = mirrored
        self.streams = streams
        self.pyramids = nn.ModuleDict()
        if isinstance(pyramids, FeaturePyramid):
            self.pyramids["shared"] = pyramids
        elif pyramids is not None:
            self.pyramids["visible"], self.pyramids["infrared"] = pyramids
        self.head = head
        self.auxiliaries = nn.ModuleDict(auxiliaries or {})
        for modality, pyramid in zip(MODALITIES, self._pyramids() or (None, None), strict=True):
            given = () if pyramid is None else pyramid.levels
            if missing := set(head.stripes_of(modality)) - set(given):
                raise ValueError(
                    f"the head needs {modality} level {min(missing)}, but the pyramid gives "
                    f"{sorted(given)}"
                )

    @property
    def embedding_size(self) -> int:
        """D."""
        return self.head.embedding_size

    def forward(
        self,
        visible: Tensor,
        infrared: Tensor,
        visible_labels: Tensor,
        infrared_labels: Tensor,
        gather: Gather | None = None,
    ) -> dict[str, HeadOutput]:
        """Return every head's output for a training batch.

        Args:
            visible: ``(V, 3, H, W)`` normalised images of this process.
            infrared: ``(I, 3, H, W)``.
            visible_labels: ``(V,)`` int64 in 0..M-1.
            infrared_labels: ``(I,)``.
            gather: Maps the rows of this process ``(n, ...)`` to those of all processes; None
                where there is only one.

        Returns:
            Head -> output on the whole batch, float32; those of auxiliaries among them. Outputs of
            heads "main" and "level<k>" give out the backbone's maps, too.
        """
        stages = self.streams(visible, infrared)
        vectors = self._pool(stages, levels=bool(self.pyramids))
        labels = Pair.of(visible_labels, infrared_labels)
        if gather is not None:
            vectors = {name: pair.map_parts(gather) for name, pair in vectors.items()}
            labels = labels.map_parts(gather)
        with without_autocast(visible.device):
            outputs: dict[str, HeadOutput] = self.head(vectors, labels)
            for name in outputs.keys() & STAGE_OF_HEAD.keys():
                maps = partial(_stage_maps, stages, gather, STAGE_OF_HEAD[name])
                outputs[name] = outputs[name]._replace(maps=maps)
            for auxiliary in self.auxiliaries.values():
                outputs |= auxiliary(outputs["main"])
        return outputs

    def embed(self, images: Tensor, modality: Modality) -> Tensor:
        """Return ``(N, D)`` float32 test embeddings of ``(N, 3, H, W)`` images of one modality.

        Every part (head) of a row has the same length, the whole row length 1.
        """
        stages = self._stages(images, modality)
        vectors = self._pool(stages, levels=bool(self.head.embedding_levels))
        with without_autocast(images.device):
            return self.head.embed(vectors)

    def embedding_maps(self, images: Tensor, modality: Modality) -> dict[str, StripedMaps]:
        """Return the maps that the test embedding of ``(N, 3, H, W)`` images is pooled from.

        Returns:
            Part of the embedding (head) -> maps, and in how many stripes they are pooled.
        """
        stages = self._stages(images, modality)
        pyramids = self._pyramids() if self.head.embedding_levels else None
        levels = {} if pyramids is None else through_mapping(stages, *pyramids)
        return self.head.embedding_maps(stages, levels)

    def players(self) -> dict[str, dict[str, list[nn.Parameter]]]:
        """Return the trainable parameters by player and group; a group may be empty.

        Groups of player "model": "trunk", "pyramid", and those of the head.
        """
        groups = {
            "trunk": list(self.streams.parameters()),
            "pyramid": list(self.pyramids.parameters()),
            **self.head.parameter_groups(),
        }
        players = {"model": groups}
        for name, module in self.auxiliaries.items():
            auxiliary = cast(Auxiliary, module)
            players.setdefault(auxiliary.player, {})[name] = list(module.parameters())
        return {
            player: {
                name: [p for p in parameters if p.requires_grad]
                for name, parameters in of_player.items()
            }
            for player, of_player in players.items()
        }

    def local_parts(self) -> list[nn.Module]:
        """Return the modules that see the images of this process only."""
        return [self.streams, self.pyramids]

    def _stages(self, images: Tensor, modality: Modality) -> dict[int, Pair]:
        """Return the stages of images of one modality, as the test embedding sees them."""
        both = self.mirrored and not self.training
        shown = torch.cat([images, images.flip(3)]) if both else images
        stages: dict[int, Pair] = self.streams(*_of_one(shown, modality))
        if not both:
            return stages
        count = images.shape[0]  # by shape, as `Pair` says
        symmetric = {}
        for stage, pair in stages.items():
            maps = pair.part(modality)
            mean = (maps[:count] + maps[count:].flip(3)) / 2
            symmetric[stage] = Pair.of(*_of_one(mean, modality))
        return symmetric

    def _pool(self, stages: Mapping[int, Pair], *, levels: bool) -> dict[str, Pair]:
        """Return the vectors of local images: "main" ``(V + I, C_5)`` and "level<k>"."""
        vectors = {"main": stages[5].map_rows(self.head.pool_main)}
        pyramids = self._pyramids() if levels else None
        if pyramids is None:
            return vectors
        visible, infrared = (
            partial(pyramid.pool, stripes=self.head.stripes_of(modality))
            for modality, pyramid in zip(MODALITIES, pyramids, strict=True)
        )
        if pyramids[0] is pyramids[1]:  # one block for both: they pass in one go
            infrared = visible
        pooled = through_mapping(stages, visible, infrared)
        return {**vectors, **{f"level{k}": pair for k, pair in pooled.items()}}

    def _pyramids(self) -> tuple[FeaturePyramid, FeaturePyramid] | None:
        """The pyramid of each modality, one object twice where it is shared."""
        if not self.pyramids:
            return None
        names = ("shared", "shared") if "shared" in self.pyramids else MODALITIES
        visible, infrared = (self.pyramids[name] for name in names)
        assert isinstance(visible, FeaturePyramid)
        assert isinstance(infrared, FeaturePyramid)
        return visible, infrared


def _of_one(rows: Tensor, modality: Modality) -> tuple[Tensor, Tensor]:
    """Return visible and infrared rows of which those of the other modality are none."""
    return (rows, rows[:0]) if modality == "visible" else (rows[:0], rows)


def _stage_maps(
    stages: Mapping[int, Pair], gather: Gather | None, own_stage: int, stage: int | None = None
) -> Tensor:
    """Return a stage's maps of the whole batch, as `StageMaps` says."""
    maps = stages[own_stage if stage is None else stage]
    return (maps if gather is None else maps.map_parts(gather)).joint
