"""Cells become a table for the terminal: the one printer of all commands."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["text_table"]


def text_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)
) -> str:
    """Lay cells out in aligned columns two spaces apart, without a line break at the end.

    >>> print(text_table(["row", "rank-1", "mAP"], [["plain", "7.5", "11.6"], ["flip", "8", "9"]]))
    row    rank-1   mAP
    plain     7.5  11.6
    flip        8     9

    Args:
        head: Name of each column; a name may have several lines.
        rows: Cells of each row, as many as columns; a row of one cell is a line across, which
            names the rows below it.
        left: Numbers of the columns that are aligned at their left side; all others are aligned at
            their right one.
    """
    from tabulate import tabulate

    names = [name.split("\n") for name in head]
    height = max(map(len, names))
    above = list(zip(*([""] * (height - len(name)) + name for name in names), strict=True))
    columns = len(head)
    across = {height + place: row[0] for place, row in enumerate(rows) if len(row) == 1 < columns}
    full = [row if len(row) == columns else ["-"] * columns for row in rows]
    lines = tabulate(
        [*above, *full],
        tablefmt="plain",
        colalign=["left" if column in left else "right" for column in range(columns)],
        disable_numparse=True,
    ).split("\n")
    width = max(map(len, lines))
    lines = [
        f"-- {across[place]} ".ljust(width, "-") if place in across else line.rstrip()
        for place, line in enumerate(lines)
    ]
    return "\n".join(lines)
