"""Clusters become batches: as far as possible the same clusters in both modalities.

Shapes: P clusters of a batch in each modality, K images of each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fprnet.config.schema import AugmentationConfig
from fprnet.data.batches import Batch, Sampler
from fprnet.data.records import MODALITIES, Records
from fprnet.training.training_set import TrainingSet

__all__ = ["ClusterBatch", "ClusterSampler", "SiteBatches"]


class ClusterSampler:
    """Batches of P clusters with K images each, in each modality.

    The clusters of a step are the first P of a random order that have images of the modality: a
    cluster of both modalities is mostly shown in both. The batch is a pure function of the seed and
    the step's number.

    Args:
        visible: The visible images that may be shown; their identity is the cluster.
        infrared: The infrared ones.
        seed: Seed of all batches.
        clusters: P at most; fewer where a modality has fewer.
        images: K. A cluster with fewer shows each of them once, then again.
    """

    def __init__(
        self,
        visible: Records,
        infrared: Records,
        seed: int,
        *,
        clusters: int,
        images: int,
    ) -> None:
        self.identity = np.union1d(visible.identity, infrared.identity)
        self.left_out = self.identity[:0]
        self.images, self.seed = images, seed
        self._rows = [
            {int(one): np.flatnonzero(side.identity == one) for one in np.unique(side.identity)}
            for side in (visible, infrared)
        ]
        self.clusters = min(clusters, *map(len, self._rows))
        self.steps_per_epoch = max(
            1, (len(visible) + len(infrared)) // (2 * self.images_per_modality)
        )

    @property
    def images_per_modality(self) -> int:
        """P K."""
        return self.clusters * self.images

    def batch(self, step: int) -> Batch:
        """Return the whole batch of a step."""
        random = np.random.default_rng([self.seed, step])
        order = random.permutation(self.identity).tolist()
        drawn, labels = [], []
        for rows in self._rows:
            chosen = [one for one in order if one in rows][: self.clusters]
            drawn.append(np.concatenate([self._draw(random, rows[one]) for one in chosen]))
            labels.append(np.repeat(np.searchsorted(self.identity, chosen), self.images))
        return Batch(labels[0], drawn[0], drawn[1], self.images, labels[1])

    def _draw(self, random: np.random.Generator, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        rounds = -(-self.images // len(rows))
        return np.concatenate([random.permutation(rows) for _ in range(rounds)])[: self.images]


@dataclass(frozen=True)
class ClusterBatch:
    """What a step learns from.

    Attributes:
        images: Visible and infrared ones, ``(V, 3, H, W)`` and ``(I, 3, H, W)`` float32.
        rows: ``(V + I,)`` which crops they are.
    """

    images: tuple[Tensor, Tensor]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class _Builder:
    clusters: int
    images: int

    def build(self, visible: Records, infrared: Records | None, seed: int, /) -> Sampler:
        assert infrared is not None  # both modalities are adapted
        return ClusterSampler(visible, infrared, seed, clusters=self.clusters, images=self.images)


class SiteBatches:
    """The batches of every step; the clusters of an epoch are given when it begins.

    Args:
        images: ``(N, H, W, 3)`` uint8, the crops.
        records: The crops.
        clusters: P.
        images_per_cluster: K.
        changes: Random changes of the images.
        seed: Seed of sampling and augmentation.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        records: Records,
        *,
        clusters: int,
        images_per_cluster: int,
        changes: AugmentationConfig,
        seed: int,
    ) -> None:
        self._images, self._records = images, records
        self._builder = _Builder(clusters, images_per_cluster)
        self._changes, self._seed = changes, seed
        self._set: TrainingSet | None = None
        self.images_per_step = 2 * clusters * images_per_cluster

    def use(self, cluster: NDArray[np.int64]) -> None:
        """Draw from these clusters ``(N,)`` from now on; crops of -1 are not shown."""
        self._set = TrainingSet(
            self._images,
            Records(**{**vars(self._records), "identity": cluster}),
            rows=np.flatnonzero(cluster >= 0),
            batches=self._builder,
            changes=self._changes,
            seed=self._seed,
        )

    def batch(
        self, step: int, *, device: torch.device, rank: int = 0, processes: int = 1
    ) -> ClusterBatch:
        """Return the batch of a step."""
        assert self._set is not None  # an epoch has begun
        plan = self._set.plan(step, rank=rank, processes=processes)
        made = self._set.batch(step, device=device, rank=rank, processes=processes)
        rows = np.concatenate([plan.images[modality][0] for modality in MODALITIES])
        return ClusterBatch((made.visible, made.infrared), rows)
