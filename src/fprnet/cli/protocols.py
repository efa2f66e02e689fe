"""List the published protocols by name, with what they stand for and where they are defined."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, add_layout

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet protocols
  fprnet protocols --layout regdb --json
  fprnet evaluate features.npz --data SYSU-MM01/exp --protocol sysu-mm01/indoor/10-shot@1

What a name stands for never changes; another reading of a protocol has another version."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet protocols``."""
    parser = add_command(subcommands, "protocols", summary=__doc__, example=EXAMPLE)
    add_layout(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the names on stdout."""
    from fprnet.data.data_set import AUTO
    from fprnet.evaluation.data_set_protocol import named_protocols

    layout = None if args.layout == AUTO else args.layout
    found = {
        name: protocol
        for name, protocol in named_protocols(layout).items()
        if layout is None or protocol.layout == layout
    }
    if args.json:
        print(json.dumps({name: asdict(protocol) for name, protocol in found.items()}))
        return 0
    for name, protocol in found.items():
        options = ", ".join(f"{key} {value}" for key, value in protocol.options.items())
        print(f"{name}\n    {options}\n    {protocol.reference}")
    return 0
