"""Fit a model to a site with crops that nobody has labelled."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_time_format,
    existing_data_set,
    existing_folder,
    positive,
)
from fprnet.cli.galleries import picture_finder
from fprnet.errors import FprnetError, UsageError
from fprnet.pretrained import DEFAULT_MODEL

if TYPE_CHECKING:
    from fprnet.adaptation.site import Site
    from fprnet.cli.arguments import Subcommands

__all__ = ["add_crops", "add_parser", "read_site", "removing_copies", "run"]

EXAMPLE = """\
  fprnet adapt --visible day --infrared night --out runs/site
  fprnet adapt --crops crops/manifest.csv --model runs/fprnet --out runs/site
  fprnet adapt --gallery people.db --out runs/site

The folder holds the model, which every other command takes, and report/index.html, which shows the
clusters. The same command again continues a run that was stopped."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet adapt``."""
    parser = add_command(subcommands, "adapt", summary=__doc__, example=EXAMPLE)
    add_crops(parser)
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        help="start: checkpoint, run folder, saved or shipped model (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder to write")
    parser.add_argument(
        "--labelled",
        type=existing_data_set,
        metavar="ROOT",
        help="data set whose training people are learnt with their labels at the same time",
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="epochs (default: 2)")
    parser.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="learning rate (default: 0.01)"
    )
    parser.add_argument(
        "--limit",
        type=float,
        metavar="D",
        help="mean Jaccard distance up to which crops are one person, 0 to 1 (default: 0.8)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed (default: 0)")
    add_json(parser)
    parser.set_defaults(run=run)


def add_crops(parser: argparse.ArgumentParser) -> None:
    """Declare where crops without labels come from."""
    parser.add_argument(
        "--visible",
        type=existing_folder,
        action="append",
        default=[],
        metavar="FOLDER",
        help="crops by day; of several folders each is one camera (repeatable)",
    )
    parser.add_argument(
        "--infrared",
        type=existing_folder,
        action="append",
        default=[],
        metavar="FOLDER",
        help="crops by night (repeatable)",
    )
    parser.add_argument(
        "--crops",
        type=existing_data_set,
        metavar="TABLE",
        help="table of crops, or the folder of manifest.csv: path, modality, and camera, location, "
        "time, tracklet where they are known",
    )
    add_time_format(parser, "--crops")
    parser.add_argument(
        "--gallery",
        metavar="URI",
        help="gallery: crops of its tracklets, and pictures that are still where they were",
    )
    parser.add_argument(
        "--name",
        default="gallery",
        help="name of the gallery in a PostgreSQL database (default: %(default)s)",
    )
    parser.add_argument(
        "--apart",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="shortest time that anybody needs from one location to another; crops of two "
        "locations that are closer in time are two people (default: %(default)s)",
    )


def read_site(args: argparse.Namespace, crops: Path) -> Site:
    """Return the crops that the options name.

    Args:
        args: Those of `add_crops`.
        crops: Folder for copies of a gallery's pictures.

    Raises:
        UsageError: They name none, or several sources.
    """
    from fprnet.adaptation.site import of_folders, of_gallery, of_manifest

    folders = bool(args.visible or args.infrared)
    if folders + (args.crops is not None) + (args.gallery is not None) != 1:
        raise UsageError(
            "name the crops in one way: --visible and --infrared, or --crops, or --gallery"
        )
    if args.time_format is not None and args.crops is None:
        raise UsageError("--time-format is of --crops")
    if not args.apart >= 0:
        raise UsageError(f"--apart is {args.apart}; give seconds, 0 or more")
    if args.crops is not None:
        return of_manifest(args.crops, pattern=args.time_format)
    if args.gallery is not None:
        site, missing = of_gallery(
            args.gallery, crops, name=args.name, picture=picture_finder(args.gallery)
        )
        if missing:
            print(
                f"fprnet: {missing} pictures of {args.gallery} are not where they were, or were "
                "changed; the others are used",
                file=sys.stderr,
            )
        return site
    if not (args.visible and args.infrared):
        raise UsageError(
            "a model is adapted with crops of both modalities; give --visible and --infrared"
        )
    return of_folders(args.visible, args.infrared)


@contextmanager
def removing_copies(crops: Path) -> Iterator[None]:
    """Remove the copies of people's pictures where the block fails with nothing to go on with.

    Those that were there before belong to a run that was interrupted, or to another process.
    """
    were_there = crops.exists()
    try:
        yield
    except FprnetError:
        if not were_there:
            shutil.rmtree(crops, ignore_errors=True)
        raise


def run(args: argparse.Namespace) -> int:
    """Adapt, and say what became of the model."""
    from fprnet.adaptation.config import config_from_dict
    from fprnet.adaptation.steps import CROPS, adapt, check_folder

    chosen = {
        "seed": args.seed,
        "epochs": args.epochs,
        "learning_rate": args.learning_rate,
        "limit": args.limit,
        "labelled": None if args.labelled is None else str(args.labelled),
    }
    config = config_from_dict({key: value for key, value in chosen.items() if value is not None})
    check_folder(args.out)  # before a gallery's pictures are copied to it
    with removing_copies(args.out / CROPS):
        site = read_site(args, args.out / CROPS)
        adapted = adapt(site, args.out, args.model, config, seconds=args.apart)
    if adapted.doubt:
        print(f"fprnet: {adapted.doubt}", file=sys.stderr)
    if not adapted.summary["adapted"]:
        print(
            f"fprnet: the model is as it was before: {adapted.summary['reason']}", file=sys.stderr
        )
    if args.json:
        print(json.dumps({**adapted.summary, "model": str(args.out)}))
    else:
        print(_text(adapted.summary, args.out))
    return 0


def _text(summary: dict[str, Any], out: Path) -> str:
    crops, found = summary["crops"], summary["agreement"]
    after = "-" if found["after"] is None else f"{found['after']:.3f}"
    lines = [
        f"crops       {crops['visible']} visible, {crops['infrared']} infrared, "
        f"{crops['in_no_cluster']} in no cluster",
        f"clusters    {summary['clusters']}, {summary['clusters_of_both_modalities']} of both "
        "modalities",
        f"agreement   {found['before']:.3f} before, {after} after, of {found['held_out_crops']} "
        f"held-out crops (by chance {found['by_chance']:.3f})",
    ]
    if "threshold" in summary:
        threshold = summary["threshold"]
        pairs = f"by {threshold['stranger_pairs']} pairs that"
        by = {
            "time and place": f"{pairs} time and place guarantee",
            "clusters": f"{pairs} clusters suggest",
        }.get(threshold["strangers"], threshold["strangers"])
        lines.append(
            f"threshold   {threshold['similarity']:.3f} for a false-match rate of "
            f"{threshold['false_match_rate']} among {threshold['candidates']}, {by}"
        )
    kind = "the adapted model" if summary["adapted"] else "the model as it was before"
    lines.append(
        f"{out} is {kind}; look at {out / 'report' / 'index.html'}; "
        f"next: fprnet gallery create --uri site.db --model {out}"
    )
    return "\n".join(lines)
