"""Features become a picture of rankings: each query and its nearest gallery images, right or wrong.

Shapes: N images (rows of the features), G gallery images of one trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fprnet.data.images import read_image
from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Rows
from fprnet.embeddings.store import Features

__all__ = ["Match", "RankedQuery", "draw_queries", "draw_ranked_galleries", "rank_gallery"]

TILE = (128, 64)  # height and width of an image in the picture, pixels
FRAME = 3
GAP = 4  # between matches; the query stands further off
CAPTION = 16
QUERY_GAP = 18
PAGE, INK = (245, 245, 243), (40, 40, 40)
RIGHT, WRONG, QUERY = (20, 150, 60), (205, 45, 40), (120, 120, 120)


@dataclass(frozen=True)
class Match:
    """A gallery image in a ranking: its row, whether it shows the query's person, and how alike."""

    row: int
    right: bool
    similarity: float  # cosine of the two embeddings, -1 to 1


@dataclass(frozen=True)
class RankedQuery:
    """A query and its nearest gallery images, nearest first."""

    query: int  # row of the features
    matches: tuple[Match, ...]
    possible: int  # images of the query's person that it may find


def draw_queries(
    features: Features, query: Rows, number: int, generator: np.random.Generator
) -> Rows:
    """Draw queries at random, of different people, from the infrared cameras by turns.

    Args:
        features: The table.
        query: Rows to draw from.
        number: How many; fewer people give fewer queries.
        generator: Source of the randomness.
    """
    shuffled = generator.permutation(query)
    people, first = np.unique(features.identity[shuffled], return_index=True)
    one_each = shuffled[np.sort(first)]
    # The k-th of every camera comes before the (k + 1)-th of any.
    camera = features.camera[one_each]
    turn = np.array(
        [(camera[:at] == camera[at]).sum() for at in range(len(people))], dtype=np.int64
    )
    drawn: Rows = one_each[np.lexsort((camera, turn))][:number]
    return drawn


def rank_gallery(
    features: Features,
    protocol: Protocol,
    queries: Rows,
    *,
    trial: int = 1,
    top: int = 10,
) -> list[RankedQuery]:
    """Rank one trial's gallery for some queries, after the protocol's removal of images.

    Args:
        features: The table whose rows the protocol names.
        protocol: Trials and rules.
        queries: Rows.
        trial: 1 is the first.
        top: Most matches that are kept.
    """
    gallery = protocol.trials[trial - 1].gallery
    ranked = []
    for query in queries.tolist():
        group = protocol.exclusion_group[query]
        excluded = (group != NEVER_EXCLUDED) & (protocol.exclusion_group[gallery] == group)
        seen = gallery[~excluded]
        mine = features.features[query].astype(np.float64)
        theirs = features.features[seen].astype(np.float64)
        distance = ((theirs - mine) ** 2).sum(axis=1)
        order = np.lexsort((protocol.order[seen], distance))[:top]
        length = np.linalg.norm(theirs, axis=1) * np.linalg.norm(mine)
        similarity = theirs @ mine / np.maximum(length, 1e-12)
        right = features.identity[seen] == features.identity[query]
        matches = [Match(int(seen[at]), bool(right[at]), float(similarity[at])) for at in order]
        ranked.append(RankedQuery(query, tuple(matches), int(right.sum())))
    return ranked


def draw_ranked_galleries(
    features: Features, ranked: Sequence[RankedQuery], root: Path
) -> Image.Image:
    """Draw a line for each query: the query, then its matches, right ones framed green, others red.

    A frame's colour is repeated by a tick or a cross beside the similarity under it.

    Args:
        features: The table; its paths start from ``root``.
        ranked: The rankings.
        root: Folder of the images.

    Raises:
        DataError: An image cannot be read.
    """
    height, width = TILE[0] + 2 * FRAME, TILE[1] + 2 * FRAME
    columns = max(len(query.matches) for query in ranked)
    picture = Image.new(
        "RGB",
        (
            2 * GAP + width + QUERY_GAP + columns * (width + GAP) - GAP,
            GAP + CAPTION + len(ranked) * (height + CAPTION + GAP),
        ),
        PAGE,
    )
    canvas = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=11)

    def left_of(column: int) -> int:
        return GAP if column == 0 else GAP + width + QUERY_GAP + (column - 1) * (width + GAP)

    def write(text: str, column: int, top: int, colour: tuple[int, int, int]) -> None:
        canvas.text((left_of(column) + width / 2, top + 1), text, colour, font, anchor="ma")

    def show(row: int, column: int, top: int, colour: tuple[int, int, int]) -> None:
        left = left_of(column)
        canvas.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
        tile = Image.fromarray(read_image(root / str(features.path[row]), TILE))
        picture.paste(tile, (left + FRAME, top + FRAME))

    write("query", 0, GAP - 2, INK)
    for column in range(1, columns + 1):
        write(str(column), column, GAP - 2, INK)
    for line, query in enumerate(ranked):
        top = GAP + CAPTION + line * (height + CAPTION + GAP)
        show(query.query, 0, top, QUERY)
        found = sum(match.right for match in query.matches)
        write(f"found {found} of {query.possible}", 0, top + height, INK)
        for column, match in enumerate(query.matches, start=1):
            colour = RIGHT if match.right else WRONG
            show(match.row, column, top, colour)
            write(f"{match.similarity:.3f}", column, top + height, colour)
            _mark(canvas, match.right, left_of(column) + FRAME, top + height + 3, colour)
    return picture


def _mark(
    canvas: ImageDraw.ImageDraw, right: bool, left: int, top: int, colour: tuple[int, int, int]
) -> None:
    """Draw a tick or a cross of 8 pixels, for eyes that do not tell green from red."""
    if right:
        points = [(left, top + 5), (left + 3, top + 8), (left + 8, top + 1)]
        canvas.line(points, fill=colour, width=2, joint="curve")
    else:
        canvas.line((left, top + 1, left + 7, top + 8), fill=colour, width=2)
        canvas.line((left + 7, top + 1, left, top + 8), fill=colour, width=2)
