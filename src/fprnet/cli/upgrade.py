"""Action of ``fprnet gallery`` that moves a gallery to another model."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_json
from fprnet.cli.galleries import add_action, add_service_folder, picture_finder, user_name

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

__all__ = ["add_parser"]

UPGRADE = "Move a gallery to another model: its pictures are embedded again."
EXAMPLE = """\
  fprnet gallery upgrade --uri people.db --model runs/site

Searches find the old embeddings until every record has a new one; the same command again goes on
where one was stopped. Start a service again afterwards."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare the action, with its gallery's address."""
    parser = add_action(subcommands, "upgrade", UPGRADE, EXAMPLE)
    parser.add_argument(
        "--model",
        required=True,
        help="the new model: checkpoint, run folder, saved or shipped model",
    )
    parser.add_argument(
        "--full-size",
        action="store_true",
        help="keep full embeddings, even if the model was calibrated with compact ones",
    )
    add_service_folder(parser, "uploaded images are looked for there")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Upgrade, and say how many records have new embeddings."""
    from fprnet.config import preset_names
    from fprnet.embeddings.loading import load_model
    from fprnet.errors import UsageError
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.upgrading import upgrade_gallery
    from fprnet.runs.pretrained import remembered_as

    if args.model in preset_names():
        raise UsageError(f"preset {args.model} is not trained; give a trained model")
    embedder = load_model(args.model, precision="auto")
    if embedder.projection is not None and not args.full_size:
        embedder = embedder.compact()
    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        upgraded = upgrade_gallery(
            gallery,
            embedder,
            remembered_as(args.model),
            picture=picture_finder(args.uri, args.folder),
            by=user_name(),
        )
    if args.json:
        print(json.dumps(vars(upgraded)))
    elif upgraded.changed:
        print(
            f"{args.uri} is of {args.model} now: {upgraded.records} records, "
            f"{upgraded.embedded} embedded by this call"
        )
    else:
        print(f"{args.uri} was of {args.model} already")
    return 0
