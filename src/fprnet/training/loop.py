"""A task becomes a run folder: the one training loop, on Lightning Fabric.

The batch and the augmentation of optimiser step t are pure functions of the seed and t, so a run
that was killed and started again computes what an uninterrupted one computes, bit for bit on a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from fprnet.losses.state import Progress
from fprnet.losses.terms import LossTerms
from fprnet.methods.callbacks import Callback
from fprnet.runs.run_folder import RunFolder
from fprnet.runs.trained_model import load_weights
from fprnet.training.epoch_record import (
    beginning,
    check_loss,
    check_varies,
    check_weights,
    epoch_record,
    progress,
    sentence,
    write_events,
)
from fprnet.training.run_folder import open_events
from fprnet.training.train_state import TrainState

__all__ = ["Outcome", "Task", "TrainingData", "Validation", "train"]

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


class TrainingData(Protocol):
    """Where the batch of every step comes from, a pure function of the seed and the step.

    Attributes:
        images_per_step: Images of a step, over all processes.
    """

    images_per_step: int

    def batch(self, step: int, *, device: torch.device, rank: int, processes: int) -> Any:  # noqa: ANN401
        """Return this process's part of the batch of a step, on the device."""


@dataclass(frozen=True)
class Task:
    """What the loop trains, beside model, optimisers and schedules.

    Attributes:
        config: Complete config as plain values, for the checkpoint.
        data: Batches.
        loss: Model as Fabric wraps it, batch, number of processes -> loss with its terms.
        epochs: Number of epochs; each ends with a record and a checkpoint.
        steps_per_epoch: Optimiser steps of an epoch.
        loss_modules: What the loss itself learns or remembers; it is in the checkpoint.
        loss_followers: Parts of the loss that are told the progress before each step.
        total_steps: Steps of the run, where the last epoch is shorter; None: all epochs whole.
        clip_norm: Longest gradient, over a player's parameters; None: any.
        checkpoint_every: Steps between checkpoints inside an epoch; 0: only at its end.
        callbacks: What else happens.
        validate: Model -> scores; None where nobody is left to validate on.
        validate_every: Epochs between validations; the last epoch is always validated. 0: never.
        criterion: Score that chooses ``best.pt``, the larger the better; None: the last is best.
        entries: What else a checkpoint holds.
        check: Compares a checkpoint that is continued with this task; it raises CheckpointError.
        advice: What to do about a loss that is no number, for messages.
    """

    config: Mapping[str, Any]
    data: TrainingData
    loss: Callable[[nn.Module, Any, int], LossTerms]
    epochs: int
    steps_per_epoch: int
    loss_modules: nn.ModuleList = field(default_factory=nn.ModuleList)
    loss_followers: Sequence[Callable[[Progress], None]] = ()
    total_steps: int | None = None
    clip_norm: float | None = None
    checkpoint_every: int = 0
    callbacks: Sequence[Callback] = ()
    validate: Validation | None = None
    validate_every: int = 1
    criterion: str | None = None
    entries: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], None] | None = None
    advice: str = "lower the learning rate, with another --out"

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.total_steps or self.steps_per_epoch * self.epochs

    def end_of(self, epoch: int) -> int:
        """Return the step at which an epoch, counted from 0, is over."""
        return min(self.steps, (epoch + 1) * self.steps_per_epoch)


@dataclass
class _Run:
    """What the steps work on."""

    task: Task
    fabric: Fabric
    model: nn.Module
    wrapped: nn.Module
    optimizers: dict[str, Any]  # by player; Fabric's wrappers
    schedulers: Mapping[str, LambdaLR]
    folder: RunFolder[Any]


def train(
    task: Task,
    folder: RunFolder[Any],
    model: nn.Module,
    optimizers: Mapping[str, Optimizer],
    schedulers: Mapping[str, LambdaLR],
    *,
    fabric: Fabric,
    max_steps: int | None = None,
) -> Outcome:
    """Train, or continue, the run in a folder.

    Args:
        task: What is trained, on what, how long.
        folder: A run of the same config found there is continued.
        model: Freshly built; its weights are replaced when a run is continued.
        optimizers: By player, each over its own part of the model's parameters: "model", and
            "adversary" where the loss has one.
        schedulers: By player, stepped after every optimiser step.
        fabric: Device, precision, processes.
        max_steps: Stop, with a checkpoint, once the run has so many optimiser steps behind it.

    Raises:
        ConfigError: The checkpoint there is of another run.
        CheckpointError: The checkpoint there does not fit, or the disk is full.
        TrainingError: The loss is not a number, or constant; or the folder cannot be written.
    """
    fabric.barrier()  # nobody writes before everybody has looked at the folder
    with folder.opened(writes=fabric.is_global_zero):
        wrapped, *fabric_optimizers = fabric.setup(model, *optimizers.values())
        task.loss_modules.to(fabric.device)
        state = _restore(task, folder, model, optimizers, schedulers)
        by_player = dict(zip(optimizers, fabric_optimizers, strict=True))
        run = _Run(task, fabric, model, wrapped, by_player, schedulers, folder)
        first_step = state.step
        last_step = min(task.steps, max_steps or task.steps)
        if fabric.is_global_zero:
            # A process that was killed after its checkpoint has not written them.
            folder.write_history(state.history)
        if first_step < last_step:
            _epochs(run, state, last_step)
        return Outcome(first_step, state.step, task.steps, state.history, fabric.is_global_zero)


