r"""How much of what labels would give is recovered without them, on a rendered site.

fprnet data generate site --world 2001 --seed 2001 --identities 200 --test-identities 64
python benchmarks/adaptation.py site --out runs/site
python benchmarks/adaptation.py site --out runs/labels --labels
python benchmarks/adaptation.py site --out runs/tracklets --case tracklets
python benchmarks/adaptation.py site --out runs/blind --variant 'no matching'
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from fprnet.adaptation.config import AdaptationConfig
from fprnet_lab.benchmarking.adaptation import CASES, VARIANTS, measure_adaptation


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="data set: its training people are the crops")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--model", help="start (the shipped model)")
    parser.add_argument("--people", type=int, help="training people that are used (all)")
    parser.add_argument("--case", choices=CASES, default="plain")
    parser.add_argument("--variant", choices=tuple(VARIANTS), default="whole")
    parser.add_argument("--labels", action="store_true", help="learn from the people themselves")
    parser.add_argument("--epochs", type=int, default=AdaptationConfig.epochs)
    parser.add_argument(
        "--steps", type=int, default=0, help="of an epoch (each crop once, 50 at most)"
    )
    parser.add_argument("--learning-rate", type=float, default=AdaptationConfig.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    result = measure_adaptation(
        args.data,
        args.out,
        model=args.model,
        people=args.people,
        case=args.case,
        variant=args.variant,
        labels=args.labels,
        config=AdaptationConfig(
            seed=args.seed,
            epochs=args.epochs,
            steps_per_epoch=args.steps,
            learning_rate=args.learning_rate,
        ),
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
