"""A config and a data set become a run folder: the training loop, on Lightning Fabric.

The batch and the augmentation of optimiser step t are pure functions of the seed and t, so a run
that was killed and started again computes what an uninterrupted one computes, bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from fprnet.config import RunConfig, config_as_dict
from fprnet.errors import CheckpointError
from fprnet.losses.terms import Objective, as_terms
from fprnet.methods.callbacks import Callback
from fprnet.models.distributed import gather_rows
from fprnet.runs.trained_model import load_weights
from fprnet.training.epoch_record import (
    check_loss,
    check_varies,
    check_weights,
    epoch_record,
    progress,
    sentence,
    write_events,
)
from fprnet.training.run_folder import TrainingFolder, open_events
from fprnet.training.train_state import TrainState
from fprnet.training.training_set import TrainingSet

__all__ = ["Outcome", "Validation", "train"]

Validation = Callable[[Any], Mapping[str, float]]
CHECK_EVERY = 10  # steps between looks at the loss; each look waits for the device


@dataclass(frozen=True)
class Outcome:
    """How a call of ``train`` ended.

    Attributes:
        first_step: Optimiser steps that the run had behind it before.
        step: ... and has now.
        total_steps: ... and has when it is finished.
        history: One record for each finished epoch.
        is_main_process: Whether this is the process that talks and writes.
    """

    first_step: int
    step: int
    total_steps: int
    history: list[dict[str, Any]]
    is_main_process: bool = True

    @property
    def finished(self) -> bool:
        """Whether the run has reached its last step."""
        return self.step >= self.total_steps

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet train --json`` prints."""
        last = self.history[-1] if self.history else {}
        return {"step": self.step, "total_steps": self.total_steps, "last_epoch": last}


@dataclass
class _Run:
    """What the steps work on."""

    config: RunConfig
    fabric: Fabric
    model: nn.Module
    wrapped: nn.Module
    objective: Objective
    optimizers: dict[str, Any]  # by player; Fabric's wrappers
    schedulers: Mapping[str, LambdaLR]
    data: TrainingSet
    callbacks: Sequence[Callback]
    folder: TrainingFolder
    steps_per_epoch: int
    validates: bool

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.config.training.epochs

    @property
    def learning_rate(self) -> float:
        return float(self.config.optimizer.options.get("learning_rate", math.nan))


def train(
    config: RunConfig,
    folder: TrainingFolder,
    data: TrainingSet,
    model: nn.Module,
    objective: Objective,
    optimizers: Mapping[str, Optimizer],
    schedulers: Mapping[str, LambdaLR],
    *,
    fabric: Fabric,
    validate: Validation | None = None,
    max_steps: int | None = None,
) -> Outcome:
    """Train, or continue, the run in a folder.

    Args:
        config: Config of the run.
        folder: A run of the same config found there is continued.
        data: The training images.
        model: Freshly built; its weights are replaced when a run is continued.
        objective: Outputs of the model -> loss.
        optimizers: By player, each over its own part of the model's parameters: "model", and
            "adversary" where the objective has one.
        schedulers: By player, stepped after every optimiser step.
        fabric: Device, precision, processes.
        validate: Model -> scores with "mAP"; called every ``training.validate_every`` epochs.
        max_steps: Stop, with a checkpoint, once the run has so many optimiser steps behind it.

    Raises:
        ConfigError: The checkpoint there is of another run.
        CheckpointError: The checkpoint there does not fit, or the disk is full.
        TrainingError: The loss is not a number, or constant; or the folder cannot be written.
    """
    fabric.barrier()  # nobody writes before everybody has looked at the folder
    with folder.opened(writes=fabric.is_global_zero):
        wrapped, *fabric_optimizers = fabric.setup(model, *optimizers.values())
        state = _restore(folder, model, optimizers, schedulers, data)
        run = _Run(
            config=config,
            fabric=fabric,
            model=model,
            wrapped=wrapped,
            objective=objective,
            optimizers=dict(zip(optimizers, fabric_optimizers, strict=True)),
            schedulers=schedulers,
            data=data,
            callbacks=[callback.build(model) for callback in config.callbacks.values()],
            folder=folder,
            steps_per_epoch=config.training.steps_per_epoch or data.steps_per_epoch,
            validates=validate is not None,
        )
        first_step = state.step
        last_step = min(run.total_steps, max_steps or run.total_steps)
        if fabric.is_global_zero:
            # A process that was killed after its checkpoint has not written them.
            folder.write_history(state.history)
        if first_step < last_step:
            _epochs(run, state, last_step, validate)
        return Outcome(
            first_step, state.step, run.total_steps, state.history, fabric.is_global_zero
        )


