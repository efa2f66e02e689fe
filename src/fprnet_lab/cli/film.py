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
  fprnet data film night --identities 6 --camera 6 --size 360x640 --video
  fprnet data film site --camera 4 --camera 5 --camera 3 --camera 6

frames/000001.jpg ... and truth.csv: frame, time, identity, box, share that is seen, distance;
gt/gt.txt and seqinfo.ini as the MOT challenge has them. Several cameras get a folder each. The same
seed gives the same people as 'fprnet data generate', in any camera."""


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
        action="append",
        default=[],
        metavar="N",
        help="camera of the world: 1, 2, 4, 5 visible, 3 and 6 infrared; several see the same "
        "people one after the other (default: 4)",
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
    parser.add_argument(
        "--start",
        metavar="TIME",
        help="when the first film begins; each further one begins where the last one ended "
        "(UTC unless it says; default: 2026-01-01)",
    )
    parser.add_argument(
        "--video", action="store_true", help="write film.mp4, too; needs 'fprnet[watch]'"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the films."""
    from datetime import UTC

    from fprnet.gallery.times import parse_time
    from fprnet.watch.timeline import later
    from fprnet_lab.people.film import Film
    from fprnet_lab.people.film_writer import DEFAULT_START, write_film
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
    start = DEFAULT_START if args.start is None else parse_time(args.start).astimezone(UTC)
    people, size = options.splits["train"], (args.size[0], args.size[1])
    films = [Film(camera, people, args.seconds, args.rate, size) for camera in args.camera or [4]]
    begins = [later(start, number * film.seconds) for number, film in enumerate(films)]
    for begin, film in zip(begins, films, strict=True):
        root = args.root if len(films) == 1 else args.root / f"camera{film.camera}"
        frames = write_film(root, options.setting, film, start=begin, video=args.video)
        print(f"{root} is complete: {frames} frames, truth.csv and gt/gt.txt")
    return 0
