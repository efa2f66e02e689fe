"""Search a gallery for the people of some images: who is it, how surely, and why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fprnet.cli.arguments import add_command, add_json, finite, mention_untrained, positive
from fprnet.cli.galleries import add_address, picture_finder
from fprnet.cli.search_text import answer_text

if TYPE_CHECKING:
    from PIL import Image

    from fprnet.cli.arguments import Subcommands
    from fprnet.embeddings.explanation import Explanation
    from fprnet.gallery.answers import Answer, RankedMatch
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.records import Filters
    from fprnet.gallery.searcher import Searcher

    ImageFinder = Callable[[RankedMatch], Image.Image | None]

EXAMPLE = """\
  fprnet search night/0001.jpg night/0002.jpg --gallery people.db --same-person --picture found.png
  fprnet search night/*.jpg --gallery people.db --json > answers.jsonl
  fprnet search night/0001.jpg --gallery people.db --camera 1 --camera 4 --since 2026-11-20 --json
  fprnet search night/0001.jpg --gallery people.db --rerank --group --explain
  fprnet search --tracklet 17 --gallery people.db
  fprnet search --tracklet night/walk-3 --modality infrared --gallery people.db"""

EXPLAINED = 5  # first matches that --explain explains


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet search``."""
    parser = add_command(subcommands, "search", summary=__doc__, example=EXAMPLE)
    parser.add_argument(
        "images",
        nargs="*",
        type=Path,
        metavar="IMAGE",
        help="query image; each of several gets an answer of its own, unless --same-person is said",
    )
    parser.add_argument(
        "--same-person",
        action="store_true",
        help="all query images show one person: search for that person once",
    )
    parser.add_argument(
        "--tracklet",
        metavar="WHAT",
        help="search for a tracklet, and find tracklets: its number in the gallery, or a folder of "
        "its crops",
    )
    add_address(parser, "--gallery")
    parser.add_argument(
        "--modality",
        choices=("visible", "infrared"),
        default="infrared",
        help="modality of the query images (default: %(default)s)",
    )
    parser.add_argument(
        "--top",
        type=positive,
        default=20,
        metavar="N",
        help="number of matches that are shown (default: %(default)s)",
    )
    parser.add_argument("--model", help="where the gallery's model lies (default: as it remembers)")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="calibration of the model (default: the one beside the model, if there is one)",
    )
    parser.add_argument(
        "--false-match-rate",
        type=finite,
        default=0.01,
        metavar="R",
        help="share of the searches for people who are not there that may name somebody "
        "(default: %(default)s)",
    )
    _add_filters(parser)
    parser.add_argument("--group", action="store_true", help="list people besides images")
    parser.add_argument(
        "--rerank", action="store_true", help="order the matches by k-reciprocal re-ranking"
    )
    parser.add_argument(
        "--confirmed",
        action="append",
        default=[],
        metavar="ID",
        help="record that shows the person for certain, which refines the query; may be repeated",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help=f"say what matched in the first {EXPLAINED}; of one person's images, for the first",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="image file to draw the answer into, e.g. .png"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("only some gallery images")
    group.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME",
        help="only gallery images of this camera (repeatable)",
    )
    group.add_argument(
        "--location",
        action="append",
        default=[],
        metavar="NAME",
        help="only gallery images of this location (repeatable)",
    )
    group.add_argument(
        "--exclude-location",
        metavar="NAME",
        help="no gallery images of this location; usually the query's own",
    )
    group.add_argument(
        "--since",
        metavar="TIME",
        help="only gallery images taken then or later (UTC unless it says)",
    )
    group.add_argument(
        "--until",
        metavar="TIME",
        help="only gallery images taken then or before (UTC unless it says; a date alone is its "
        "end)",
    )
    group.add_argument(
        "--identity",
        choices=("any", "known", "unknown"),
        default="any",
        help="only people who are, or are not, identified (default: %(default)s)",
    )
    group.add_argument(
        "--gallery-modality",
        choices=("visible", "infrared"),
        help="only gallery images of this modality",
    )


@dataclass(frozen=True)
class _Found:
    """An answer, the images that were searched for, and explanations by rank."""

    images: list[Path]
    answer: Answer
    explained: dict[int, Explanation]

    def as_dict(self, *, explain: bool) -> dict[str, Any]:
        result = {"images": [str(image) for image in self.images], **self.answer.as_dict()}
        if explain:
            result["explanations"] = [
                {"rank": rank, **explanation.as_dict()}
                for rank, explanation in self.explained.items()
            ]
        return result


def run(args: argparse.Namespace) -> int:
    """Print the matches."""
    from fprnet.cli.search_tracklets import run_tracklets
    from fprnet.errors import ImageFileError, UsageError
    from fprnet.gallery.opening import open_searcher

    if not args.images and args.tracklet is None:
        raise UsageError(f"there is no query image; see '{args.prog} --help'")
    if args.picture is not None:
        _check_ending(args.picture)
    filters = _filters(args)
    searcher = open_searcher(
        args.uri,
        name=args.name,
        model=args.model,
        calibration=args.calibration,
    )
    people = [args.images] if args.same_person else [[image] for image in args.images]
    several = len(people) > 1
    left_out = 0
    found = []
    with searcher.gallery as gallery:
        mention_untrained(searcher.embedder)
        gallery.check_filters(filters)
        if args.tracklet is not None:
            return run_tracklets(args, searcher, filters)
        find = _image_finder(args.uri, gallery)
        for images in people:
            try:
                one = _found(args, searcher, filters, images, find, several=several)
            except ImageFileError as error:
                if not several:
                    raise
                print(f"fprnet: left out: {error}", file=sys.stderr)
                left_out += 1
                continue
            if args.json:
                print(json.dumps(one.as_dict(explain=args.explain)), flush=True)
            else:
                head = f"{one.images[0]}\n" if several else ""
                print(head + answer_text(one.answer, one.explained), flush=True)
            found.append(one)
        if args.picture is not None and found:
            _draw(args.picture, found, find)
    return 2 if left_out else 0


def _found(
    args: argparse.Namespace,
    searcher: Searcher,
    filters: Filters,
    images: list[Path],
    find: ImageFinder,
    *,
    several: bool,
) -> _Found:
    """Search for the person of some images; warnings go to stderr."""
    answer = searcher.search(
        images,
        args.modality,
        filters=filters,
        top=args.top,
        group=args.group,
        rerank=args.rerank,
        false_match_rate=args.false_match_rate,
        confirmed=args.confirmed,
    )
    for warning in answer.warnings:
        named = any(str(image) in warning for image in images)
        of = f"{images[0]}: " if several and not named else ""
        print(f"fprnet: {of}{warning}", file=sys.stderr)
    explained = _explanations(args, searcher, images[0], answer, find) if args.explain else {}
    return _Found(images, answer, explained)


def _filters(args: argparse.Namespace) -> Filters:
    from fprnet.gallery.records import Filters
    from fprnet.gallery.times import parse_time

    return Filters.checked(
        cameras=tuple(args.camera),
        locations=tuple(args.location),
        since=None if args.since is None else parse_time(args.since),
        until=None if args.until is None else parse_time(args.until, end=True),
        exclude_location=args.exclude_location,
        identity=args.identity,
        modality=args.gallery_modality,
    )


def _image_finder(uri: str, gallery: Gallery) -> ImageFinder:
    """Return what reads the image of a match: from the gallery itself, or from where it lies.

    What lies there under another hash shows somebody else, and counts as absent.
    """
    from PIL import Image

    from fprnet.data.images import decode_image
    from fprnet.errors import ImageFileError
    from fprnet.gallery.tracklets import stored_image

    elsewhere = picture_finder(uri)

    def find(match: RankedMatch) -> Image.Image | None:
        content = stored_image(gallery, match.id) or elsewhere(match)
        if content is None:
            return None
        try:
            return Image.fromarray(decode_image(content)[0])
        except ImageFileError:
            return None

    return find


def _explanations(
    args: argparse.Namespace, searcher: Searcher, image: Path, answer: Answer, find: ImageFinder
) -> dict[int, Explanation]:
    """Explain the first matches whose images are there, by their ranks."""
    explained = {}
    for match in answer.matches[:EXPLAINED]:
        picture = find(match)
        if picture is None:
            print(
                f"fprnet: match {match.rank} is not explained: its image {match.path} is gone or "
                "was changed",
                file=sys.stderr,
            )
            continue
        explained[match.rank] = searcher.explain(
            image,
            picture,
            query_modality=args.modality,
            match_modality=match.modality,
        )
    return explained


def _check_ending(file: Path) -> None:
    """Refuse, before anything is searched, a picture that nothing could write."""
    from PIL import Image

    from fprnet.errors import UsageError

    endings = Image.registered_extensions()
    if endings.get(file.suffix.lower()) not in Image.SAVE:
        raise UsageError(f"--picture {file} does not end as a picture does; write e.g. found.png")


def _draw(file: Path, found: Sequence[_Found], find: ImageFinder) -> None:
    """Draw the answers, one below the other."""
    from PIL import Image

    from fprnet.data.images import read_image
    from fprnet.files import replacing
    from fprnet.gallery.pictures import below, draw_answer, draw_explanations

    picture = None
    for one in found:
        queries = [Image.fromarray(read_image(image)) for image in one.images]
        shown = [find(match) for match in one.answer.matches]
        drawn = draw_answer(one.answer, queries, shown)
        if one.explained:
            rows = [
                (explanation, queries[0], shown[rank - 1])
                for rank, explanation in one.explained.items()
            ]
            drawn = below(drawn, draw_explanations(rows))
        picture = drawn if picture is None else below(picture, drawn)
    assert picture is not None  # there is an image
    with replacing(file) as temporary:
        picture.save(temporary)