def _epochs(run: _Run, state: TrainState, last_step: int, validate: Validation | None) -> None:
    if not run.fabric.is_global_zero:
        while state.step < last_step:
            _epoch(run, state, last_step, validate, None)
        return
    verb = "continued" if state.step else "begun"
    run.folder.log(f"{verb} at step {state.step} of {run.total_steps}")
    with open_events(run.folder, first_step=state.step) as board:
        if state.history and state.history[-1]["step"] == state.step:
            write_events(board, state.history[-1])
        while state.step < last_step:
            _epoch(run, state, last_step, validate, board)


def _epoch(
    run: _Run,
    state: TrainState,
    last_step: int,
    validate: Validation | None,
    board: SummaryWriter | None,
) -> None:
    """Train to the end of the epoch or to ``last_step``, and leave a checkpoint."""
    training, fabric = run.config.training, run.fabric
    epoch, begun = divmod(state.step, run.steps_per_epoch)
    end = min(last_step, (epoch + 1) * run.steps_per_epoch)
    if begun == 0:
        state.begin_epoch()
        for callback in run.callbacks:
            callback.begin_epoch(epoch, run.optimizers)
    started, first = time.monotonic(), state.step
    run.wrapped.train()
    for callback in run.callbacks:
        callback.set_modes(epoch)
    with tqdm(
        total=run.steps_per_epoch,
        initial=begun,
        desc=f"epoch {epoch + 1}/{training.epochs}",
        unit="step",
        disable=not fabric.is_global_zero,
    ) as bar:
        while state.step < end:
            groups = [g for o in run.optimizers.values() for g in o.param_groups]
            rates = {group["name"]: group["lr"] for group in groups}
            _step(run, state, epoch)
            bar.update()
            if state.step % CHECK_EVERY == 0 or state.step == end:
                check_loss(state, run.learning_rate)
                bar.set_postfix(progress(state, state.step - epoch * run.steps_per_epoch))
            every = training.checkpoint_every
            if every and state.step % every == 0 and state.step < end:
                _save(run, state, best=False)
    seconds = time.monotonic() - started
    if end < (epoch + 1) * run.steps_per_epoch:  # max_steps ends the run inside an epoch
        _save(run, state, best=training.selection == "last" or not run.folder.best.exists())
        return
    check_varies(state, run.steps_per_epoch, run.learning_rate)
    record = epoch_record(state, epoch, run.steps_per_epoch, rates)
    for callback in run.callbacks:
        record |= callback.record()
    record["images_per_second"] = round((end - first) * run.data.images_per_step / seconds, 1)
    is_last = epoch + 1 == training.epochs
    due = training.validate_every and ((epoch + 1) % training.validate_every == 0 or is_last)
    if validate is not None and due:
        record["validation"] = _validate(run, validate)
    state.history.append(record)
    _save(run, state, best=_is_best(run, state, record))
    if board is not None:
        run.folder.write_history(state.history)
        run.folder.log(sentence(record))
        write_events(board, record)


