"""Letters of any script are drawn in a font of the machine that has them, or it is said."""

import logging

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from test_gallery_pictures import answer

from fprnet import fonts
from fprnet.gallery import pictures
from fprnet.reporting.plots import LIGHT, legend, panels, png

LETTERS = "监控三号"


@pytest.fixture
def machine(monkeypatch):
    """Give the machine these fonts, none at first, and let nothing be said before."""

    def has(*files):
        monkeypatch.setattr(fonts, "_machine_fonts", lambda: list(files))
        fonts._fonts_for.cache_clear()
        fonts._said.clear()

    has()
    yield has
    fonts._fonts_for.cache_clear()


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    """A font that has four Chinese letters and no English ones."""
    font = TTFont(fonts.plain_font())
    for table in font["cmap"].tables:
        glyphs = [table.cmap.get(ord(letter)) for letter in "ABCD"]
        table.cmap = dict(zip(map(ord, LETTERS), glyphs, strict=True))
    for record in font["name"].names:
        record.string = record.toUnicode().replace("DejaVu Sans", "Field Test")
    file = tmp_path_factory.mktemp("fonts") / "FieldTest.ttf"
    font.save(file)
    return file


def test_a_text_changes_its_font_where_it_has_to(machine, chinese, caplog):
    machine(chinese)
    plain = fonts.plain_font()
    assert fonts.font_runs("Gate 3 Süd, Σ ж") == [("Gate 3 Süd, Σ ж", plain)]
    assert fonts.font_runs("Gate 监控 3") == [("Gate ", plain), ("监控", chinese), (" 3", plain)]
    assert fonts.font_runs("监\u0301") == [("监\u0301", chinese)]
    assert fonts.font_runs("") == []
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("监控三号", "fonts-noto-cjk"),
        ("서쪽 문", "fonts-noto-cjk"),
        ("ប្រទេស", "fonts-noto-core"),
        ("🚪", "fonts-symbola"),
    ],
)
def test_letters_that_no_font_has_are_said_once(machine, caplog, text, package):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert "".join(run for run, _ in fonts.font_runs(text)) == text
            pictures.draw_answer(answer(text), [], [None])
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith(f"install one, e.g. Debian's package {package}")
    assert "\n" not in said


def test_files_that_are_no_fonts_are_passed_over(machine, chinese, tmp_path, caplog):
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    machine(broken, tmp_path / "gone.ttf", chinese)
    assert fonts.font_runs("监") == [("监", chinese)]
    assert not caplog.records


def test_captions_are_drawn_in_their_letters(machine, chinese):
    machine(chinese)
    drawn = np.asarray(pictures.draw_answer(answer(LETTERS[0]), [], [None]))
    same = np.asarray(pictures.draw_answer(answer("A"), [], [None]))  # this glyph
    np.testing.assert_array_equal(drawn, same)


def test_labels_of_figures_are_drawn_in_their_letters(machine, chinese):
    def figure(label):
        made, (axes,) = panels(1, LIGHT)
        axes.plot([1, 2], [1, 2], label=label)
        legend(axes, LIGHT)
        return png(made)

    boxes = figure(LETTERS[0])  # no warning of Matplotlib's for each letter
    machine(chinese)
    drawn = figure(LETTERS[0])
    assert drawn != boxes
    assert drawn == figure("A")
