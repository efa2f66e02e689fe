"""What an image holds becomes what somebody should know before relying on it.

The same rules hold wherever images come in: ``data check``, ``extract``, ``gallery add``,
``search`` and the service.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fprnet.data.images import ImageFacts
from fprnet.data.records import Modality

__all__ = ["Doubt", "DoubtCounter", "doubts_about", "is_coloured"]

Code = Literal["other_modality", "no_contrast", "wide", "small", "animation"]
# Distance of the largest and the smallest channel that a tenth of the pixels reach, 0 to 255.
# Infrared images are gray: 0, up to 2 after a JPEG's rounding, also under a caption in colour. Of
# rendered visible ones, dark clothes before gray walls among them, none was below 26.
MAX_GRAY = 4
MIN_CONTRAST = 8  # gray values, of 256; less shows nobody
MIN_SIDE = 16  # pixels; less shows nobody
NAMED = 3  # images that a summary names


@dataclass(frozen=True)
class Doubt:
    """Something about an image that is probably not as it should be.

    Attributes:
        code: A stable word for programs.
        what: What is odd, to be put after the image's name.
        next_step: What to do about it.
    """

    code: Code
    what: str
    next_step: str


def is_coloured(facts: ImageFacts) -> bool:
    """Whether an image shows colour, as no infrared camera gives."""
    return facts.colour > MAX_GRAY


def doubts_about(facts: ImageFacts, modality: Modality) -> Iterator[Doubt]:
    """Yield what is odd about an image.

    Args:
        facts: What the image holds.
        modality: What it is said to be.
    """
    size = f"{facts.width} x {facts.height} pixels"
    if min(facts.width, facts.height) < MIN_SIDE:
        yield Doubt("small", f"has only {size}", "replace it or remove it")
    elif facts.width > facts.height:
        yield Doubt("wide", f"is wider than tall ({size})", "crop it to one standing person")
    if facts.contrast < MIN_CONTRAST:
        yield Doubt(
            "no_contrast",
            f"is without contrast ({facts.contrast + 1} of 256 gray values)",
            "save it with the range of its values, or take another",
        )
    elif is_coloured(facts) != (modality == "visible"):
        looks, other = ("coloured", "visible") if is_coloured(facts) else ("gray", "infrared")
        yield Doubt(
            "other_modality",
            f"was declared {modality} but is {looks}",
            f"if it is {other}, say so; infrared in false colours has to be saved in gray",
        )
    if facts.has_frames:
        yield Doubt("animation", "has several frames; the first one was taken", "keep one frame")


class DoubtCounter:
    """Counts what is odd about many images, and says it once at their end."""

    def __init__(self) -> None:
        self._images = 0
        self._found: dict[Code, list[tuple[str, Doubt]]] = {}

    def add(self, name: str, facts: ImageFacts, modality: Modality) -> None:
        """Look at one image."""
        self._images += 1
        for doubt in doubts_about(facts, modality):
            self._found.setdefault(doubt.code, []).append((name, doubt))

    def lines(self) -> list[str]:
        """Return a line for each kind of oddity, with how many images it is about."""
        lines = []
        for found in self._found.values():
            names = ", ".join(name for name, _ in found[:NAMED])
            more = ", ..." if len(found) > NAMED else ""
            doubt = found[0][1]
            lines.append(
                f"{len(found)} of {self._images} images: {names}{more} {doubt.what}; "
                f"{doubt.next_step}"
            )
        return lines

    def print_lines(self) -> None:
        """Say it on stderr."""
        for line in self.lines():
            print(f"fprnet: {line}", file=sys.stderr)
