"""Action of ``fprnet gallery`` that fills one: images of a folder, a table or a data set."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_json,
    add_layout,
    add_time_format,
    add_workers,
    existing_data_set,
    existing_folder,
)
from fprnet.cli.galleries import add_action, named, user_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fprnet.cli.arguments import Subcommands
    from fprnet.data.records import Modality
    from fprnet.gallery.records import ImageFacts

__all__ = ["EXAMPLE", "add_parser"]

ADD = "Embed images and add those that are not there; started again, it goes on where it was."
EXAMPLE = """\
  fprnet gallery add --uri people.db --images day --modality visible --camera 4 --location hall
  fprnet gallery add --uri people.db --table day.csv --time-from exif
  fprnet gallery add --uri people.db --table corrected.parquet --update
  fprnet gallery add --uri people.db --data generated"""

DIFFERENCES = 10  # that are said, each in a line


def add_parser(subcommands: Subcommands) -> None:
    """Declare the action, with its gallery's address."""
    parser = add_action(subcommands, "add", ADD, EXAMPLE)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--images", type=existing_folder, metavar="FOLDER", help="add all images under this folder"
    )
    source.add_argument(
        "--table", type=Path, metavar="FILE", help="CSV or Parquet table; see docs/gallery.md"
    )
    source.add_argument(
        "--data", type=existing_data_set, metavar="ROOT", help="add the images of a data set"
    )
    add_layout(parser)
    parser.add_argument(
        "--modality",
        choices=("visible", "infrared"),
        help="modality of --images, which needs it; of rows of --table that do not say (default: "
        "visible); of --data: add only these (default: visible)",
    )
    parser.add_argument("--camera", metavar="NAME", help="camera that took --images")
    parser.add_argument(
        "--location", metavar="NAME", help="location of that camera (default: the camera's name)"
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="correct records of images that are there with another camera, location, identity, "
        "time or modality; without it they are left out",
    )
    parser.add_argument(
        "--time-from",
        metavar="WHAT",
        help="mtime, exif, or a pattern of the file's name, e.g. %%Y%%m%%d_%%H%%M%%S",
    )
    parser.add_argument(
        "--time-zone",
        metavar="ZONE",
        help="time zone of times that name none, by --time-from or in --table (default: UTC)",
    )
    add_time_format(parser, "--table")
    parser.add_argument("--model", help="where the gallery's model lies now (default: as before)")
    add_workers(parser)
    add_json(parser)
    parser.set_defaults(run=run_add)


def run_add(args: argparse.Namespace) -> int:
    """Add the images; those left out are named, and the exit status is 2 then."""
    from fprnet.gallery.adding import add_images
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.opening import load_gallery_model

    images = _images(args)
    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        embedder, _ = load_gallery_model(gallery, args.model)
        added = add_images(
            gallery, embedder, images, update=args.update, by=user_name(), workers=args.workers
        )
        count = len(gallery)
    for fault in added.unread:
        print(f"fprnet: left out: {fault}", file=sys.stderr)
    for line in _of_differing(added.differing):
        print(f"fprnet: left out: {line}", file=sys.stderr)
    for doubt in added.doubts:
        print(f"fprnet: {doubt}", file=sys.stderr)
    if args.json:
        counts = {name: getattr(added, name) for name in ("new", "updated", "already", "hidden")}
        lists = {"left_out": list(added.left_out), "doubts": list(added.doubts)}
        print(json.dumps({**counts, **lists, "records": count}))
    else:
        hidden = f" ({added.hidden} of them hidden)" if added.hidden else ""
        corrected = f"{added.updated} corrected, " if args.update else ""
        print(
            f"{added.new} images added, {corrected}{added.already} were there{hidden}, "
            f"{len(added.left_out)} left out; {count} can be found"
        )
    return 2 if added.left_out else 0


def _of_differing(differing: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each difference, with the images that have it; the first ones only."""
    lines = [
        f"{named(paths)} {'is' if len(paths) == 1 else 'are'} in the gallery with {what}; --update "
        "corrects it"
        for what, paths in list(differing.items())[:DIFFERENCES]
    ]
    more = sum(len(paths) for paths in list(differing.values())[DIFFERENCES:])
    return [*lines, *([f"{more} more images that differ so; --json names them"] if more else [])]


def _images(args: argparse.Namespace) -> Sequence[ImageFacts]:
    """Return what is known of the images; says on stderr of which no time was found."""
    images = _chosen(args)
    timeless = [image.path for image in images if image.time is None]
    if args.time_from is not None and timeless:
        print(
            f"fprnet: {named(timeless)} {'has' if len(timeless) == 1 else 'have'} no time by "
            f"--time-from {args.time_from}, of {len(images)} images; correct it, and give --update",
            file=sys.stderr,
        )
    return images


def _chosen(args: argparse.Namespace) -> Sequence[ImageFacts]:
    from fprnet.data.data_set import read_records
    from fprnet.errors import UsageError
    from fprnet.gallery.sources import of_folder, of_records, of_table, only
    from fprnet.gallery.times import parse_zone, time_reader

    if args.images is None and (args.camera is not None or args.location is not None):
        raise UsageError("--camera and --location are of --images; the others say them themselves")
    if args.data is None and args.layout != "auto":
        raise UsageError("--layout is of --data")
    if args.time_format is not None and args.table is None:
        raise UsageError("--time-format is of --table; a pattern of names is --time-from")
    if args.time_zone is not None and args.time_from is None and args.table is None:
        raise UsageError("--time-zone is of --time-from and of the times of --table; give one")
    zone = parse_zone(args.time_zone or "UTC")
    times = None if args.time_from is None else time_reader(args.time_from, zone)
    modality: Modality = args.modality or "visible"
    if args.images is not None:
        if args.modality is None:
            raise UsageError("--images needs --modality, visible or infrared")
        camera = args.camera
        location = camera if args.location is None else args.location
        return of_folder(args.images, modality, camera=camera, location=location, times=times)
    if args.table is not None:
        return of_table(
            args.table, modality=modality, times=times, zone=zone, pattern=args.time_format
        )
    return only(of_records(read_records(args.data, layout=args.layout), times), modality)
