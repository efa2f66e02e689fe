"""A config and a data set become a run folder: the training loop, on Lightning Fabric.

The batch and the augmentation of optimiser step t are pure functions of the seed and t, so a run that
was killed and started again computes what an uninterrupted one computes, bit for bit on a CPU.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from fprnet.config import RunConfig
from fprnet.errors import CheckpointError, TrainingError
from fprnet.losses.terms import LossTerms, Objective
from fprnet.models.checkpoint import load_weights
from fprnet.models.fprnet import Reidentifier
from fprnet.models.distributed import gather_rows
from fprnet.training.restraint import RestraintSchedule
from fprnet.training.run_folder import RunFolder
from fprnet.training.training_set import TrainingSet

__all__ = ["Outcome", "Validation", "train"]

Validation = Callable[[Reidentifier], Mapping[str, float]]
CHECK_EVERY = 10  # steps between looks at the loss; each look waits for the device


@dataclass(frozen=True)
class Outcome:
    """How a call of ``train`` ended: optimiser steps done, of how many, and the epochs' records."""

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
class _Position:
    """Where a run is; everything here is in the checkpoint."""

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)  # of the epoch so far
    lowest: Tensor | None = None  # loss of the epoch so far
    highest: Tensor | None = None
    best: float | None = None


@dataclass
class _Run:
    """What the steps work on."""

    config: RunConfig
    fabric: Fabric
    model: Reidentifier
    wrapped: nn.Module
    objective: Objective
    optimizer: Any  # Fabric's wrapper of SGD
    scheduler: LambdaLR
    data: TrainingSet
    restraint: RestraintSchedule
    folder: RunFolder
    steps_per_epoch: int

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.config.training.epochs


def train(
    config: RunConfig,
    out: Path,
    data: TrainingSet,
    model: Reidentifier,
    objective: Objective,
    optimizer: SGD,
    scheduler: LambdaLR,
    *,
    fabric: Fabric,
    validate: Validation | None = None,
    max_steps: int | None = None,
) -> Outcome:
    """Train, or continue, the run in folder ``out``.

    Args:
        config: Of the run.
        out: Run folder; a run of the same config found there is continued.
        data: The training images.
        model: Freshly built; its weights are replaced when a run is continued.
        objective: Outputs of the model -> loss.
        optimizer: Over the model's parameters.
        scheduler: Stepped after every optimiser step.
        fabric: Device, precision, processes.
        validate: Model -> scores with "mAP"; called every ``training.validate_every`` epochs.
        max_steps: Stop, with a checkpoint, once the run has so many optimiser steps behind it.

    Raises:
        ConfigError: The folder holds another run.
        CheckpointError: The checkpoint there does not fit, or the disk is full.
        TrainingError: The loss is not a number, or constant.
    """
    folder = RunFolder(out, config) if fabric.is_global_zero else None
    fabric.barrier()
    folder = folder or RunFolder(out, config)
    wrapped, fabric_optimizer = fabric.setup(model, optimizer)
    position = _restore(folder, model, optimizer, scheduler, data)
    run = _Run(
        config=config,
        fabric=fabric,
        model=model,
        wrapped=wrapped,
        objective=objective,
        optimizer=fabric_optimizer,
        scheduler=scheduler,
        data=data,
        restraint=RestraintSchedule(
            model, config.training.restraint_epochs, config.training.relaxation_epochs
        ),
        folder=folder,
        steps_per_epoch=config.training.steps_per_epoch or data.steps_per_epoch,
    )
    last_step = min(run.total_steps, max_steps or run.total_steps)
    board = folder.tensorboard(first_step=position.step) if fabric.is_global_zero else None
    try:
        while position.step < last_step:
            _epoch(run, position, last_step, validate, board)
    finally:
        if board is not None:
            board.close()
    return Outcome(position.step, run.total_steps, position.history, fabric.is_global_zero)


