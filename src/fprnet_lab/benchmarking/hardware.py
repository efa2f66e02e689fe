"""The machine's own limit: how many multiplications and additions a second its matrix products do.

Shapes: square matrices ``(S, S)``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from fprnet.embeddings.openvino_backend import HINTS, has_bfloat16

__all__ = [
    "PRECISIONS",
    "MatrixRates",
    "best_seconds",
    "clock_for",
    "matrix_rate",
    "measure_matrix_rates",
    "openvino_matrix_rate",
    "openvino_precisions",
    "wait_for",
]

FloatPrecision = Literal["float32", "bfloat16"]
SMALLEST_SIDE = 256  # rows of a matrix
PRECISIONS: tuple[FloatPrecision, ...] = ("float32", "bfloat16")


@dataclass(frozen=True)
class MatrixRates:
    """Operations a second, in 10^9: a multiply-add is two.

    Attributes:
        device: "cpu", "cuda", ...
        threads: Threads of the CPU.
        bfloat16: Rate of products of bfloat16 matrices.
        float32: Of float32 ones, at full float32 precision.
    """

    device: str
    threads: int
    bfloat16: float
    float32: float

    def of(self, precision: str) -> float:
        """Return the rate of a precision by name, "bfloat16" or "float32"."""
        return {"bfloat16": self.bfloat16, "float32": self.float32}[precision]


def measure_matrix_rates(
    device: torch.device | str = "cpu", *, size: int = 2048, seconds: float = 0.5
) -> MatrixRates:
    """Measure both rates with the threads that torch has now."""
    device = torch.device(device)
    return MatrixRates(
        device=device.type,
        threads=torch.get_num_threads(),
        bfloat16=matrix_rate(torch.bfloat16, device, size=size, seconds=seconds),
        float32=matrix_rate(torch.float32, device, size=size, seconds=seconds),
    )


def matrix_rate(dtype: torch.dtype, device: torch.device, *, size: int, seconds: float) -> float:
    """Return the highest rate of any product in about so many seconds, 10^9 operations a second.

    The best one counts: what the machine can do, not what it did while others used it. The clock is
    that of the steps which are compared with the rate (:func:`clock_for`). The matrices have
    ``size`` rows, or fewer where one product of that size would fill the time.
    """
    clock = clock_for(device, torch.get_num_threads())
    size = _affordable(dtype, device, size=size, seconds=seconds)
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, size, generator=generator).to(device, dtype) for _ in range(2))
    out = torch.empty(size, size, dtype=dtype, device=device)
    torch.mm(left, right, out=out)  # the first one also loads code
    repetitions = 20 if device.type == "cuda" else 1  # a launch costs as much as a small product
    best, begun = float("inf"), time.perf_counter()
    while True:
        wait_for(device)
        start = clock()
        for _ in range(repetitions):
            torch.mm(left, right, out=out)
        wait_for(device)
        best = min(best, (clock() - start) / repetitions)
        if time.perf_counter() - begun > seconds:
            return 2 * size**3 / best / 1e9


def _affordable(dtype: torch.dtype, device: torch.device, *, size: int, seconds: float) -> int:
    """Return the largest size up to ``size``, by doubling, whose product takes a part of the time.

    A CPU without instructions for bfloat16 multiplies two matrices of 2,048 rows in a minute.
    """
    side = min(SMALLEST_SIDE, size)
    while side < size:
        matrix = torch.ones(side, side, dtype=dtype, device=device)
        torch.mm(matrix, matrix)  # loads code
        wait_for(device)
        begun = time.perf_counter()
        torch.mm(matrix, matrix)
        wait_for(device)
        if 8 * (time.perf_counter() - begun) > seconds:
            break
        side = min(2 * side, size)
    return side


def clock_for(device: torch.device, threads: int) -> Callable[[], float]:
    """Return the clock, in seconds, that other processes disturb least.

    On one thread of the CPU it is this process's processor time; waiting for a core does not count.
    """
    return time.process_time if device.type == "cpu" and threads == 1 else time.perf_counter


def openvino_precisions() -> tuple[FloatPrecision, ...]:
    """Return the precisions that OpenVINO has instructions for on this CPU."""
    return PRECISIONS if has_bfloat16() else ("float32",)


def openvino_matrix_rate(
    precision: FloatPrecision, threads: int, *, size: int = 2048, seconds: float = 0.5
) -> float:
    """Return OpenVINO's highest rate of a product with a constant matrix; see `matrix_rate`.

    It can differ from PyTorch's: the libraries use other instructions of the same CPU.
    """
    import openvino  # not above: fprnet.embeddings, which turns its telemetry off, comes first
    from openvino import opset13

    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    rows = opset13.parameter([size, size], np.float32)
    product = opset13.matmul(rows, opset13.constant(right), False, False)
    compiled = openvino.Core().compile_model(
        openvino.Model([product], [rows]),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        },
    )
    request = compiled.create_infer_request()
    request.infer([left], share_inputs=True)  # the first one also loads code
    clock = clock_for(torch.device("cpu"), threads)
    best, begun = float("inf"), time.perf_counter()
    while True:
        start = clock()
        request.infer([left], share_inputs=True)
        best = min(best, clock() - start)
        if time.perf_counter() - begun > seconds:
            return 2 * size**3 / best / 1e9


def best_seconds(
    rounds: int,
    functions: Mapping[str, Callable[[], object]],
    *,
    device: torch.device,
    threads: int,
) -> dict[str, float]:
    """Return the shortest seconds of each of some functions that are run in turns."""
    clock = clock_for(device, threads)
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            wait_for(device)
            start = clock()
            function()
            wait_for(device)
            best[name] = min(best[name], clock() - start)
    return best


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all it was given; the CPU is never behind."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
