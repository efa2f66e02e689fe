"""Draw fusion blocks at random, train them by successive halving, and keep the best as a config."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, positive
from fprnet.errors import TrainingError
from fprnet_lab.cli.reproduce import add_experiment_options, workers_of

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet search-fusion --data generated --out search --budget 9
  fprnet train --config search/best.yaml --data generated --out runs/best

Specs are trained for one epoch, the best third up to the third, and so on; a spec that is kept
continues its run. They are ranked on the validation people. The same command again continues where
it was stopped, and a larger --budget begins with the same specs. DIR has ranking.csv and
best.yaml. Any value of the config changes all trainings, as in 'fprnet train':
--training.epochs 3."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet search-fusion``."""
    parser = add_command(subcommands, "search-fusion", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "--budget", type=positive, required=True, metavar="N", help="number of specs drawn"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the draw; --seeds are those of the trainings"
    )
    parser.add_argument(
        "--base",
        choices=("paper", "released"),
        default="paper",
        help="preset whose fusion block is searched (default: paper)",
    )
    add_experiment_options(parser)
    add_json(parser)
    parser.set_defaults(run=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Print the ranking on stdout."""
    from fprnet_lab.reproduction.fusion_search import search_fusion
    from fprnet_lab.reproduction.request import Request

    request = Request(
        data=args.data,
        out=args.out,
        scale=args.scale,
        seeds=args.seeds,
        weights=args.weights,
        split=args.split,
        base=args.base,
        workers=workers_of(args),
        overrides=tuple(args.overrides),
    )
    search = search_fusion(request, budget=args.budget, seed=args.seed)
    print(json.dumps(search.as_dict()) if args.json else search.text())
    if search.failures:
        raise TrainingError(
            f"{len(search.failures)} trainings failed and their specs are not ranked; the first: "
            f"{search.failures[0].reason}"
        )
    return 0
