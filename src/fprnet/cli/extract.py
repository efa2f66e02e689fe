"""Embed a data set, or a folder of images of one modality, into a features file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    add_runtime,
    existing_data_set,
    existing_folder,
    mention_untrained,
)
from fprnet.cli.corruption import add_corruption, corruption_of
from fprnet.pretrained import DEFAULT_MODEL

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet extract runs/fprnet/checkpoints/best.pt --data SYSU-MM01 --out features.npz
  fprnet extract --images night --modality infrared --out night.npz"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet extract``."""
    parser = add_command(subcommands, "extract", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "model",
        nargs="?",
        default=DEFAULT_MODEL,
        metavar="MODEL",
        help="checkpoint, run folder, saved model, export or preset (default: the shipped model "
        "%(default)s)",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data", type=existing_data_set, metavar="ROOT", help="folder of the data set, or manifest"
    )
    source.add_argument("--images", type=existing_folder, metavar="FOLDER", help="folder of images")
    add_layout(parser)
    parser.add_argument(
        "--modality", choices=("visible", "infrared"), help="modality of the images of --images"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.npz", help="features file to write"
    )
    parser.add_argument(
        "--flip", action="store_true", help="average each embedding with that of the mirror image"
    )
    parser.add_argument(
        "--scale",
        choices=("tiny", "full"),
        default="full",
        help="size of the preset, where MODEL is one",
    )
    add_runtime(parser, precision="reference")
    add_corruption(parser)
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder of the resized images (default: ROOT/.fprnet-cache)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the features file; the same command after a kill continues."""
    from fprnet.data.data_set import read_records
    from fprnet.data.image_formats import find_images
    from fprnet.embeddings.from_disk import extract_data_set, extract_folder
    from fprnet.embeddings.loading import load_model
    from fprnet.embeddings.store import write_features
    from fprnet.errors import UsageError

    if args.out.suffix != ".npz":
        raise UsageError(f"--out {args.out} must end in .npz")
    if (args.images is None) != (args.modality is None):
        raise UsageError("--images and --modality go together; a data set knows its modalities")
    if args.images is not None and args.cache is not None:
        raise UsageError("--cache is of --data; loose images are not cached")
    if args.images is not None and args.layout != "auto":
        raise UsageError("--layout is of --data; loose images have none")
    corruption = corruption_of(args)
    if args.images is not None and corruption is not None:
        raise UsageError("--corrupt is of --data; loose images are embedded as they are")
    # What is to be embedded is looked at before the model, whose precision may have to be tried.
    if args.data is not None:
        records = read_records(args.data, layout=args.layout)
    else:
        files = find_images(args.images)
    embedder = load_model(
        args.model, scale=args.scale, runtime=args.runtime, precision=args.precision
    )
    mention_untrained(embedder)
    options = {"flip": args.flip, "resume": args.out}
    if args.data is not None:
        features = extract_data_set(
            embedder, records, cache=args.cache, change=corruption, **options
        )
    else:
        features = extract_folder(embedder, args.images, args.modality, files=files, **options)
    write_features(args.out, features)
    numbers = features.features.shape[1]
    if args.json:
        used = {name: features.meta[name] for name in ("runtime", "precision", "flip")}
        sizes = {"images": len(features), "embedding_size": numbers}
        print(json.dumps({"out": str(args.out), **sizes, **used, "model": features.meta["model"]}))
    else:
        print(f"{args.out}: {len(features)} images, {numbers} numbers each")
    return 0
