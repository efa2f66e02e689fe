"""A text becomes runs of letters, each with a font file that has them: names are in any script.

Matplotlib's own DejaVu Sans comes first; what it lacks (Chinese, Korean, Thai, ...) is looked for
among the fonts of the machine.
"""

from __future__ import annotations

import logging
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["font_runs", "give_fonts", "plain_font"]

STYLES = ("Regular", "Book", "Medium", "Normal", "Roman")  # rather than bold or slanted
CONTROL = {"Cc", "Cf", "Cn", "Zl", "Zp", "Mn", "Me"}  # drawn as nothing, or on the letter before
log = logging.getLogger(__name__)


def font_runs(text: str) -> list[tuple[str, Path]]:
    """Split a text where the font has to change; a letter that no font has is in the first font.

    Which letters those are, and which package of Debian has them, is said once as a warning.
    """
    runs: list[tuple[str, Path]] = []
    fonts = _fonts_for(frozenset(text))
    for letter in text:
        font = fonts.get(letter, plain_font())
        if runs and (runs[-1][1] == font or unicodedata.category(letter) in CONTROL):
            runs[-1] = (runs[-1][0] + letter, runs[-1][1])
        else:
            runs.append((letter, font))
    return runs


def give_fonts(figure: Figure) -> None:
    """Let the texts of a Matplotlib figure be drawn in fonts that have their letters."""
    from matplotlib.font_manager import FontProperties, fontManager
    from matplotlib.text import Text

    for shown in figure.findobj(Text):
        assert isinstance(shown, Text)
        fonts = dict.fromkeys(font for _, font in font_runs(shown.get_text()))
        others = [font for font in fonts if font != plain_font()]
        for font in others:
            fontManager.addfont(font)
        if others:
            families = [FontProperties(fname=font).get_name() for font in others]
            shown.set_fontfamily(["DejaVu Sans", *families])


@cache
def plain_font() -> Path:
    """Return the file of DejaVu Sans that Matplotlib brings."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


@cache
def _fonts_for(letters: frozenset[str]) -> dict[str, Path]:
    """Return letter -> font, of those that the plain font lacks and another one has."""
    drawn = {letter for letter in letters if unicodedata.category(letter) not in CONTROL}
    lacking = drawn - _letters(plain_font())
    found: dict[str, Path] = {}
    if not lacking:
        return found
    for font in _machine_fonts():
        new = lacking & _letters(font)
        found |= dict.fromkeys(new, font)
        lacking -= new
        if not lacking:
            return found
    for package in sorted({_package(letter) for letter in lacking}):
        absent = "".join(sorted(one for one in lacking if _package(one) == package))
        _warn(package, absent)
    return found


@cache
def _machine_fonts() -> list[Path]:
    """Return the machine's font files, upright sans-serif ones of usual weight first."""
    from matplotlib.font_manager import findSystemFonts

    # Not Matplotlib's remembered list: it does not know what was installed since.
    def strangeness(font: Path) -> tuple[bool, bool, str]:
        name = font.stem
        return "Sans" not in name, not any(style in name for style in STYLES), str(font)

    return sorted(map(Path, findSystemFonts()), key=strangeness)


@cache
def _letters(font: Path) -> frozenset[str]:
    """Return the letters that a font has; none of one that cannot be read or has fixed sizes."""
    from matplotlib.ft2font import FT2Font

    try:
        face = FT2Font(str(font))
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(map(chr, face.get_charmap())) if face.scalable else frozenset()


def _package(letter: str) -> str:
    if unicodedata.category(letter) == "So":
        return "fonts-symbola"
    wide = unicodedata.east_asian_width(letter) in "WF"
    return "fonts-noto-cjk" if wide else "fonts-noto-core"


_said: set[str] = set()


def _warn(package: str, letters: str) -> None:
    if package in _said:
        return
    _said.add(package)
    log.warning(
        "fprnet: no font of this machine has the letters %s, which pictures show as boxes; install "
        "one, e.g. Debian's package %s",
        letters,
        package,
    )