def _epoch(
    run: _Run,
    position: _Position,
    last_step: int,
    validate: Validation | None,
    board: SummaryWriter | None,
) -> None:
    """Train to the end of the epoch or to ``last_step``, and leave a checkpoint."""
    training, fabric = run.config.training, run.fabric
    epoch, begun = divmod(position.step, run.steps_per_epoch)
    end = min(last_step, (epoch + 1) * run.steps_per_epoch)
    if begun == 0:
        position.sums, position.lowest, position.highest = {}, None, None
        run.restraint.begin(epoch, run.optimizer)
    started, first = time.monotonic(), position.step
    run.wrapped.train()
    with tqdm(
        total=run.steps_per_epoch,
        initial=begun,
        desc=f"epoch {epoch + 1}/{training.epochs}",
        unit="step",
        disable=not fabric.is_global_zero,
    ) as bar:
        while position.step < end:
            _step(run, position, frozen=run.restraint.frozen(epoch))
            bar.update()
            if position.step % CHECK_EVERY == 0 or position.step == end:
                bar.set_postfix(_check_loss(run, position))
            every = training.checkpoint_every
            if every and position.step % every == 0 and position.step < end:
                _check_loss(run, position)
                _save(run, position, best=False)
    seconds = time.monotonic() - started
    if end < (epoch + 1) * run.steps_per_epoch:  # max_steps ends the run inside an epoch
        _save(run, position, best=not run.folder.best.exists())
        return
    _check_constant(run, position)
    record = _record(run, position, epoch)
    record["images_per_second"] = round((end - first) * run.data.images_per_step / seconds, 1)
    is_last = epoch + 1 == training.epochs
    due = training.validate_every and ((epoch + 1) % training.validate_every == 0 or is_last)
    if validate is not None and due:
        record["validation"] = _validate(run, validate)
    position.history.append(record)
    best = _is_best(run, position, record)
    _save(run, position, best=best)
    if fabric.is_global_zero:
        run.folder.write_history(position.history)
        run.folder.log(_sentence(record))
        if board is not None:
            _write_events(board, record)


def _step(run: _Run, position: _Position, *, frozen: bool) -> None:
    batch = run.data.batch(
        position.step,
        device=run.fabric.device,
        rank=run.fabric.global_rank,
        processes=run.fabric.world_size,
    )
    outputs = run.wrapped(
        batch.visible,
        batch.infrared,
        batch.visible_labels,
        batch.infrared_labels,
        gather=gather_rows,
    )
    terms: LossTerms = run.objective(outputs)
    run.optimizer.zero_grad(set_to_none=True)
    run.fabric.backward(terms.total)
    if frozen:
        run.restraint.drop_gradients()
    run.optimizer.step()
    run.scheduler.step()
    total = terms.total.detach()
    for name, value in {"total": total, **terms.terms}.items():
        position.sums[name] = (
            position.sums[name] + value if name in position.sums else value.clone()
        )
    position.lowest = total if position.lowest is None else torch.minimum(position.lowest, total)
    position.highest = total if position.highest is None else torch.maximum(position.highest, total)
    position.step += 1


def _check_loss(run: _Run, position: _Position) -> dict[str, str]:
    """Return what the progress bar shows; stop a run whose loss is no number."""
    steps = (position.step - 1) % run.steps_per_epoch + 1
    means = {name: float(value) / steps for name, value in position.sums.items()}
    if not torch.isfinite(position.sums["total"]):
        broken = [name for name, mean in means.items() if mean != mean or mean in (float("inf"),)]
        raise TrainingError(
            f"the loss is not a number by step {position.step} ({', '.join(broken)}); lower "
            f"--optimizer.learning_rate (now {run.config.optimizer.learning_rate}) or try "
            "--training.precision float32; the last checkpoint is from before"
        )
    shown = {"loss": f"{means['total']:.3f}"}
    if "wins_main" in means:
        shown["wins"] = f"{means['wins_main'] * steps:.0f}:{means['wins_fusion'] * steps:.0f}"
    return shown


