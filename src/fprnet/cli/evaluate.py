"""Score a model, or any model's features, under the official protocol."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, existing_folder, mention_untrained, positive

if TYPE_CHECKING:
    from fprnet.cli.main import Subcommands

EXAMPLE = """\
  fprnet evaluate runs/fprnet/checkpoints/best.pt --data SYSU-MM01 --flip
  fprnet evaluate features.npz --data SYSU-MM01/exp --mode indoor --shots 10 --json"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet evaluate``."""
    parser = add_command(subcommands, "evaluate", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "model", metavar="MODEL_OR_FEATURES", help="checkpoint, run folder, preset or .npz file"
    )
    parser.add_argument(
        "--data",
        type=existing_folder,
        required=True,
        metavar="ROOT",
        help="data set; for a features file its split files are enough",
    )
    parser.add_argument("--mode", choices=("all", "indoor"), default="all")
    parser.add_argument("--shots", type=int, choices=(1, 10), default=1)
    parser.add_argument("--trials", type=positive, default=10, metavar="T")
    parser.add_argument(
        "--gallery",
        choices=("official", "seeded"),
        default="official",
        help="rand_perm_cam.mat, or the random draw of widely copied evaluators",
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
    from fprnet.data.sysu_mm01 import read_split
    from fprnet.embeddings.embedder import load_model
    from fprnet.embeddings.from_disk import extract_data_set
    from fprnet.embeddings.store import read_features
    from fprnet.errors import UsageError
    from fprnet.evaluation.scores import evaluate

    options = {
        "mode": args.mode,
        "shots": args.shots,
        "trials": args.trials,
        "gallery": args.gallery,
        "metric": args.metric,
    }
    split = read_split(args.data, needed=("test",))
    if Path(args.model).suffix == ".npz":
        if args.flip:
            raise UsageError(
                f"--flip needs the model, {args.model} holds features only; give the checkpoint"
            )
        scores = evaluate(read_features(Path(args.model)), split, **options)
    else:
        embedder = load_model(args.model, scale=args.scale)
        mention_untrained(embedder)
        extract = {"cache": args.cache, "precision": args.precision, "identities": split.test}
        features = extract_data_set(embedder, args.data, **extract)
        scores = evaluate(features, split, **options)
        if args.flip:
            flipped = extract_data_set(embedder, args.data, flip=True, **extract)
            scores = scores.with_row("flip", evaluate(flipped, split, **options).rows["plain"])
    print(json.dumps(scores.as_dict()) if args.json else scores.table())
    return 0
