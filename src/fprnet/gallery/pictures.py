"""A heat map becomes colour over its image, and an answer becomes one picture.

Shapes: H x W pixels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fprnet.data.pixels import fit_image
from fprnet.embeddings.explanation import Explanation
from fprnet.fonts import font_runs, plain_font
from fprnet.gallery.answers import Answer, RankedMatch

__all__ = ["below", "draw_answer", "draw_explanations", "overlay", "png", "scale_of"]

TILE = (160, 80)  # height and width of an image in the picture, pixels
GAP = 6
LINE = 13  # of text
SIZE = 9  # of its letters
LINES = 4  # under an image
COLUMNS = 10
PAGE, INK, PALE = (245, 245, 243), (40, 40, 40), (150, 150, 150)
AGREES, DISAGREES = (255, 96, 0), (0, 90, 255)
ACCEPTED, REFUSED, QUERY = (20, 150, 60), (190, 190, 190), (120, 120, 120)
FRAME = 3
STRONGEST = 0.7  # opacity of the strongest pixel
CLIPPED = 99.0  # percentile that counts as strongest: one pixel must not pale all others


def overlay(
    picture: Image.Image, heat: NDArray[np.float32], *, strongest: float | None = None
) -> Image.Image:
    """Lay a heat map over an image: orange where it adds to the similarity, blue where it takes.

    Args:
        picture: Picture of any size; it is shown in gray, so that colour is the map's only.
        heat: ``(h, w)``, signed; enlarged to the picture.
        strongest: Value that is shown at full strength; None takes the map's own. Give the two
            maps of an :class:`~fprnet.embeddings.explanation.Explanation` one value to compare
            them.

    Returns:
        An RGB image of the picture's size.
    """
    if strongest is None:
        strongest = scale_of(heat)
    share = Image.fromarray((heat / max(strongest, 1e-12)).astype(np.float32))
    enlarged = np.asarray(share.resize(picture.size, Image.Resampling.BILINEAR)).clip(-1, 1)
    gray = np.asarray(picture.convert("L").convert("RGB"), dtype=np.float64)
    colour = np.where(enlarged[..., None] > 0, AGREES, DISAGREES)
    opacity = STRONGEST * np.abs(enlarged)[..., None]
    return Image.fromarray((gray * (1 - opacity) + colour * opacity).round().astype(np.uint8))


def scale_of(*maps: NDArray[np.float32]) -> float:
    """Return what counts as strongest in some maps together."""
    return max(float(np.percentile(np.abs(heat), CLIPPED)) for heat in maps)


def png(picture: Image.Image) -> bytes:
    """Return the picture as a PNG file."""
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def draw_answer(
    answer: Answer,
    queries: Sequence[Image.Image],
    matches: Sequence[Image.Image | None],
) -> Image.Image:
    """Draw the query images, then the matches in order, ten to a line.

    A green frame and a tick: the match reaches the threshold. Under each: similarity, probability,
    camera and time.

    Args:
        answer: What was found.
        queries: The query images.
        matches: The image of each match; None where it cannot be shown.
    """
    lines = [matches[start : start + COLUMNS] for start in range(0, len(matches), COLUMNS)]
    columns = max(len(queries), *(len(line) for line in lines)) if lines else len(queries)
    width = GAP + max(columns, 4) * (TILE[1] + GAP)
    row = TILE[0] + LINES * LINE + GAP
    picture = Image.new("RGB", (width, LINE + 2 * GAP + (1 + len(lines)) * row), PAGE)
    canvas = ImageDraw.Draw(picture)
    _line(canvas, (GAP, GAP), _verdict(answer))
    top = LINE + 2 * GAP
    for column, query in enumerate(queries):
        _tile(picture, query, column, top, QUERY)
    _write(canvas, ("query",), 0, top)
    for number, match in enumerate(answer.matches):
        line, column = divmod(number, COLUMNS)
        place = top + (1 + line) * row
        colour = ACCEPTED if match.accepted else REFUSED
        _tile(picture, matches[number], column, place, colour)
        _write(canvas, _caption(match), column, place)
    return picture


def draw_explanations(
    explanations: Sequence[tuple[Explanation, Image.Image, Image.Image | None]],
) -> Image.Image:
    """Draw, for each pair of query and match, both images, both heat maps, and the levels' bars.

    Args:
        explanations: Explanation, query image, match's image.
    """
    bars = 190
    width = GAP + 4 * (TILE[1] + GAP) + bars
    row = TILE[0] + LINE + 2 * GAP
    picture = Image.new("RGB", (width, GAP + max(1, len(explanations)) * row), PAGE)
    canvas = ImageDraw.Draw(picture)
    for number, (explanation, query, match) in enumerate(explanations):
        top = GAP + number * row
        strongest = scale_of(explanation.query_map, explanation.gallery_map)
        _tile(picture, query, 0, top, QUERY)
        _tile(picture, overlay(query, explanation.query_map, strongest=strongest), 1, top, QUERY)
        _tile(picture, match, 2, top, QUERY)
        if match is not None:
            heat = overlay(match, explanation.gallery_map, strongest=strongest)
            _tile(picture, heat, 3, top, QUERY)
        text = f"match {number + 1}: similarity {explanation.similarity:.3f}"
        _line(canvas, (GAP, top + TILE[0] + 1), text)
        left = GAP + 4 * (TILE[1] + GAP)
        for place, part in enumerate(explanation.parts):
            height = top + place * 2 * LINE
            _line(canvas, (left, height), f"{part.name} {part.cosine:+.2f}")
            middle, reach = left + 90, bars - 100
            canvas.line((middle, height + 2, middle, height + LINE), PALE)
            end = middle + round(reach * part.cosine)
            box = (min(middle, end), height + 3, max(middle, end), height + LINE - 1)
            canvas.rectangle(box, AGREES if part.cosine >= 0 else DISAGREES)
    return picture


def below(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Put one picture below another."""
    size = (max(upper.width, lower.width), upper.height + lower.height)
    both = Image.new("RGB", size, PAGE)
    both.paste(upper, (0, 0))
    both.paste(lower, (0, upper.height))
    return both


