"""A training step of preset ``released`` against the published one plainly, and that both agree.

Also told: the share of the machine's matrix rate, how much of a step of the default preset at tiny
scale is its bare forward and backward pass, and, on a GPU, how often a step waits for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from fprnet.config import load_config
from fprnet.errors import UsageError
from fprnet.training.choices import fastest_precision
from fprnet_lab.benchmarking.hardware import (
    MatrixRates,
    best_seconds,
    measure_matrix_rates,
    wait_for,
)
from fprnet_lab.benchmarking.measurement import Measurement, Sizes
from fprnet_lab.benchmarking.training_sides import FastSide, PlainSide, random_images

__all__ = ["TOLERANCE", "measure"]

TOLERANCE = 1e-4  # of the float32 losses of one batch, relative; a test compares steps in float64
GPU_STEPS = 20  # that are timed together, so that the host can run ahead
PROFILED = 8  # operators that are told


def measure(sizes: Sizes) -> Measurement:
    """Measure steps of B + B images at ResNet-50 of the asked width and size.

    Raises:
        UsageError: There is no GPU.
    """
    if sizes.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no GPU; use --device cpu")
    device = torch.device(sizes.device)
    before = torch.get_num_threads()
    torch.set_num_threads(sizes.threads)
    try:
        return _measure(sizes, device, measure_matrix_rates(device))
    finally:
        torch.set_num_threads(before)


def _measure(sizes: Sizes, device: torch.device, rates: MatrixRates) -> Measurement:
    words = {
        "--data.height": sizes.size[0],
        "--data.width": sizes.size[1],
        "--model.backbone.width": sizes.width,
        "--model.weights": "none",
        "--batches.identities": sizes.images,
    }
    config = load_config("released", overrides=[str(w) for pair in words.items() for w in pair])
    precision = sizes.precision or fastest_precision(config, device)
    records, images = random_images(sizes.images, 1, sizes.size)
    fast = FastSide(config, records, images, device)
    plain = PlainSide(fast, images, sizes.width)

    with FlopCounterMode(display=False) as counter:
        loss = fast.step(0, "float32").item()
    operations = counter.get_total_flops()
    # Of the first batch alone: on random images rounding grows tenfold and more with each step.
    plain_loss = plain.step(0)
    difference = abs(loss - plain_loss) / abs(plain_loss)
    low = fast.forward_and_backward(fast.batch(2), precision).item()
    full = fast.forward_and_backward(fast.batch(2), "float32").item()

    steps = GPU_STEPS if device.type == "cuda" else 1
    seconds, plain_seconds = best_of(
        sizes.repeats,
        lambda: [fast.step(number, precision) for number in range(steps)],
        lambda: [plain.step(number) for number in range(steps)],
        device=device,
        threads=sizes.threads,
    )
    seconds, plain_seconds = seconds / steps, plain_seconds / steps
    count = 2 * sizes.images
    details: dict[str, str | int | float | dict[str, float]] = {
        "device": _name(device),
        "threads": sizes.threads,
        "precision": precision,
        "images_per_second": count / seconds,
        "plain_images_per_second": count / plain_seconds,
        "loss_difference_of_precision": abs(low - full) / abs(full),
        "gflop_per_step": operations / 1e9,
        "bfloat16_gflop_per_second": rates.bfloat16,
        "float32_gflop_per_second": rates.float32,
        "tiny_share_of_bare": share_of_bare(sizes, device, precision),
        "profile": _profile(lambda: fast.step(0, precision), device),
    }
    if device.type == "cuda":
        details["waits_per_step"] = _waits(lambda: fast.step(0, precision))
        details["peak_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    return Measurement(
        ratio=plain_seconds / seconds,
        max_difference=difference,
        tolerance=TOLERANCE,
        speeds=f"{count / seconds:.1f} images/s against {count / plain_seconds:.1f} ({precision})",
        share_of_limit=operations / seconds / 1e9 / rates.of(precision),
        limit=f"{precision} matrix rate, {rates.of(precision):.0f} GFLOP/s",
        details=details,
    )


def share_of_bare(sizes: Sizes, device: torch.device, precision: str) -> float:
    """Return the bare forward and backward pass's share of a whole step, default preset, tiny."""
    config = load_config("fprnet", scale="tiny", overrides=["--model.weights", "none"])
    size = (config.data.height, config.data.width)
    records, images = random_images(
        4 * config.batches.options["identities"], config.batches.options["images"], size
    )
    side = FastSide(config, records, images, device)
    ready = side.batch(0)
    side.step(0, precision)
    whole, bare = best_of(
        3 * sizes.repeats,
        lambda: side.step(1, precision),
        lambda: side.forward_and_backward(ready, precision),
        device=device,
        threads=sizes.threads,
    )
    return bare / whole


def best_of(
    rounds: int,
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    device: torch.device,
    threads: int,
) -> tuple[float, float]:
    """Return the shortest seconds of two functions that are run in turns."""
    functions = {"first": first, "second": second}
    best = best_seconds(rounds, functions, device=device, threads=threads)
    return best["first"], best["second"]


def _profile(step: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Return the operators that take the most time themselves, as shares of a step."""
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]
    with profile(activities=activities) as profiled:
        step()
        wait_for(device)
    events = profiled.key_averages()
    times = {
        event.key: float(event.self_device_time_total if cuda else event.self_cpu_time_total)
        for event in events
    }
    total = sum(times.values())
    largest = sorted(times, key=lambda name: times[name], reverse=True)[:PROFILED]
    return {name: round(times[name] / total, 4) for name in largest}


def _waits(step: Callable[[], object]) -> int:
    """Count how often the host waits for the GPU inside a step."""
    step()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in seen)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
