"""Check a data set on disk, or make one."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    add_workers,
    existing_data_set,
)

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

CHECK = "Look at every file of a data set and list all that is wrong with it at once."
CHECK_EXAMPLE = "  fprnet data check SYSU-MM01"


def add_parser(subcommands: Subcommands) -> Subcommands:
    """Declare ``fprnet data check`` and return where other actions on data join it."""
    parser = add_command(subcommands, "data", summary=__doc__, example=CHECK_EXAMPLE)
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    _add_check(inner)
    return inner


def _add_check(subcommands: Subcommands) -> None:
    parser = add_command(subcommands, "check", summary=CHECK, example=CHECK_EXAMPLE)
    parser.add_argument(
        "root", type=existing_data_set, metavar="ROOT", help="folder of the data set, or manifest"
    )
    add_layout(parser)
    add_workers(parser)
    add_json(parser)
    parser.set_defaults(run=run_check)


def run_check(args: argparse.Namespace) -> int:
    """Print the report; problems are the data set's owner's mistake: exit status 2."""
    from fprnet.data.check import check

    report = check(args.root, layout=args.layout, workers=args.workers)
    print(json.dumps(report.as_dict()) if args.json else report.text())
    return 2 if report.problems else 0
