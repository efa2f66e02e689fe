"""Presets at tiny scale, with and without the augmentation of section 11, several seeds: test mAP.

    python benchmarks/presets.py --data DATA --warm-start WEIGHTS --out RUNS

Every cell is a run folder under --out; finished ones are kept, so the command can be repeated.
Runs go side by side, one thread each. The last epoch's weights are scored on the test identities:
nothing is chosen on them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from fprnet.files import write_text

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
    cells = [
        (preset, augmentation, seed)
        for seed in range(args.seeds)
        for preset in args.presets
        for augmentation in AUGMENTATION
    ]

    def run(cell: tuple[str, str, int]) -> dict[str, float]:
        return train_and_score(*cell, data=args.data, weights=args.warm_start, out=args.out)

    with ThreadPoolExecutor(args.workers) as pool:
        scores = list(tqdm(pool.map(run, cells), total=len(cells), unit="run"))
    print(table(dict(zip(cells, scores, strict=True)), args.presets, args.seeds))


def train_and_score(
    preset: str, augmentation: str, seed: int, *, data: Path, weights: Path, out: Path
) -> dict[str, float]:
    """Train one run, score its last epoch, and keep the scores beside it."""
    folder = out / f"{preset}-{augmentation}-{seed}"
    result = folder.with_suffix(".json")
    if not result.exists():
        strength = str(AUGMENTATION[augmentation])
        options = {
            "--preset": preset,
            "--scale": "tiny",
            "--seed": seed,
            "--data": data,
            "--out": folder,
            "--model.weights": weights,
            "--augmentation.gray_projection": strength,
            "--augmentation.infrared_changes": strength,
        }
        fprnet(["train", *(str(word) for option in options.items() for word in option)])
        last = folder / "checkpoints" / "last.pt"
        write_text(result, fprnet(["evaluate", str(last), "--data", str(data), "--json"]))
    plain = json.loads(result.read_text(encoding="utf-8"))["scores"]["plain"]
    return {metric: plain[metric]["mean"] for metric in METRICS}


def fprnet(arguments: Sequence[str]) -> str:
    """Run a command with one thread and return what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "fprnet", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"fprnet {' '.join(arguments)}: {done.stderr.splitlines()[-1]}")
    return done.stdout


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
