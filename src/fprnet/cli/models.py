"""List the presets: size, cost of one image, embedding, and what each is for."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, positive
from fprnet.text_table import text_table

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = "  fprnet models --identities 395"


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet models``."""
    parser = add_command(subcommands, "models", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "--scale",
        choices=("tiny", "full"),
        default="full",
        help="size of the presets (default: %(default)s)",
    )
    parser.add_argument(
        "--identities",
        type=positive,
        default=395,
        metavar="N",
        help="people that the classifiers tell apart (default: 395, SYSU-MM01)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line, or one JSON entry, for each preset."""
    from fprnet.runs.preset_summary import summarise_presets

    summaries = summarise_presets(scale=args.scale, identities=args.identities)
    if args.json:
        print(json.dumps({name: summary.as_dict() for name, summary in summaries.items()}))
        return 0
    rows = [
        [
            name,
            f"{summary.parameters:,}",
            f"{summary.multiply_adds / 1e9:.2f}",
            str(summary.embedding_size),
            summary.purpose,
        ]
        for name, summary in summaries.items()
    ]
    print(text_table(["preset", "parameters", "GMACs", "embedding", "purpose"], rows, left=(0, 4)))
    return 0
