"""Make a gallery of embeddings, fill it, hide or erase images, and say what is in it."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli import gallery_add, gallery_copies, people, upgrade, watch_list
from fprnet.cli.arguments import (
    add_command,
    add_json,
    positive,
)
from fprnet.cli.galleries import (
    COMMAND_LINE,
    add_action,
    add_service_folder,
    audit_entry,
    named,
    user_name,
)
from fprnet.pretrained import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fprnet.cli.arguments import Subcommands
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.records import Counted, GalleryInfo

CREATE = "Make an empty gallery for the embeddings of one model."
CREATE_EXAMPLE = """\
  fprnet gallery create --uri people.db --model runs/fprnet
  fprnet gallery create --uri people.db --model runs/fprnet --keep-days 30
  fprnet gallery create --uri postgresql://fprnet@db.example.org/people --model runs/fprnet"""
REMOVE = "Hide images from every search; 'restore' brings them back, 'add' does not."
REMOVE_EXAMPLE = "  fprnet gallery remove --uri people.db day/0017.jpg"
RESTORE = "Bring hidden images back."
RESTORE_EXAMPLE = "  fprnet gallery restore --uri people.db day/0017.jpg"
ERASE = "Erase images for good: afterwards no file of the gallery holds their embeddings."
ERASE_EXAMPLE = """\
  fprnet gallery erase --uri people.db day/0017.jpg
  fprnet gallery erase --uri people.db --identity 12
  fprnet gallery erase --uri people.db --tracklet 31
  fprnet gallery erase --uri people.db --until 2026-09-30"""
EXPIRE = "Erase images that are older than the gallery keeps them."
EXPIRE_EXAMPLE = """\
  fprnet gallery expire --uri people.db
  fprnet gallery expire --uri people.db --keep-days 30"""
