"""Official evaluation against the per-query Python loops: one ratio, and that both agree.

Both sides start from the same features and galleries, compute distances themselves, and must agree
in every number. Single thread; time is this process's processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from fprnet.data.protocols.sysu_mm01 import Mode, sysu_mm01_protocol
from fprnet.data.sysu_mm01 import SysuSplit
from fprnet.evaluation.scores import Scores, score
from fprnet_lab.benchmarking.measurement import Measurement, Sizes
from fprnet_lab.benchmarking.plain_evaluation import TrialLoop, field_loop, lean_loop, loop_evaluate
from fprnet_lab.benchmarking.seeded import random_features, split_for

__all__ = ["TOLERANCE", "measure", "measure_evaluation", "timed"]

TOLERANCE = 1e-12

Result = TypeVar("Result")


def difference(scores: Scores, loop: dict[str, list[float]]) -> float:
    """Return the largest difference of any number of any trial."""
    row = scores.rows["plain"]
    fast = {
        **{name: metric.per_trial for name, metric in row.metrics.items()},
        **{f"image-level {name}": metric.per_trial for name, metric in row.image_level.items()},
    }
    if fast.keys() != loop.keys():
        raise AssertionError(f"the two sides report {sorted(fast)} and {sorted(loop)}")
    return max(float(np.abs(np.subtract(fast[name], loop[name])).max()) for name in fast)


def timed(function: Callable[[], Result]) -> tuple[float, Result]:
    """Return the processor seconds and the result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def measure(sizes: Sizes) -> Measurement:
    """Measure all-search, single-shot."""
    result = measure_evaluation(
        split_for(sizes.data),
        mode="all",
        shots=1,
        trials=sizes.trials,
        dimensions=sizes.dimensions,
        repeats=sizes.repeats,
    )
    return Measurement(
        ratio=float(result["ratio"]),
        max_difference=float(result["max_difference"]),
        tolerance=TOLERANCE,
        speeds=f"{result['seconds']:.2f} s against {result['loop_seconds']:.2f} s of the loops",
        details=result,
    )


def measure_evaluation(
    split: SysuSplit, *, mode: Mode, shots: int, trials: int, dimensions: int, repeats: int
) -> dict[str, str | int | float]:
    """Time all sides on the same features; the fast side takes its best of some repeats."""
    torch.set_num_threads(1)
    features = random_features(split, dimensions, seed=0)

    def fast() -> Scores:
        protocol = sysu_mm01_protocol(features, split, mode=mode, shots=shots, trials=trials)
        return score(features, protocol, device="cpu")

    def slow(loop: TrialLoop) -> dict[str, list[float]]:
        return loop_evaluate(features, split, loop, mode=mode, shots=shots, trials=trials)

    runs = [timed(fast) for _ in range(repeats)]
    seconds, scores = min(run[0] for run in runs), runs[0][1]
    field_seconds, field = timed(lambda: slow(field_loop))
    lean_seconds, lean = timed(lambda: slow(lean_loop))
    return {
        "mode": mode,
        "shots": shots,
        "trials": trials,
        "dimensions": dimensions,
        "seconds": seconds,
        "loop_seconds": field_seconds,
        "lean_loop_seconds": lean_seconds,
        "ratio": field_seconds / seconds,
        "ratio_to_lean_loop": lean_seconds / seconds,
        "max_difference": max(difference(scores, field), difference(scores, lean)),
    }
