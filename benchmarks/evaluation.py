"""Official evaluation of SYSU-MM01 against the per-query Python loop of the field.

    python benchmarks/evaluation.py --split /data/SYSU-MM01 --shots 1

Without a split, one of the official size is drawn. ``fprnet benchmark evaluation`` is the short
form.
"""

from __future__ import annotations

from fprnet_lab.benchmarking.evaluation import TOLERANCE, measure_evaluation
from fprnet_lab.benchmarking.script import chosen_split, print_result, vectors_parser


def main() -> None:
    """Print one JSON object."""
    parser = vectors_parser(__doc__)
    parser.add_argument("--mode", choices=("all", "indoor"), default="all")
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--trials", type=int, default=10)
    args = parser.parse_args()
    result = measure_evaluation(
        chosen_split(args.split),
        mode=args.mode,
        shots=args.shots,
        trials=args.trials,
        dimensions=args.dimensions,
        repeats=args.repeats,
    )
    print_result(result, TOLERANCE)


if __name__ == "__main__":
    main()
