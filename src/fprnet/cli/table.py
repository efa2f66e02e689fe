"""Turn result files of 'fprnet evaluate --out' into the rows of a paper's table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, names_of

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet table ours.json theirs.json --format latex
  fprnet table all.json indoor.json --names ours ours --metrics rank-1 mAP
  fprnet table seed-0.json seed-1.json seed-2.json --names ours ours ours

Every protocol and every way of ranking (plain, flipped, re-ranked) is a group of columns of its
own; results of one name share a row. Results of one name and protocol, of models that were trained
with different seeds, become their mean ± sample standard deviation."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet table``."""
    parser = add_command(subcommands, "table", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "results",
        nargs="+",
        type=Path,
        metavar="RESULT.json",
        help="result file of 'fprnet evaluate --out'",
    )
    parser.add_argument(
        "--format",
        choices=("markdown", "latex"),
        default="markdown",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--names", nargs="+", metavar="NAME", help="name of each result's row (default: its file's)"
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help="columns (default: rank-1, rank-10, rank-20, mAP, mINP)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table on stdout."""
    from fprnet.evaluation.comparison import read_result
    from fprnet.evaluation.result_rows import result_table

    names = names_of(args.names, args.results, lambda file: file.stem)
    results = [read_result(file) for file in args.results]
    pairs = list(zip(names, results, strict=True))
    print(result_table(pairs, args.format, metrics=args.metrics))
    return 0
