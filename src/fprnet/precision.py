"""Two ways of computing become the faster one: whether bfloat16, or more threads, pay here."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch

__all__ = ["bfloat16_is_faster", "gpu_computes_bfloat16", "is_faster"]

MIN_SPEEDUP = 1.15  # a gain below that is noise, and would change results for nothing
SIZE = 512  # rows and columns of the matrices that are multiplied


def is_faster(
    work: Callable[[], object],
    *,
    than: Callable[[], object],
    rounds: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> bool:
    """Return whether one way of working takes clearly less time than another.

    Both are tried in turns and the best round of each counts, as other processes come and go. A
    clock that stood still meanwhile ticks too rarely; the wall's clock measures then.

    Args:
        work: The way that must be at least 1.15 times as fast.
        than: The other way.
        rounds: Number of times that each is tried, after one round that warms up.
        clock: Returns seconds.
    """
    old, new = _best_times((than, work), rounds, clock)
    if min(old, new) == 0:
        old, new = _best_times((than, work), rounds, time.perf_counter)
    return old >= MIN_SPEEDUP * new


def _best_times(
    ways: tuple[Callable[[], object], ...], rounds: int, clock: Callable[[], float]
) -> list[float]:
    """Return the seconds of each way's best round."""
    best = [float("inf")] * len(ways)
    for number in range(rounds + 1):
        for place, way in enumerate(ways):
            start = clock()
            way()
            if number > 0:
                best[place] = min(best[place], clock() - start)
    return best


@cache
def bfloat16_is_faster() -> bool:
    """Return whether this CPU multiplies matrices faster in bfloat16, as not every one does.

    It takes a few hundredths of a second of processor time, which other processes hardly change.
    """

    def product(dtype: torch.dtype) -> Callable[[], object]:
        matrix = torch.ones(SIZE, SIZE, dtype=dtype)
        return lambda: torch.mm(matrix, matrix)

    with torch.inference_mode():
        return is_faster(
            product(torch.bfloat16),
            than=product(torch.float32),
            rounds=5,
            clock=time.process_time,
        )


def gpu_computes_bfloat16() -> bool:
    """Return whether the GPU has units for bfloat16; PyTorch can also imitate it, slowly."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
