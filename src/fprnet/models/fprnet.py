"""The whole network: images of both modalities to heads' outputs, or to test embeddings.

Shapes: V visible and I infrared images ``(V, 3, H, W)``, ``(I, 3, H, W)``; M identities;
D = ``embedding_size``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor, nn

from fprnet.data.records import MODALITIES, Modality
from fprnet.models.cross_modality_prediction import CrossModalityPrediction
from fprnet.models.discriminator import ModalityDiscriminator
from fprnet.models.heads import HeadOutput
from fprnet.models.level_prediction import LevelPrediction
from fprnet.models.pair import Pair, through_mapping
from fprnet.models.pooling import StripedMaps
from fprnet.models.precision import without_autocast
from fprnet.models.pyramid import FeaturePyramid
from fprnet.models.streams import Streams

__all__ = ["Gather", "Prediction", "Reidentifier"]

Gather = Callable[[Tensor], Tensor]
Prediction = LevelPrediction | CrossModalityPrediction


class Reidentifier(nn.Module):
    """Streams -> pyramid -> prediction.

    Convolutions see the images of this process; the prediction sees the batch of all processes
    (``gather``), so that its BatchNorm, losses and the game do not depend on how many there are.

    Args:
        streams: Stage maps of both modalities.
        pyramids: One for both modalities, one each (visible, infrared), or None.
        prediction: Heads.
        discriminator: Looks at the features of head "main" in training; None leaves it out.
    """

    def __init__(
        self,
        streams: Streams,
        pyramids: FeaturePyramid | tuple[FeaturePyramid, FeaturePyramid] | None,
        prediction: Prediction,
        discriminator: ModalityDiscriminator | None = None,
    ) -> None:
        super().__init__()
        self.streams = streams
        self.pyramids = nn.ModuleDict()
        if isinstance(pyramids, FeaturePyramid):
            self.pyramids["shared"] = pyramids
        elif pyramids is not None:
            self.pyramids["visible"], self.pyramids["infrared"] = pyramids
        self.prediction = prediction
        self.discriminator = discriminator
        for modality, pyramid in zip(MODALITIES, self._pyramids() or (None, None), strict=True):
            given = () if pyramid is None else pyramid.levels
            if missing := set(prediction.stripes_of(modality)) - set(given):
                raise ValueError(
                    f"the prediction needs {modality} level {min(missing)}, but the pyramid gives "
                    f"{sorted(given)}"
                )

    @property
    def embedding_size(self) -> int:
        """D."""
        return self.prediction.embedding_size

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
            Head -> output on the whole batch, float32; those of a discriminator among them.
        """
        stages = self.streams(visible, infrared)
        vectors = self._pool(stages, levels=bool(self.pyramids))
        labels = Pair.of(visible_labels, infrared_labels)
        if gather is not None:
            vectors = {name: pair.map_parts(gather) for name, pair in vectors.items()}
            labels = labels.map_parts(gather)
        with without_autocast(visible.device):
            outputs: dict[str, HeadOutput] = self.prediction(vectors, labels)
            if self.discriminator is not None:
                outputs |= self.discriminator(outputs["main"])
        return outputs

    def embed(self, images: Tensor, modality: Modality) -> Tensor:
        """Return ``(N, D)`` float32 test embeddings of ``(N, 3, H, W)`` images of one modality.

        Every part (head) of a row has the same length, the whole row length 1.
        """
        stages = self._stages(images, modality)
        vectors = self._pool(stages, levels=bool(self.prediction.embedding_levels))
        with without_autocast(images.device):
            return self.prediction.embed(vectors)

    def embedding_maps(self, images: Tensor, modality: Modality) -> dict[str, StripedMaps]:
        """Return the maps that the test embedding of ``(N, 3, H, W)`` images is pooled from.

        Returns:
            Part of the embedding (head) -> maps, and in how many stripes they are pooled.
        """
        stages = self._stages(images, modality)
        pyramids = self._pyramids() if self.prediction.embedding_levels else None
        levels = {} if pyramids is None else through_mapping(stages, *pyramids)
        return self.prediction.embedding_maps(stages, levels)

    def _stages(self, images: Tensor, modality: Modality) -> dict[int, Pair]:
        """Return the stages of images of one modality."""
        none = images[:0]
        pair = (images, none) if modality == "visible" else (none, images)
        stages: dict[int, Pair] = self.streams(*pair)
        return stages

    def _pool(self, stages: Mapping[int, Pair], *, levels: bool) -> dict[str, Pair]:
        """Return the vectors of local images: "main" ``(V + I, C_5)`` and "level<k>"."""
        vectors = {"main": stages[5].map_rows(self.prediction.pool_main)}
        pyramids = self._pyramids() if levels else None
        if pyramids is None:
            return vectors
        visible, infrared = (
            partial(pyramid.pool, stripes=self.prediction.stripes_of(modality))
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
