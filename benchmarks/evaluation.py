"""Official evaluation of SYSU-MM01 against the per-query Python loop of the field.

    python benchmarks/evaluation.py --split /data/SYSU-MM01 --shots 1

Without a split, one of the official size is drawn. ``fprnet benchmark evaluation`` is the short
form.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fprnet.benchmarking.evaluation import TOLERANCE, measure_evaluation
from fprnet.benchmarking.seeded import official_sized_split
from fprnet.data.sysu_mm01 import read_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", type=Path, help="folder with the split files")
    parser.add_argument("--mode", choices=("all", "indoor"), default="all")
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    split = read_split(args.split, needed=("test",)) if args.split else official_sized_split()
    result = measure_evaluation(
        split,
        mode=args.mode,
        shots=args.shots,
        trials=args.trials,
        dimensions=args.dimensions,
        repeats=args.repeats,
    )
    print(json.dumps(result, indent=1))
    if float(str(result["max_difference"])) > TOLERANCE:
        raise SystemExit("the two sides differ")


if __name__ == "__main__":
    main()
