"""Make a data set of drawn pedestrians, or check one on disk."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    add_workers,
    existing_data_set,
    positive,
    size,
)

if TYPE_CHECKING:
    from fprnet.cli.main import Subcommands

GENERATE = "Draw pedestrians and write them in the layout of a public data set."
GENERATE_EXAMPLE = """\
  fprnet data generate generated --identities 200 --test-identities 64
  fprnet data generate drawn-regdb --layout regdb"""
CHECK = "Look at every file of a data set and list all that is wrong with it at once."
CHECK_EXAMPLE = "  fprnet data check SYSU-MM01"


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet data generate`` and ``fprnet data check``."""
    parser = add_command(
        subcommands, "data", summary=__doc__, example=f"{GENERATE_EXAMPLE}\n{CHECK_EXAMPLE}"
    )
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    _add_generate(inner)
    _add_check(inner)


def _add_generate(subcommands: Subcommands) -> None:
    from fprnet.data.generator.options import LAYOUT_DEFAULTS, GeneratorOptions

    parser = add_command(subcommands, "generate", summary=GENERATE, example=GENERATE_EXAMPLE)
    defaults = GeneratorOptions()
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder to write")
    parser.add_argument(
        "--layout",
        choices=tuple(LAYOUT_DEFAULTS),
        default=defaults.layout,
        help="(default: %(default)s)",
    )
    for name, text in (
        ("identities", "people to train on"),
        ("validation_identities", "people to choose models on"),
        ("test_identities", "people to test on"),
        ("images_per_camera", "images of a person in a camera"),
    ):
        others = [
            f"of {layout} {values[name] or 'none'}"
            for layout, values in LAYOUT_DEFAULTS.items()
            if name in values
        ]
        default = ", ".join([str(getattr(defaults, name)), *others])
        help_text = f"{text} (default: {default})"
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=positive, metavar="N", help=help_text)
    parser.add_argument(
        "--size", type=size, default=defaults.size, metavar="HxW", help="height x width, pixels"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="another world of people")
    add_workers(parser)
    parser.set_defaults(run=run_generate)


def _add_check(subcommands: Subcommands) -> None:
    parser = add_command(subcommands, "check", summary=CHECK, example=CHECK_EXAMPLE)
    parser.add_argument("root", type=existing_data_set, metavar="ROOT")
    add_layout(parser)
    add_workers(parser)
    add_json(parser)
    parser.set_defaults(run=run_check)


def run_generate(args: argparse.Namespace) -> int:
    """Write the set."""
    from fprnet.data.generator.options import GeneratorOptions
    from fprnet.data.generator.writer import generate

    options = GeneratorOptions.of_layout(
        args.layout,
        identities=args.identities,
        validation_identities=args.validation_identities,
        test_identities=args.test_identities,
        images_per_camera=args.images_per_camera,
        size=args.size,
        seed=args.seed,
    )
    generate(args.root, options, workers=args.workers)
    split = " --split 1" if args.layout == "regdb" else ""
    print(
        f"{args.root} is complete; "
        f"next: fprnet train --scale tiny --data {args.root}{split} --out runs/a"
    )
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Print the report; problems are the data set's owner's mistake: exit status 2."""
    from fprnet.data.check import check

    report = check(args.root, layout=args.layout, workers=args.workers)
    print(json.dumps(report.as_dict()) if args.json else report.text())
    return 2 if report.problems else 0
