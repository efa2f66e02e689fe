"""The one table printer: alignment, names of several lines, lines across."""

import hypothesis.strategies as st
from hypothesis import given

from fprnet.text_table import text_table

CELL = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=["L", "N", "P"]))


def test_columns_are_aligned_two_spaces_apart():
    text = text_table(
        ["preset", "own\nmAP", "purpose"],
        [["agw", "7.5", "a baseline"], ["not in the paper"], ["", "-", ""]],
        left=(0, 2),
    )
    assert text.split("\n") == [
        "        own",
        "preset  mAP  purpose",
        "agw     7.5  a baseline",
        "-- not in the paper ---",
        "          -",
    ]


def test_a_table_without_rows_is_its_head():
    assert text_table(["row", "mAP"], []) == "row  mAP"


def test_a_row_of_one_cell_in_a_table_of_one_column_is_a_row():
    assert text_table(["name"], [["a"], ["bb"]]) == "name\na\nbb"


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6))
def test_every_cell_stands_in_its_line_and_its_column(rows):
    lines = text_table(["first", "second", "third"], rows).split("\n")
    assert len(lines) == 1 + len(rows)
    width = max(len("first"), *(len(row[0]) for row in rows))
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.split() == [cell for cell in row if cell]
        assert line.startswith(row[0])
        if row[2]:
            assert len(line) == len(lines[0])
        assert not line[len(row[0]) : width].strip()
