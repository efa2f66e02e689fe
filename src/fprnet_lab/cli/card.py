"""Print the data card of a rendered set: what it holds, what it is not, where it comes from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, existing_folder

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet data card generated
  fprnet data card generated --statistics 200"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet data card``."""
    parser = add_command(subcommands, "card", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "root",
        type=existing_folder,
        metavar="ROOT",
        help="folder that 'fprnet data generate' wrote",
    )
    parser.add_argument(
        "--statistics",
        type=int,
        default=0,
        metavar="N",
        help="also measure brightness, colour and detail of about N images of each modality",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="JSON file of other images' percentiles, printed beside: name of the set, ending in "
        "visible or infrared, to quantity to five numbers",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the card."""
    from fprnet.errors import UsageError
    from fprnet_lab.people.card import card_of
    from fprnet_lab.people.statistics import measured, read_statistics

    if args.statistics < 0:
        raise UsageError(f"--statistics is {args.statistics}; give 0 or more images")
    if args.against is not None and not args.statistics:
        raise UsageError("--against compares statistics; give --statistics N too")
    card = card_of(args.root)
    found = measured(args.root, card.options, args.statistics) if args.statistics else {}
    others = read_statistics(args.against) if args.against is not None else {}
    if args.json:
        about = card.as_dict()
        if found:
            about["statistics"] = {name: one.as_dict() for name, one in found.items()}
        print(json.dumps(about))
        return 0
    print(card.text())
    for name, one in found.items():
        beside = {other: rows for other, rows in others.items() if other.endswith(name)}
        print(f"\n{name}\n{one.text(beside)}")
    return 0
