"""What a run leaves to this machine, precision and threads: measured when it begins, then kept.

Both decide how sums are rounded, so a run that is continued must keep them. They are therefore
values of the run's config like any other; only who chose them differs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from fprnet.config import RunConfig
from fprnet.methods.network import build_network, untrained
from fprnet.plain_text import parse_yaml
from fprnet.precision import gpu_computes_bfloat16, is_faster
from fprnet.training.memory_format import in_memory_format
from fprnet.training.weight_gradients import quicken_weight_gradients

__all__ = ["Precision", "fastest_precision", "resolve_runtime"]

Precision = Literal["bfloat16", "float32"]

IMAGES = (
    4  # embedded and differentiated to measure speed; a step of 64 full-size images takes seconds
)


def resolve_runtime(config: RunConfig, out: Path, *, device: torch.device) -> RunConfig:
    """Return the config with ``training.precision`` and ``training.threads`` filled in.

    What is given stands, and a run in ``out`` goes on with its own. Otherwise on a CPU a few images
    are sent through the run's own network: in bfloat16 and in float32, then with one thread and
    with all that torch may use. A GPU that computes in bfloat16 does so, with one thread. The
    processes of ``torchrun`` must all choose the same: float32 on a CPU, and one thread each.
    """
    recorded = _recorded(out)
    precision = config.training.precision or recorded.get("precision")
    if precision is None:
        alone = device.type == "cpu" and _processes() == 1
        precision = fastest_precision(config, device) if alone else _usual_precision(device)
        if alone:
            print(f"{precision} is the faster precision here", file=sys.stderr)
    config = replace(config, training=replace(config.training, precision=precision))
    threads = config.training.threads or recorded.get("threads")
    if threads is None:
        threads = 1
        max_threads = torch.get_num_threads()  # what OMP_NUM_THREADS or the number of cores allow
        if device.type == "cpu" and _processes() == 1 and max_threads > 1:
            threads = _fastest_threads(config, max_threads)
            print(f"{threads} of {max_threads} threads are fastest here", file=sys.stderr)
    return replace(config, training=replace(config.training, threads=threads))


def fastest_precision(config: RunConfig, device: torch.device) -> Precision:
    """Return the precision in which a run's network is trained faster.

    CPUs without matrix units for bfloat16 compute it at a fraction of float32's speed, though they
    may have instructions for it.

    Args:
        config: Config of the run.
        device: Device that trains. On a CPU both are tried with one thread, on this process's
            processor time; a GPU is as fast as its units say.
    """
    if device.type != "cpu":
        return _usual_precision(device)
    work = _probe(config)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        faster = is_faster(
            lambda: work("bfloat16"), than=lambda: work("float32"), clock=time.process_time
        )
    finally:
        torch.set_num_threads(before)
    return "bfloat16" if faster else "float32"


def _usual_precision(device: torch.device) -> Precision:
    fast = device.type == "cuda" and gpu_computes_bfloat16()
    return "bfloat16" if fast else "float32"


def _fastest_threads(config: RunConfig, max_threads: int) -> int:
    """Return 1 or ``max_threads``: on cores that others use, threads wait for one another."""
    work = _probe(config)
    precision = config.training.precision or "float32"

    def work_with(threads: int) -> None:
        torch.set_num_threads(threads)
        work(precision)

    before = torch.get_num_threads()
    try:
        faster = is_faster(lambda: work_with(max_threads), than=lambda: work_with(1))
        return max_threads if faster else 1
    finally:
        torch.set_num_threads(before)


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _recorded(out: Path) -> Mapping[str, Any]:
    """Return what the run that is there computes with, if there is one and it says so."""
    try:
        values = parse_yaml((out / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # no run, or none that can be read: opening the folder will say what is wrong
    training = values.get("training") if isinstance(values, Mapping) else None
    if not isinstance(training, Mapping):
        return {}
    found: dict[str, Any] = {}
    precision, threads = training.get("precision"), training.get("threads")
    if precision in ("bfloat16", "float32"):
        found["precision"] = precision
    if isinstance(threads, int) and threads > 0:
        found["threads"] = threads
    return found


def _probe(config: RunConfig) -> Callable[[Precision], object]:
    """Return a forward and backward pass of the run's network on a few images."""
    memory_format = (
        torch.channels_last if config.training.channels_last else torch.contiguous_format
    )
    with torch.random.fork_rng(devices=[]):
        network = in_memory_format(
            build_network(untrained(config.model), 1),
            channels_last=config.training.channels_last,
            device=torch.device("cpu"),
        )
        if not config.training.compile:
            quicken_weight_gradients(network, torch.device("cpu"))
        images = torch.randn(IMAGES, 3, config.data.height, config.data.width)
    images = images.contiguous(memory_format=memory_format)

    def work(precision: Precision) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            embeddings = network.embed(images, "infrared")
        embeddings.float().mean().backward()

    return work
