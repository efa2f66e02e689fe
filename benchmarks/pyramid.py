"""Pooled pyramid levels with and without maps: forward and backward, ratios within one run.

    python benchmarks/pyramid.py [--images 16] [--threads 1]

Only the pyramid and its pooling are timed, on stage maps of full and of tiny size, for every preset
that has one. Before anything is timed both ways are compared, in float32; a difference ends the
script with exit status 1.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor

from fprnet.config import load_config
from fprnet.methods.network import untrained
from fprnet.models.pyramid import FeaturePyramid

PRESETS = ("fprnet", "released", "paper")
SIZES = {"full": (72, 36), "tiny": (24, 12)}  # of C(2)
CHANNELS = {"full": 256, "tiny": 32}
TOLERANCE = 1e-4  # relative to the largest number of a level


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=16, help="of one modality")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = {
        f"{preset}, {scale}": measure(preset, scale, args.images, args.repeats, args.precision)
        for scale in SIZES
        for preset in PRESETS
    }
    print(json.dumps(result, indent=2))


def measure(preset: str, scale: str, images: int, repeats: int, precision: str) -> dict[str, float]:
    """Time the visible pyramid of a preset, in turns."""
    config = load_config(preset, scale=scale)  # type: ignore[arg-type]
    with torch.device("meta"):
        model = untrained(config.model).build(2)
    pyramid = next(m for m in model.modules() if isinstance(m, FeaturePyramid))
    pyramid = pyramid.to_empty(device="cpu").to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    for parameter in pyramid.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    stripes = model.head.stripes_of("visible")
    exact = stage_maps(scale, images, torch.float32)
    maps = stage_maps(scale, images, getattr(torch, precision))

    def pooled(collapsed: bool, maps: dict[int, Tensor]) -> dict[int, Tensor]:
        pyramid.collapsed = collapsed
        return pyramid.pool(maps, stripes)

    def step(collapsed: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            levels = pooled(collapsed, maps)
        torch.stack([level.square().mean() for level in levels.values()]).sum().backward()

    with torch.no_grad():
        one, other = pooled(True, exact), pooled(False, exact)
        difference = max(float((one[k] - other[k]).abs().max() / other[k].abs().max()) for k in one)
    if not difference <= TOLERANCE:
        raise SystemExit(f"{preset}, {scale}: the two ways differ by {difference}")
    step(True), step(False)  # the first ones also load code and make weight maps
    best = {True: float("inf"), False: float("inf")}
    for _ in range(repeats):
        for collapsed in best:
            best[collapsed] = min(best[collapsed], seconds(lambda c=collapsed: step(c)))
    return {
        "ratio": round(best[False] / best[True], 2),
        "with_maps_ms": round(1000 * best[False], 2),
        "without_ms": round(1000 * best[True], 2),
        "max_difference": difference,
    }


def stage_maps(scale: str, images: int, dtype: torch.dtype) -> dict[int, Tensor]:
    """Draw the maps of stages 2 to 5, channels last."""
    generator = torch.Generator().manual_seed(0)
    maps = {}
    (height, width), channels = SIZES[scale], CHANNELS[scale]
    for stage in (2, 3, 4, 5):
        values = torch.rand(images, channels, height, width, generator=generator).to(dtype)
        maps[stage] = values.contiguous(memory_format=torch.channels_last).requires_grad_()
        height, width, channels = -(-height // 2), -(-width // 2), 2 * channels
    return maps


def seconds(function: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
