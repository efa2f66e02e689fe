"""The whole network: images of both modalities to heads' outputs, or to test embeddings.

Shapes: V visible and I infrared images ``(V, 3, H, W)``, ``(I, 3, H, W)``; M identities;
D = ``embedding_size``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from fprnet.data.records import MODALITIES, Modality
from fprnet.models.cross_modality_prediction import CrossModalityPrediction
from fprnet.models.heads import HeadOutput
from fprnet.models.level_prediction import LevelPrediction
from fprnet.models.pair import Pair, through_mapping
from fprnet.models.pooling import StripedMaps
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
    """

    def __init__(
        self,
        streams: Streams,
        pyramids: FeaturePyramid | tuple[FeaturePyramid, FeaturePyramid] | None,
        prediction: Prediction,
    ) -> None:
        super().__init__()
        self.streams = streams
        self.pyramids = nn.ModuleDict()
        if isinstance(pyramids, FeaturePyramid):
            self.pyramids["shared"] = pyramids
        elif pyramids is not None:
            self.pyramids["visible"], self.pyramids["infrared"] = pyramids
        self.prediction = prediction
        for modality, pyramid in zip(MODALITIES, self._pyramids() or (None, None), strict=True):
            given = () if pyramid is None else pyramid.levels
            if missing := set(prediction.levels_of(modality)) - set(given):
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
            Head -> output on the whole batch, float32.
        """
        stages = self.streams(visible, infrared)
        vectors = self.prediction.pool(stages, self._pyramid(stages))
        labels = Pair.of(visible_labels, infrared_labels)
        if gather is not None:
            vectors = {name: pair.map_parts(gather) for name, pair in vectors.items()}
            labels = labels.map_parts(gather)
        with _without_autocast(visible.device):
            return self.prediction(vectors, labels)  # type: ignore[no-any-return]

    def embed(self, images: Tensor, modality: Modality) -> Tensor:
        """Return ``(N, D)`` float32 test embeddings of ``(N, 3, H, W)`` images of one modality.

        Every part (head) of a row has the same length, the whole row length 1.
        """
        stages, levels = self._maps(images, modality)
        vectors = self.prediction.pool(stages, levels)
        with _without_autocast(images.device):
            return self.prediction.embed(vectors)

    def embedding_maps(self, images: Tensor, modality: Modality) -> dict[str, StripedMaps]:
        """Return the maps that the test embedding of ``(N, 3, H, W)`` images is pooled from.

        Returns:
            Part of the embedding (head) -> maps, and in how many stripes they are pooled.
        """
        return self.prediction.embedding_maps(*self._maps(images, modality))

    def _maps(self, images: Tensor, modality: Modality) -> tuple[dict[int, Pair], dict[int, Pair]]:
        """Return stages and levels of images of one modality."""
        none = images[:0]
        pair = (images, none) if modality == "visible" else (none, images)
        stages: dict[int, Pair] = self.streams(*pair)
        return stages, self._pyramid(stages) if self.prediction.embedding_levels else {}

    def _pyramid(self, stages: Mapping[int, Pair]) -> dict[int, Pair]:
        pyramids = self._pyramids()
        return {} if pyramids is None else through_mapping(stages, *pyramids)

    def _pyramids(self) -> tuple[FeaturePyramid, FeaturePyramid] | None:
        """The pyramid of each modality, one object twice where it is shared."""
        if not self.pyramids:
            return None
        names = ("shared", "shared") if "shared" in self.pyramids else MODALITIES
        visible, infrared = (self.pyramids[name] for name in names)
        assert isinstance(visible, FeaturePyramid)
        assert isinstance(infrared, FeaturePyramid)
        return visible, infrared


def _without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Heads, losses and distances stay in float32; the meta device, which only counts, has none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
