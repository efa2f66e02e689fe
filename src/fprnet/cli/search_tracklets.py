"""``fprnet search --tracklet``: a tracklet of the gallery, or a folder of crops, finds others."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fprnet.gallery.records import Filters
    from fprnet.gallery.searcher import Searcher
    from fprnet.gallery.tracklet_search import TrackletAnswer

__all__ = ["run_tracklets"]

OTHERS = ("same_person", "group", "rerank", "confirmed", "explain", "picture")  # of images


def run_tracklets(args: argparse.Namespace, searcher: Searcher, filters: Filters) -> int:
    """Print the tracklets that show the person of the query."""
    from fprnet.errors import UsageError

    if args.images:
        raise UsageError(f"give images or --tracklet, not both: {args.images[0]}")
    for name in OTHERS:
        if getattr(args, name):
            raise UsageError(f"--{name.replace('_', '-')} is of images; leave it out of --tracklet")
    answer = _answer(args, searcher, filters)
    for warning in answer.warnings:
        print(f"fprnet: {warning}", file=sys.stderr)
    print(json.dumps(answer.as_dict()) if args.json else _text(answer))
    return 0


def _answer(args: argparse.Namespace, searcher: Searcher, filters: Filters) -> TrackletAnswer:
    from fprnet.data.image_formats import find_images
    from fprnet.errors import UsageError
    from fprnet.gallery.tracklet_search import search_tracklets
    from fprnet.gallery.tracklets import get_tracklets

    folder = Path(args.tracklet)
    modality, without = args.modality, None
    if folder.is_dir():
        pixels = searcher.embedder.fit(find_images(folder), modality)
        vectors = searcher.embedder.embed(pixels, modality)
    elif args.tracklet.isdecimal():
        [query] = get_tracklets(searcher.gallery, [int(args.tracklet)])
        vectors = searcher.gallery.embeddings([crop.id for crop in query.crops])
        modality, without = query.modality, query.id
    else:
        raise UsageError(
            f"{args.tracklet} is no folder and no number of a tracklet; give a folder of the crops "
            "of one tracklet, or a number of 'fprnet search --tracklet ... --json'"
        )
    return search_tracklets(
        searcher,
        vectors,
        modality,
        filters=filters,
        top=args.top,
        false_match_rate=args.false_match_rate,
        without=without,
    )


def _text(answer: TrackletAnswer) -> str:
    from fprnet.text_table import text_table

    head = f"{answer.candidates} tracklets searched"
    if answer.thresholds:
        limits = " and ".join(
            f"{limit:.3f} for {modality} ones" for modality, limit in answer.thresholds.items()
        )
        verdict = "seen elsewhere" if answer.found else "not seen elsewhere"
        head = (
            f"{verdict}: thresholds {limits}, for a false-match rate of "
            f"{answer.false_match_rate:g} among {answer.candidates} tracklets"
        )
    rows = [
        [
            str(match.rank),
            f"{match.similarity:.4f}{'*' if match.accepted else ' '}",
            "" if match.probability is None else f"{match.probability:.3f}",
            str(match.tracklet.id),
            match.tracklet.camera,
            match.tracklet.modality,
            f"{match.tracklet.start:%Y-%m-%d %H:%M:%S}",
            f"{(match.tracklet.end - match.tracklet.start).total_seconds():.1f} s",
            "-" if match.tracklet.person is None else str(match.tracklet.person),
            match.tracklet.identity or "-",
        ]
        for match in answer.matches
    ]
    names = "rank similarity probability tracklet camera modality start for person identity"
    return f"{head}\n{text_table(names.split(), rows)}"
