"""Rows of a table: what each is made of, what the paper says, and what came out of it."""

from __future__ import annotations

import fnmatch
import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from scipy.stats import spearmanr

from fprnet.errors import UsageError
from fprnet_lab.reporting.page import Command, Table
from fprnet_lab.reproduction.experiment import Request, mean_and_deviation
from fprnet_lab.reproduction.runs import Ranking, Scored, ScoredRun, Variant
from fprnet_lab.reproduction.workshop import Workshop

__all__ = [
    "NOT_IN_PAPER",
    "Measured",
    "Row",
    "commands_of",
    "failures_of",
    "measure",
    "order_note",
    "score_rows",
    "score_table",
    "selected",
    "trainings",
]

NOT_IN_PAPER = "not in the paper's table"
ALL_METRICS = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")


@dataclass(frozen=True)
class Row:
    """A row of one of the paper's tables.

    Attributes:
        label: As the paper writes it.
        variants: What is trained for it, one for each column of results.
        published: Metric -> percent; {} where the paper has no such row.
        ranking: Which of the scores of a run are meant.
    """

    label: str
    variants: tuple[Variant, ...]
    published: Mapping[str, float] = field(default_factory=dict)
    ranking: Ranking = "plain"


@dataclass(frozen=True)
class Measured:
    """A row, a column of results, and what came of it; seeds that failed have no scores.

    Attributes:
        row: The row.
        column: Number of the column, from 0.
        runs: Seed -> run.
        scores: Seed -> scores.
    """

    row: Row
    column: int
    runs: Mapping[int, ScoredRun]
    scores: Mapping[int, Scored]

    def values(self, metric: str) -> list[float]:
        """Return a metric of every seed that has scores, percent."""
        return [scored.metrics[metric] for scored in self.scores.values()]


def selected(rows: Sequence[Row], patterns: Sequence[str]) -> list[Row]:
    """Return the rows whose label fits one of the patterns; all, where there are none.

    Args:
        rows: All.
        patterns: As file names are matched, capitals or not: ``fprnet*``.

    Raises:
        UsageError: A pattern fits no row.
    """
    if not patterns:
        return list(rows)

    def fits(row: Row, pattern: str) -> bool:
        return fnmatch.fnmatchcase(row.label.lower(), pattern.lower())

    for pattern in patterns:
        if not any(fits(row, pattern) for row in rows):
            labels = ", ".join(f"'{row.label}'" for row in rows)
            raise UsageError(f"--only {pattern} fits no row; the rows are {labels}")
    return [row for row in rows if any(fits(row, pattern) for pattern in patterns)]


def trainings(workshop: Workshop, rows: Callable[[Request], Sequence[Row]]) -> list[ScoredRun]:
    """Return what the chosen rows train; all of the first seed come first."""
    request = workshop.request
    chosen = selected(rows(request), request.only)
    return [
        workshop.scored_run(variant, seed)
        for seed in range(request.seeds)
        for row in chosen
        for variant in row.variants
    ]


def measure(workshop: Workshop, rows: Sequence[Row]) -> list[Measured]:
    """Read the scores of all rows, column by column within a row."""
    measured = []
    for row in rows:
        for column, variant in enumerate(row.variants):
            runs = {s: workshop.scored_run(variant, s) for s in range(workshop.request.seeds)}
            read = {seed: run.read(row.ranking) for seed, run in runs.items()}
            scores = {seed: scored for seed, scored in read.items() if scored is not None}
            measured.append(Measured(row, column, runs, scores))
    return measured


def score_table(
    measured: Sequence[Measured],
    *,
    title: str,
    first: str,
    metrics: Sequence[str],
    columns: Sequence[str] = ("",),
    with_published: bool,
    note: str,
) -> list[Table]:
    """Lay scores out: mean and deviation over the seeds.

    Args:
        measured: Of all rows and columns.
        title: Of the table.
        first: Head of the first column, which names the rows.
        metrics: Names, in the order of the columns.
        columns: Names of the columns of results; one without a name stands for itself.
        with_published: Whether the paper's numbers and the differences stand there, too: only where
            both are of the full scale.
        note: Sentences under it.

    Returns:
        One table; with published numbers one for each column of results, the first of which has
        them.
    """
    seeds = "Percent; mean ± standard deviation over the seeds."
    if not with_published:
        grouped = [(name, len(metrics)) for name in columns] if len(columns) > 1 else []
        rows = _with_line(
            measured,
            lambda row: [
                mean_and_deviation(one.values(metric))
                for one in measured
                if one.row is row
                for metric in metrics
            ],
        )
        head = [first, *(metric for _ in columns for metric in metrics)]
        return [Table(title, head, rows, f"{seeds} {note}".rstrip(), groups=grouped)]
    tables = []
    plain = [first, *metrics]
    for number, name in enumerate(columns):
        of_column = [one for one in measured if one.column == number]
        parts = ("published", "ours", "difference") if number == 0 else ("ours",)
        cells = partial(_full, measured=of_column, metrics=metrics, parts=parts)
        tables.append(
            Table(
                f"{title}, {name}" if name else title,
                [first, *(part for _ in metrics for part in parts)] if number == 0 else plain,
                _with_line(of_column, cells),
                f"{seeds} Published: SYSU-MM01, single-shot all-search. {note}".rstrip(),
                groups=[(metric, len(parts)) for metric in metrics] if number == 0 else [],
            )
        )
    return tables


