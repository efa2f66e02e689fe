r"""How well unknown people are grouped, at several false-link rates.

fprnet data generate site --world 2101 --seed 2101 --identities 1 --validation-identities 1 \
    --test-identities 64
python benchmarks/grouping.py site
python benchmarks/grouping.py site --calibrate-on other-people-of-the-site --parts 4
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fprnet_lab.benchmarking.grouping import RATES, measure_grouping


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="data set whose test people are grouped")
    parser.add_argument("--model", help="checkpoint or run folder (the shipped model)")
    parser.add_argument("--calibrate-on", type=Path, help="data set (the model's own calibration)")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--parts", type=int, default=1, help="grouped after each of so many (1)")
    parser.add_argument("--seed", type=int, default=0, help="of times and order (0)")
    args = parser.parse_args()
    result = measure_grouping(
        args.data,
        model=args.model,
        rates=args.rates,
        calibrate_on=args.calibrate_on,
        parts=args.parts,
        seed=args.seed,
    )
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
