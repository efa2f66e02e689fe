"""Crops become embeddings, and those clusters: who is whom, as far as a model can tell.

Shapes: N crops; D numbers per embedding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.adaptation.clusters import NOISE, Clusters, cluster_site
from fprnet.adaptation.config import AdaptationConfig
from fprnet.adaptation.site import Site, different_people
from fprnet.embeddings.extract import embed_images
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.errors import DataError, TrainingError
from fprnet.evaluation.reranking import jaccard_distances
from fprnet.precision import bfloat16_is_faster

__all__ = [
    "LEAST_CLUSTERS",
    "CollapseError",
    "Embeddings",
    "Pixels",
    "certain_groups",
    "check_spread",
    "cluster_crops",
    "embed_crops",
    "inference_precision",
]

LEAST_CLUSTERS = 8
MOST_IN_ONE = 0.5  # share of the crops that one cluster may have
TIGHT = 0.6  # mean Jaccard distance of the groups by which agreement is measured

Pixels = NDArray[np.uint8]
Embeddings = NDArray[np.float32]


class CollapseError(TrainingError):
    """All crops have become one person, or nearly nobody."""


def embed_crops(network: Any, images: Pixels, infrared: NDArray[np.bool_]) -> Embeddings:  # noqa: ANN401 - a Network
    """Return ``(N, D)`` float32 embeddings of the crops."""
    backend = PyTorchBackend(network.eval(), precision=inference_precision(), fold=False)
    found = np.empty((len(images), backend.embedding_size), dtype=np.float32)
    found[~infrared] = embed_images(backend, images, "visible", rows=np.flatnonzero(~infrared))
    found[infrared] = embed_images(backend, images, "infrared", rows=np.flatnonzero(infrared))
    return found


def cluster_crops(embeddings: Embeddings, site: Site, config: AdaptationConfig) -> Clusters:
    """Cluster the crops; those of people who are known are their people's, and of nobody else."""
    label = np.full(len(site), NOISE, dtype=np.int64)
    rows = np.flatnonzero(site.person < 0)
    some = site.where(rows)
    distance = _distances(embeddings[rows], some, config)
    found = cluster_site(
        distance,
        some.infrared,
        some.units,
        different_people(some),
        limit=config.limit,
        match_limit=config.match_limit,
        unsure=config.unsure,
        least=config.least,
    )
    label[rows] = found.label
    known = np.flatnonzero(site.person >= 0)
    names, place = np.unique(site.person[known], return_inverse=True)
    label[known] = place + found.count
    count = found.count + len(names)
    unsure = np.zeros((count, count), dtype=np.bool_)
    unsure[: found.count, : found.count] = found.unsure
    return Clusters(label, count, found.both, unsure)


def certain_groups(
    embeddings: Embeddings, site: Site, config: AdaptationConfig
) -> NDArray[np.int64]:
    """Return ``(N,)`` who is certainly one person in one modality: tracklets, or tight clusters."""
    own = site.person < 0
    group = np.where(own, site.tracklet, -1)
    loose = np.flatnonzero(own & (site.tracklet < 0))
    if len(loose) > 1:
        tight = replace(config, limit=TIGHT, match_limit=0.0, least=2)
        found = cluster_crops(embeddings[loose], site.where(loose), tight)
        # Of a cluster in both modalities each side is a group: it is never asked across.
        side = 2 * found.label + site.infrared[loose]
        first = int(group.max(initial=-1)) + 1
        group[loose] = np.where(found.label >= 0, side + first, -1)
    return group


def _distances(embeddings: Embeddings, site: Site, config: AdaptationConfig) -> NDArray[np.float32]:
    sides = site.infrared if config.balanced else np.zeros(len(site), dtype=np.bool_)
    return jaccard_distances(
        torch.from_numpy(embeddings).double(),
        sides.astype(np.int64),
        k1=config.neighbours,
        k2=config.averaged,
    )


def check_spread(found: Clusters, site: Site, epoch: int) -> None:
    """Refuse clusters that nobody could learn from.

    Raises:
        DataError: Before the first epoch: there are too few people, or nobody in both modalities.
        CollapseError: After it.
    """
    own = found.label[(site.person < 0) & (found.label >= 0)]
    largest = np.bincount(own).max(initial=0) / max(len(own), 1)
    count = len(np.unique(own))
    if count >= LEAST_CLUSTERS and largest <= MOST_IN_ONE and found.both >= LEAST_CLUSTERS // 2:
        return
    fault = (
        f"{count} clusters, {found.both} of them with crops of both modalities, the largest with "
        f"{100 * largest:.0f} % of the crops"
    )
    if epoch:
        raise CollapseError(f"before epoch {epoch + 1} the crops have collapsed into {fault}")
    raise DataError(
        f"the crops fall into {fault}; there are too few people, or day and night have nobody in "
        "common: give crops of more people, seen by both"
    )


def inference_precision() -> Literal["float32", "bfloat16"]:
    """Return in which precision the site's crops are embedded here."""
    return "bfloat16" if bfloat16_is_faster() else "float32"
