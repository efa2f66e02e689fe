"""Result files become the rows of a paper's table, in Markdown or LaTeX.

A row is one name, a method; a group of columns is one protocol and one way of ranking: plain,
flipped and re-ranked scores are never in one column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fprnet.errors import UsageError

__all__ = ["RowFormat", "result_table"]

RowFormat = Literal["markdown", "latex"]
DEFAULT = ("rank-1", "rank-10", "rank-20", "mAP", "mINP")
SETTINGS = ("split", "direction", "mode", "shots", "gallery", "swapped", "sequences", "removed")
ESCAPED = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"})

Column = tuple[str, str, str]  # protocol, label, metric


def result_table(
    results: Sequence[tuple[str, Mapping[str, Any]]],
    form: RowFormat,
    *,
    metrics: Sequence[str] | None = None,
) -> str:
    """Return the table: percent with two decimals, the best of each column in bold.

    Args:
        results: Name of the row, and what ``fprnet evaluate --json`` printed, one by one; results
            of one name on several protocols share a row.
        form: "markdown", or "latex" (a tabular of the package booktabs).
        metrics: Columns of each group; None takes rank-1, 10, 20, mAP and mINP, where they are.

    Raises:
        UsageError: A metric is in no result, or one name has two results of one protocol.
    """
    cells: dict[str, dict[Column, float]] = {}
    columns: dict[Column, None] = {}
    for name, result in results:
        row = cells.setdefault(name, {})
        for column, value in _columns(result, metrics):
            if column in row:
                raise UsageError(
                    f"{name} has two results of {column[0]}; give them different --names"
                )
            row[column] = value
            columns[column] = None
    for metric in metrics or ():
        if all(column[2] != metric for column in columns):
            raise UsageError(f"metric {metric} is in none of the results; name one that is")
    ordered = list(columns)
    best = {c: max(round(100 * row[c], 2) for row in cells.values() if c in row) for c in ordered}
    rows = [
        [name, *(_cell(row.get(c), best[c], form, several=len(cells) > 1) for c in ordered)]
        for name, row in cells.items()
    ]
    return _markdown(ordered, rows) if form == "markdown" else _latex(ordered, rows)


def _columns(
    result: Mapping[str, Any], metrics: Sequence[str] | None
) -> list[tuple[Column, float]]:
    protocol = _protocol(result)
    found = []
    for label, row in result["scores"].items():
        names = metrics or [name for name in DEFAULT if name in row]
        found += [((protocol, label, n), float(row[n]["mean"])) for n in names if n in row]
    for name, score in result.get("corrupted", {}).get("scores", {}).items():
        if name in (metrics or DEFAULT):
            label = f"{result['corrupted']['version']} {result['corrupted']['name']}"
            found.append(((protocol, label, name), float(score["mean"])))
    return found


def _protocol(result: Mapping[str, Any]) -> str:
    """Return the published name; for protocols without one what else the result says."""
    if result.get("published_as"):
        split = f" split {result['split']}" if "split" in result else ""
        return f"{result['published_as']}{split}"
    said = [f"{name} {result[name]}" for name in SETTINGS if name in result]
    return ", ".join([str(result["protocol"]), *said, f"trials {result['trials']}"])


def _cell(value: float | None, best: float, form: RowFormat, *, several: bool) -> str:
    if value is None:
        return "–" if form == "markdown" else "--"
    number = f"{100 * value:.2f}"
    if not several or float(number) < best:
        return number
    return f"**{number}**" if form == "markdown" else rf"\textbf{{{number}}}"


def _groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the title of each group of columns, and how many columns it has."""
    groups: list[tuple[str, int]] = []
    for protocol, label, _ in columns:
        title = f"{protocol}, {label}"
        if groups and groups[-1][0] == title:
            groups[-1] = (title, groups[-1][1] + 1)
        else:
            groups.append((title, 1))
    return groups


def _markdown(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    titles = [f"{metric} ({protocol}, {label})" for protocol, label, metric in columns]
    names = [row[0].replace("|", "\\|") for row in rows]
    lines = ["| method | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(columns)]
    lines += [
        f"| {name} | " + " | ".join(row[1:]) + " |" for name, row in zip(names, rows, strict=True)
    ]
    return "\n".join(lines)


def _latex(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    heads = [
        rf"\multicolumn{{{width}}}{{c}}{{{title.translate(ESCAPED)}}}"
        for title, width in _groups(columns)
    ]
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        " & ".join(["", *heads]) + r" \\",
        " & ".join(["method", *(metric for _, _, metric in columns)]) + r" \\",
        r"\midrule",
        *(" & ".join([row[0].translate(ESCAPED), *row[1:]]) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)
