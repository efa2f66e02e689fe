"""Render a film of people who walk, with the truth about who is where in each frame."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, finite, positive, size

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet data film walk --identities 6 --camera 4 --seconds 10
  fprnet data film night --identities 6 --camera 6

frames/000001.jpg ... and truth.csv: frame, time, identity, box, share that is seen, distance. The
same seed gives the same people as 'fprnet data generate', in any camera."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet data film``."""
    parser = add_command(subcommands, "film", summary=__doc__, example=EXAMPLE)
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder to write")
    parser.add_argument(
        "--identities", type=positive, default=6, metavar="N", help="people (default: %(default)s)"
    )
    parser.add_argument(
        "--camera",
        type=positive,
        default=4,
        metavar="N",
        help="camera of the world: 1, 2, 4, 5 visible, 3 and 6 infrared (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds", type=finite, default=10.0, help="length of the film (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=finite, default=12.5, help="frames a second (default: %(default)s)"
    )
    parser.add_argument(
        "--size",
        type=size,
        default=(432, 640),
        metavar="HxW",
        help="height x width of a frame in pixels (default: 432x640)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the people (default: %(default)s)"
    )
    parser.add_argument(
        "--world", type=int, default=0, metavar="SEED", help="seed of the site (default: 0)"
    )
    parser.add_argument(
        "--site", type=Path, metavar="FILE", help="YAML file that describes cameras and season"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the film."""
    from fprnet_lab.people.film import Film
    from fprnet_lab.people.film_writer import write_film
    from fprnet_lab.people.options import PeopleOptions
    from fprnet_lab.people.site import read_site

    options = PeopleOptions(
        identities=args.identities,
        validation_identities=0,
        test_identities=0,
        seed=args.seed,
        worlds=(args.world,),
        site=None if args.site is None else read_site(args.site),
    )
    film = Film(
        args.camera, options.splits["train"], args.seconds, args.rate, (args.size[0], args.size[1])
    )
    frames = write_film(args.root, options.setting, film)
    print(f"{args.root} is complete: {frames} frames and truth.csv")
    return 0
