"""Options of ``fprnet evaluate``: groups of arguments become what the evaluation is called with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fprnet.cli.arguments import finite, positive

if TYPE_CHECKING:
    from fprnet.evaluation.reranking import Reranking

__all__ = [
    "add_open_set",
    "add_postprocessing",
    "add_protocol",
    "protocol_options",
    "reranking_of",
]

OF_A_PROTOCOL = ("direction", "mode", "shots", "trials", "gallery", "sequences", "swapped")
OF_RERANK = ("rerank_k1", "rerank_k2", "rerank_lambda", "rerank_balanced")


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """Declare the protocol's name and options."""
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
        "--sequences",
        choices=("mean", "best-pair"),
        help="HITSZ-VCM, BUPTCampus: how tracklets are compared, by the mean of their images' "
        "embeddings (default) or by their most similar pair of images",
    )
    group.add_argument(
        "--protocol-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the protocol of a reader of your own (repeatable)",
    )


def protocol_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was chosen for the protocol; options that were not given are left out.

    Raises:
        UsageError: An option is misspelt, or contradicts the protocol's name.
    """
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


def add_postprocessing(parser: argparse.ArgumentParser) -> None:
    """Declare what makes further rows."""
    group = parser.add_argument_group("further rows", "beside the row 'plain'")
    group.add_argument(
        "--flip", action="store_true", help="embeddings averaged with those of the mirror images"
    )
    group.add_argument(
        "--rerank",
        action="store_true",
        help="k-reciprocal re-ranking, which also uses the other queries; with --flip it is done "
        "for both rows",
    )
    group.add_argument(
        "--rerank-k1", type=positive, metavar="K", help="neighbours of re-ranking (default: 20)"
    )
    group.add_argument(
        "--rerank-k2",
        type=positive,
        metavar="K",
        help="neighbours that re-ranking averages (default: 6)",
    )
    group.add_argument(
        "--rerank-lambda",
        type=finite,
        metavar="L",
        help="share of the original distance after re-ranking (default: 0.3)",
    )
    group.add_argument(
        "--rerank-balanced",
        action="store_true",
        default=None,
        help="half of re-ranking's neighbours from each modality, as row 'rerank-balanced'",
    )
    group.add_argument(
        "--expand-query",
        type=positive,
        metavar="N",
        help="each query averaged with its N nearest gallery images",
    )


def add_open_set(parser: argparse.ArgumentParser) -> None:
    """Declare open-set scoring and what belongs to it."""
    group = parser.add_argument_group(
        "open set", "half of the people are not in the gallery: are they rejected?"
    )
    group.add_argument(
        "--open-set",
        action="store_true",
        help="add detection and identification rates (TPIR at FPIR) and the DET curve",
    )
    group.add_argument(
        "--template",
        choices=("best", "mean"),
        help="what a person's gallery images are compared as: the most similar one (best, the "
        "default) or their mean",
    )
    group.add_argument(
        "--open-set-rank", type=positive, metavar="R", help="largest rank of a hit (default: 1)"
    )
    group.add_argument(
        "--fpir",
        type=finite,
        nargs="+",
        metavar="RATE",
        help="false positive identification rates that are reported (default: 0.01 0.1)",
    )
    group.add_argument(
        "--threshold",
        type=finite,
        metavar="T",
        help="similarity at which the rates are reported, too (default: that of the calibration)",
    )
    group.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="calibration of 'fprnet calibrate', for its threshold and for the calibration error "
        "(default: the one beside the checkpoint, if there is one)",
    )
    group.add_argument("--det", type=Path, metavar="FILE.png", help="picture of the DET curve")
    group.add_argument(
        "--reliability",
        type=Path,
        metavar="FILE.png",
        help="picture of stated probabilities against what was found",
    )


def reranking_of(args: argparse.Namespace) -> Reranking | None:
    """Return the re-ranking that was asked for.

    Raises:
        UsageError: An option has no meaning without ``--rerank``, or is out of its range.
    """
    from fprnet.errors import UsageError
    from fprnet.evaluation.reranking import Reranking

    chosen = {name: getattr(args, name) for name in OF_RERANK if getattr(args, name) is not None}
    if not args.rerank:
        for name in chosen:
            raise UsageError(f"--{name.replace('_', '-')} needs --rerank; add it")
        return None
    names = ("k1", "k2", "weight", "balanced")
    return Reranking(**{n: chosen[o] for n, o in zip(names, OF_RERANK, strict=True) if o in chosen})
