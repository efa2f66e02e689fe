"""Action of ``fprnet gallery`` on the watch list: whose next tracklet is an event."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_json
from fprnet.cli.galleries import add_action, audit_entry, user_name

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

__all__ = ["add_parser"]

LIST = "List the watch list, put identities on it, or take them off: 'watch' makes events of them."
LIST_EXAMPLE = """\
  fprnet gallery watch-list --uri people.db --add 0012 --add 'dock worker'
  fprnet gallery watch-list --uri people.db --remove 0012
  fprnet gallery watch-list --uri people.db --json"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare the action, with its gallery's address."""
    parser = add_action(subcommands, "watch-list", LIST, LIST_EXAMPLE)
    for option, text in (
        ("--add", "identity to put on the list; an image of the gallery has to say it"),
        ("--remove", "identity to take off the list"),
    ):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar="IDENTITY",
            help=f"{text} (repeatable)",
        )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Change the list, then print it."""
    from fprnet.events.watch_list import unwatch, watch_for, watch_list
    from fprnet.gallery.gallery import Gallery
    from fprnet.text_table import text_table

    writable = bool(args.add or args.remove)
    with Gallery.open(args.uri, name=args.name, writable=writable) as gallery:
        for identity in args.add:
            watch_for(gallery, identity, by=user_name(), audit=[audit_entry("watch")])
        for identity in args.remove:
            unwatch(gallery, identity, audit=[audit_entry("unwatch")])
        watched = watch_list(gallery)
    if args.json:
        print(json.dumps([one.model_dump(mode="json") for one in watched]))
    elif watched:
        rows = [
            (one.identity, str(one.images), one.since.isoformat(" ", "seconds"), one.by)
            for one in watched
        ]
        print(text_table(("identity", "images", "since", "by"), rows, left=(0, 2, 3)))
    else:
        print("the watch list is empty")
    return 0
