"""A config and an output folder become a trained run: everything a run needs, put together."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from numpy.typing import NDArray
from torch import nn

from fprnet.config import RunConfig, config_as_dict
from fprnet.config.schema import TrainingConfig
from fprnet.cores import available_cores
from fprnet.data.cache import open_cache
from fprnet.data.data_set import DataSet, open_data_set
from fprnet.data.reader import Part
from fprnet.data.records import Records
from fprnet.embeddings.extract import extract_features
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.errors import CheckpointError, ConfigError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import score
from fprnet.losses.state import followers_in, modules_in
from fprnet.methods.network import build_network, untrained
from fprnet.models.batch_norm import synchronise_batch_norm
from fprnet.models.compiled import check_compiler, compile_trunk
from fprnet.runs.start import start_from
from fprnet.training.choices import resolve_runtime
from fprnet.training.loop import Outcome, Task, Validation, train
from fprnet.training.memory_format import in_memory_format
from fprnet.training.objective import build_objective, loss_of
from fprnet.training.optimizer import make_optimizers
from fprnet.training.resident import choose_image_device
from fprnet.training.run_folder import TrainingFolder, training_folder
from fprnet.training.schedule import make_scheduler
from fprnet.training.training_set import TrainingSet
from fprnet.training.weight_gradients import quicken_weight_gradients

__all__ = ["run_training"]


@dataclass(frozen=True)
class _Data:
    data_set: DataSet
    records: Records
    images: NDArray[np.uint8]


def run_training(config: RunConfig, out: Path, *, max_steps: int | None = None) -> Outcome:
    """Train, or continue, the run that a config describes.

    Under ``torchrun`` the processes share every batch and compute what one process would.

    Args:
        config: Checked; ``data.root`` is the data set. The run's own config says its layout.
        out: Run folder.
        max_steps: Stop, with a checkpoint, once the run has so many optimiser steps behind it.

    Raises:
        FprnetError: Data set, weights, run folder or loss are not what they should be.
    """
    device = torch.device(_accelerator(config.training))
    if config.training.compile:
        check_compiler(device)
    data_set = _open_data_set(config)
    records = data_set.records(visible_only=config.data.modalities == "visible")
    _check_before_reading(config, data_set, records, out)
    config = resolve_runtime(config, out, device=device)
    fabric = make_fabric(config.training)
    torch.set_num_threads(config.training.threads or 1)
    config = replace(config, data=replace(config.data, layout=data_set.layout))
    if config.training.start_from is not None:
        config = replace(config, model=untrained(config.model))
    folder = training_folder(out, config)
    _check_processes(config, fabric.world_size)
    data = _Data(data_set, records, _open_images(config, records, fabric))
    validate = _validation(config, data) if config.training.validate_every else None
    keep = np.flatnonzero(np.isin(data.records.identity, _trained(config, data.data_set)))
    size = len(keep) * int(np.prod(data.images.shape[1:]))
    images_on = choose_image_device(config.training.images_on, fabric.device, size)
    training_set = TrainingSet(
        data.images,
        data.records,
        rows=keep,
        batches=config.batches,
        changes=config.augmentation,
        seed=config.seed,
        visible_only=config.data.modalities == "visible",
        channels_last=config.training.channels_last,
        resident=fabric.device if images_on == "device" else None,
    )
    torch.manual_seed(config.seed)
    # A run that is continued has weights of its own.
    people = len(training_set.identities)
    going_on = folder.last.exists()
    model = build_network(untrained(config.model), people) if going_on else _new(config, people)
    objective = build_objective(
        config.loss,
        model,
        identities=people,
        size=(config.data.height, config.data.width),
        visible_only=config.data.modalities == "visible",
    )
    if fabric.world_size > 1:
        _synchronise(model, fabric.device)
    channels_last = config.training.channels_last
    model = in_memory_format(model, channels_last=channels_last, device=fabric.device)
    if config.training.compile:
        compile_trunk(model)
    else:
        quicken_weight_gradients(model, fabric.device)
    loss_modules = modules_in(objective)
    optimizers = make_optimizers(model, config.optimizer, loss_modules=loss_modules)
    schedulers = {
        player: make_scheduler(
            optimizer,
            config.schedule,
            steps_per_epoch=config.training.steps_per_epoch or training_set.steps_per_epoch,
            epochs=config.training.epochs,
        )
        for player, optimizer in optimizers.items()
    }
    training = config.training
    rate = config.optimizer.options.get("learning_rate", "its own")
    task = Task(
        config=config_as_dict(config),
        data=training_set,
        loss=loss_of(objective),
        epochs=training.epochs,
        steps_per_epoch=training.steps_per_epoch or training_set.steps_per_epoch,
        loss_modules=loss_modules,
        loss_followers=followers_in(objective),
        clip_norm=training.clip_norm,
        checkpoint_every=training.checkpoint_every,
        callbacks=[callback.build(model) for callback in config.callbacks.values()],
        validate=validate,
        validate_every=training.validate_every,
        criterion=None if training.selection == "last" else "mAP",
        entries={
            "identities": [int(identity) for identity in training_set.identities],
            "selection": training.selection,
        },
        check=partial(_check_identities, folder, training_set),
        advice=f"lower --optimizer.learning_rate (now {rate}) or try --training.precision "
        "float32, with another --out; a checkpoint that is there is from before",
    )
    return train(task, folder, model, optimizers, schedulers, fabric=fabric, max_steps=max_steps)


def _check_identities(
    folder: TrainingFolder, data: TrainingSet, checkpoint: Mapping[str, Any]
) -> None:
    if list(checkpoint["identities"]) != [int(identity) for identity in data.identities]:
        raise CheckpointError(
            f"{folder.last} was trained on {len(checkpoint['identities'])} identities, not on the "
            f"{len(data.identities)} of this data set; continue with the same --data, or give "
            "another --out"
        )


def make_fabric(training: TrainingConfig) -> Fabric:
    """Return the engine for this process: device, precision, and the processes of ``torchrun``.

    Args:
        training: With the precision chosen.

    Raises:
        ConfigError: The accelerator that was asked for is not there.
    """
    # "Using bfloat16 Automatic Mixed Precision" and the like: config.yaml says it.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    # Every process computes the running statistics of the whole batch: nothing to broadcast.
    spread = DDPStrategy(broadcast_buffers=False)
    fabric = Fabric(
        accelerator=_accelerator(training),
        devices=local,
        num_nodes=processes // local,
        strategy=spread if processes > 1 else "auto",
        precision="bf16-mixed" if training.precision == "bfloat16" else "32-true",
    )
    fabric.launch()
    return fabric


def _accelerator(training: TrainingConfig) -> Literal["cpu", "cuda"]:
    cuda = torch.cuda.is_available()
    if training.accelerator == "cuda" and not cuda:
        raise ConfigError(
            "training.accelerator is cuda but torch finds no GPU; use --training.accelerator cpu"
        )
    return "cuda" if cuda and training.accelerator != "cpu" else "cpu"


def _check_processes(config: RunConfig, processes: int) -> None:
    identities = config.batches.options.get("identities", processes)
    if identities % processes:
        raise ConfigError(
            f"batches.identities is {identities}, which {processes} processes cannot share evenly; "
            f"set --batches.identities to a multiple of {processes}"
        )


def _synchronise(model: nn.Module, device: torch.device) -> None:
    """Let the BatchNorm of modules that see one process's images see those of all processes."""
    for part in getattr(model, "local_parts", list)():
        synchronise_batch_norm(part, device)


