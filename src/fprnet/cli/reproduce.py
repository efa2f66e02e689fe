"""Reproduce a table of the paper: published value, ours, difference."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, existing_data_set, positive

if TYPE_CHECKING:
    from fprnet.cli.main import Subcommands

# What exists, here so that the help does not wait for torch; a test compares it with the registry.
NAMES = ("table7", "table8")
EXAMPLE = """\
  fprnet reproduce table7 --data generated --out reproduced
  fprnet reproduce table8 --data SYSU-MM01 --out reproduced --scale full --seeds 3

table7: SRCNN against bicubic enlargement; its networks have one size, whatever the scale.
table8: the rows FPRnet and FPRnet + SRCNN. Finished cells are kept: the same command again goes on.
DIR/NAME has report.html and NAME.csv."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet reproduce``."""
    parser = add_command(subcommands, "reproduce", summary=__doc__, example=EXAMPLE)
    parser.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--data", type=existing_data_set, required=True, metavar="ROOT")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of results")
    parser.add_argument(
        "--scale", choices=("tiny", "full"), default="tiny", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="trainings each (default: 1)"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="table8: warm start of every training (default: tiny: one is made; full: ImageNet)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table on stdout."""
    from fprnet.reproduction.experiment import Request
    from fprnet.reproduction.registry import reproduce

    request = Request(args.data, args.out, args.scale, args.seeds, args.weights)
    result = reproduce(args.name, request)
    if args.json:
        print(json.dumps({"name": args.name, "cells": list(result.cells)}))
    else:
        print(result.table.text())
    return 0
