"""Score a model, or any model's features, under the official protocol."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    add_runtime,
    existing_data_set,
    mention_untrained,
    positive,
)

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.evaluation.reranking import Reranking
    from fprnet.evaluation.scores import Scores

EXAMPLE = """\
  fprnet evaluate runs/fprnet/checkpoints/best.pt --data SYSU-MM01 --flip
  fprnet evaluate features.npz --data SYSU-MM01/exp --mode indoor --shots 10 --json
  fprnet evaluate runs/split-1 --data RegDB --direction visible-to-infrared
  fprnet evaluate exported --data SYSU-MM01
  fprnet evaluate feature_folder --data SYSU-MM01/exp --metric cosine --rerank --out ours.json
  fprnet evaluate --compare theirs.json ours.json"""

OF_A_MODEL = {
    "flip": False,
    "scale": "full",
    "runtime": "auto",
    "precision": "auto",
    "cache": None,
}
OF_RERANK = ("rerank_k1", "rerank_k2", "rerank_lambda")


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet evaluate``."""
    parser = add_command(subcommands, "evaluate", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL_OR_FEATURES",
        help="checkpoint, run folder, export, preset; or features: .npz, .npy, .parquet, or the "
        "folder or prefix of MATLAB files NAME_cam1.mat ...",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("A.json", "B.json"),
        help="instead of a model: two results of --out; B minus A with bootstrap intervals",
    )
    parser.add_argument(
        "--data",
        type=existing_data_set,
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
        "--manifest", type=Path, metavar="CSV", help="rows of a .npy file (default: FILE.csv)"
    )
    _add_postprocessing(parser)
    parser.add_argument("--scale", choices=("tiny", "full"), default="full", help="of a preset")
    add_runtime(parser)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of the resized images")
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the JSON object, too")
    add_json(parser)
    parser.set_defaults(run=run, defaults=vars(parser.parse_args([])))


def _add_postprocessing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("further rows", "beside 'plain', which always stands")
    group.add_argument("--flip", action="store_true", help="averaged with the mirror image")
    group.add_argument(
        "--rerank",
        action="store_true",
        help="k-reciprocal re-ranking, which uses the other queries, too; with --flip: of both",
    )
    group.add_argument("--rerank-k1", type=positive, metavar="K", help="(default: 20)")
    group.add_argument("--rerank-k2", type=positive, metavar="K", help="(default: 6)")
    group.add_argument(
        "--rerank-lambda", type=float, metavar="L", help="share of the distance (default: 0.3)"
    )
    group.add_argument(
        "--expand-query",
        type=positive,
        metavar="N",
        help="each query averaged with its N nearest gallery images",
    )


def run(args: argparse.Namespace) -> int:
    """Print the scores, or the differences of two results, on stdout."""
    from fprnet.errors import UsageError
    from fprnet.files import write_text

    if args.compare is not None:
        result: Any = _compare(args)
    elif args.model is None or args.data is None:
        missing = "MODEL_OR_FEATURES" if args.model is None else "--data ROOT"
        raise UsageError(f"{missing} is missing; see '{args.prog} --help'")
    else:
        result = _evaluate(args)
    text = json.dumps(result.as_dict())
    if args.out is not None:
        write_text(args.out, text + "\n")
    print(text if args.json else result.table())
    return 0


def _compare(args: argparse.Namespace) -> Any:  # noqa: ANN401 - a Comparison
    from fprnet.errors import UsageError
    from fprnet.evaluation.comparison import compare

    for name, default in args.defaults.items():
        if name not in ("compare", "json", "out") and getattr(args, name) != default:
            what = f"--{name.replace('_', '-')}" if name != "model" else args.model
            raise UsageError(f"--compare reads two results and does not use {what}; leave it out")
    return compare(*args.compare)


def _evaluate(args: argparse.Namespace) -> Scores:
    from fprnet.config import config_as_dict
    from fprnet.embeddings.embedder import load_model
    from fprnet.embeddings.formats import conversion_note, holds_features, read_any_features
    from fprnet.embeddings.from_disk import extract_data_set
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
    ranking = {"metric": args.metric, "expand_query": args.expand_query, "rerank": _reranking(args)}
    if holds_features(Path(args.model)):
        for name, default in OF_A_MODEL.items():
            if getattr(args, name) != default:
                raise UsageError(
                    f"--{name} needs the model, {args.model} holds features only; give the "
                    "checkpoint"
                )
        features = read_any_features(Path(args.model), manifest=args.manifest)
        if note := conversion_note(features):
            print(note, file=sys.stderr)
        data_set = open_for_test(args.data, features.meta.get("config", {}), **place)
        scores = score(features, make_protocol(features, data_set, options), **ranking)
    else:
        if args.manifest is not None:
            raise UsageError(f"--manifest describes a .npy file, and {args.model} is a model")
        embedder = load_model(
            args.model, scale=args.scale, runtime=args.runtime, precision=args.precision
        )
        mention_untrained(embedder)
        data_set = open_for_test(args.data, config_as_dict(embedder.config), **place)
        records = data_set.records()
        extract = {"cache": args.cache, "identities": data_set.test}
        features = extract_data_set(embedder, records, **extract)
        protocol = make_protocol(features, data_set, options)
        scores = score(features, protocol, **ranking)
        if args.flip:
            flipped = extract_data_set(embedder, records, flip=True, **extract)
            scores = scores.with_flipped(score(flipped, protocol, **ranking))
    return scores


def _reranking(args: argparse.Namespace) -> Reranking | None:
    from fprnet.errors import UsageError
    from fprnet.evaluation.reranking import Reranking

    chosen = {name: getattr(args, name) for name in OF_RERANK if getattr(args, name) is not None}
    if not args.rerank:
        for name in chosen:
            raise UsageError(f"--{name.replace('_', '-')} needs --rerank; add it")
        return None
    names = ("k1", "k2", "weight")
    return Reranking(**{n: chosen[o] for n, o in zip(names, OF_RERANK, strict=True) if o in chosen})
