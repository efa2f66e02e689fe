"""Make, list and revoke the keys of 'fprnet serve'."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json
from fprnet.cli.galleries import add_address

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

ADD = "Make a key and print it; it is shown only now."
ADD_EXAMPLE = "  fprnet keys add ward-3 --role search --gallery people.db"
LIST = "List whose keys there are, their roles, and which are revoked."
LIST_EXAMPLE = "  fprnet keys list --gallery people.db"
REVOKE = "Make somebody's key useless; a running service notices at once."
REVOKE_EXAMPLE = "  fprnet keys revoke ward-3 --gallery people.db"
ROLES = """\
roles, each may do what the ones before it may:
  monitor  read the metrics
  search   search, see images and explanations, mark matches right or wrong
  write    add and hide images, export the marks
  admin    erase images"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet keys add``, ``list`` and ``revoke``."""
    examples = f"{ADD_EXAMPLE}\n{LIST_EXAMPLE}\n{REVOKE_EXAMPLE}"
    parser = add_command(subcommands, "keys", summary=__doc__, example=examples)
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    add = add_command(inner, "add", summary=ADD, example=f"{ADD_EXAMPLE}\n\n{ROLES}")
    add.add_argument("holder", metavar="NAME", help="whose key it is; what the audit log says")
    add.add_argument(
        "--role",
        choices=("monitor", "search", "write", "admin"),
        required=True,
        help="what the key may do, see below",
    )
    add.set_defaults(run=run_add)
    listing = add_command(inner, "list", summary=LIST, example=LIST_EXAMPLE)
    add_json(listing)
    listing.set_defaults(run=run_list)
    revoke = add_command(inner, "revoke", summary=REVOKE, example=REVOKE_EXAMPLE)
    revoke.add_argument("holder", metavar="NAME", help="whose key it is")
    revoke.set_defaults(run=run_revoke)
    for each in (add, listing, revoke):
        add_address(each, "--gallery")


def run_add(args: argparse.Namespace) -> int:
    """Print the new key."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.serving.keys import add_key

    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        text = add_key(gallery.database, args.holder, args.role)
    print(
        f"key of {args.holder}, role {args.role}; keep it, it is shown only now:", file=sys.stderr
    )
    print(text)
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print a table."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.serving.keys import list_keys

    with Gallery.open(args.uri, name=args.name) as gallery:
        keys = list_keys(gallery.database)
    if args.json:
        shown = ("name", "role", "created", "revoked")
        print(json.dumps({"keys": [{name: getattr(key, name) for name in shown} for key in keys]}))
        return 0
    if not keys:
        print("nobody has a key")
    for key in keys:
        state = f"revoked {key.revoked}" if key.revoked else "good"
        print(f"{key.name:24} {key.role:8} {key.created}  {state}")
    return 0


def run_revoke(args: argparse.Namespace) -> int:
    """Revoke it."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.serving.keys import revoke_key

    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        revoke_key(gallery.database, args.holder)
    print(f"{args.holder} may no longer use the service")
    return 0
