"""A GPU that the CPU plays: the same numbers, but what a real one refuses or waits for is an error.

Tensors say that they are on "cuda"; PyTorch's C++ part, which has no CUDA here, is told "meta".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)

# The host waits for these: their results' values or shapes are needed there.
WAITING = {
    *("_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero"),
    *("_unique2", "unique_dim", "unique_consecutive"),
}


class OnGpu(Tensor):
    """A tensor that says it is on the GPU; ``numbers`` holds what is there."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> "OnGpu":
        return Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device="meta",
            requires_grad=numbers.requires_grad,
        )

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers

    @property
    def device(self) -> torch.device:
        return CUDA

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise AssertionError("a tensor outlives its GPU")


class PretendedGpu(TorchDispatchMode):
    """Plays every operator that has to do with the GPU.

    Attributes:
        device: Its name.
        waits: Operators that sent tensors of the host which are not in pinned memory, or not
            asynchronously. When a run begins that may be, in a step not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.device = CUDA
        self.waits: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name, kwargs = function.overloadpacket.__name__, dict(kwargs or {})
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        here = [x for x in tensors if not isinstance(x, OnGpu)]
        asked = kwargs.get("device")
        there = asked is not None and torch.device(asked).type != "cpu"
        if len(here) == len(tensors) and not there:
            return function(*args, **kwargs)
        if name in ("_to_copy", "copy_"):
            to_gpu = isinstance(args[0], OnGpu) if asked is None else there
            self._look_at_copy(name, args, kwargs, to_gpu=to_gpu)
        elif any(x.ndim > 0 for x in here):
            raise AssertionError(f"{name} mixes tensors of the GPU and of the host")
        if name in WAITING or (name.removeprefix("_").startswith("index") and _masked(args[1])):
            raise AssertionError(f"{name} makes the host wait for the GPU")
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        result = function(*_numbers(args), **_numbers(kwargs))
        return _on_gpu(result, known={id(x.numbers): x for x in tensors if isinstance(x, OnGpu)})

    def _look_at_copy(self, name: str, args: Any, kwargs: dict[str, Any], *, to_gpu: bool) -> None:
        if not to_gpu:
            raise AssertionError(f"{name} brings numbers to the host, which waits for the GPU")
        source = args[-1] if name == "_to_copy" else args[1]
        asynchronous = kwargs.get("non_blocking", False) or args[2:] == (True,)
        if not isinstance(source, OnGpu) and not (asynchronous and hasattr(source, "pinned")):
            self.waits.append(name)


def _masked(indices: Any) -> bool:
    types = (torch.bool, torch.uint8)
    return any(isinstance(x, OnGpu) and x.dtype in types for x in tree_leaves(indices))


def _numbers(values: Any) -> Any:
    return tree_map(lambda x: x.numbers if isinstance(x, OnGpu) else x, values)


def _on_gpu(result: Any, known: dict[int, OnGpu]) -> Any:
    """Wrap the tensors of a result; what was changed in place is what was given."""

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        return known[id(x)] if id(x) in known else OnGpu(x)

    return tree_map(wrapped, result)


def _pinned(tensor: Tensor) -> Tensor:
    copy = tensor.clone()
    copy.pinned = True
    return copy


@contextmanager
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedGpu]:
    """Play a GPU inside."""
    with monkeypatch.context() as patch, PretendedGpu() as gpu:
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(Tensor, "pin_memory", _pinned)
        yield gpu
