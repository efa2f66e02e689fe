"""Training passes with weight gradients by one product and by PyTorch, ratios within one run.

    python benchmarks/weight_gradients.py [--rounds 3]

Forward and backward passes in bfloat16 on one thread, this process's processor time, the best of
some rounds in turns, of preset "released" at full size (32 + 32 images) and of "fprnet" and
"one-stream" at the tiny scale. Before anything is timed, both ways are compared: the same loss, and
gradients that point the same way; a difference ends the script with exit status 1. It also ends
where the CPU has no matrix units (AMX), where there is only one way.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from fprnet.config import load_config
from fprnet_lab.benchmarking.training_sides import FastSide, random_images

CASES: tuple[tuple[str, Literal["full", "tiny"]], ...] = (
    ("released", "full"),
    ("fprnet", "tiny"),
    ("one-stream", "tiny"),
)
LEAST_COSINE = 0.995  # of all gradients as one vector; bfloat16 rounds either way


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="passes of each way that are timed")
    args = parser.parse_args()
    if not torch.cpu.get_capabilities().get("amx_bf16", False):
        raise SystemExit("this CPU has no matrix units for bfloat16 (amx_bf16)")
    torch.set_num_threads(1)
    result = {f"{preset}, {scale}": measure(preset, scale, args.rounds) for preset, scale in CASES}
    print(json.dumps(result, indent=2))


def measure(preset: str, scale: Literal["full", "tiny"], rounds: int) -> dict[str, float]:
    """Time a forward and backward pass of a preset, both ways in turns."""
    config = load_config(preset, scale=scale, overrides=["--model.weights", "none"])
    size = (config.data.height, config.data.width)
    options = config.batches.options
    records, images = random_images(options["identities"], options["images"], size)
    side = FastSide(config, records, images, torch.device("cpu"))
    batch = side.batch(0)

    def seconds() -> float:
        start = time.process_time()
        side.forward_and_backward(batch, "bfloat16")
        return time.process_time() - start

    loss, gradient = side.forward_and_backward(batch, "bfloat16"), gradients(side)
    with by_pytorch():
        plain_loss, plain_gradient = side.forward_and_backward(batch, "bfloat16"), gradients(side)
    cosine = float(cosine_similarity(gradient, plain_gradient, dim=0))
    if loss != plain_loss or cosine < LEAST_COSINE:
        raise SystemExit(f"{preset}, {scale}: losses {loss}, {plain_loss}, cosine {cosine}")
    quick, plain = float("inf"), float("inf")
    for _ in range(rounds):
        quick = min(quick, seconds())
        with by_pytorch():
            plain = min(plain, seconds())
    return {
        "ratio": plain / quick,
        "ms": 1000 * quick,
        "pytorch_ms": 1000 * plain,
        "cosine": cosine,
    }


def gradients(side: FastSide) -> Tensor:
    """Return the gradients of all parameters as one vector."""
    found = [p.grad for p in side.model.parameters() if p.grad is not None]
    return torch.cat([gradient.double().flatten() for gradient in found])


@contextmanager
def by_pytorch() -> Iterator[None]:
    """Let PyTorch compute every weight's gradient meanwhile."""
    with patch("fprnet.training.weight_gradients.product_is_faster", return_value=False):
        yield


if __name__ == "__main__":
    main()
