"""Measure this machine: fast code against plain reference code, and that both agree."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, positive, size

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet benchmark
  fprnet benchmark training --threads 2 --json
  fprnet benchmark reranking --dimensions 2048"""

# What exists, here so that the help does not wait for torch; a test compares it with the registry.
NAMES = ("embedding", "training", "evaluation", "reranking", "search")


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet benchmark``."""
    parser = add_command(subcommands, "benchmark", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"what is measured: {', '.join(NAMES)} (default: all)",
    )
    parser.add_argument(
        "--repeats",
        type=positive,
        default=3,
        metavar="N",
        help="measure N times, and take the best (default: %(default)s)",
    )
    vectors = parser.add_argument_group("evaluation and reranking")
    vectors.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="folder of SYSU-MM01, for its split files (default: a split of that size is drawn)",
    )
    vectors.add_argument(
        "--dimensions",
        type=positive,
        default=512,
        metavar="D",
        help="numbers in an embedding (default: %(default)s)",
    )
    vectors.add_argument(
        "--trials",
        type=positive,
        default=10,
        metavar="T",
        help="galleries that evaluation draws (default: %(default)s)",
    )
    parser.add_argument(
        "--records",
        type=positive,
        default=100_000,
        metavar="N",
        help="records of the gallery that search searches (default: %(default)s)",
    )
    networks = parser.add_argument_group("networks")
    networks.add_argument(
        "--size",
        type=size,
        default=(288, 144),
        metavar="HxW",
        help="height x width of an image in pixels (default: 288x144)",
    )
    networks.add_argument(
        "--width",
        type=positive,
        default=64,
        metavar="C",
        help="channels of the stem (default: %(default)s)",
    )
    networks.add_argument(
        "--images",
        type=positive,
        default=32,
        metavar="B",
        help="images of each modality in a batch (default: %(default)s)",
    )
    networks.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="device of the networks (default: %(default)s)",
    )
    networks.add_argument(
        "--threads",
        type=positive,
        default=1,
        metavar="T",
        help="threads of the networks (default: %(default)s)",
    )
    networks.add_argument(
        "--precision",
        choices=("bfloat16", "float32"),
        help="precision of the fast side (default: whichever trains the backbone faster here)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the ratios; exit status 1 where the two sides differ."""
    from fprnet.errors import UsageError
    from fprnet_lab.benchmarking.measurement import Sizes
    from fprnet_lab.benchmarking.registry import BENCHMARKS

    for name in args.names:
        if name not in BENCHMARKS:
            known = ", ".join(BENCHMARKS)
            raise UsageError(f"benchmark {name!r} is unknown; choose one of {known}")
    sizes = Sizes(
        data=args.data,
        dimensions=args.dimensions,
        trials=args.trials,
        records=args.records,
        repeats=args.repeats,
        size=args.size,
        width=args.width,
        images=args.images,
        device=args.device,
        threads=args.threads,
        precision=args.precision,
    )
    results = {}
    for name in dict.fromkeys(args.names or BENCHMARKS):
        print(f"measuring {name}; the plain side takes a while", file=sys.stderr)
        results[name] = BENCHMARKS[name](sizes)
        if not args.json:
            print(f"{name:<12}{results[name].sentence()}", flush=True)
            for line in results[name].lines:
                print(f"{'':<14}{line}", flush=True)
    if args.json:
        print(json.dumps({name: result.as_dict() for name, result in results.items()}))
    different = False
    for name, result in results.items():
        for disagreement in result.disagreements:
            print(f"{name}: {disagreement}", file=sys.stderr)
            different = True
    return 1 if different else 0
