"""The sums of an epoch become its record, a line of the log, or the sentence that ends the run.

The log also says with which versions, where and when each part of a run was computed.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from fprnet.errors import TrainingError
from fprnet.training.train_state import TrainState

__all__ = [
    "beginning",
    "check_loss",
    "check_varies",
    "check_weights",
    "epoch_record",
    "progress",
    "sentence",
    "write_events",
]

MIN_STEPS = 10  # optimiser steps of an epoch whose loss is expected to vary
MIN_SPREAD = 1e-6  # relative spread of losses that are one constant


def check_loss(state: TrainState, advice: str) -> None:
    """Stop a run whose loss of this epoch is no number; ``advice`` ends the message.

    Raises:
        TrainingError: It is NaN or infinite.
    """
    values = torch.stack(list(state.sums.values())).tolist()  # the device is waited for once
    sums = dict(zip(state.sums, values, strict=True))
    if not math.isfinite(sums["total"]):
        broken = ", ".join(name for name, value in sums.items() if not math.isfinite(value))
        raise TrainingError(f"the loss is not a number by step {state.step} ({broken}); {advice}")


def check_weights(model: nn.Module, step: int, advice: str) -> None:
    """Keep weights that are no numbers from taking the place of a good checkpoint.

    Raises:
        TrainingError: A weight is NaN or infinite.
    """
    with torch.no_grad():
        norm = nn.utils.get_total_norm(model.parameters())
    if not torch.isfinite(norm):
        raise TrainingError(f"weights are not numbers after step {step}; {advice}")


def check_varies(state: TrainState, steps_per_epoch: int, advice: str) -> None:
    """Stop a run whose loss was the same at every step of a finished epoch.

    Raises:
        TrainingError: It was, and the epoch had at least 10 steps.
    """
    if state.lowest is None or state.highest is None or steps_per_epoch < MIN_STEPS:
        return
    low, high = float(state.lowest), float(state.highest)
    if high - low <= MIN_SPREAD * abs(high):
        raise TrainingError(
            f"the loss was {high:.6g} at every step of an epoch: nothing is learnt; look at the "
            f"images and at the weights it began with, or {advice}"
        )


def beginning(state: TrainState, steps: int, device: torch.device, processes: int) -> str:
    """Return the line of ``log.txt`` about a start: what computes, and since when (UTC)."""
    verb = "continued" if state.step else "begun"
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    versions = ", ".join(f"{one} {version(one)}" for one in ("fprnet", "numpy", "torch"))
    return (
        f"{verb} at step {state.step} of {steps}, {moment}, {versions}, "
        f"Python {platform.python_version()}, {processes} x {name}"
    )


def progress(state: TrainState, steps: int) -> dict[str, str]:
    """Return what the progress bar shows after ``steps`` steps of an epoch."""
    shown = {"loss": f"{float(state.sums['total']) / steps:.3f}"}
    wins = _wins(state)
    if wins:
        shown["wins"] = ":".join(str(count) for count in wins.values())
    return shown


def epoch_record(
    state: TrainState, epoch: int, steps: int, learning_rates: Mapping[str, float]
) -> dict[str, Any]:
    """Return the record of a finished epoch: mean losses, wins of each block, learning rates.

    Args:
        state: State of the run at the end of the epoch.
        epoch: Counted from 0; the record counts from 1.
        steps: Number of steps of the epoch.
        learning_rates: Learning rates of the epoch's last step, by parameter group.
    """
    losses = {
        name: float(value) / steps
        for name, value in state.sums.items()
        if not name.startswith("wins_")
    }
    record: dict[str, Any] = {"epoch": epoch + 1, "step": state.step, "losses": losses}
    if wins := _wins(state):
        record["wins"] = wins
    return record | {"learning_rates": dict(learning_rates)}


def _wins(state: TrainState) -> dict[str, int]:
    return {
        name.removeprefix("wins_"): round(float(value))
        for name, value in state.sums.items()
        if name.startswith("wins_")
    }


def sentence(record: Mapping[str, Any]) -> str:
    """Return the line of ``log.txt`` about an epoch; scores in percent."""
    parts = [f"epoch {record['epoch']}: loss {record['losses']['total']:.4f}"]
    if "wins" in record:
        parts.append("wins " + " ".join(f"{k} {v}" for k, v in record["wins"].items()))
    if "validation" in record:
        scores = record["validation"].items()
        parts.append("validation " + " ".join(f"{k} {_score(v)}" for k, v in scores))
    parts.append(f"{record['images_per_second']:.0f} images/s")
    return ", ".join(parts)


def _score(value: float) -> str:
    """Return a share in percent; a score above 1, such as decibels, as it is."""
    return f"{100 * value:.2f}" if abs(value) <= 1 else f"{value:.2f}"


def write_events(board: SummaryWriter, record: Mapping[str, Any]) -> None:
    """Write an epoch's record as TensorBoard scalars."""
    for group in ("losses", "wins", "learning_rates", "validation", "correlation"):
        for name, value in record.get(group, {}).items():
            board.add_scalar(f"{group}/{name}", value, record["step"])
    board.add_scalar("images_per_second", record["images_per_second"], record["step"])
    board.flush()