INFO = "Count what is in a gallery."
INFO_EXAMPLE = "  fprnet gallery info --uri people.db --json"
AUDIT = "Print the audit log, one JSON object a line: who did what, when."
AUDIT_EXAMPLE = "  fprnet gallery audit --uri people.db"


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet gallery`` and its actions."""
    examples = "\n".join(
        example.splitlines()[0] for example in (CREATE_EXAMPLE, gallery_add.EXAMPLE, INFO_EXAMPLE)
    )
    parser = add_command(subcommands, "gallery", summary=__doc__, example=examples)
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    create = add_action(inner, "create", CREATE, CREATE_EXAMPLE)
    create.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        help="checkpoint, run folder, saved model or preset (default: the shipped model "
        "%(default)s)",
    )
    create.add_argument(
        "--scale",
        choices=("tiny", "full"),
        default="full",
        help="scale of a preset (default: %(default)s)",
    )
    create.add_argument(
        "--full-size",
        action="store_true",
        help="keep full embeddings, even if the model was calibrated with compact ones",
    )
    create.add_argument(
        "--keep-days",
        type=positive,
        metavar="N",
        help="erase images N days after they were taken or, without a time, added: by 'fprnet "
        "gallery expire', and by the service as long as it runs (default: keep them)",
    )
    create.set_defaults(run=run_create)
    gallery_add.add_parser(inner)
    for name, summary, example in (
        ("remove", REMOVE, REMOVE_EXAMPLE),
        ("restore", RESTORE, RESTORE_EXAMPLE),
        ("erase", ERASE, ERASE_EXAMPLE),
    ):
        change = add_action(inner, name, summary, example)
        also = ", or of a query image that marks keep" if name == "erase" else ""
        change.add_argument(
            "images",
            nargs="*",
            metavar="IMAGE",
            help=f"file, or id (its SHA-256), of a gallery image{also}",
        )
        change.add_argument(
            "--identity",
            action="append",
            default=[],
            metavar="NAME",
            help="all images of the person of that identity (repeatable)",
        )
        change.add_argument(
            "--tracklet",
            action="append",
            default=[],
            type=positive,
            metavar="N",
            help="all images of the tracklet of that number (repeatable)",
        )
        change.add_argument(
            "--until",
            metavar="TIME",
            help="all images taken then or before: 2026-09-30 (to its end) or "
            "2026-09-30T18:30+08:00 (UTC unless it says)",
        )
        if name == "erase":
            add_service_folder(change, "copies of what is erased go from there, too")
        add_json(change)
        change.set_defaults(run=run_change, change=name)
    expire = add_action(inner, "expire", EXPIRE, EXPIRE_EXAMPLE)
    expire.add_argument(
        "--keep-days", type=positive, metavar="N", help="let the gallery keep images N days first"
    )
    add_service_folder(expire, "copies of what is erased go from there, too")
    add_json(expire)
    expire.set_defaults(run=run_expire)
    info = add_action(inner, "info", INFO, INFO_EXAMPLE)
    add_json(info)
    info.set_defaults(run=run_info)
    add_action(inner, "audit", AUDIT, AUDIT_EXAMPLE).set_defaults(run=run_audit)
    gallery_copies.add_parser(inner)
    people.add_parser(inner)
    watch_list.add_parser(inner)
    upgrade.add_parser(inner)


def run_create(args: argparse.Namespace) -> int:
    """Make the gallery."""
    from fprnet.gallery.steps import create_gallery

    with create_gallery(
        args.uri,
        args.model,
        name=args.name,
        scale=args.scale,
        compact=not args.full_size,
        keep_days=args.keep_days,
    ) as gallery:
        uri, model = gallery.uri, gallery.model
    if model.checkpoint_sha256.startswith("untrained:"):
        print(f"preset {model.preset} is not trained: chance level", file=sys.stderr)
    print(
        f"{uri} is made for {model.preset} {model.checkpoint_sha256[:12]}, "
        f"{model.embedding_size} numbers per image; next: fprnet gallery add --uri {uri} ..."
    )
    return 0


def run_change(args: argparse.Namespace) -> int:
    """Hide, show or erase the images."""
    from fprnet.errors import UsageError
    from fprnet.files import sha256
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.records import Filters
    from fprnet.gallery.times import parse_time
    from fprnet.gallery.tracklets import get_tracklets

    if not (args.images or args.identity or args.tracklet) and args.until is None:
        raise UsageError(f"no image is named; see '{args.prog} --help'")
    ids = [sha256(Path(image)) if Path(image).is_file() else _id(image) for image in args.images]
    erase = args.change == "erase"
    with ExitStack() as ending:
        gallery = Gallery.open(args.uri, name=args.name, writable=True)
        ending.callback(gallery.close)
        if erase:  # also where the records are gone: who was interrupted may have left the rest
            ending.callback(_sweep, args.uri, _folder_of_service(args, gallery), gallery)
        if args.identity or args.until is not None:
            until = None if args.until is None else parse_time(args.until, end=True)
            ids += gallery.select(Filters(until=until), identities=args.identity)
        for tracklet in get_tracklets(gallery, args.tracklet):
            ids += [crop.id for crop in tracklet.crops]
        own = ids[: len(args.images)]  # those of other choices are there
        known = gallery.erasable(own) if erase else gallery.known(own)
        _require(gallery, known, dict(zip(own, args.images, strict=True)))
        entry = audit_entry(
            {"remove": "hide", "restore": "show", "erase": "erase"}[args.change],
            details={"records": len(set(ids))} if erase else {},
            images={} if erase else {"ids": ids},
        )
        change = {"remove": gallery.remove, "restore": gallery.restore, "erase": gallery.erase}
        changed = change[args.change](ids, audit=[entry])
        count = len(gallery)
    if args.json:
        print(json.dumps({"changed": changed, "records": count}))
    else:
        done = {"remove": "hidden", "restore": "brought back", "erase": "erased"}[args.change]
        print(f"{changed} images {done}; {count} can be found")
    return 0


def _require(gallery: Gallery, known: Collection[str], images: Mapping[str, str]) -> None:
    """Refuse images, id -> as the user named it, that are not known."""
    from fprnet.errors import GalleryMissingError

    absent = [image for id, image in images.items() if id not in known]
    if absent:
        raise GalleryMissingError(
            f"there is no record of {named(absent)} in gallery {gallery.uri}; nothing was changed, "
            "leave them out"
        )


def _folder_of_service(args: argparse.Namespace, gallery: Gallery) -> Path | None:
    """Return the folder that holds copies of the gallery's images; None where there is none.

    A folder that nobody named and that does not say whose it is, is only taken where its name does.
    """
    from fprnet.errors import UsageError
    from fprnet.gallery.addresses import is_server
    from fprnet.serving.folder import check_owner, default_folder, owner_of

    if args.folder is not None:
        if not args.folder.is_dir():
            raise UsageError(f"--folder {args.folder} is no folder; nothing was erased")
        check_owner(args.folder, gallery)
        return Path(args.folder)
    folder = default_folder(args.uri)
    owner = owner_of(folder)
    named = owner is None and not is_server(args.uri)
    return folder if folder.is_dir() and (named or owner == gallery.created) else None


def _sweep(uri: str, folder: Path | None, gallery: Gallery) -> None:
    """Erase what a service's folder still has of erased images; say where others have it."""
    from fprnet.gallery.addresses import is_server

    if is_server(uri):
        print(
            "fprnet: replicas follow; archives of the write-ahead log, backups and the folders of "
            "services that do not run still hold what was erased, each until it is renewed",
            file=sys.stderr,
        )
    if folder is not None:
        from fprnet.serving.feedback import FeedbackStore
        from fprnet.serving.pictures import Pictures

        Pictures(folder / "images", (), 0).sweep(gallery.known)
        FeedbackStore(gallery.database, folder / "feedback").sweep(young=0)


