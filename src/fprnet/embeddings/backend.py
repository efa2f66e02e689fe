"""What runs a model: which runtime, in which precision, and the one thing every runtime can do.

Shapes: B images of H x W pixels in a batch; D numbers per embedding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.cores import available_cores
from fprnet.data.records import Modality
from fprnet.errors import UsageError
from fprnet.precision import bfloat16_is_faster, gpu_computes_bfloat16

__all__ = [
    "Backend",
    "Choice",
    "Embeddings",
    "Pixels",
    "Precision",
    "Runtime",
    "choose_precision",
    "choose_runtime",
    "worker_threads",
]

Runtime: TypeAlias = str
"""A name in `fprnet.embeddings.runtimes.RUNTIMES`, an import path, or "auto"."""
Precision = Literal["float32", "bfloat16", "int8"]
# "reference": float32, or the bits that an exported graph stores; never what is measured.
Choice = Literal["auto", "reference", "float32", "bfloat16"]
Pixels: TypeAlias = NDArray[np.uint8]
Embeddings: TypeAlias = NDArray[np.float32]


class Backend(Protocol):
    """A model that can be run on batches of one modality, by several threads at a time."""

    @property
    def runtime(self) -> Runtime:
        """The library that computes."""

    @property
    def precision(self) -> Precision:
        """What its convolutions compute in."""

    @property
    def embedding_size(self) -> int:
        """D."""

    def embed_batches(
        self, batches: Iterable[Pixels], modality: Modality, *, bulk: bool
    ) -> Iterator[Embeddings]:
        """Embed batches ``(B, H, W, 3)`` as they come and yield ``(B, D)``, in the same order.

        The next batches are taken, a few at most, while earlier ones are computed.

        Args:
            batches: Images of the model's input size.
            modality: Modality of all images.
            bulk: Many images as fast as possible; else each batch as early as possible.
        """


def choose_runtime(runtime: Runtime, device: torch.device) -> Runtime:
    """Return the runtime that is fastest on a device, or the one that was asked for.

    Raises:
        UsageError: It does not run on this device.
    """
    if runtime not in ("auto", "pytorch", "openvino") and not {":", "."} & set(runtime):
        raise UsageError(
            f"runtime {runtime!r} is unknown; use auto, pytorch, openvino or package.module:Name"
        )
    if runtime == "openvino" and device.type != "cpu":
        raise UsageError(
            f"runtime openvino computes on the CPU and the device is {device}; "
            "use runtime pytorch, or device cpu"
        )
    if runtime == "auto":
        return "openvino" if device.type == "cpu" else "pytorch"
    return runtime


def choose_precision(
    precision: Choice, device: torch.device, *, bfloat16_instructions: bool = True
) -> Literal["float32", "bfloat16"]:
    """Return the precision that is fastest on a device, or the one that was asked for.

    bfloat16 keeps every embedding within a cosine of 0.999 of float32's, so "auto" takes it where
    matrix products are faster in it: not every CPU that has such instructions runs them faster.

    Args:
        precision: "auto", "reference" (float32), "float32" or "bfloat16".
        device: Device that computes.
        bfloat16_instructions: Whether the runtime has them on this device.

    Raises:
        UsageError: bfloat16 was asked for and is not there.
    """
    if precision == "reference":
        return "float32"
    if precision not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"precision {precision!r} is unknown; use auto, float32 or bfloat16")
    if precision == "bfloat16" and not bfloat16_instructions:
        raise UsageError(
            "precision bfloat16 is not there on this CPU, which has no such instructions; "
            "use float32 or auto"
        )
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if gpu_computes_bfloat16() else "float32"
    faster = device.type == "cpu" and bfloat16_instructions and bfloat16_is_faster()
    return "bfloat16" if faster else "float32"


def worker_threads() -> int:
    """Return how many threads compute: ``OMP_NUM_THREADS``, or the cores this process may use."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() and int(threads) > 0 else available_cores()
