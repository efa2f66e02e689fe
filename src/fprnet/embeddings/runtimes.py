"""Names become runtimes: what computes a model's embeddings.

A runtime of your own is named as an import path (``--runtime my_runtime:Mine --plugin
my_runtime.py``); it is called with the network, its input size and the precision that was asked
for, and returns a :class:`fprnet.embeddings.backend.Backend`.
"""

from __future__ import annotations

from typing import Any

import torch

from fprnet.embeddings.backend import Backend, Choice, Runtime, choose_precision, choose_runtime
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.filling import parse_component
from fprnet.kinds import RUNTIME

__all__ = ["RUNTIMES", "backend_of", "openvino", "pytorch"]


def pytorch(model: Any, size: tuple[int, int], precision: Choice) -> Backend:  # noqa: ANN401
    """Eager PyTorch, on the device of the network."""
    del size
    return PyTorchBackend(model, precision=choose_precision(precision, _device(model)))


def openvino(model: Any, size: tuple[int, int], precision: Choice) -> Backend:  # noqa: ANN401
    """OpenVINO on the CPU; compiled graphs are kept between calls."""
    from fprnet.embeddings.openvino_backend import backend_of_model, has_bfloat16

    instructions = has_bfloat16()
    chosen = choose_precision(precision, _device(model), bfloat16_instructions=instructions)
    return backend_of_model(model, size, precision=chosen)


RUNTIMES = {"pytorch": pytorch, "openvino": openvino}
"""Runtimes by the name that ``--runtime`` takes."""


def backend_of(
    model: Any,  # noqa: ANN401 - a fprnet.methods.network.Network
    size: tuple[int, int],
    runtime: Runtime,
    precision: Choice,
) -> Backend:
    """Return what runs a network.

    Args:
        model: Network, in evaluation mode.
        size: Height and width of its input, pixels.
        runtime: Name, import path, or "auto": the fastest on the network's device.
        precision: "auto", "reference", "float32" or "bfloat16".

    Raises:
        UsageError: The runtime does not run on this device, or the precision is not to be had.
        ConfigError: There is no such runtime, or nobody has allowed it.
    """
    name = choose_runtime(runtime, _device(model))
    component = parse_component(RUNTIME, name, key="runtime", of_config=False)
    backend: Backend = component.build(model, size, precision)
    return backend


def _device(model: Any) -> torch.device:  # noqa: ANN401
    device: torch.device = next(model.parameters()).device
    return device
