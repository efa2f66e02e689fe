"""Make a gallery of embeddings, fill it, hide or erase images, and say what is in it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    add_workers,
    existing_data_set,
    existing_folder,
    mention_untrained,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fprnet.cli.arguments import Subcommands
    from fprnet.data.records import Modality
    from fprnet.gallery.records import GalleryInfo
    from fprnet.gallery.sources import SourceImage

TOKEN = "FPRNET_GALLERY_TOKEN"
CREATE = "Make an empty gallery for the embeddings of one model."
CREATE_EXAMPLE = """\
  fprnet gallery create --uri people.db --model runs/fprnet
  fprnet gallery create --uri http://127.0.0.1:19530 --model runs/fprnet"""
ADD = "Embed images and add those that are not there; started again, it goes on where it was."
ADD_EXAMPLE = """\
  fprnet gallery add --uri people.db --images day --camera 4 --location 2 --time-from exif
  fprnet gallery add --uri people.db --manifest day.csv
  fprnet gallery add --uri people.db --data generated"""
REMOVE = "Hide images from every search; 'restore' brings them back, 'add' does not."
REMOVE_EXAMPLE = "  fprnet gallery remove --uri people.db day/0017.jpg"
RESTORE = "Bring hidden images back."
RESTORE_EXAMPLE = "  fprnet gallery restore --uri people.db day/0017.jpg"
ERASE = "Erase images for good: afterwards no file of the gallery holds their embeddings."
ERASE_EXAMPLE = """\
  fprnet gallery erase --uri people.db day/0017.jpg
  fprnet gallery erase --uri people.db --identity 12
  fprnet gallery erase --uri people.db --until 2026-09-30"""
INFO = "Count what is in a gallery."
INFO_EXAMPLE = "  fprnet gallery info --uri people.db --json"


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet gallery create``, ``add``, ``remove``, ``restore``, ``erase``, ``info``."""
    examples = "\n".join(
        example.splitlines()[0] for example in (CREATE_EXAMPLE, ADD_EXAMPLE, INFO_EXAMPLE)
    )
    parser = add_command(subcommands, "gallery", summary=__doc__, example=examples)
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    create = _action(inner, "create", CREATE, CREATE_EXAMPLE)
    create.add_argument("--model", required=True, help="checkpoint, run folder or preset")
    create.add_argument("--scale", choices=("tiny", "full"), default="full", help="of a preset")
    create.set_defaults(run=run_create)
    _add_add(inner)
    for name, summary, example in (
        ("remove", REMOVE, REMOVE_EXAMPLE),
        ("restore", RESTORE, RESTORE_EXAMPLE),
        ("erase", ERASE, ERASE_EXAMPLE),
    ):
        change = _action(inner, name, summary, example)
        change.add_argument(
            "images", nargs="*", metavar="IMAGE", help="file, or id of a record (its SHA-256)"
        )
        change.add_argument(
            "--identity", type=int, action="append", default=[], help="all images of that person"
        )
        change.add_argument("--until", metavar="TIME", help="all images taken then or before")
        add_json(change)
        change.set_defaults(run=run_change, change=name)
    info = _action(inner, "info", INFO, INFO_EXAMPLE)
    info.add_argument(
        "--measure-recall",
        action="store_true",
        help="compare the index with exact search first, and remember the result",
    )
    add_json(info)
    info.set_defaults(run=run_info)


def add_address(parser: argparse.ArgumentParser, option: str) -> None:
    """Declare where a gallery is."""
    parser.add_argument(
        option,
        dest="uri",
        required=True,
        metavar="URI",
        help="folder that ends in .db, or http://HOST:PORT of a Milvus server "
        f"(its token: ${TOKEN})",
    )
    parser.add_argument("--name", default="gallery", help="of the gallery there (%(default)s)")


def token_of(uri: str) -> str | None:
    """Return the server's token; it stands in the environment, where 'ps' does not show it."""
    return os.environ.get(TOKEN) if "://" in uri else None


def _action(
    subcommands: Subcommands, name: str, summary: str, example: str
) -> argparse.ArgumentParser:
    parser = add_command(subcommands, name, summary=summary, example=example)
    add_address(parser, "--uri")
    return parser


def _add_add(subcommands: Subcommands) -> None:
    parser = _action(subcommands, "add", ADD, ADD_EXAMPLE)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", type=existing_folder, metavar="FOLDER", help="images under it")
    source.add_argument("--manifest", type=Path, metavar="CSV", help="table; see docs/gallery.md")
    source.add_argument("--data", type=existing_data_set, metavar="ROOT", help="data set")
    add_layout(parser)
    parser.add_argument(
        "--modality",
        choices=("visible", "infrared"),
        help="of --images; of --data: only these (default: visible)",
    )
    parser.add_argument("--camera", type=int, metavar="N", help="of --images")
    parser.add_argument("--location", type=int, metavar="N", help="of --images")
    parser.add_argument(
        "--time-from",
        metavar="WHAT",
        help="mtime, exif, or a pattern of the file's name, e.g. %%Y%%m%%d_%%H%%M%%S",
    )
    parser.add_argument(
        "--time-zone", default="UTC", metavar="ZONE", help="of these times (%(default)s)"
    )
    parser.add_argument("--model", help="where the gallery's model lies now (default: as before)")
    add_workers(parser)
    add_json(parser)
    parser.set_defaults(run=run_add)


