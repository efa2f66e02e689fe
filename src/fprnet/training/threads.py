"""How many threads a run computes with: measured once, when it begins, and then kept.

The number decides in what order sums are rounded, so a run that is continued must keep it. It is
therefore a value of the run's config like any other; only who chose it differs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from fprnet.config import RunConfig
from fprnet.models.builders import build_backbone

__all__ = ["fastest_threads", "with_threads"]

IMAGES = 4  # of a probe; a step of 64 full-size images takes seconds
GAIN = 1.15  # more threads must be so much faster, or the cores are better left to others


def with_threads(config: RunConfig, out: Path, *, device: torch.device) -> RunConfig:
    """Return the config with ``training.threads`` filled in.

    A number that is given stands. Else a run in ``out`` goes on with its own, a GPU and the
    processes of ``torchrun`` get one thread each, and otherwise one thread and all that torch may
    use are tried.
    """
    if config.training.threads is not None:
        return config
    threads = _recorded(out)
    if threads is None:
        threads = 1
        most = torch.get_num_threads()  # what OMP_NUM_THREADS or the number of cores allow
        if device.type == "cpu" and int(os.environ.get("WORLD_SIZE", "1")) == 1 and most > 1:
            threads = fastest_threads(_probe(config), most=most)
            print(f"{threads} of {most} threads are fastest here", file=sys.stderr)
    return replace(config, training=replace(config.training, threads=threads))


def fastest_threads(
    work: Callable[[], object],
    *,
    most: int,
    rounds: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Return 1 or ``most``, whichever does some work in clearly less time.

    Both are tried in turns and the best round of each counts, as other processes come and go.

    Args:
        work: A piece of what is to be computed.
        most: The larger number of threads.
        rounds: How often each is tried, after one round that warms up.
        clock: Seconds.
    """
    before = torch.get_num_threads()
    best = {1: float("inf"), most: float("inf")}
    try:
        for number in range(rounds + 1):
            for threads in best:
                torch.set_num_threads(threads)
                start = clock()
                work()
                if number > 0:
                    best[threads] = min(best[threads], clock() - start)
    finally:
        torch.set_num_threads(before)
    return most if best[1] >= GAIN * best[most] else 1


def _recorded(out: Path) -> int | None:
    """Return what the run that is there computes with, if there is one and it says so."""
    try:
        values = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None  # no run, or none that can be read: opening the folder will say what is wrong
    training = values.get("training") if isinstance(values, Mapping) else None
    threads = training.get("threads") if isinstance(training, Mapping) else None
    return threads if isinstance(threads, int) and threads > 0 else None


def _probe(config: RunConfig) -> Callable[[], object]:
    """Return a forward and backward pass of the run's backbone on a few images."""
    memory_format = (
        torch.channels_last if config.training.channels_last else torch.contiguous_format
    )
    with torch.random.fork_rng(devices=[]):
        backbone = build_backbone(config.model).to(memory_format=memory_format)  # type: ignore[call-overload]
    images = torch.zeros(IMAGES, backbone.input_channels, config.data.height, config.data.width)
    images = images.contiguous(memory_format=memory_format)
    low = config.training.precision == "bfloat16"

    def work() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            features = backbone(images)
        features.float().mean().backward()

    return work
