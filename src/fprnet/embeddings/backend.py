"""What runs a model: which runtime, in which precision, and the one thing every runtime can do.

Shapes: B images of H x W pixels in a batch; D numbers per embedding.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.data.records import Modality
from fprnet.errors import UsageError

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

Runtime = Literal["pytorch", "openvino"]
Precision = Literal["float32", "bfloat16", "int8"]
# "reference": float32, or the bits that an exported graph stores; never what is measured.
Choice = Literal["auto", "reference", "float32", "bfloat16"]
Pixels: TypeAlias = NDArray[np.uint8]
Embeddings: TypeAlias = NDArray[np.float32]

WORTH = 1.25  # bfloat16 must be so many times faster than float32 to be taken without being asked


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
            batches: Of the model's input size.
            modality: Of all of them.
            bulk: Many images as fast as possible; else each batch as early as possible.
        """


def choose_runtime(asked: Literal["auto"] | Runtime, device: torch.device) -> Runtime:
    """Return the runtime that is fastest on a device, or the one that was asked for.

    Raises:
        UsageError: It does not run on this device.
    """
    if asked not in ("auto", "pytorch", "openvino"):
        raise UsageError(f"runtime {asked!r} is unknown; use auto, pytorch or openvino")
    if asked == "openvino" and device.type != "cpu":
        raise UsageError(
            f"runtime openvino computes on the CPU and the device is {device}; "
            "use runtime pytorch, or device cpu"
        )
    if asked == "auto":
        return "openvino" if device.type == "cpu" else "pytorch"
    return asked


def choose_precision(
    asked: Choice, device: torch.device, *, bfloat16_instructions: bool = True
) -> Literal["float32", "bfloat16"]:
    """Return the precision that is fastest on a device, or the one that was asked for.

    bfloat16 keeps every embedding within a cosine of 0.999 of float32's, so "auto" takes it where
    matrix products are faster in it: not every CPU that has such instructions runs them faster.

    Args:
        asked: "auto", "reference" (float32), "float32" or "bfloat16".
        device: That computes.
        bfloat16_instructions: Whether the runtime has them on this device.

    Raises:
        UsageError: bfloat16 was asked for and is not there.
    """
    if asked == "reference":
        return "float32"
    if asked not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"precision {asked!r} is unknown; use auto, float32 or bfloat16")
    if asked == "bfloat16" and not bfloat16_instructions:
        raise UsageError(
            "precision bfloat16 is not there on this CPU, which has no such instructions; "
            "use float32 or auto"
        )
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    pays = device.type == "cpu" and bfloat16_instructions and _bfloat16_pays()
    return "bfloat16" if pays else "float32"


def worker_threads() -> int:
    """Return how many threads compute: ``OMP_NUM_THREADS``, or the cores this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else available_cores()


def available_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _bfloat16_pays() -> bool:
    """Measure matrix products in both precisions, for a few hundredths of a second."""
    seconds = {dtype: _product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return seconds[torch.bfloat16] * WORTH < seconds[torch.float32]


def _product_seconds(dtype: torch.dtype, *, size: int = 512, repetitions: int = 6) -> float:
    """Return the shortest processor time of a product; others on the machine hardly change it."""
    left = torch.ones(size, size, dtype=dtype)
    times = []
    with torch.inference_mode():
        for _ in range(repetitions):
            start = time.process_time()
            torch.mm(left, left)
            times.append(time.process_time() - start)
    return min(times)
