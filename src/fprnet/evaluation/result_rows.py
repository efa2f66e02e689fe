"""Result files become the rows of a paper's table, in Markdown or LaTeX.

A row is one name, a method; a group of columns is one protocol and one way of ranking: plain,
flipped and re-ranked scores are never in one column. Results of several trainings of one method,
which differ in their seed, become their mean and sample standard deviation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any, Literal

from fprnet.errors import UsageError

__all__ = ["RowFormat", "check_runs", "result_table"]

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
            of one name on several protocols share a row, and those of one protocol are runs of one
            method: mean ± sample standard deviation over them.
        form: "markdown", or "latex" (a tabular of the package booktabs).
        metrics: Columns of each group; None takes rank-1, 10, 20, mAP and mINP, where they are.

    Raises:
        UsageError: A metric is in no result; or results of one name are of one model, were ranked
            by different distances, or are more of one column than of another.
    """
    cells: dict[str, dict[Column, list[float]]] = {}
    columns: dict[Column, None] = {}
    runs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}  # by name and protocol
    for name, result in results:
        row, earlier = cells.setdefault(name, {}), runs.setdefault((name, _protocol(result)), [])
        for other in earlier:
            check_runs(name, result, other)
        earlier.append(result)
        for column, value in _columns(result, metrics):
            row.setdefault(column, []).append(value)
            columns[column] = None
    for metric in metrics or ():
        if all(column[2] != metric for column in columns):
            raise UsageError(f"metric {metric} is in none of the results; name one that is")
    ordered = list(columns)
    best = {
        c: max(round(100 * fmean(row[c]), 2) for row in cells.values() if c in row) for c in ordered
    }
    rows = [
        [
            _title(name, row),
            *(_cell(row.get(c), best[c], form, several=len(cells) > 1) for c in ordered),
        ]
        for name, row in cells.items()
    ]
    return _markdown(ordered, rows) if form == "markdown" else _latex(ordered, rows)


def check_runs(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse a mean over results of one protocol that are no runs of one method.

    Args:
        name: What messages call the method.
        one: What ``fprnet evaluate --json`` printed of one run.
        other: What ``fprnet evaluate --json`` printed of another run of that method.

    Raises:
        UsageError: They are of one model, or were ranked by different rules.
    """
    protocol, model = _protocol(one), one.get("model", {}).get("checkpoint_sha256")
    same = model is not None and model == other.get("model", {}).get("checkpoint_sha256")
    if same or one["scores"] == other["scores"]:
        raise UsageError(
            f"{name} has two results of {protocol} by one model; give them different --names"
        )
    for key in ("metric", "postprocessing"):
        if one.get(key) != other.get(key):
            raise UsageError(
                f"{name} has results of {protocol} with {key} {one.get(key)} and "
                f"{other.get(key)}, which have no mean; give them different --names"
            )


def _title(name: str, row: Mapping[Column, Sequence[float]]) -> str:
    """Return what stands before a row: its name, and of how many runs it is the mean.

    Raises:
        UsageError: Some of its columns have more runs than others.
    """
    counts = {len(values): column for column, values in row.items()}
    if len(counts) > 1:
        few, many = min(counts), max(counts)
        raise UsageError(
            f"{name} has {many} runs with {' '.join(counts[many])} but {few} with "
            f"{' '.join(counts[few])}; evaluate all of them alike, or give different --names"
        )
    return name if max(counts, default=1) == 1 else f"{name} ({max(counts)} runs)"


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


def _cell(values: Sequence[float] | None, best: float, form: RowFormat, *, several: bool) -> str:
    if values is None:
        return "–" if form == "markdown" else "--"
    number = f"{100 * fmean(values):.2f}"
    if several and float(number) >= best:
        number = f"**{number}**" if form == "markdown" else rf"\textbf{{{number}}}"
    if len(values) == 1:
        return number
    sign = "±" if form == "markdown" else r"$\pm$"
    return f"{number} {sign} {100 * stdev(values):.2f}"


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