def _verdict(answer: Answer) -> str:
    text = f"{len(answer.matches)} of {answer.candidates} images"
    return text if answer.verdict is None else f"{answer.verdict}; {text}"


def _caption(match: RankedMatch) -> tuple[str, ...]:
    probability = "" if match.probability is None else f"  p {match.probability:.2f}"
    camera = match.camera or ""
    if camera.isdecimal():
        camera = f"camera {camera}"
    when = "" if match.time is None else f"{match.time:%y-%m-%d %H:%M}"
    tick = " *" if match.accepted else ""
    return (f"{match.rank}{tick}", f"{match.similarity:.3f}{probability}", camera, when)


def _tile(
    picture: Image.Image,
    image: Image.Image | None,
    column: int,
    top: int,
    colour: tuple[int, int, int],
) -> None:
    height, width = TILE
    left = GAP + column * (width + GAP)
    canvas = ImageDraw.Draw(picture)
    canvas.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    inner = (height - 2 * FRAME, width - 2 * FRAME)
    if image is None:
        box = (left + FRAME, top + FRAME, left + width - FRAME - 1, top + height - FRAME - 1)
        canvas.rectangle(box, fill=PAGE)
        middle = (left + width / 2, top + height / 2)
        canvas.text(middle, "no image", PALE, _font(plain_font()), anchor="mm")
    else:
        tile = Image.fromarray(fit_image(image, inner))
        picture.paste(tile, (left + FRAME, top + FRAME))


def _write(canvas: ImageDraw.ImageDraw, lines: Sequence[str], column: int, top: int) -> None:
    left = GAP + column * (TILE[1] + GAP)
    for number, line in enumerate(lines):
        _line(canvas, (left, top + TILE[0] + 1 + number * LINE), _fitted(line))


def _line(canvas: ImageDraw.ImageDraw, corner: tuple[float, float], line: str) -> None:
    """Write a line, each letter in a font that has it, on one base line."""
    left, top = corner
    base = top + _font(plain_font()).getmetrics()[0]
    for run, file in font_runs(line):
        canvas.text((left, base), run, INK, _font(file), anchor="ls")
        left += _font(file).getlength(run)


def _fitted(line: str) -> str:
    """Return as much of a line as is not wider than an image: its neighbour has a caption, too."""
    if _width(line) <= TILE[1]:
        return line
    while line and _width(f"{line}...") > TILE[1]:
        line = line[:-1]
    return f"{line}..."


def _width(line: str) -> float:
    return sum(_font(file).getlength(run) for run, file in font_runs(line))


@cache
def _font(file: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, SIZE)