def _open_data_set(config: RunConfig) -> DataSet:
    needed: list[Part] = ["train"]
    if config.data.modalities != "visible":
        needed.append("validation")
        if config.training.selection == "test":
            needed.append("test")
    return open_data_set(
        Path(config.data.root),
        layout=config.data.layout,
        split=config.data.split,
        needed=needed,
    )


def _check_before_reading(
    config: RunConfig, data_set: DataSet, records: Records, out: Path
) -> None:
    """Find what is cheap to find before an image is resized or a precision is tried.

    Raises:
        FprnetError: The lists, the batches or the weights do not fit.
    """
    data_set.check(records)
    if config.training.validate_every:
        _validated(config, data_set)
    keep = np.flatnonzero(np.isin(records.identity, _trained(config, data_set)))
    size = (len(records), config.data.height, config.data.width, 3)
    stand_in = TrainingSet(
        np.broadcast_to(np.uint8(0), size),
        records,
        rows=keep,
        batches=config.batches,
        changes=config.augmentation,
        seed=config.seed,
        visible_only=config.data.modalities == "visible",
    )
    starts = config.training.start_from is not None or untrained(config.model) != config.model
    if starts and not (out / "checkpoints" / "last.pt").exists():
        # What the weights say about themselves is said when they are used.
        with torch.random.fork_rng(devices=[]), contextlib.redirect_stderr(io.StringIO()):
            _new(config, len(stand_in.identities))


def _new(config: RunConfig, people: int) -> Any:  # noqa: ANN401 - a Network
    """Return the network of a new run, with the weights that it starts from."""
    source = config.training.start_from
    network = config.model if source is None else untrained(config.model)
    model = build_network(network, people)
    if source is not None:
        start_from(source, model, network)
    return model


def _open_images(config: RunConfig, records: Records, fabric: Fabric) -> NDArray[np.uint8]:
    size = (config.data.height, config.data.width)
    folder = Path(config.data.cache) if config.data.cache else None
    with fabric.rank_zero_first():  # one process fills the cache, the others find it
        return open_cache(
            records,
            size,
            folder=folder,
            depth_range=config.data.depth_range,
            workers=available_cores(),
            progress=fabric.is_global_zero,
        )


def _validation(config: RunConfig, data: _Data) -> Validation | None:
    """Return the function that scores a model on people it does not train on, if there are any.

    Raises:
        ConfigError: There are none, but the best checkpoint is to be chosen on them.
    """
    precision = config.training.precision
    assert precision is not None  # run_training has chosen it
    identities = _validated(config, data.data_set)
    if set(identities) <= set(_trained(config, data.data_set)):
        return None
    rows = np.flatnonzero(np.isin(data.records.identity, identities))
    records = data.records.where(rows)

    def validate(model: Any) -> Mapping[str, float]:  # noqa: ANN401 - a Network
        backend = PyTorchBackend(model, precision=precision, fold=False)
        features = extract_features(backend, data.images, records, rows=rows, meta={})
        protocol = make_protocol(features, data.data_set, identities=identities)
        scores = score(features, protocol)
        metrics = scores.rows["plain"].metrics
        return {name: metrics[name].mean for name in ("rank-1", "rank-10", "mAP", "mINP")}

    return validate


def _validated(config: RunConfig, data_set: DataSet) -> tuple[int, ...]:
    """Return the identities that a model is scored on while it is trained.

    Raises:
        ConfigError: There are none, but the best checkpoint is to be chosen on them.
    """
    selection = config.training.selection
    identities = data_set.test if selection == "test" else data_set.validation
    if selection != "last" and not identities:
        raise ConfigError(
            f"training.selection is {selection} but the data set lists no {selection} identities; "
            "use --training.selection last"
        )
    return identities


def _trained(config: RunConfig, data_set: DataSet) -> tuple[int, ...]:
    if config.data.identities == "train":
        return data_set.train
    return (*data_set.train, *data_set.validation)
