"""Images of one visible camera become a trained super-resolution network, on Lightning Fabric.

The pairs of step t are a pure function of the seed and t, and the random state is in the
checkpoint, so a training that was killed and started again computes what an uninterrupted one does.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from fprnet.data.data_set import open_data_set
from fprnet.data.records import Records
from fprnet.errors import CheckpointError, ConfigError, TrainingError
from fprnet_lab.superres.config import SuperresConfig
from fprnet_lab.superres.networks import ARCHITECTURES, SuperResolution
from fprnet_lab.superres.pairs import PairSampler, read_luma_images, select_camera
from fprnet_lab.superres.run_folder import SuperresFolder, superres_folder
from fprnet_lab.superres.scoring import mean_quality, score_image

__all__ = ["Outcome", "build_network", "train_superres"]

CHECK_EVERY = 10  # steps between looks at the loss; each look waits for the device


@dataclass(frozen=True)
class Outcome:
    """How a call of ``train_superres`` ended.

    Attributes:
        first_step: Steps that the training had behind it before.
        step: ... and has now.
        total_steps: ... and has when it is finished.
        history: One record for each checkpoint: step, loss, scores on the validation identities.
    """

    first_step: int
    step: int
    total_steps: int
    history: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet superres train --json`` prints."""
        last = self.history[-1] if self.history else {}
        return {"step": self.step, "total_steps": self.total_steps, "last": last}


@dataclass
class _Position:
    """Where a training is, beside weights and optimiser."""

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None
    losses: list[float | Tensor] = field(default_factory=list)  # since the last record


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
    with folder.opened():
        return _train(config, folder, sampler, held_out, network, optimizer, fabric, max_steps)


def _train(
    config: SuperresConfig,
    folder: SuperresFolder,
    sampler: PairSampler,
    held_out: Sequence[NDArray[np.uint8]],
    network: SuperResolution,
    optimizer: Optimizer,
    fabric: Fabric,
    max_steps: int | None,
) -> Outcome:
    scheduler = LambdaLR(optimizer, lambda step: _rate_factor(step, config))
    model, fabric_optimizer = fabric.setup(network, optimizer)
    position = _restore(folder, network, optimizer, scheduler)
    folder.write_history(position.history)
    first = position.step
    last = min(config.steps, max_steps or config.steps)
    with tqdm(total=config.steps, initial=first, desc="super-resolution", unit="step") as bar:
        while position.step < last:
            model.train()
            degraded, original = (t.to(fabric.device) for t in sampler.pairs(position.step))
            loss = _loss(model(degraded), original, config.loss)
            fabric_optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            fabric_optimizer.step()
            scheduler.step()
            position.step += 1
            position.losses.append(loss.detach())
            bar.update()
            due = position.step % config.save_every == 0 or position.step == config.steps
            if due or position.step == last or position.step % CHECK_EVERY == 0:
                _check_loss(position, config)
                bar.set_postfix(loss=f"{position.losses[-1]:.2e}")
            best = due and _record(position, network, held_out)
            if due or position.step == last:
                state = _state(config, position, network, optimizer, scheduler)
                folder.save(state, best=best or not folder.best.exists())
                folder.write_history(position.history)
    return Outcome(first, position.step, config.steps, position.history)


def _loss(restored: Tensor, original: Tensor, kind: str) -> Tensor:
    error = (restored - original) ** 2
    return error.mean() if kind == "mean" else error.sum() / (2 * len(error))


def _check_loss(position: _Position, config: SuperresConfig) -> None:
    position.losses = [float(loss) for loss in position.losses]
    if not math.isfinite(sum(position.losses)):
        raise TrainingError(
            f"the loss is not a number by step {position.step}; lower --learning_rate (now "
            f"{config.learning_rate}) or use --loss mean, with another --out"
        )


def _record(
    position: _Position, network: SuperResolution, held_out: Sequence[NDArray[np.uint8]]
) -> bool:
    """Score the network on the held-out images, and return whether it is the best so far."""
    record: dict[str, Any] = {
        "step": position.step,
        "loss": float(np.mean([float(x) for x in position.losses])),
    }
    score = None
    if held_out:
        network.eval()
        quality = mean_quality([score_image(network, image) for image in held_out])
        record["validation"] = dataclasses.asdict(quality)
        score = quality.psnr
    position.history.append(record)
    position.losses = []
    if score is not None and position.best is not None and score <= position.best:
        return False
    position.best = score
    return True


def _state(
    config: SuperresConfig,
    position: _Position,
    network: SuperResolution,
    optimizer: Optimizer,
    scheduler: LambdaLR,
) -> dict[str, Any]:
    return {
        "config": dataclasses.asdict(config),
        "model": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "random": torch.get_rng_state(),
        **{f.name: getattr(position, f.name) for f in dataclasses.fields(position)},
    }


def _restore(
    folder: SuperresFolder, network: SuperResolution, optimizer: Optimizer, scheduler: LambdaLR
) -> _Position:
    state = folder.read()
    if state is None:
        return _Position()
    try:
        network.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["random"])
        return _Position(**{f.name: state[f.name] for f in dataclasses.fields(_Position)})
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{folder.last} does not fit this training; give another folder with --out"
        ) from error


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
        {"params": hidden, "lr": rate},
        {"params": last, "lr": rate * config.last_layer_multiplier},
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
