"""Measure this machine: fast code against plain reference code, and that both agree."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, positive

if TYPE_CHECKING:
    from fprnet.cli.main import Subcommands

EXAMPLE = """\
  fprnet benchmark
  fprnet benchmark reranking --dimensions 2048 --json"""

NAMES = ("evaluation", "reranking")


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet benchmark``."""
    parser = add_command(subcommands, "benchmark", summary=__doc__, example=EXAMPLE)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (all)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="SYSU-MM01's split files (default: a split of the official size is drawn)",
    )
    parser.add_argument("--dimensions", type=positive, default=512, metavar="D")
    parser.add_argument("--trials", type=positive, default=10, metavar="T", help="of evaluation")
    parser.add_argument("--repeats", type=positive, default=3, metavar="N", help="best of N")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the ratios; exit status 1 where the two sides differ."""
    from fprnet.benchmarking import evaluation, reranking
    from fprnet.benchmarking.seeded import official_sized_split
    from fprnet.data.sysu_mm01 import read_split
    from fprnet.errors import UsageError

    for name in args.names:
        if name not in NAMES:
            raise UsageError(f"benchmark {name!r} is unknown; choose {' or '.join(NAMES)}")
    split = official_sized_split() if args.data is None else read_split(args.data, needed=("test",))
    sizes = {"dimensions": args.dimensions, "repeats": args.repeats}
    results: dict[str, dict[str, str | int | float]] = {}
    tolerances = {"evaluation": evaluation.TOLERANCE, "reranking": reranking.TOLERANCE}
    for name in dict.fromkeys(args.names or NAMES):
        print(f"measuring {name}; the plain side takes a while", file=sys.stderr)
        if name == "evaluation":
            results[name] = evaluation.measure_evaluation(
                split, mode="all", shots=1, trials=args.trials, **sizes
            )
        else:
            results[name] = reranking.measure_reranking(split, **sizes)
    print(json.dumps(results) if args.json else _table(results))
    different = [n for n, r in results.items() if float(r["max_difference"]) > tolerances[n]]
    for name in different:
        print(f"{name}: the two sides differ by {results[name]['max_difference']}", file=sys.stderr)
    return 1 if different else 0


def _table(results: dict[str, dict[str, str | int | float]]) -> str:
    lines = []
    for name, result in results.items():
        slow = result.get("loop_seconds", result.get("plain_seconds", 0.0))
        lines.append(
            f"{name:<12}{result['ratio']:6.1f} times faster: {result['seconds']:.2f} s against "
            f"{slow:.2f} s of the plain algorithm, "
            f"largest difference {result['max_difference']:.1e}"
        )
    return "\n".join(lines)
