"""Reproduce the paper's tables and figures: published value, ours, difference."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, existing_data_set, positive
from fprnet.errors import TrainingError, UsageError

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

# What exists, here so that the help does not wait for torch; a test compares it with the registry.
ABLATIONS = ("table3", "table4", "table5", "table6")
NAMES = (*ABLATIONS, "table7", "table8", "fig4", "fig5", "fig6")
EXAMPLE = """\
  fprnet reproduce table8 --data generated --out reproduced
  fprnet reproduce table4 --data generated --out reproduced --seeds 3 --only 'r5 r2*'
  fprnet reproduce all --data SYSU-MM01 --out reproduced --scale full
  fprnet reproduce table8 --data generated --out quick --training.epochs 3 --superres.steps 50

table3: ten weightings of the hybrid loss.      table4: 24 fusion blocks.
table5: four components removed.                table6: four changes of the prediction module.
table7: SRCNN against bicubic enlargement.      table8: eleven methods, and seven rows more.
fig4, fig5, fig6: the methods as a picture, their CMC curves, their convergence.

All share DIR: what one has trained, the others take. Finished trainings are kept, and the same
command again continues. DIR/NAME has report.html and NAME.csv; 'all' writes one DIR/report.html.
Any value of the config, as 'fprnet train' takes it, changes all trainings: --training.epochs 3
makes a quick try; a row whose preset it does not fit is left out, which stderr says. The warm
start takes what makes it smaller; --superres.KEY VALUE changes SRCNN.
docs/reproduction.md says what each table does."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet reproduce``."""
    parser = add_command(subcommands, "reproduce", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "name", choices=(*NAMES, "all"), metavar="NAME", help=", ".join((*NAMES, "all"))
    )
    parser.add_argument(
        "--base",
        choices=("paper", "released"),
        help="preset that tables 3 to 6 change (default: paper)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=(),
        metavar="ROW",
        help="only rows whose label fits, as file names are matched: 'fprnet*'; not for table7 "
        "and all",
    )
    add_experiment_options(parser)
    add_json(parser)
    parser.set_defaults(run=run, takes_overrides=True)


def add_experiment_options(parser: argparse.ArgumentParser) -> None:
    """Declare where many trainings find and leave what they need."""
    parser.add_argument(
        "--data",
        type=existing_data_set,
        required=True,
        metavar="ROOT",
        help="folder of the data set",
    )
    parser.add_argument(
        "--split", type=positive, metavar="N", help="number of RegDB's split, 1 to 10"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of results")
    parser.add_argument(
        "--scale",
        choices=("tiny", "full"),
        default="tiny",
        help="size of images, models and trainings (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="trainings of each row (default: 1)"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="checkpoint that every training starts from (default: tiny: a warm start is made; "
        "full: ImageNet weights)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="W",
        help="number of processes, of one thread each (default: tiny: the cores of this machine; "
        "full: 1)",
    )


def workers_of(args: argparse.Namespace) -> int:
    """Return the number of processes; full-size models share one GPU badly."""
    if args.workers is not None:
        return int(args.workers)
    return (os.cpu_count() or 1) if args.scale == "tiny" else 1


def run(args: argparse.Namespace) -> int:
    """Print the tables on stdout."""
    names = NAMES if args.name == "all" else (args.name,)
    if args.base is not None and args.name not in (*ABLATIONS, "all"):
        raise UsageError(f"--base has no effect on {args.name}; leave it out")
    if args.only and args.name in ("table7", "all"):
        raise UsageError(f"--only chooses rows of one table, not of {args.name}; leave it out")

    from fprnet_lab.reproduction.registry import reproduce
    from fprnet_lab.reproduction.request import Request

    request = Request(
        data=args.data,
        out=args.out,
        scale=args.scale,
        seeds=args.seeds,
        weights=args.weights,
        split=args.split,
        base=args.base or "paper",
        only=tuple(args.only),
        workers=workers_of(args),
        overrides=tuple(args.overrides),
    )
    done = reproduce(names, request)
    if args.json:
        tables = [{"name": r.name, "cells": list(r.cells)} for r in done.results]
        print(json.dumps(tables[0] if len(tables) == 1 else {"name": "all", "tables": tables}))
    else:
        print("\n\n".join(result.text() for result in done.results))
    print(f"report: {done.page}", file=sys.stderr)
    if done.failures:
        raise TrainingError(
            f"{len(done.failures)} trainings failed and are missing above; the first: "
            f"{done.failures[0].reason}; the same command tries them again"
        )
    return 0