def _step(run: _Run, state: TrainState, epoch: int) -> None:
    batch = run.data.batch(
        state.step,
        device=run.fabric.device,
        rank=run.fabric.global_rank,
        processes=run.fabric.world_size,
    )
    outputs = run.wrapped(
        batch.visible,
        batch.infrared,
        batch.visible_labels,
        batch.infrared_labels,
        **({"gather": gather_rows} if run.fabric.world_size > 1 else {}),
    )
    terms = as_terms(run.objective(outputs))
    for optimizer in run.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    run.fabric.backward(terms.total_with_adversary)
    for callback in run.callbacks:
        callback.after_backward(epoch)
    for player, optimizer in run.optimizers.items():
        if run.config.training.clip_norm is not None:
            own = [p for group in optimizer.param_groups for p in group["params"]]
            clip_grad_norm_(own, run.config.training.clip_norm)
        optimizer.step()
        run.schedulers[player].step()
    state.add(terms)


def _validate(run: _Run, validate: Validation) -> dict[str, float]:
    scores: dict[str, float] = {}
    if run.fabric.is_global_zero:
        run.model.eval()
        scores = dict(validate(run.model))
    run.fabric.barrier()
    return scores


def _is_best(run: _Run, state: TrainState, record: Mapping[str, Any]) -> bool:
    if run.config.training.selection == "last" or not run.validates:
        return True
    score = record.get("validation", {}).get("mAP")
    if score is None:  # not validated yet: any checkpoint is better than none
        return not run.folder.best.exists()
    if state.best is not None and score <= state.best:
        return False
    state.best = score
    return True


def _save(run: _Run, state: TrainState, *, best: bool) -> None:
    check_loss(state, run.learning_rate)
    check_weights(run.model, state.step, run.learning_rate)
    if not run.fabric.is_global_zero:
        return
    cuda = torch.cuda.get_rng_state_all() if run.fabric.device.type == "cuda" else []
    checkpoint = {
        "config": config_as_dict(run.config),
        "identities": [int(identity) for identity in run.data.identities],
        "selection": run.config.training.selection,
        "model": run.model.state_dict(),
        **{
            key: part.state_dict()
            for key, part in _stateful(
                {player: o.optimizer for player, o in run.optimizers.items()}, run.schedulers
            ).items()
        },
        "random": {"torch": torch.get_rng_state(), "cuda": cuda},
        **state.as_dict(),
    }
    run.folder.save(checkpoint, best=best)


def _restore(
    folder: TrainingFolder,
    model: nn.Module,
    optimizers: Mapping[str, Optimizer],
    schedulers: Mapping[str, LambdaLR],
    data: TrainingSet,
) -> TrainState:
    """Load the last checkpoint, if there is one, into the model and its optimisers."""
    checkpoint = folder.read()
    if checkpoint is None:
        return TrainState()
    if list(checkpoint["identities"]) != [int(identity) for identity in data.identities]:
        raise CheckpointError(
            f"{folder.last} was trained on {len(checkpoint['identities'])} identities, not on the "
            f"{len(data.identities)} of this data set; continue with the same --data, or give "
            "another --out"
        )
    load_weights(model, checkpoint["model"], folder.last)
    for key, part in _stateful(optimizers, schedulers).items():
        part.load_state_dict(checkpoint[key])
    torch.set_rng_state(checkpoint["random"]["torch"])
    if checkpoint["random"]["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(checkpoint["random"]["cuda"])
    return TrainState.of_checkpoint(checkpoint, next(model.parameters()).device)


def _stateful(
    optimizers: Mapping[str, Optimizer], schedulers: Mapping[str, LambdaLR]
) -> dict[str, Optimizer | LambdaLR]:
    """Return the optimiser and the schedule of each player under their names in a checkpoint."""
    parts: dict[str, Optimizer | LambdaLR] = {}
    for player, optimizer in optimizers.items():
        prefix = "" if player == "model" else f"{player}_"
        parts[f"{prefix}optimizer"] = optimizer
        parts[f"{prefix}scheduler"] = schedulers[player]
    return parts
