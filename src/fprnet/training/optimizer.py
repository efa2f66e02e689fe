"""A network's parameters become optimisers: one for each player, a rate for each group.

Every player has an optimiser of its own: "model", and where there is one its "adversary".
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from fprnet.components import Component, nearest
from fprnet.errors import ConfigError
from fprnet.methods.network import players_of
from fprnet.ranges import BelowOne, NonNegative, Positive

__all__ = ["OPTIMIZERS", "FusedSgd", "Groups", "adamw", "make_optimizers", "sgd", "with_rates"]

Groups: TypeAlias = Sequence[dict[str, Any]]


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


def sgd(
    groups: Groups,
    *,
    learning_rate: Positive = 0.01,
    multipliers: Mapping[str, NonNegative] = {},
    momentum: BelowOne = 0.9,
    nesterov: bool = True,
    weight_decay: NonNegative = 5e-4,
) -> SGD:
    """Stochastic gradient descent with momentum.

    Args:
        groups: Parameter groups, each with its name.
        learning_rate: Rate of a group that has no multiplier.
        multipliers: Name of a group (trunk, pyramid, head, fusion, ...) -> factor on the rate.
        momentum: Share of the last step that is kept.
        nesterov: Nesterov's form, where there is a momentum.
        weight_decay: Pull of every weight towards 0.
    """
    rated = with_rates(groups, learning_rate, multipliers)
    on_meta = rated[0]["params"][0].device.type == "meta"
    kind = SGD if on_meta else FusedSgd  # without memory there is nothing to fuse
    return kind(
        rated,
        momentum=momentum,
        nesterov=nesterov and momentum > 0,
        weight_decay=weight_decay,
    )


def adamw(
    groups: Groups,
    *,
    learning_rate: Positive = 3e-4,
    multipliers: Mapping[str, NonNegative] = {},
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999),
    weight_decay: NonNegative = 0.01,
) -> AdamW:
    """AdamW (Loshchilov and Hutter, ICLR 2019).

    Args:
        groups: Parameter groups, each with its name.
        learning_rate: Rate of a group that has no multiplier.
        multipliers: Name of a group (trunk, pyramid, head, fusion, ...) -> factor on the rate.
        betas: Decay of the running means of gradients and of their squares.
        weight_decay: Pull of every weight towards 0, apart from the gradient.
    """
    rated = with_rates(groups, learning_rate, multipliers)
    return AdamW(rated, lr=learning_rate, betas=betas, weight_decay=weight_decay)


OPTIMIZERS = {"sgd": sgd, "adamw": adamw}
"""Optimisers by the name that ``optimizer`` takes."""


def with_rates(
    groups: Groups, learning_rate: float, multipliers: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return parameter groups with their learning rates.

    Args:
        groups: Each with "params" and "name".
        learning_rate: Rate of a group that has no multiplier.
        multipliers: Name of a group -> factor; those of other groups are left alone.
    """
    return [
        {**group, "lr": learning_rate * multipliers.get(group["name"], 1.0)} for group in groups
    ]


def make_optimizers(
    network: nn.Module, optimizer: Component, *, loss_modules: nn.ModuleList | None = None
) -> dict[str, Optimizer]:
    """Return one optimiser for each player of a network.

    Args:
        network: Its players, or all its parameters.
        optimizer: Builds the optimiser of each.
        loss_modules: What the loss itself learns; player "model" learns it as group "loss".

    Raises:
        ConfigError: A multiplier names a group that the network does not have.
    """
    players = players_of(network)
    learnt = [p for p in (loss_modules or nn.ModuleList()).parameters() if p.requires_grad]
    if learnt:
        players["model"] = {**players["model"], "loss": learnt}
    known = {name for groups in players.values() for name in groups}
    for name in optimizer.options.get("multipliers", {}):
        if name not in known:
            if not hasattr(network, "players"):  # a preset's, given to a network without groups
                print(
                    f"optimizer.multipliers.{name} has no effect: the network has one group",
                    file=sys.stderr,
                )
                continue
            raise ConfigError(
                f"optimizer.multipliers names the group {name!r}, but the network has "
                f"{', '.join(sorted(known))}{nearest(name, known)}; correct the name, or give "
                f"--optimizer.multipliers.{name} null to drop it"
            )
    return {
        player: optimizer.build(
            [{"params": params, "name": name} for name, params in groups.items() if params]
        )
        for player, groups in players.items()
    }
