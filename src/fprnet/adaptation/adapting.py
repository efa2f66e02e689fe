"""A model and unlabelled crops become a model of the site, or stay the model that they were.

Before each epoch the averaged teacher embeds all crops, and those are clustered; the student learns
which cluster each crop is of, through a task of the one training loop. The epoch whose teacher
agrees best with itself on held-out crops is taken, if it agrees better than the model before.

The recipe follows cluster contrast for visible and infrared (Yang et al., "Augmented Dual-
Contrastive Aggregation Learning", ACM MM 2022) with camera-aware proxies (see `memory`).
Shapes: N crops.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from fprnet.adaptation.agreement import Agreement, agreement, held_out_groups
from fprnet.adaptation.batches import ClusterBatch, SiteBatches
from fprnet.adaptation.clusters import NOISE, Clusters
from fprnet.adaptation.config import AdaptationConfig, config_from_dict, to_yaml
from fprnet.adaptation.crops import (
    CollapseError,
    Embeddings,
    Pixels,
    certain_groups,
    check_spread,
    cluster_crops,
    embed_crops,
    inference_precision,
)
from fprnet.adaptation.memory import ProxyMemory
from fprnet.adaptation.site import Site, check_enough
from fprnet.adaptation.teacher import Averaging, StudentAndTeacher
from fprnet.components import plain
from fprnet.cores import available_cores
from fprnet.data.cache import open_cache
from fprnet.embeddings.embedder import Embedder
from fprnet.errors import DataError
from fprnet.losses.terms import LossTerms
from fprnet.methods.callbacks import Callback
from fprnet.models.weights import check_finite
from fprnet.runs.checkpoint_file import CheckpointKind
from fprnet.runs.run_folder import RunFolder, RunKind
from fprnet.training.loop import Task, train
from fprnet.training.optimizer import sgd
from fprnet.training.schedule import cosine

__all__ = [
    "ADAPTATION",
    "FOLDER",
    "RUN",
    "Adaptation",
    "adapt_network",
]

FOLDER = "adaptation"  # of the run, inside the folder of the model
CLIP = 5.0  # longest gradient
MOST_STEPS = 50  # of an epoch: after more of them even a site's labels make a good model worse

ADAPTATION = CheckpointKind(
    name="adaptation",
    format=1,
    needed=("config", "model", "step"),
    command="fprnet adapt",
    other_weights="give a folder that 'fprnet adapt' wrote",
)
RUN = RunKind(
    noun="adaptation",
    checkpoint=ADAPTATION,
    to_yaml=to_yaml,
    from_dict=config_from_dict,
    keys=plain,
    free=frozenset(),
)


@dataclass(frozen=True)
class Adaptation:
    """What became of a model.

    Attributes:
        network: The model to use from now on: the adapted one, or the one before.
        kept: Whether that is the adapted one.
        reason: Why not; "" where it is.
        before: Agreement of the model before on held-out crops.
        after: ... of the adapted one; None where there is none.
        epoch: Which epoch was taken, from 1; 0 for none.
        history: One record for each epoch.
        embeddings_before: ``(N, D)`` of all crops by the model before.
        embeddings: ``(N, D)`` by ``network``.
        clusters: Clusters of the crops, by their embeddings by ``network``.
    """

    network: nn.Module
    kept: bool
    reason: str
    before: Agreement
    after: Agreement | None
    epoch: int
    history: list[dict[str, Any]]
    embeddings_before: Embeddings
    embeddings: Embeddings
    clusters: Clusters


def adapt_network(
    embedder: Embedder, site: Site, folder: Path, config: AdaptationConfig
) -> Adaptation:
    """Adapt a model, or continue to.

    Args:
        embedder: The model before; its network is not changed.
        site: N crops.
        folder: Where the run is; one of the same config found there is continued.
        config: How.

    Raises:
        DataError: The crops are too few, or cannot be read.
        ConfigError: The folder holds a run of another config, or of other crops or another model.
        CheckpointError: The checkpoint there does not fit, or the disk is full.
        TrainingError: The loss is not a number, or the folder cannot be written.
    """
    check_enough(site.where(site.person < 0))
    run_folder = RunFolder(folder, config, RUN)
    records = site.records(np.arange(len(site)))
    images = open_cache(
        records,
        embedder.size,
        depth_range=embedder.depth_range,
        folder=folder.parent / ".crops",
        workers=available_cores(),
    )
    networks = StudentAndTeacher(embedder.model)
    networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    teaching = _Teaching(networks, images, site, config, embedder)
    before = teaching.measure(teaching.start)
    reason = ""
    history: list[dict[str, Any]] = []
    try:
        history = _train(teaching, run_folder, config, embedder)
    except CollapseError as error:
        reason = str(error)
    taken = _best(run_folder, networks)
    after, epoch = None, 0
    if taken is not None:
        embeddings = embed_crops(networks.teacher, images, site.infrared)
        after = teaching.measure(embeddings)
        epoch = taken
        if after.share >= before.share + config.margin:
            found = cluster_crops(embeddings, site, config)
            teacher = networks.teacher
            return Adaptation(
                *(teacher, True, "", before, after, epoch, history),
                *(teaching.start, embeddings, found),
            )
        reason = reason or (
            f"agreement on held-out crops is {after.share:.3f} after {epoch} epochs and was "
            f"{before.share:.3f}, so less than {config.margin:g} is gained"
        )
    found = teaching.first or cluster_crops(teaching.start, site, config)
    return Adaptation(
        *(embedder.model, False, reason, before, after, epoch, history),
        *(teaching.start, teaching.start, found),
    )


class _Teaching(Callback):
    """Clusters the crops before each epoch, and measures the teacher after it."""

    def __init__(
        self,
        networks: StudentAndTeacher,
        images: Pixels,
        site: Site,
        config: AdaptationConfig,
        embedder: Embedder,
    ) -> None:
        self.networks, self.images, self.site, self.config = networks, images, site, config
        self.start = embed_crops(networks.teacher, images, site.infrared)
        self.batches = SiteBatches(
            images,
            site.records(np.arange(len(site))),
            clusters=config.clusters,
            images_per_cluster=config.images,
            changes=embedder.config.augmentation,
            seed=config.seed,
        )
        self._group = certain_groups(self.start, site, config)
        random = np.random.default_rng([config.seed, 1])
        self._held_out = held_out_groups(self._group, config.held_out, random)
        if not self._held_out.any():
            raise DataError(
                f"no two of the {len(site)} crops are alike enough to be measured by; give more "
                "crops of each person, or tracklets"
            )
        self.learnt = int((~self._held_out).sum())  # crops
        self._embeddings: Embeddings | None = None
        self.first: Clusters | None = None  # of the model before
        self._cluster = np.zeros(0, dtype=np.int64)
        self._memory: ProxyMemory | None = None
        self._record: dict[str, Any] = {}

    def measure(self, embeddings: Embeddings) -> Agreement:
        """Return the agreement on the held-out crops."""
        own = self.site.person < 0
        return agreement(
            embeddings[own], self.site.infrared[own], self._group[own], self._held_out[own]
        )

    def begin_epoch(self, epoch: int, optimizers: Mapping[str, Any]) -> None:
        """Cluster the crops by the teacher, and make the memory of the clusters."""
        del optimizers
        embeddings = self._embeddings
        if embeddings is None and epoch == 0:
            embeddings = self.start
        elif embeddings is None:  # continued
            embeddings = embed_crops(self.networks.teacher, self.images, self.site.infrared)
        self._embeddings = None
        found = cluster_crops(embeddings, self.site, self.config)
        if epoch == 0:
            self.first = found
        check_spread(found, self.site, epoch)
        self._cluster = np.where(self._held_out, NOISE, found.label)
        camera = self.site.camera if self.config.camera_aware else np.full(len(self.site), -1)
        self._memory = ProxyMemory(
            embeddings,
            self._cluster,
            self.site.infrared,
            camera,
            unsure=found.unsure,
            temperature=self.config.temperature,
            momentum=self.config.memory_momentum,
        )
        self.batches.use(self._cluster)
        own = self.site.person < 0
        self._record = {
            "clusters": found.count,
            "clusters_of_both": found.both,
            "noise": round(float((found.label[own] == NOISE).mean()), 4),
        }

    def record(self) -> dict[str, Any]:
        """Return how the crops were clustered."""
        return self._record

    def loss(self, network: nn.Module, batch: ClusterBatch, processes: int) -> LossTerms:
        """Return the contrastive loss of a batch, and let the memory follow it."""
        del processes
        assert self._memory is not None  # an epoch has begun
        embeddings = torch.cat(network(*batch.images))
        cluster = torch.from_numpy(self._cluster[batch.rows]).to(embeddings.device)
        loss = self._memory.loss(embeddings, cluster)
        self._memory.update(embeddings, self._memory.proxy_of[batch.rows])
        return LossTerms(loss, {})

    def validate(self, networks: StudentAndTeacher) -> Mapping[str, float]:
        """Return the agreement of what would be kept."""
        self._embeddings = embed_crops(networks.teacher, self.images, self.site.infrared)
        return {"agreement": self.measure(self._embeddings).share}


def _train(
    teaching: _Teaching, folder: RunFolder[Any], config: AdaptationConfig, embedder: Embedder
) -> list[dict[str, Any]]:
    networks = teaching.networks
    once = teaching.learnt // teaching.batches.images_per_step  # steps that show all crops once
    steps = config.steps_per_epoch or min(MOST_STEPS, max(1, once))
    parameters = [one for one in networks.student.parameters() if one.requires_grad]
    optimizer = sgd([{"params": parameters, "name": "network"}], learning_rate=config.learning_rate)
    schedule = cosine(steps, config.epochs, warmup_epochs=0.5)
    torch.manual_seed(config.seed)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    cuda = next(networks.parameters()).device.type == "cuda"
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=1,
        precision="bf16-mixed" if inference_precision() == "bfloat16" else "32-true",
    )
    task = Task(
        config=plain(config),
        data=teaching.batches,
        loss=teaching.loss,
        epochs=config.epochs,
        steps_per_epoch=steps,
        clip_norm=CLIP,
        callbacks=[
            teaching,
            Averaging(networks, config.teacher_momentum if config.teacher else 0.0),
        ],
        validate=teaching.validate,
        criterion="agreement",
        advice=f"lower --learning-rate (now {config.learning_rate:g}), with another --out",
    )
    return train(
        task,
        folder,
        networks,
        {"model": optimizer},
        {"model": LambdaLR(optimizer, schedule)},
        fabric=fabric,
    ).history


def _best(folder: RunFolder[Any], networks: StudentAndTeacher) -> int | None:
    """Load the best epoch's weights; return its number, None where no epoch was finished."""
    if not folder.best.exists():
        return None
    checkpoint = ADAPTATION.read(folder.best)
    networks.load_state_dict(checkpoint["model"])
    check_finite(networks.state_dict(), folder.best)
    return len(checkpoint["history"])
