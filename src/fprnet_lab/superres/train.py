"""Images of one visible camera become a trained super-resolution network: a task of the one loop.

The pairs of step t are a pure function of the seed and t, and the random state is in the
checkpoint, so a training that was killed and started again computes what an uninterrupted one does.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fprnet.components import plain
from fprnet.data.data_set import open_data_set
from fprnet.data.records import Records
from fprnet.errors import ConfigError
from fprnet.losses.terms import LossTerms
from fprnet.training.loop import Outcome, Task, Validation, train
from fprnet_lab.superres.config import SuperresConfig
from fprnet_lab.superres.networks import ARCHITECTURES, SuperResolution
from fprnet_lab.superres.pairs import PairSampler, read_luma_images, select_camera
from fprnet_lab.superres.run_folder import superres_folder
from fprnet_lab.superres.scoring import mean_quality, score_image

__all__ = ["build_network", "train_superres"]


def build_network(config: SuperresConfig) -> SuperResolution:
    """Return the network of a config; its weights are drawn from torch's random numbers."""
    return SuperResolution(
        ARCHITECTURES[config.network],
        enlargement=config.enlargement,
        dropout=config.dropout,
        residual=config.residual,
    )


def train_superres(
    config: SuperresConfig, out: Path, *, max_steps: int | None = None, progress: bool = True
) -> Outcome:
    """Train, or continue, the training that a config describes.

    Training identities are learnt from; validation identities choose ``best.pt`` by PSNR. Nobody
    who is tested is looked at.

    Args:
        config: Checked; ``data`` is the data set.
        out: Run folder.
        max_steps: Stop, with a checkpoint, once so many steps are done.
        progress: Show bars on stderr.

    Raises:
        FprnetError: Data set, folder or loss are not what they should be.
    """
    folder = superres_folder(out, config)
    fabric = _make_fabric(config)
    data_set = open_data_set(Path(config.data), split=config.split, needed=("train",))
    records = data_set.records(visible_only=True)
    side = config.side if config.pictures == "resize" else None
    workers = os.cpu_count() or 1
    originals = read_luma_images(
        select_camera(records, config.camera, data_set.train),
        side=side,
        workers=workers,
        progress=progress,
    )
    held_out = read_luma_images(
        _some_of(select_camera(records, config.camera, data_set.validation), config),
        side=side,
        workers=workers,
        progress=progress,
    )
    sampler = PairSampler(
        originals,
        side=config.side,
        factor=config.factor,
        flip=config.flip,
        batch=config.batch,
        seed=config.seed,
    )
    torch.manual_seed(config.seed)
    network = build_network(config)
    optimizer = _make_optimizer(network, config)
    task = Task(
        config=plain(config),
        data=sampler,
        loss=_Loss(config.loss),
        epochs=math.ceil(config.steps / config.save_every),
        steps_per_epoch=config.save_every,
        total_steps=config.steps,
        validate=_validation(held_out) if held_out else None,
        criterion="psnr",
        advice=f"lower --learning_rate (now {config.learning_rate}) or use --loss mean, with "
        "another --out",
    )
    schedule = LambdaLR(optimizer, lambda step: _rate_factor(step, config))
    return train(
        task,
        folder,
        network,
        {"model": optimizer},
        {"model": schedule},
        fabric=fabric,
        max_steps=max_steps,
    )


@dataclasses.dataclass(frozen=True)
class _Loss:
    """Squared error of a batch of pairs: its mean, or half its sum over an image's pixels."""

    kind: str

    def __call__(
        self, network: nn.Module, batch: tuple[Tensor, Tensor], processes: int
    ) -> LossTerms:
        del processes
        degraded, original = batch
        error = (network(degraded) - original) ** 2
        return LossTerms(
            error.mean() if self.kind == "mean" else error.sum() / (2 * len(error)), {}
        )


def _validation(held_out: Sequence[NDArray[np.uint8]]) -> Validation:
    """Return the function that scores a network on images that it does not learn from."""

    def validate(network: SuperResolution) -> Mapping[str, float]:
        quality = mean_quality([score_image(network, image) for image in held_out])
        scores: dict[str, Any] = dataclasses.asdict(quality)
        return scores

    return validate


def _some_of(records: Records, config: SuperresConfig) -> Records:
    """Return evenly spaced images, at most as many as the config scores."""
    every = math.ceil(len(records) / config.validation_images) or 1
    return records.where(np.arange(0, len(records), every))


def _rate_factor(step: int, config: SuperresConfig) -> float:
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * step / config.steps))


def _make_optimizer(network: SuperResolution, config: SuperresConfig) -> Optimizer:
    last = list(network.conv3.parameters())
    hidden = [*network.conv1.parameters(), *network.conv2.parameters()]
    rate = config.learning_rate
    groups = [
        {"params": hidden, "lr": rate, "name": "hidden"},
        {"params": last, "lr": rate * config.last_layer_multiplier, "name": "last"},
    ]
    if config.optimizer == "adam":
        return Adam(groups, lr=rate)
    return SGD(groups, lr=rate, momentum=config.momentum)


def _make_fabric(config: SuperresConfig) -> Fabric:
    cuda = torch.cuda.is_available()
    if config.accelerator == "cuda" and not cuda:
        raise ConfigError("accelerator is cuda but torch finds no GPU; use --accelerator cpu")
    torch.set_num_threads(config.threads)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    return Fabric(
        accelerator="cuda" if cuda and config.accelerator != "cpu" else "cpu",
        devices=1,
        precision="bf16-mixed" if config.precision == "bfloat16" else "32-true",
    )
