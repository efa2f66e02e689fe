"""Make a data set of synthetic pedestrians."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_workers, positive, size

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

GENERATE = "Draw pedestrians and write them in the layout of a public data set."
GENERATE_EXAMPLE = """\
  fprnet data generate generated --identities 200 --test-identities 64
  fprnet data generate drawn-regdb --layout regdb"""

# What the generator takes, here so that no help waits for its imports; a test compares them.
LAYOUTS = ("sysu-mm01", "regdb", "llcm", "manifest")
COUNTS = {
    "identities": ("people to train on", "200, of regdb 100"),
    "validation_identities": ("people to choose models on", "32, of regdb none, of llcm none"),
    "test_identities": ("people to test on", "64, of regdb 100"),
    "images_per_camera": ("images of a person in a camera", "6, of regdb 10, of llcm 3"),
}


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet data generate``."""
    parser = add_command(subcommands, "generate", summary=GENERATE, example=GENERATE_EXAMPLE)
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder to write")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help="(default: %(default)s)",
    )
    for name, (text, default) in COUNTS.items():
        option = f"--{name.replace('_', '-')}"
        help_text = f"{text} (default: {default})"
        parser.add_argument(option, type=positive, metavar="N", help=help_text)
    parser.add_argument(
        "--size", type=size, metavar="HxW", help="height x width, pixels (default: 128x64)"
    )
    parser.add_argument("--seed", type=int, help="another world of people (default: 0)")
    add_workers(parser)
    parser.set_defaults(run=run_generate)


def run_generate(args: argparse.Namespace) -> int:
    """Write the set."""
    from fprnet_lab.synthetic.options import GeneratorOptions
    from fprnet_lab.synthetic.writer import generate

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
