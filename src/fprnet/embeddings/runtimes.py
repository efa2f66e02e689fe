"""Names become runtimes: what computes a model's embeddings.

A runtime of your own is named as an import path (``--runtime my_runtime:Mine --plugin
my_runtime.py``); it is called with the network, its input size and the precision that was asked
for, and returns a :class:`fprnet.embeddings.backend.Backend`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from fprnet.data.records import MODALITIES
from fprnet.embeddings.backend import Backend, Choice, Runtime, choose_precision, choose_runtime
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.errors import UsageError
from fprnet.filling import parse_component
from fprnet.kinds import RUNTIME

__all__ = ["RUNTIMES", "backend_of", "openvino", "pytorch"]


IMAGES = 3  # that try a converted network; another number than it was converted with
MIN_COSINE = {"float32": 0.9999, "bfloat16": 0.99}  # of an image's two embeddings


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
        runtime: Name, import path, or "auto": the fastest on the network's device that runs it. A
            network with code of somebody else is compared with PyTorch on a few images first.
        precision: "auto", "reference", "float32" or "bfloat16".

    Raises:
        UsageError: The runtime does not run on this device or this network, or the precision is
            not to be had.
        ConfigError: There is no such runtime, or nobody has allowed it.
    """
    name = choose_runtime(runtime, _device(model))
    component = parse_component(RUNTIME, name, key="runtime", of_config=False)
    backend: Backend = component.build(model, size, precision)
    if name != "openvino" or not _is_foreign(model):
        return backend
    if fault := _fault(backend, model, size):
        if runtime != "auto":
            raise UsageError(f"OpenVINO cannot run this network: {fault}; use runtime pytorch")
        print(f"PyTorch runs this network, OpenVINO cannot: {fault}", file=sys.stderr)
        return pytorch(model, size, precision)
    return backend


def _is_foreign(model: Any) -> bool:  # noqa: ANN401
    """Return whether code of somebody else is in a network, which nobody has tried to convert."""
    parts = {type(part).__module__.partition(".")[0] for part in model.modules()}
    return not parts <= {"fprnet", "torch"}


def _fault(backend: Backend, model: Any, size: tuple[int, int]) -> str:  # noqa: ANN401
    """Return why a converted network is not what it was before; "" where it is."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, *size, 3), dtype=np.uint8)
    own = PyTorchBackend(model, precision="float32")
    for modality in MODALITIES:
        (expected,) = own.embed_batches([pixels], modality, bulk=False)
        try:
            (found,) = backend.embed_batches([pixels], modality, bulk=False)
        except RuntimeError as error:
            reason = next(line for line in reversed(str(error).splitlines()) if line.strip())
            return (
                f"its {modality} graph does not embed {IMAGES} images ({reason.strip()}); take the "
                "number of images from x.shape[0], not from len(x)"
            )
        lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
        cosine = float(((expected * found).sum(axis=1) / lengths).min())
        if not cosine >= MIN_COSINE[backend.precision]:
            return f"its {modality} embeddings would have a cosine of {cosine:.4f} with PyTorch's"
    return ""


def _device(model: Any) -> torch.device:  # noqa: ANN401
    device: torch.device = next(model.parameters()).device
    return device