def run_create(args: argparse.Namespace) -> int:
    """Make the gallery."""
    from fprnet.embeddings.embedder import load_model
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.records import ModelIdentity

    embedder = load_model(args.model, scale=args.scale, precision="auto")
    mention_untrained(embedder)
    path = str(Path(args.model).resolve()) if embedder.about["trained"] else args.model
    model = ModelIdentity.of(embedder, path)
    with Gallery.create(args.uri, model, token=token_of(args.uri), name=args.name):
        pass
    print(
        f"{args.uri} is made for {model.preset} {model.checkpoint_sha256[:12]}, "
        f"{model.embedding_size} numbers per image; next: fprnet gallery add --uri {args.uri} ..."
    )
    return 0


def run_add(args: argparse.Namespace) -> int:
    """Add the images; unreadable ones are named, and the exit status is 2 then."""
    from fprnet.gallery.adding import add_images
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.opening import load_gallery_model

    images = _images(args)
    with Gallery.open(args.uri, token=token_of(args.uri), name=args.name, writable=True) as gallery:
        embedder, _ = load_gallery_model(gallery, args.model)
        added = add_images(gallery, embedder, images, workers=args.workers)
        count = len(gallery)
    for fault in added.unreadable:
        print(f"fprnet: left out: {fault}", file=sys.stderr)
    if args.json:
        result = {
            "new": added.new,
            "already": added.already,
            "hidden": added.hidden,
            "unreadable": list(added.unreadable),
            "records": count,
        }
        print(json.dumps(result))
    else:
        hidden = f" ({added.hidden} of them hidden)" if added.hidden else ""
        print(
            f"{added.new} images added, {added.already} were there{hidden}, "
            f"{len(added.unreadable)} left out; {count} can be found"
        )
    return 2 if added.unreadable else 0


def run_change(args: argparse.Namespace) -> int:
    """Hide, show or erase the images."""
    from fprnet.errors import UsageError
    from fprnet.files import sha256
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.moments import parse_moment
    from fprnet.gallery.records import Filters

    if not args.images and not args.identity and args.until is None:
        raise UsageError(f"no image is named; see '{args.prog} --help'")
    ids = [sha256(Path(image)) if Path(image).is_file() else _id(image) for image in args.images]
    with Gallery.open(args.uri, token=token_of(args.uri), name=args.name, writable=True) as gallery:
        if args.identity or args.until is not None:
            until = None if args.until is None else parse_moment(args.until, end=True)
            ids += gallery.select(Filters(until=until), identities=args.identity)
        change = {"remove": gallery.remove, "restore": gallery.restore, "erase": gallery.erase}
        changed = change[args.change](ids)
        count = len(gallery)
    if args.json:
        print(json.dumps({"changed": changed, "records": count}))
    else:
        done = {"remove": "hidden", "restore": "brought back", "erase": "erased"}[args.change]
        print(f"{changed} images {done}; {count} can be found")
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Print the counts."""
    from fprnet.gallery.gallery import Gallery

    measure = args.measure_recall
    with Gallery.open(
        args.uri, token=token_of(args.uri), name=args.name, writable=measure
    ) as gallery:
        if measure:
            gallery.measure_recall()
        info = gallery.info()
    print(json.dumps(info.as_dict()) if args.json else _text(info))
    return 0


def _images(args: argparse.Namespace) -> Sequence[SourceImage]:
    from fprnet.data.data_set import read_records
    from fprnet.errors import UsageError
    from fprnet.gallery.moments import parse_zone, time_reader
    from fprnet.gallery.sources import of_folder, of_manifest, of_records, only

    if args.images is None and (args.camera is not None or args.location is not None):
        raise UsageError("--camera and --location are of --images; the others say them themselves")
    if args.data is None and args.layout != "auto":
        raise UsageError("--layout is of --data")
    times = None
    if args.time_from is not None:
        times = time_reader(args.time_from, parse_zone(args.time_zone))
    modality: Modality = args.modality or "visible"
    if args.images is not None:
        if args.modality is None:
            raise UsageError("--images needs --modality, visible or infrared")
        camera = -1 if args.camera is None else args.camera
        location = camera if args.location is None else args.location
        return of_folder(args.images, modality, camera=camera, location=location, times=times)
    if args.manifest is not None:
        return of_manifest(args.manifest, modality=modality, times=times)
    return only(of_records(read_records(args.data, layout=args.layout), times), modality)


def _id(text: str) -> str:
    """Take the id of a record; what is neither that nor a file is most likely a wrong path."""
    from fprnet.errors import GalleryError, UsageError
    from fprnet.gallery.records import check_id

    try:
        check_id(text)
    except GalleryError as error:
        raise UsageError(f"{text} is no file and no id of a record; correct the path") from error
    return text


def _text(info: GalleryInfo) -> str:
    def counts(of: object) -> str:
        assert isinstance(of, dict)
        return ", ".join(f"{'unknown' if key == -1 else key}: {count}" for key, count in of.items())

    settings = ", ".join(f"{key} {value}" for key, value in info.index_settings.items())
    recall = "not measured" if info.recall is None else f"{info.recall:.4f}"
    lines = [
        f"gallery     {info.uri} ({info.name})",
        f"model       {info.model.preset} {info.model.checkpoint_sha256[:12]}, "
        f"{info.model.embedding_size} numbers per image, {info.model.path}",
        f"images      {info.records}, and {info.hidden} hidden",
        f"cameras     {counts(info.cameras)}",
        f"locations   {counts(info.locations)}",
        f"modalities  {counts(info.modalities)}",
        f"people      {info.known_identities} known",
    ]
    if info.first is not None and info.last is not None:
        lines.append(f"taken       {info.first.isoformat()} to {info.last.isoformat()}")
    lines.append(f"index       {info.index} {settings}".rstrip() + f"; recall@10 {recall}")
    if info.size_bytes is not None:
        lines.append(f"size        {info.size_bytes / 2**20:.1f} MiB")
    return "\n".join(lines)