def _full(
    row: Row, measured: Sequence[Measured], metrics: Sequence[str], parts: Sequence[str]
) -> list[str]:
    (one,) = (m for m in measured if m.row is row)
    cells = []
    for metric in metrics:
        values, published = one.values(metric), row.published.get(metric)
        cell = {
            "published": "–" if published is None else f"{published:.2f}",
            "ours": mean_and_deviation(values),
            "difference": "–"
            if published is None or not values
            else f"{statistics.fmean(values) - published:+.1f}",
        }
        cells += [cell[part] for part in parts]
    return cells


def _with_line(
    measured: Sequence[Measured], cells: Callable[[Row], list[str]]
) -> list[Sequence[str]]:
    """Return the table's rows, those of the paper first, then a line, then the others."""
    rows = list({one.row.label: one.row for one in measured}.values())
    ours = [row for row in rows if not row.published]
    theirs = [row for row in rows if row.published]
    lines: list[Sequence[str]] = [[row.label, *cells(row)] for row in theirs]
    if ours and theirs:
        lines.append([NOT_IN_PAPER])
    return lines + [[row.label, *cells(row)] for row in ours]


def order_note(measured: Sequence[Measured], metric: str) -> str:
    """Say how far the order of the rows is the paper's, and which row is best."""
    ours = [one for one in measured if one.row.published and one.scores]
    if len(ours) < 3:
        return ""
    means = [statistics.fmean(one.values(metric)) for one in ours]
    published = [one.row.published[metric] for one in ours]
    best = ours[means.index(max(means))].row.label
    theirs = ours[published.index(max(published))].row.label
    sentence = f"Best {metric} here: {best}; in the paper, among these rows: {theirs}."
    if len(set(means)) > 1 and len(set(published)) > 1:
        likeness = float(spearmanr(means, published).statistic)
        sentence += (
            f" Rank correlation of the two orders by {metric}: {likeness:+.2f} "
            "(+1 the same order, 0 none, -1 the reverse)."
        )
    return sentence


def score_rows(
    measured: Sequence[Measured], columns: Sequence[str], request: Request
) -> list[dict[str, Any]]:
    """Return the rows of the CSV file: one for each row, column of results and seed."""
    rows = []
    for one in measured:
        for seed, run in one.runs.items():
            scored = one.scores.get(seed)
            cells: dict[str, Any] = {"row": one.row.label, "seed": seed}
            if len(columns) > 1:
                cells["trained"] = columns[one.column]
            cells |= {n: "" if scored is None else round(scored.metrics[n], 4) for n in ALL_METRICS}
            if request.with_published:
                published = one.row.published
                cells |= {f"published {n}": published.get(n, "") for n in ALL_METRICS[:-1]}
            rows.append(cells | {"ranking": one.row.ranking, "run": run.training.out.name})
    return rows


def failures_of(measured: Sequence[Measured]) -> list[str]:
    """Return a paragraph that names the runs without scores, if there are any."""
    failed = {
        run.training.out.name: run.log
        for one in measured
        for seed, run in one.runs.items()
        if seed not in one.scores
    }
    if not failed:
        return []
    logs = ", ".join(map(str, failed.values()))
    return [f"Trainings that failed and are in no mean: {len(failed)}. What they said: {logs}."]


def commands_of(measured: Sequence[Measured], columns: Sequence[str]) -> list[Command]:
    """Return what trains and scores each row's first seed by hand."""
    commands = {}
    for one in measured:
        run = one.runs[0]
        label = f"{one.row.label}, {columns[one.column]}" if len(columns) > 1 else one.row.label
        commands[run.scores] = [
            Command(
                f"training of {label}, seed 0", shlex.join(["fprnet", *run.training.arguments])
            ),
            Command(f"scores of {label}", shlex.join(["fprnet", *run.evaluation])),
        ]
    return [command for pair in commands.values() for command in pair]
