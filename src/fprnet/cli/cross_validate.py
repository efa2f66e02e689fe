"""Train one model for each of RegDB's ten splits, score each on its own, and average."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json
from fprnet.cli.train import add_run_options, check_places, config_of

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet cross-validate --preset fprnet --data RegDB --out runs/regdb
  fprnet cross-validate --data RegDB --out runs/regdb --direction visible-to-infrared --json

The runs are RUN/split-1 to RUN/split-10. The same command again continues where it was stopped, and
only scores what is finished, e.g. in the other direction. Values of the config are overridden as in
'fprnet train'."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet cross-validate``."""
    parser = add_command(subcommands, "cross-validate", summary=__doc__, example=EXAMPLE)
    add_run_options(parser)
    parser.add_argument(
        "--direction",
        choices=("infrared-to-visible", "visible-to-infrared"),
        default="infrared-to-visible",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--flip", action="store_true", help="add a row: averaged with the mirror image"
    )
    add_json(parser)
    parser.set_defaults(run=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Train what is not finished, print the scores on stdout."""
    from fprnet.data.regdb import SPLITS

    configs = {number: config_of(args, split=number) for number in SPLITS}
    check_places(args, configs[1])

    from fprnet.training.cross_validation import cross_validate

    result = cross_validate(configs, args.out, direction=args.direction, flip=args.flip)
    if result is not None:
        print(json.dumps(result.as_dict()) if args.json else result.table())
    return 0
