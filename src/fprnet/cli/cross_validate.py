"""Train one model for each split of a data set (RegDB has ten), score each, and average."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json
from fprnet.cli.train import add_run_options, check_places, config_of

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet cross-validate --preset fprnet --data RegDB --out runs/regdb
  fprnet cross-validate --data RegDB --out runs/regdb --direction visible-to-infrared --json

The runs are RUN/split-1 to RUN/split-10 for RegDB. The same command again continues where it was
stopped, and only scores what is finished, e.g. in the other direction. Values of the config are
overridden as in 'fprnet train'."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet cross-validate``."""
    parser = add_command(subcommands, "cross-validate", summary=__doc__, example=EXAMPLE)
    add_run_options(parser)
    parser.add_argument(
        "--direction",
        choices=("infrared-to-visible", "visible-to-infrared"),
        default="infrared-to-visible",
        help="which modality queries which (default: %(default)s)",
    )
    parser.add_argument(
        "--flip",
        action="store_true",
        help="add a row: embeddings averaged with those of the mirror images",
    )
    add_json(parser)
    parser.set_defaults(run=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Train what is not finished, print the scores on stdout."""
    first = config_of(args, split=None)
    check_places(args, first)

    from fprnet.training.cross_validation import cross_validate, splits_of

    numbers = splits_of(Path(first.data.root), first.data.layout)
    configs = {number: config_of(args, split=number) for number in numbers}

    result = cross_validate(configs, args.out, direction=args.direction, flip=args.flip)
    if result is not None:
        print(json.dumps(result.as_dict()) if args.json else result.table())
    return 0
