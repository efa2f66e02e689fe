"""An objective becomes those of its parts that learn or remember, or follow the training."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

__all__ = ["Progress", "Sizes", "beginners_in", "followers_in", "modules_in"]

CODE = (type, types.FunctionType, types.BuiltinFunctionType)  # holds nothing that learns


@dataclass(frozen=True)
class Progress:
    """How far a training is, before one of its steps.

    It does not say how long the training will be: that may grow when a run is continued.

    Attributes:
        step: Optimiser steps that are done, 0 before the first.
        steps_per_epoch: Optimiser steps of an epoch.
    """

    step: int
    steps_per_epoch: int

    @property
    def epoch(self) -> int:
        """Number of the epoch, counted from 0."""
        return self.step // self.steps_per_epoch

    @property
    def epochs(self) -> float:
        """Epochs that are done, with the share of the one that is not."""
        return self.step / self.steps_per_epoch


@dataclass(frozen=True)
class Sizes:
    """What a loss with weights or a memory needs to know of a training.

    Attributes:
        identities: M, people that are trained on; labels are 0..M-1.
        features: Head -> D, the size of its features.
    """

    identities: int
    features: Mapping[str, int]


def beginners_in(objective: object) -> list[Callable[[Sizes], None]]:
    """Return the methods ``begin_training`` of an objective's parts, called once before training.

    There a loss makes the weights and buffers whose shape depends on the training; the state of a
    run that is continued is loaded into them.

    Args:
        objective: As of `modules_in`.
    """
    return _methods("begin_training", objective)


def modules_in(objective: object) -> nn.ModuleList:
    """Return the modules with weights or buffers that an objective is made of, each once.

    A loss that is an ``nn.Module``, alone or inside another (``loss.ranking``, one of a sum), has a
    state of its own: a training moves it to its device, lets its weights learn and keeps it in the
    checkpoint. Most losses have none.

    Args:
        objective: What a config's ``loss`` has built: a function, a module, or an object with such
            among its attributes.
    """
    modules = [part for part in _parts(objective, set()) if isinstance(part, nn.Module)]
    inner = {id(part) for module in modules for part in module.modules() if part is not module}
    return nn.ModuleList(m for m in modules if id(m) not in inner and m.state_dict())


def followers_in(objective: object) -> list[Callable[[Progress], None]]:
    """Return the methods ``begin_step`` of an objective's parts, which are called before each step.

    So a loss, alone or inside another, may follow the training, as a weight that warms up does.
    What it sets must depend on the progress and on its options alone.

    Args:
        objective: As of `modules_in`.
    """
    return _methods("begin_step", objective)


def _methods(name: str, objective: object) -> list[Callable[[Any], None]]:
    found = (getattr(part, name, None) for part in _parts(objective, set()))
    return [method for method in found if callable(method)]


def _parts(value: object, seen: set[int]) -> Iterator[object]:
    """Yield the objects that an objective calls, itself first; functions hold nothing."""
    if id(value) in seen or isinstance(value, CODE):
        return
    seen.add(id(value))
    inner: object = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, (list, tuple)):
        inner = value
    elif isinstance(value, functools.partial):
        inner = (value.func, *value.args, *value.keywords.values())
    elif callable(value):
        yield value
        inner = vars(value).values() if hasattr(value, "__dict__") else ()
    for one in inner:  # type: ignore[attr-defined]
        yield from _parts(one, seen)
