"""Render people, train two models, score both, and leave a report: five minutes, no data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet demo
  fprnet demo --quick --out /tmp/demo

The same command again goes on where a demo was stopped. report.html in the folder has the scores,
plots, ranked galleries and the commands that do the same by hand."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet demo``."""
    parser = add_command(subcommands, "demo", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="end in under a minute; the numbers mean nothing then",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="folder of the report (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table of scores."""
    from fprnet_lab.demo.stages import run_demo

    print(run_demo(args.out, quick=args.quick).text())
    return 0
