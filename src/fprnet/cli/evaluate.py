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
    from fprnet.data.data_set import DataSet
    from fprnet.data.protocols.protocol import Protocol
    from fprnet.embeddings.store import Features
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
    "precision": "float32",
    "cache": None,
}
OF_A_PROTOCOL = ("direction", "mode", "shots", "trials", "gallery", "swapped")
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
    _add_protocol(parser)
    parser.add_argument(
        "--metric",
        choices=("euclidean", "cosine"),
        default="euclidean",
        help="distance of two embeddings (default: euclidean)",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help="what is computed of each ranking: rank-1, rank-5, rank-10, rank-20, mAP, mINP (all "
        "by default), or module:name of a function of your own",
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="rows of a .npy file (default: FILE.csv)"
    )
    _add_postprocessing(parser)
    parser.add_argument("--scale", choices=("tiny", "full"), default="full", help="of a preset")
    add_runtime(parser, precision="float32")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of the resized images")
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the JSON object, too")
    add_json(parser)
    parser.set_defaults(run=run, defaults=vars(parser.parse_args([])))


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "protocol", "default: the layout's own, see docs/evaluation.md"
    )
    group.add_argument(
        "--protocol",
        metavar="NAME",
        help="published protocol, e.g. sysu-mm01/all/1-shot@1; 'fprnet protocols' lists them",
    )
    group.add_argument(
        "--split",
        type=positive,
        metavar="N",
        help="number of RegDB's split, 1 to 10 (default: the one the model was trained on)",
    )
    group.add_argument(
        "--direction",
        choices=("infrared-to-visible", "visible-to-infrared"),
        help="which modality queries which (default: infrared-to-visible)",
    )
    group.add_argument(
        "--mode",
        choices=("all", "indoor"),
        help="SYSU-MM01: cameras of the gallery, all or indoor (default: all)",
    )
    group.add_argument(
        "--shots",
        type=int,
        choices=(1, 10),
        help="SYSU-MM01: gallery images per identity and camera (default: 1)",
    )
    group.add_argument(
        "--trials",
        type=positive,
        metavar="T",
        help="SYSU-MM01, LLCM: number of galleries drawn (default: 10)",
    )
    group.add_argument(
        "--gallery",
        choices=("official", "seeded"),
        help="SYSU-MM01: galleries of rand_perm_cam.mat (default), or the random draw of widely "
        "copied evaluators",
    )
    group.add_argument(
        "--llcm-swapped",
        dest="swapped",
        action="store_true",
        default=None,
        help="LLCM, visible-to-infrared: query and gallery swapped, as its authors' code does",
    )
    group.add_argument(
        "--protocol-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the protocol of a reader of your own (repeatable)",
    )


def protocol_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was chosen for the protocol; options that were not given are left out."""
    from fprnet.errors import UsageError

    chosen = {name: getattr(args, name) for name in OF_A_PROTOCOL}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    for text in args.protocol_option:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--protocol-option {text} is no NAME=VALUE; write e.g. shots=2")
        chosen[name] = value
    if args.protocol is not None and chosen:
        raise UsageError(
            f"protocol {args.protocol} has its own {next(iter(chosen))}; leave one of the two out"
        )
    return chosen


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
    from fprnet.data.data_set import read_records
    from fprnet.data.held_out import open_for_test
    from fprnet.embeddings.embedder import load_model
    from fprnet.embeddings.formats import holds_features, notes_about, read_any_features
    from fprnet.embeddings.from_disk import extract_data_set
    from fprnet.errors import UsageError
    from fprnet.evaluation.data_set_protocol import make_protocol, named_options
    from fprnet.evaluation.scores import score

    options = protocol_options(args)

    def protocol_of(features: Features, data_set: DataSet) -> Protocol:
        if args.protocol is not None:
            options.update(named_options(args.protocol, data_set.layout))
        return make_protocol(features, data_set, options)

    place = {"layout": args.layout, "split": args.split}
    ranking = {
        "metric": args.metric,
        "metrics": args.metrics,
        "expand_query": args.expand_query,
        "rerank": _reranking(args),
    }
    if holds_features(Path(args.model)):
        for name, default in OF_A_MODEL.items():
            if getattr(args, name) != default:
                raise UsageError(
                    f"--{name} needs the model, {args.model} holds features only; give the "
                    "checkpoint"
                )
        features = read_any_features(Path(args.model), manifest=args.manifest)
        for note in notes_about(features):
            print(note, file=sys.stderr)
        data_set = open_for_test(args.data, features.meta.get("config", {}), **place)
        scores = score(features, protocol_of(features, data_set), **ranking)
    else:
        if args.manifest is not None:
            raise UsageError(f"--manifest describes a .npy file, and {args.model} is a model")
        # Images are listed before the model, whose precision may have to be tried, is loaded.
        records = read_records(args.data, layout=args.layout)
        embedder = load_model(
            args.model, scale=args.scale, runtime=args.runtime, precision=args.precision
        )
        mention_untrained(embedder)
        data_set = open_for_test(args.data, config_as_dict(embedder.config), **place)
        extract = {"cache": args.cache, "identities": data_set.test}
        features = extract_data_set(embedder, records, **extract)
        protocol = protocol_of(features, data_set)
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
