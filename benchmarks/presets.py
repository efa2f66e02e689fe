"""Presets at tiny scale, with and without the augmentation of section 11, several seeds: test mAP.

    python benchmarks/presets.py --data DATA --warm-start WEIGHTS --out RUNS

Every cell is a run folder under --out; finished ones are kept, so the command can be repeated.
Runs go side by side, one thread each. The last epoch's weights are scored on the test identities:
nothing is chosen on them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

import fprnet
from fprnet_lab.jobs import Training, run_jobs

PRESETS = ("fprnet", "paper", "released", "one-stream", "two-stream")
AUGMENTATION = {"without": 0.0, "with": 0.8}
METRICS = ("rank-1", "mAP")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--warm-start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    trainings = {
        (preset, augmentation, seed): Training(
            preset,
            args.data,
            args.out / f"{preset}-{augmentation}-{seed}",
            "tiny",
            overrides=(
                *("--model.weights", str(args.warm_start)),
                *("--augmentation.gray_projection", str(strength)),
                *("--augmentation.infrared_changes", str(strength)),
            ),
            seed=seed,
        )
        for seed in range(args.seeds)
        for preset in args.presets
        for augmentation, strength in AUGMENTATION.items()
    }
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = [training.job() for training in trainings.values()]
    run_jobs(jobs, description="trainings", workers=args.workers)
    torch.set_num_threads(1)
    scores = {cell: last_epoch(training) for cell, training in trainings.items()}
    print(table(scores, args.presets, args.seeds))


def last_epoch(training: Training) -> dict[str, float]:
    """Score a run's last epoch on the test identities."""
    last = training.out / "checkpoints" / "last.pt"
    features = fprnet.extract(fprnet.load_model(last), training.data)
    metrics = fprnet.evaluate(features, data=training.data).rows["plain"].metrics
    return {metric: metrics[metric].mean for metric in METRICS}


def table(
    scores: dict[tuple[str, str, int], dict[str, float]], presets: Sequence[str], seeds: int
) -> str:
    """Mean and standard deviation over the seeds, percent, as a Markdown table."""
    lines = ["| preset | augmentation | " + " | ".join(METRICS) + " |", "|---" * 4 + "|"]
    for preset in presets:
        for augmentation in AUGMENTATION:
            cells = []
            for metric in METRICS:
                values = [100 * scores[preset, augmentation, s][metric] for s in range(seeds)]
                spread = statistics.stdev(values) if seeds > 1 else 0.0
                cells.append(f"{statistics.mean(values):.1f} ± {spread:.1f}")
            lines.append(f"| `{preset}` | {augmentation} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
