"""Parameters become groups with their learning rates, and steps become a schedule.

Every player has an optimiser of its own: "model", and where there is one its "adversary".
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from fprnet.config.schema import OptimizerConfig, ScheduleConfig

__all__ = [
    "FusedSgd",
    "learning_rate_factor",
    "make_optimizers",
    "make_scheduler",
    "parameter_groups",
]

ADVERSARY = "adversary"


class FusedSgd(SGD):
    """SGD whose step is one pass over memory on the CPU and one kernel on a GPU.

    Two things that PyTorch's fused step leaves to its caller are seen to before each step. It
    starts all momenta at once or none, but parameters that were frozen join later: theirs start at
    0, which makes the first step what SGD's first step is. And it reads tensors in the order of
    their memory, so a gradient must lie there as its parameter does.
    """

    def __init__(self, groups: Any, **options: Any) -> None:  # noqa: ANN401 - those of SGD
        super().__init__(groups, fused=True, **options)
        self.register_step_pre_hook(_prepare_step)


def _prepare_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:  # noqa: ANN401
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            parameter.grad = _like(parameter, parameter.grad)
            if group["momentum"]:
                state = optimizer.state[parameter]
                momentum = state.get("momentum_buffer")
                if momentum is None:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                else:
                    state["momentum_buffer"] = _like(parameter, momentum)


def _like(parameter: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the values in the parameter's memory layout."""
    if values.stride() == parameter.stride():
        return values
    return torch.empty_like(parameter).copy_(values)


def parameter_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Sort the trainable parameters by name: trunk, pyramid, fusion, head and adversary.

    Frozen parameters (the bias of a BNNeck) are left out.
    """
    names = ("trunk", "pyramid", "fusion", "head", ADVERSARY)
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in names}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[_group_of(name)].append(parameter)
    return {name: parameters for name, parameters in groups.items() if parameters}


def _group_of(name: str) -> str:
    if name.startswith("streams."):
        return "trunk"
    if name.startswith("pyramid"):
        return "pyramid"
    if name.startswith("discriminator."):
        return ADVERSARY
    return "fusion" if name.startswith("prediction.fusion") else "head"


def make_optimizers(model: nn.Module, config: OptimizerConfig) -> dict[str, SGD]:
    """Return one SGD for each player.

    "model" has a parameter group for each of trunk, pyramid, fusion and head; "adversary" the
    discriminator's parameters, and is left out where there is none.
    """
    multiplier = {
        "trunk": config.trunk_multiplier,
        "pyramid": config.pyramid_multiplier,
        "fusion": config.fusion_multiplier,
        "head": config.head_multiplier,
    }
    rates = {name: config.learning_rate * factor for name, factor in multiplier.items()}
    if config.adversary_learning_rate is not None:
        rates[ADVERSARY] = config.adversary_learning_rate
    players: dict[str, list[dict[str, object]]] = {}
    for name, parameters in parameter_groups(model).items():
        group = {"params": parameters, "lr": rates[name], "name": name}
        players.setdefault(ADVERSARY if name == ADVERSARY else "model", []).append(group)
    first = next(model.parameters()).device.type
    kind = SGD if first == "meta" else FusedSgd  # without memory there is nothing to fuse
    return {
        player: kind(
            groups,
            momentum=config.momentum,
            nesterov=config.nesterov and config.momentum > 0,
            weight_decay=config.weight_decay,
        )
        for player, groups in players.items()
    }


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
