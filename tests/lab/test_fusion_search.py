"""Random fusion specs are those that the paper can draw, and rungs are thirds."""

import numpy as np
import pytest

from fprnet.errors import UsageError
from fprnet.methods.paper.fusion import FusionSpec
from fprnet_lab.reproduction.fusion_draws import draw_specs, same_block
from fprnet_lab.reproduction.fusion_search import rungs_of
from fprnet_lab.reproduction.published import read_table


def selection_kind(cells):
    """a, b or c of the paper, or None."""
    levels = {cell.level for cell in cells}
    modalities = {cell.modality for cell in cells}
    if len(set(cells)) != len(cells):
        return None
    match len(cells), len(levels), len(modalities):
        case 2, 1, 2:
            return "a"
        case 2, 2, 1:
            return "b"
        case 4, 2, 2:
            return "c"
    return None


def kinds_of(cells):
    """Kinds of one selection or of two after each other; () where it is neither."""
    if kind := selection_kind(cells):
        return (kind,)
    for place in (2, 4):
        pair = selection_kind(cells[:place]), selection_kind(cells[place:])
        if None not in pair:
            return pair
    return ()


def test_everything_drawn_is_selected_and_concatenated_as_in_the_paper():
    kinds, ways = set(), set()
    for spec in draw_specs(300, np.random.default_rng(0)):
        rows, columns = len(spec.rows), spec.columns
        if 1 in (rows, columns):
            cells = spec.cells
            ways.add("horizontal" if rows == 1 else "vertical")
            assert kinds_of(cells), str(spec)
            kinds |= set(kinds_of(cells))
        else:
            assert (rows, columns) == (2, 2)
            (a, b), (c, d) = spec.rows
            levels = [cell.level for cell in (a, b, c, d)]
            same_row = a.level == b.level and c.level == d.level
            same_column = a.level == c.level and b.level == d.level
            diagonal = a.level == d.level and b.level == c.level
            assert len(set(levels)) == 2
            assert same_row + same_column + diagonal == 1
            ways.add("T=2" if same_row else "T=3" if same_column else "T=1")
    assert kinds == {"a", "b", "c"}
    assert ways == {"horizontal", "vertical", "T=1", "T=2", "T=3"}


def test_draws_are_repeatable_and_a_larger_budget_begins_with_the_same():
    few, many = (draw_specs(n, np.random.default_rng(3)) for n in (5, 40))
    assert many[:5] == few
    assert few != draw_specs(5, np.random.default_rng(4))
    assert len({same_block(spec) for spec in many}) == 40


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("r5 r2 / i5 i2", "r2 r5 / i2 i5", True),  # columns
        ("r5 r2 / i5 i2", "i2 i5 / r2 r5", True),  # columns and rows
        ("r5 r2 / i5 i2", "r5 i5 / r2 i2", False),
        ("r5 / i5 / r2", "r2 / r5 / i5", True),
        ("r5 i5 r2", "r2 r5 i5", True),
        ("r5 i5 r2", "r5 / i5 / r2", False),
    ],
)
def test_another_order_of_rows_or_columns_is_no_other_block(one, other, same):
    blocks = [same_block(FusionSpec.parse(text)) for text in (one, other)]
    assert (blocks[0] == blocks[1]) is same


def test_the_papers_best_can_be_drawn():
    (best,) = (row for row in read_table("table4").rows if row.published["mAP"] == 31.43)
    assert kinds_of(FusionSpec.parse(best.overrides["model.head.fusion"]).cells) == ("c", "c")


def test_more_than_there_are_is_said():
    with pytest.raises(UsageError, match=r"about \d+ different fusion specs, not 100000"):
        draw_specs(100_000, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(1, [1]), (2, [1, 2]), (3, [1, 3]), (6, [1, 3, 6]), (60, [1, 3, 9, 27, 60])],
)
def test_rungs(epochs, rungs):
    assert rungs_of(epochs) == rungs
