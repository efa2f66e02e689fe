"""What the laboratory makes for fprnet itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_workers, positive

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = "  fprnet lab train-box-model box"
TRAIN = "Make the model that ships with fprnet, from seeds: rendered people, training, card."
TRAIN_EXAMPLE = """\
  fprnet lab train-box-model box --workers 2
  fprnet lab train-box-model large --recipe fprnet-people-large --workers 64

OUT/model is the result. The same command goes on where it was stopped."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet lab`` and what belongs to it."""
    parser = add_command(subcommands, "lab", summary=__doc__, example=EXAMPLE)
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    train = add_command(inner, "train-box-model", summary=TRAIN, example=TRAIN_EXAMPLE)
    train.add_argument("out", type=Path, metavar="OUT", help="folder of people, run and model")
    train.add_argument(
        "--recipe",
        default="fprnet-people",
        metavar="NAME",
        help="name of a recipe of the laboratory, or a folder with recipe.yaml and run.yaml "
        "(default: %(default)s)",
    )
    add_workers(train)
    train.add_argument(
        "--max-steps",
        type=positive,
        metavar="N",
        help="stop, with a checkpoint, once the training has N steps behind it",
    )
    train.add_argument(
        "--pack", action="store_true", help="only make model and card of a finished training again"
    )
    train.set_defaults(run=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Make the model, or go on with it."""
    from fprnet_lab.box_model.making import make_box_model, pack
    from fprnet_lab.box_model.recipe import read_recipe

    recipe = read_recipe(args.recipe, overrides=args.overrides)
    if args.pack:
        folder: Path | None = pack(recipe, args.out)
    else:
        folder = make_box_model(recipe, args.out, workers=args.workers, max_steps=args.max_steps)
    if folder is None:
        print(f"{args.out} is not finished; the same command goes on")
    else:
        print(f"{folder} is complete; next: fprnet gallery create --model {folder} ...")
    return 0
