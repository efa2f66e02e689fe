"""Optimiser steps become shares of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fprnet.components import Component
from fprnet.ranges import NonNegative

__all__ = ["SCHEDULES", "Schedule", "cosine", "make_scheduler", "step"]

Schedule: TypeAlias = Callable[[int], float]
"""Optimiser step, counted from 0 -> share of the full learning rate."""


def step(
    steps_per_epoch: int,
    epochs: int,
    *,
    warmup_epochs: NonNegative = 0.0,
    milestones: Sequence[int] = (30,),
    gamma: NonNegative = 0.1,
) -> Schedule:
    """Full rate, times ``gamma`` at each milestone.

    Args:
        steps_per_epoch: Optimiser steps of an epoch.
        epochs: Epochs of the run.
        warmup_epochs: Epochs of a linear rise from nearly 0 to the full rate.
        milestones: Epochs at which the rate falls.
        gamma: Factor of each fall.
    """
    del epochs

    def share(number: int) -> float:
        epoch = number // steps_per_epoch
        return float(gamma ** sum(epoch >= milestone for milestone in milestones))

    return _warmed_up(share, round(warmup_epochs * steps_per_epoch))


def cosine(steps_per_epoch: int, epochs: int, *, warmup_epochs: NonNegative = 0.0) -> Schedule:
    """Half a cosine, which would reach 0 one step after the last.

    Args:
        steps_per_epoch: Optimiser steps of an epoch.
        epochs: Epochs of the run.
        warmup_epochs: Epochs of a linear rise from nearly 0 to the full rate.
    """
    warmup = round(warmup_epochs * steps_per_epoch)

    def share(number: int) -> float:
        progress = (number - warmup) / max(1, epochs * steps_per_epoch - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return _warmed_up(share, warmup)


SCHEDULES = {"step": step, "cosine": cosine}
"""Schedules by the name that ``schedule`` takes."""


def make_scheduler(
    optimizer: Optimizer, schedule: Component, *, steps_per_epoch: int, epochs: int
) -> LambdaLR:
    """Return the scheduler to be stepped after every optimiser step."""
    return LambdaLR(optimizer, schedule.build(steps_per_epoch, epochs))


def _warmed_up(share: Schedule, warmup: int) -> Schedule:
    """Return a schedule that rises linearly to 1 at the end of its warm-up, in steps."""
    return lambda number: (number + 1) / warmup if number < warmup else share(number)
