"""Learning rates of the presets at the tiny scale, compared on validation people: a table.

    python benchmarks/learning_rates.py --data DATA --warm-start WEIGHTS --out RUNS \
        --presets agw cmgan --rates 0.03 0.1 [-- --training.epochs 10 ...]

Words after -- change the config of every run. Every cell is a run folder under --out; finished
ones are kept, so the command can be repeated and enlarged. Printed are mAP and rank-1 on the
validation people after the last epoch, percent, and the main head's training accuracy in it; DATA
should be of a world that nothing is tested on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fprnet.config.sections import augmentation_overrides
from fprnet_lab.jobs import Training, read_history, run_jobs

LEADING = "fprnet"  # whose augmentation all presets get


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--warm-start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", required=True)
    parser.add_argument("--rates", nargs="+", type=float, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="words of fprnet train, after --")
    args = parser.parse_args()
    trainings = {
        (preset, rate): Training(
            preset,
            args.data,
            args.out / f"{preset}-{rate:g}",
            "tiny",
            overrides=(
                *("--model.weights", str(args.warm_start)),
                *augmentation_overrides(preset, wanted=LEADING, scale="tiny"),
                *("--optimizer.learning_rate", f"{rate:g}", *args.overrides),
            ),
        )
        for preset in args.presets
        for rate in args.rates
    }
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = [training.job() for training in trainings.values()]
    failures = run_jobs(jobs, description="trainings", workers=args.workers, keep_going=True)
    failed = {failure.job.name for failure in failures}
    print("| preset | " + " | ".join(f"{rate:g}" for rate in args.rates) + " |")
    print("|---" * (len(args.rates) + 1) + "|")
    for preset in args.presets:
        row = [trainings[preset, rate] for rate in args.rates]
        cells = ["failed" if one.name in failed else _cell(read_history(one.out)) for one in row]
        print(f"| `{preset}` | {' | '.join(cells)} |")


def _cell(history: list[dict[str, Any]]) -> str:
    """Return mAP / rank-1 (the main head's training accuracy) of the last epoch, percent."""
    last = history[-1]
    scores = last.get("validation", {})
    values = (scores.get("mAP"), scores.get("rank-1"))
    shown = " / ".join("-" if value is None else f"{100 * value:.1f}" for value in values)
    return f"{shown} ({100 * last['losses']['accuracy_main']:.0f})"


if __name__ == "__main__":
    main()
