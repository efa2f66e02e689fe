"""Score a model, or any model's features, under the official protocol."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    existing_data_set,
    mention_untrained,
    positive,
)

if TYPE_CHECKING:
    from fprnet.cli.main import Subcommands

EXAMPLE = """\
  fprnet evaluate runs/fprnet/checkpoints/best.pt --data SYSU-MM01 --flip
  fprnet evaluate features.npz --data SYSU-MM01/exp --mode indoor --shots 10 --json
  fprnet evaluate runs/split-1 --data RegDB --direction visible-to-infrared"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet evaluate``."""
    parser = add_command(subcommands, "evaluate", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "model", metavar="MODEL_OR_FEATURES", help="checkpoint, run folder, preset or .npz file"
    )
    parser.add_argument(
        "--data",
        type=existing_data_set,
        required=True,
        metavar="ROOT",
        help="data set; for a features file its split files are enough",
    )
    add_layout(parser)
    parser.add_argument(
        "--split", type=positive, metavar="N", help="of RegDB: 1 to 10 (default: the model's)"
    )
    parser.add_argument(
        "--direction",
        choices=("infrared-to-visible", "visible-to-infrared"),
        help="(default: infrared-to-visible)",
    )
    parser.add_argument("--mode", choices=("all", "indoor"), help="of SYSU-MM01 (default: all)")
    parser.add_argument("--shots", type=int, choices=(1, 10), help="of SYSU-MM01 (default: 1)")
    parser.add_argument(
        "--trials", type=positive, metavar="T", help="of SYSU-MM01 and LLCM (default: 10)"
    )
    parser.add_argument(
        "--gallery",
        choices=("official", "seeded"),
        help="of SYSU-MM01: rand_perm_cam.mat (default), or the random draw of widely copied "
        "evaluators",
    )
    parser.add_argument(
        "--llcm-swapped",
        action="store_true",
        default=None,
        help="of LLCM, visible-to-infrared: query and gallery swapped, as its authors' code does",
    )
    parser.add_argument("--metric", choices=("euclidean", "cosine"), default="euclidean")
    parser.add_argument(
        "--flip", action="store_true", help="add a row: averaged with the mirror image"
    )
    parser.add_argument("--scale", choices=("tiny", "full"), default="full", help="of a preset")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the embedding (default: float32)",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of the resized images")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the scores on stdout."""
    from fprnet.config import config_as_dict
    from fprnet.embeddings.embedder import load_model
    from fprnet.embeddings.from_disk import extract_data_set
    from fprnet.embeddings.store import read_features
    from fprnet.errors import UsageError
    from fprnet.evaluation.data_set_protocol import ProtocolOptions, make_protocol
    from fprnet.evaluation.leak import open_for_test
    from fprnet.evaluation.scores import score

    options = ProtocolOptions(
        direction=args.direction,
        mode=args.mode,
        shots=args.shots,
        trials=args.trials,
        gallery=args.gallery,
        llcm_swapped=args.llcm_swapped,
    )
    place = {"layout": args.layout, "split": args.split}
    if Path(args.model).suffix == ".npz":
        if args.flip:
            raise UsageError(
                f"--flip needs the model, {args.model} holds features only; give the checkpoint"
            )
        features = read_features(Path(args.model))
        data_set = open_for_test(args.data, features.meta.get("config", {}), **place)
        protocol = make_protocol(features, data_set, options)
        scores = score(features, protocol, metric=args.metric)
    else:
        embedder = load_model(args.model, scale=args.scale)
        mention_untrained(embedder)
        data_set = open_for_test(args.data, config_as_dict(embedder.config), **place)
        records = data_set.records()
        extract = {"cache": args.cache, "precision": args.precision, "identities": data_set.test}
        features = extract_data_set(embedder, records, **extract)
        protocol = make_protocol(features, data_set, options)
        scores = score(features, protocol, metric=args.metric)
        if args.flip:
            flipped = extract_data_set(embedder, records, flip=True, **extract)
            row = score(flipped, protocol, metric=args.metric).rows["plain"]
            scores = scores.with_row("flip", row)
    print(json.dumps(scores.as_dict()) if args.json else scores.table())
    return 0
