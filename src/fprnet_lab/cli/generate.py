"""Make a data set of rendered pedestrians."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_workers, positive, size

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

GENERATE = "Render pedestrians and write them in the layout of a public data set."
GENERATE_EXAMPLE = """\
  fprnet data generate generated --identities 200 --test-identities 64
  fprnet data generate many --identities 2000 --world 1-20 --workers 8
  fprnet data generate own --site site.yaml --size 288x144
  fprnet data generate rendered-regdb --layout regdb"""

# What the generator takes, here so that no help waits for its imports; a test compares them.
LAYOUTS = ("sysu-mm01", "regdb", "llcm", "hitsz-vcm", "manifest")
INGREDIENTS = ("wrinkles", "shading", "infrared-materials", "sensor", "occluders", "places")
COUNTS = {
    "identities": ("people to train on", "200, of regdb 100"),
    "validation_identities": (
        "people to choose models on",
        "32, of regdb none, of llcm none, of hitsz-vcm none",
    ),
    "test_identities": ("people to test on", "64, of regdb 100"),
    "images_per_camera": (
        "images of a person in a camera",
        "6, of regdb 10, of llcm 3, of hitsz-vcm 24",
    ),
}


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet data generate``."""
    parser = add_command(subcommands, "generate", summary=GENERATE, example=GENERATE_EXAMPLE)
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder to write")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help="layout of the folder (default: %(default)s)",
    )
    for name, (text, default) in COUNTS.items():
        option = f"--{name.replace('_', '-')}"
        help_text = f"{text} (default: {default})"
        parser.add_argument(option, type=positive, metavar="N", help=help_text)
    parser.add_argument(
        "--size",
        type=size,
        metavar="HxW",
        help="height x width in pixels (default: 128x64, of hitsz-vcm 256x128)",
    )
    parser.add_argument(
        "--seed", type=int, help="seed of the people and of every moment (default: 0)"
    )
    parser.add_argument(
        "--world",
        type=worlds,
        metavar="SEEDS",
        help="seeds of the sites with their cameras, places and seasons: 3, or 1-20 to take each "
        "image at one of twenty sites (default: 0)",
    )
    parser.add_argument(
        "--site",
        type=Path,
        metavar="FILE",
        help="YAML file that describes cameras and season (default: drawn from the world's seed)",
    )
    parser.add_argument(
        "--shard",
        type=shard,
        default=(1, 1),
        metavar="I/N",
        help="write the I-th of N parts only, so that N machines share the work (default: all)",
    )
    parser.add_argument(
        "--generator-version",
        type=positive,
        metavar="N",
        help="make the pictures of an earlier version of the generator: 2 trained the shipped "
        "model (default: the newest)",
    )
    parser.add_argument(
        "--without",
        type=lambda text: tuple(text.split(",")),
        metavar="INGREDIENTS",
        help=f"leave something out of the pictures, to measure what it teaches: some of "
        f"{', '.join(INGREDIENTS)}, with commas (default: nothing)",
    )
    add_workers(parser)
    parser.set_defaults(run=run_generate)


def worlds(text: str) -> tuple[int, ...]:
    """Take ``3``, ``1-20`` or ``1,5,9``."""
    seeds: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form 3, 1-20 or 1,5,9")
        if int(last or first) - int(first) > 10_000:
            raise argparse.ArgumentTypeError(f"{text!r} are more than 10000 worlds; give fewer")
        seeds += range(int(first), int(last or first) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r} is no world; give the smaller seed first")
    return tuple(seeds)


def shard(text: str) -> tuple[int, int]:
    """Take ``2/8``."""
    part, _, parts = text.partition("/")
    if not part.isdecimal() or not parts.isdecimal() or not 1 <= int(part) <= int(parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 2/8, from 1/8 to 8/8")
    return int(part), int(parts)


def run_generate(args: argparse.Namespace) -> int:
    """Write the set."""
    from fprnet_lab.people.options import PeopleOptions
    from fprnet_lab.people.site import read_site
    from fprnet_lab.people.writer import generate

    options = PeopleOptions.of_layout(
        args.layout,
        **{name: getattr(args, name) for name in COUNTS},
        size=args.size,
        seed=args.seed,
        worlds=args.world,
        site=None if args.site is None else read_site(args.site),
        version=args.generator_version,
        without=args.without,
    )
    complete = generate(args.root, options, workers=args.workers, shard=args.shard)
    if not complete:
        print(f"{args.root}: this shard is complete; the set is complete once all shards are")
        return 0
    split = " --split 1" if args.layout == "regdb" else ""
    print(
        f"{args.root} is complete; "
        f"next: fprnet train --scale tiny --data {args.root}{split} --out runs/a"
    )
    return 0