def _check_constant(run: _Run, position: _Position) -> None:
    low, high = position.lowest, position.highest
    if low is None or high is None or run.steps_per_epoch < CHECK_EVERY:
        return
    if float(high - low) <= 1e-6 * abs(float(high)):
        raise TrainingError(
            f"the loss was {float(high):.6g} at every step of an epoch: nothing is learnt; look at "
            f"the images and at --optimizer.learning_rate (now {run.config.optimizer.learning_rate})"
        )


def _record(run: _Run, position: _Position, epoch: int) -> dict[str, Any]:
    counts = {name: value for name, value in position.sums.items() if name.startswith("wins_")}
    losses = {
        name: float(value) / run.steps_per_epoch
        for name, value in position.sums.items()
        if name not in counts
    }
    record: dict[str, Any] = {"epoch": epoch + 1, "step": position.step, "losses": losses}
    if counts:
        record["wins"] = {name[5:]: round(float(value)) for name, value in counts.items()}
    record["learning_rates"] = {group["name"]: group["lr"] for group in run.optimizer.param_groups}
    return record | run.restraint.diagnostics()


def _validate(run: _Run, validate: Validation) -> dict[str, float]:
    scores: dict[str, float] = {}
    if run.fabric.is_global_zero:
        run.model.eval()
        scores = dict(validate(run.model))
    run.fabric.barrier()
    return scores


def _is_best(run: _Run, position: _Position, record: Mapping[str, Any]) -> bool:
    if run.config.training.selection == "last":
        return True
    score = record.get("validation", {}).get("mAP")
    if score is None or (position.best is not None and score <= position.best):
        return False
    position.best = score
    return True


def _save(run: _Run, position: _Position, *, best: bool) -> None:
    if not run.fabric.is_global_zero:
        return
    cuda = torch.cuda.get_rng_state_all() if run.fabric.device.type == "cuda" else []
    state = {
        "config": dataclasses.asdict(run.config),
        "identities": [int(identity) for identity in run.data.identities],
        "selection": run.config.training.selection,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.optimizer.state_dict(),
        "scheduler": run.scheduler.state_dict(),
        "random": {"torch": torch.get_rng_state(), "cuda": cuda},
        **{f.name: getattr(position, f.name) for f in dataclasses.fields(position)},
    }
    run.folder.save(state, best=best)


def _restore(
    folder: RunFolder, model: Reidentifier, optimizer: SGD, scheduler: LambdaLR, data: TrainingSet
) -> _Position:
    """Load the last checkpoint, if there is one, into the model and its optimiser."""
    state = folder.read()
    if state is None:
        return _Position()
    if list(state["identities"]) != [int(identity) for identity in data.identities]:
        raise CheckpointError(
            f"{folder.last} was trained on {len(state['identities'])} identities but this data set "
            f"has {len(data.identities)} (or others); continue with the same --data, or use another --out"
        )
    load_weights(model, state["model"], folder.last)
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["random"]["torch"])
    if state["random"]["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random"]["cuda"])
    return _Position(**{f.name: state[f.name] for f in dataclasses.fields(_Position)})


def _sentence(record: Mapping[str, Any]) -> str:
    parts = [f"epoch {record['epoch']}: loss {record['losses']['total']:.4f}"]
    if "wins" in record:
        parts.append("wins " + " ".join(f"{k} {v}" for k, v in record["wins"].items()))
    if "validation" in record:
        scores = record["validation"].items()
        parts.append("validation " + " ".join(f"{k} {100 * v:.2f}" for k, v in scores))
    parts.append(f"{record['images_per_second']:.0f} images/s")
    return ", ".join(parts)


def _write_events(board: SummaryWriter, record: Mapping[str, Any]) -> None:
    for group in ("losses", "wins", "learning_rates", "validation"):
        for name, value in record.get(group, {}).items():
            board.add_scalar(f"{group}/{name}", value, record["step"])
    board.add_scalar("images_per_second", record["images_per_second"], record["step"])
    board.flush()
