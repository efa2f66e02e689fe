"""Parameters become groups with their learning rates, and steps become a schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from fprnet.config.schema import OptimizerConfig, ScheduleConfig

__all__ = ["learning_rate_factor", "make_optimizer", "make_scheduler", "parameter_groups"]


def parameter_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Sort the trainable parameters into trunk, pyramid, fusion and head, by their names.

    Frozen parameters (the bias of a BNNeck) are left out.
    """
    groups: dict[str, list[nn.Parameter]] = {"trunk": [], "pyramid": [], "fusion": [], "head": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[_group_of(name)].append(parameter)
    return {name: parameters for name, parameters in groups.items() if parameters}


def _group_of(name: str) -> str:
    if name.startswith("streams."):
        return "trunk"
    if name.startswith("pyramid"):
        return "pyramid"
    return "fusion" if name.startswith("prediction.fusion") else "head"


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> SGD:
    """Return SGD with one parameter group for each of trunk, pyramid, fusion and head."""
    multiplier = {
        "trunk": config.trunk_multiplier,
        "pyramid": config.pyramid_multiplier,
        "fusion": config.fusion_multiplier,
        "head": config.head_multiplier,
    }
    groups: Iterable[dict[str, object]] = [
        {"params": parameters, "lr": config.learning_rate * multiplier[name], "name": name}
        for name, parameters in parameter_groups(model).items()
    ]
    return SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov and config.momentum > 0,
        weight_decay=config.weight_decay,
    )


def learning_rate_factor(
    step: int, *, steps_per_epoch: int, epochs: int, config: ScheduleConfig
) -> float:
    """Return the share of the full learning rate that optimiser step ``step`` (from 0) takes.

    Warm-up is linear and reaches 1 at its end; then either the step schedule (times ``gamma`` at
    each milestone, in epochs) or half a cosine that would reach 0 one step after the last.
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    if config.kind == "step":
        epoch = step // steps_per_epoch
        return float(config.gamma ** sum(epoch >= milestone for milestone in config.milestones))
    progress = (step - warmup) / max(1, epochs * steps_per_epoch - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def make_scheduler(
    optimizer: SGD, config: ScheduleConfig, *, steps_per_epoch: int, epochs: int
) -> LambdaLR:
    """Return the scheduler to be stepped after every optimiser step."""
    return LambdaLR(
        optimizer,
        lambda step: learning_rate_factor(
            step, steps_per_epoch=steps_per_epoch, epochs=epochs, config=config
        ),
    )