def run_expire(args: argparse.Namespace) -> int:
    """Erase what is too old."""
    from fprnet.errors import UsageError
    from fprnet.gallery.gallery import Gallery

    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        folder = _folder_of_service(args, gallery)
        if args.keep_days is not None:
            details = {"keep_days": args.keep_days}
            entry = audit_entry("keep", details=details)
            gallery.keep(args.keep_days, audit=[entry])
        days = gallery.keep_days
        if days is None:
            raise UsageError(
                f"gallery {gallery.uri} keeps images for ever; give --keep-days N to change that"
            )
        erased = gallery.expire(user_name(), COMMAND_LINE)
        _sweep(args.uri, folder, gallery)
        count = len(gallery)
    if args.json:
        print(json.dumps({"changed": erased, "keep_days": days, "records": count}))
    else:
        print(f"{erased} images older than {days} days erased; {count} can be found")
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Print the counts."""
    from fprnet.gallery.gallery import Gallery

    with Gallery.open(args.uri, name=args.name) as gallery:
        info = gallery.info()
    print(json.dumps(info.as_dict()) if args.json else _text(info))
    return 0


def run_audit(args: argparse.Namespace) -> int:
    """Print the log."""
    from fprnet.gallery.audit import read_entries
    from fprnet.gallery.gallery import Gallery

    with Gallery.open(args.uri, name=args.name) as gallery:
        for entry in read_entries(gallery.database):
            print(json.dumps(entry))
    return 0


def _id(text: str) -> str:
    """Take the id of a record; what is neither that nor a file is most likely a wrong path."""
    from fprnet.errors import GalleryError, UsageError
    from fprnet.gallery.records import check_id

    try:
        check_id(text)
    except GalleryError as error:
        what = "a folder" if Path(text).is_dir() else "no file and no id of a record"
        raise UsageError(f"{text} is {what}; give the images' paths, or their ids") from error
    return text


def _text(info: GalleryInfo) -> str:
    def counts(counted: Sequence[Counted]) -> str:
        return ", ".join(f"{one.value or 'unknown'}: {one.records}" for one in counted)

    settings = ", ".join(f"{key} {value}" for key, value in info.index_settings.items())
    recall = "not measured" if info.recall is None else f"{info.recall:.4f}"
    kept = "for ever" if info.keep_days is None else f"{info.keep_days} days"
    lines = [
        f"gallery     {info.uri} ({info.name})",
        f"model       {info.model.preset} {info.model.checkpoint_sha256[:12]}, "
        f"{info.model.embedding_size} numbers per image, {info.model.path}",
        f"images      {info.records}, and {info.hidden} hidden; kept {kept}",
        f"cameras     {counts(info.cameras)}",
        f"locations   {counts(info.locations)}",
        f"modalities  {counts(info.modalities)}",
        f"people      {info.known_identities} known",
        f"tracklets   {info.tracklets}, of {info.anonymous_identities} anonymous identities",
    ]
    if info.first is not None and info.last is not None:
        lines.append(f"taken       {info.first.isoformat()} to {info.last.isoformat()}")
    lines.append(f"index       {info.index} {settings}".rstrip() + f"; recall@10 {recall}")
    lines.append(f"size        {info.size_bytes / 2**20:.1f} MiB")
    return "\n".join(lines)
