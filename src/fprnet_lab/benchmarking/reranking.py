"""Re-ranking against the algorithm written plainly: one ratio, equality, and the peak of memory.

Single thread; time is this process's processor time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.data.sysu_mm01 import SysuSplit
from fprnet.evaluation.reranking import rerank, reranked_blocks
from fprnet_lab.benchmarking.evaluation import timed
from fprnet_lab.benchmarking.measurement import Measurement, Sizes
from fprnet_lab.benchmarking.plain_reranking import plain_rerank
from fprnet_lab.benchmarking.seeded import random_features, split_for

__all__ = ["TOLERANCE", "measure", "measure_memory", "measure_reranking", "peak_gib"]

TOLERANCE = 1e-5


def measure(sizes: Sizes) -> Measurement:
    """Measure the first trial of all-search, single-shot."""
    result = measure_reranking(
        split_for(sizes.data), dimensions=sizes.dimensions, repeats=sizes.repeats
    )
    return Measurement(
        ratio=float(result["ratio"]),
        max_difference=float(result["max_difference"]),
        tolerance=TOLERANCE,
        speeds=f"{result['seconds']:.2f} s against {result['plain_seconds']:.2f} s image by image",
        details=result,
    )


def measure_reranking(
    split: SysuSplit, *, dimensions: int, repeats: int
) -> dict[str, str | int | float]:
    """Time both sides on the first trial; the fast side takes its best of some repeats."""
    torch.set_num_threads(1)
    features = random_features(split, dimensions, seed=0)
    trial = sysu_mm01_protocol(features, split, trials=1).trials[0]
    vectors = features.features.astype(np.float64)
    query, gallery = vectors[trial.query], vectors[trial.gallery]
    tensors = torch.from_numpy(query), torch.from_numpy(gallery)
    runs = [timed(lambda: rerank(*tensors)) for _ in range(repeats)]
    seconds, fast = min(run[0] for run in runs), runs[0][1]
    plain_seconds, plain = timed(lambda: plain_rerank(query, gallery))
    return {
        "queries": len(query),
        "gallery_size": len(gallery),
        "dimensions": dimensions,
        "seconds": seconds,
        "plain_seconds": plain_seconds,
        "ratio": plain_seconds / seconds,
        "max_difference": float(np.abs(fast.numpy() - plain).max()),
    }


def measure_memory(*, queries: int, gallery: int, dimensions: int) -> dict[str, int | float]:
    """Re-rank a large gallery in a process of its own and return what it took at its peak."""
    words = [str(number) for number in (queries, gallery, dimensions)]
    command = [sys.executable, "-m", "fprnet_lab.benchmarking.reranking", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, int | float] = json.loads(done.stdout)
    return measured


def _large(queries: int, gallery: int, dimensions: int) -> dict[str, int | float]:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    people = max(2, gallery // 20)
    centre = torch.randn(people, dimensions, generator=generator, dtype=torch.float64)
    query, shown = (
        0.7 * centre[torch.randint(people, (number,), generator=generator)]
        + torch.randn(number, dimensions, generator=generator, dtype=torch.float64)
        for number in (queries, gallery)
    )
    before, start = peak_gib(), time.process_time()
    for _ in reranked_blocks(query, shown):
        pass
    return {
        "queries": queries,
        "gallery_size": gallery,
        "dimensions": dimensions,
        "seconds": time.process_time() - start,
        "gib_before": before,
        "peak_gib": peak_gib(),
    }


def peak_gib() -> float:
    """Return the largest resident memory of this process so far, in GiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, where getrusage counts what the parent process held as well
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 2**20
    import resource  # not on every system

    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    print(json.dumps(_large(*(int(word) for word in sys.argv[1:]))))
