"""An objective becomes the modules in it that learn or remember: centres, proxies, memories."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping

from torch import nn

__all__ = ["modules_in"]

CODE = (type, types.FunctionType, types.BuiltinFunctionType)  # holds nothing that learns


def modules_in(objective: object) -> nn.ModuleList:
    """Return the modules with weights or buffers that an objective is made of, each once.

    A loss that is an ``nn.Module``, alone or inside another (``loss.ranking``, one of a sum), has a
    state of its own: a training moves it to its device, lets its weights learn and keeps it in the
    checkpoint. Most losses have none.

    Args:
        objective: What a config's ``loss`` has built: a function, a module, or an object with such
            among its attributes.
    """
    return nn.ModuleList(_modules(objective, set()))


def _modules(value: object, seen: set[int]) -> Iterator[nn.Module]:
    if id(value) in seen or isinstance(value, CODE):
        return
    seen.add(id(value))
    if isinstance(value, nn.Module):
        if value.state_dict():
            yield value
        return
    inner: object = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, (list, tuple)):
        inner = value
    elif isinstance(value, functools.partial):
        inner = (value.func, *value.args, *value.keywords.values())
    elif callable(value):
        inner = vars(value).values() if hasattr(value, "__dict__") else ()
    for one in inner:  # type: ignore[attr-defined]
        yield from _modules(one, seen)
