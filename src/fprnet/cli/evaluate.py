"""Score a model, or any model's features, under the official protocol."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    add_runtime,
    existing_data_set,
    mention_untrained,
    names_of,
)
from fprnet.cli.corruption import add_corruption, corruption_of
from fprnet.cli.evaluate_options import (
    add_open_set,
    add_postprocessing,
    add_protocol,
    protocol_options,
    reranking_of,
)
from fprnet.errors import UsageError

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.data.data_set import DataSet
    from fprnet.data.protocols.protocol import Protocol
    from fprnet.embeddings.embedder import Embedder
    from fprnet.embeddings.store import Features
    from fprnet.evaluation.corrupted import Corrupted
    from fprnet.evaluation.corruptions import Corruption
    from fprnet.evaluation.scores import Scores

Form = Literal["text", "json", "markdown", "latex"]

EXAMPLE = """\
  fprnet evaluate runs/fprnet/checkpoints/best.pt --data SYSU-MM01 --flip
  fprnet evaluate features.npz --data SYSU-MM01/exp --protocol sysu-mm01/indoor/10-shot@1 --json
  fprnet evaluate runs/split-1 --data RegDB --direction visible-to-infrared
  fprnet evaluate runs/fprnet --data SYSU-MM01 --open-set --det det.png
  fprnet evaluate runs/fprnet --data SYSU-MM01 --corrupt mixed --corrupt-modality visible
  fprnet evaluate feature_folder --data SYSU-MM01/exp --metric cosine --rerank --out ours.json
  fprnet evaluate --compare theirs.json ours.json
  fprnet evaluate --compare a-0.json a-1.json b-0.json b-1.json --names a a b b"""

OF_A_MODEL = {
    "flip": False,
    "scale": "full",
    "runtime": "auto",
    "precision": "reference",
    "cache": None,
    "corrupt": None,
}
OF_OPEN_SET = ("template", "open_set_rank", "fpir", "threshold", "det")
DRAWS = 3  # of corruptions


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
        nargs="+",
        type=Path,
        metavar="RESULT.json",
        help="instead of a model: two or more results of --out; how far each method is above the "
        "first, with bootstrap intervals",
    )
    parser.add_argument(
        "--names",
        nargs="+",
        metavar="NAME",
        help="--compare: name of each result's method; results of one name are runs that differ in "
        "their seed (default: every file is a method of its own)",
    )
    parser.add_argument(
        "--data",
        type=existing_data_set,
        metavar="ROOT",
        help="data set; for a features file its split files are enough",
    )
    add_layout(parser)
    add_protocol(parser)
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
        "--manifest",
        type=Path,
        metavar="CSV",
        help="table of the rows of a .npy file (default: FILE.csv)",
    )
    add_postprocessing(parser)
    add_open_set(parser)
    add_corruption(parser, draws=True)
    parser.add_argument(
        "--scale", choices=("tiny", "full"), default="full", help="size of a preset"
    )
    add_runtime(parser, precision="reference")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder of the resized images (default: ROOT/.fprnet-cache)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file in which the JSON object is saved, too"
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "markdown", "latex"),
        help="what is printed (default: text); markdown and latex are a row of a paper's table",
    )
    add_json(parser)
    parser.set_defaults(run=run, defaults=vars(parser.parse_args([])))


def run(args: argparse.Namespace) -> int:
    """Print the scores, or the differences of results, on stdout."""
    from fprnet.files import write_text

    if args.json and args.format not in (None, "json"):
        raise UsageError(f"--json and --format {args.format} contradict each other; leave one out")
    form: Form = "json" if args.json else args.format or "text"
    if args.compare is not None:
        result: Any = _compare(args)
    elif args.names is not None:
        raise UsageError("--names are those of the results of --compare; add it")
    elif args.model is None or args.data is None:
        missing = "MODEL_OR_FEATURES" if args.model is None else "--data ROOT"
        raise UsageError(f"{missing} is missing; see '{args.prog} --help'")
    else:
        result = _evaluate(args)
    values = result.as_dict()
    if args.out is not None:
        write_text(args.out, json.dumps(values) + "\n")
    if form != "text" and form != "json":
        from fprnet.evaluation.result_rows import result_table

        name = values["model"].get("preset") or Path(args.model).stem
        print(result_table([(name, values)], form, metrics=args.metrics))
    else:
        print(json.dumps(values) if form == "json" else result.table())
    return 0


def _compare(args: argparse.Namespace) -> Any:  # noqa: ANN401 - a Comparison
    from fprnet.evaluation.comparison import compare

    if args.format in ("markdown", "latex"):
        raise UsageError(f"--compare has no {args.format} row; use 'fprnet table'")
    for name, default in args.defaults.items():
        if (
            name not in ("compare", "names", "json", "out", "format")
            and getattr(args, name) != default
        ):
            what = f"--{name.replace('_', '-')}" if name != "model" else args.model
            raise UsageError(f"--compare reads results and does not use {what}; leave it out")
    methods: dict[str, list[Path]] = {}
    for name, file in zip(names_of(args.names, args.compare, str), args.compare, strict=True):
        methods.setdefault(name, []).append(file)
    return compare(methods)


def _evaluate(args: argparse.Namespace) -> Scores:
    from fprnet.config import config_as_dict
    from fprnet.data.data_set import read_records
    from fprnet.data.held_out import open_for_test
    from fprnet.embeddings.formats import holds_features, notes_about, read_any_features
    from fprnet.embeddings.from_disk import extract_data_set
    from fprnet.embeddings.loading import load_model
    from fprnet.evaluation.scores import score

    ranking = {
        "metric": args.metric,
        "metrics": args.metrics,
        "expand_query": args.expand_query,
        "rerank": reranking_of(args),
    }
    corruption, options = corruption_of(args), protocol_options(args)
    _check_open_set(args)
    place = {"layout": args.layout, "split": args.split}
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
        protocol = _protocol(args, features, data_set, options)
        scores = score(features, protocol, **ranking)
        return _with_parts(args, scores, features, protocol, data_set)
    if args.manifest is not None:
        raise UsageError(f"--manifest describes a .npy file, and {args.model} is a model")
    # Images are listed before the model is loaded: a wrong folder is said at once.
    records = read_records(args.data, layout=args.layout)
    embedder = load_model(
        args.model, scale=args.scale, runtime=args.runtime, precision=args.precision
    )
    mention_untrained(embedder)
    data_set = open_for_test(args.data, config_as_dict(embedder.config), **place)
    extract = {"cache": args.cache, "identities": data_set.test}
    features = extract_data_set(embedder, records, **extract)
    protocol = _protocol(args, features, data_set, options)
    scores = score(features, protocol, **ranking)
    if args.flip:
        flipped = extract_data_set(embedder, records, flip=True, **extract)
        scores = scores.with_flipped(score(flipped, protocol, **ranking))
    if corruption is not None:
        draws = args.corrupt_draw or DRAWS
        corrupted = _corrupted(args, embedder, data_set, protocol, scores, corruption, draws)
        scores = replace(scores, corrupted=corrupted)
    return _with_parts(args, scores, features, protocol, data_set)


def _protocol(
    args: argparse.Namespace, features: Features, data_set: DataSet, options: dict[str, Any]
) -> Protocol:
    from fprnet.evaluation.data_set_protocol import make_protocol, named_options

    if args.protocol is not None:
        options = named_options(args.protocol, data_set.layout)
    return make_protocol(features, data_set, options)


def _corrupted(
    args: argparse.Namespace,
    embedder: Embedder,
    data_set: DataSet,
    protocol: Protocol,
    clean: Scores,
    corruption: Corruption,
    draws: int,
) -> Corrupted:
    """Score the data set again with corrupted images, once for each draw."""
    from fprnet.embeddings.from_disk import extract_data_set
    from fprnet.evaluation.corrupted import Corrupted
    from fprnet.evaluation.scores import score

    records, rows = data_set.records(), []
    for draw in range(1, draws + 1):
        features = extract_data_set(
            embedder,
            records,
            cache=args.cache,
            identities=data_set.test,
            change=replace(corruption, draw=draw),
        )
        row = score(features, protocol, metric=args.metric, metrics=args.metrics).rows["plain"]
        rows.append({name: trials.mean for name, trials in row.metrics.items()})
    means = {name: trials.mean for name, trials in clean.rows["plain"].metrics.items()}
    settings = {name: v for name, v in corruption.as_dict().items() if name != "draw"}
    return Corrupted.of({**settings, "draws": draws}, means, rows)


def _with_parts(
    args: argparse.Namespace,
    scores: Scores,
    features: Features,
    protocol: Protocol,
    data_set: DataSet,
) -> Scores:
    """Add provenance and leaks, and open-set rates where they were asked for."""
    from fprnet.evaluation.provenance import with_provenance

    scores = with_provenance(scores, features, protocol, data_set)
    for warning in scores.leaks.found if scores.leaks else ():
        print(warning, file=sys.stderr)
    if not args.open_set:
        return scores
    from fprnet.cli.open_set import open_set_parts

    open_set, calibration = open_set_parts(args, features, protocol)
    return replace(scores, open_set=open_set, calibration=calibration)


def _check_open_set(args: argparse.Namespace) -> None:
    for name in (*OF_OPEN_SET, "calibration", "reliability"):
        if not args.open_set and getattr(args, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} needs --open-set; add it")
    if args.reliability is not None:
        from fprnet.cli.open_set import calibration_file

        if calibration_file(args) is None:
            raise UsageError("--reliability needs a calibration; make one with 'fprnet calibrate'")
    if args.threshold is not None and args.calibration is not None:
        raise UsageError("--threshold and --calibration both give a threshold; leave one out")