def _epochs(run: _Run, state: TrainState, last_step: int) -> None:
    if not run.fabric.is_global_zero:
        while state.step < last_step:
            _epoch(run, state, last_step, None)
        return
    fabric = run.fabric
    run.folder.log(beginning(state, run.task.steps, fabric.device, fabric.world_size))
    with open_events(run.folder, first_step=state.step) as board:
        if state.history and state.history[-1]["step"] == state.step:
            write_events(board, state.history[-1])
        while state.step < last_step:
            _epoch(run, state, last_step, board)


def _epoch(run: _Run, state: TrainState, last_step: int, board: SummaryWriter | None) -> None:
    """Train to the end of the epoch or to ``last_step``, and leave a checkpoint."""
    task, fabric = run.task, run.fabric
    epoch, begun = divmod(state.step, task.steps_per_epoch)
    steps = task.end_of(epoch) - epoch * task.steps_per_epoch
    end = min(last_step, task.end_of(epoch))
    if begun == 0:
        state.begin_epoch()
        for callback in run.task.callbacks:
            callback.begin_epoch(epoch, run.optimizers)
    started, first = time.monotonic(), state.step
    run.wrapped.train()
    for callback in run.task.callbacks:
        callback.set_modes(epoch)
    with tqdm(
        total=steps,
        initial=begun,
        desc=f"epoch {epoch + 1}/{task.epochs}",
        unit="step",
        disable=not fabric.is_global_zero,
    ) as bar:
        while state.step < end:
            groups = [g for o in run.optimizers.values() for g in o.param_groups]
            rates = {group["name"]: group["lr"] for group in groups}
            _step(run, state, epoch)
            bar.update()
            if state.step % CHECK_EVERY == 0 or state.step == end:
                check_loss(state, task.advice)
                bar.set_postfix(progress(state, state.step - epoch * task.steps_per_epoch))
            every = task.checkpoint_every
            if every and state.step % every == 0 and state.step < end:
                _save(run, state, best=False)
    seconds = time.monotonic() - started
    if end < task.end_of(epoch):  # max_steps ends the run inside an epoch
        _save(run, state, best=task.criterion is None or not run.folder.best.exists())
        return
    check_varies(state, steps, task.advice)
    record = epoch_record(state, epoch, steps, rates)
    for callback in run.task.callbacks:
        record |= callback.record()
    record["images_per_second"] = round((end - first) * task.data.images_per_step / seconds, 1)
    every = task.validate_every
    due = every and ((epoch + 1) % every == 0 or end == task.steps)
    if task.validate is not None and due:
        record["validation"] = _validate(run, task.validate)
    state.history.append(record)
    _save(run, state, best=_is_best(run, state, record))
    if board is not None:
        run.folder.write_history(state.history)
        run.folder.log(sentence(record))
        write_events(board, record)


def _step(run: _Run, state: TrainState, epoch: int) -> None:
    begun = Progress(state.step, run.task.steps_per_epoch)
    for follow in (*(c.begin_step for c in run.task.callbacks), *run.task.loss_followers):
        follow(begun)
    batch = run.task.data.batch(
        state.step,
        device=run.fabric.device,
        rank=run.fabric.global_rank,
        processes=run.fabric.world_size,
    )
    terms = run.task.loss(run.wrapped, batch, run.fabric.world_size)
    for optimizer in run.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    run.fabric.backward(terms.total_with_adversary)
    for callback in run.task.callbacks:
        callback.after_backward(epoch)
    for player, optimizer in run.optimizers.items():
        if run.task.clip_norm is not None:
            own = [p for group in optimizer.param_groups for p in group["params"]]
            clip_grad_norm_(own, run.task.clip_norm)
        optimizer.step()
        run.schedulers[player].step()
    for callback in run.task.callbacks:
        callback.after_step(epoch)
    state.add(terms)


def _validate(run: _Run, validate: Validation) -> dict[str, float]:
    scores: dict[str, float] = {}
    if run.fabric.is_global_zero:
        run.model.eval()
        scores = dict(validate(run.model))
    run.fabric.barrier()
    return scores


def _is_best(run: _Run, state: TrainState, record: Mapping[str, Any]) -> bool:
    if run.task.criterion is None or run.task.validate is None:
        return True
    score = record.get("validation", {}).get(run.task.criterion)
    if score is None:  # not validated yet: any checkpoint is better than none
        return not run.folder.best.exists()
    if state.best is not None and score <= state.best:
        return False
    state.best = score
    return True


def _save(run: _Run, state: TrainState, *, best: bool) -> None:
    check_loss(state, run.task.advice)
    for part in (run.model, run.task.loss_modules):
        check_weights(part, state.step, run.task.advice)
    if not run.fabric.is_global_zero:
        return
    cuda = torch.cuda.get_rng_state_all() if run.fabric.device.type == "cuda" else []
    checkpoint = {
        "config": dict(run.task.config),
        **run.task.entries,
        "model": run.model.state_dict(),
        **({"loss": run.task.loss_modules.state_dict()} if run.task.loss_modules else {}),
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
    task: Task,
    folder: RunFolder[Any],
    model: nn.Module,
    optimizers: Mapping[str, Optimizer],
    schedulers: Mapping[str, LambdaLR],
) -> TrainState:
    """Load the last checkpoint, if there is one, into the model and its optimisers."""
    checkpoint = folder.read()
    if checkpoint is None:
        return TrainState()
    if task.check is not None:
        task.check(checkpoint)
    load_weights(model, checkpoint["model"], folder.last)
    load_weights(task.loss_modules, checkpoint.get("loss", {}), folder.last)
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
