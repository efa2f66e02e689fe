"""Rows of a table: what came out of their trainings, beside what the paper says."""

from __future__ import annotations

import fnmatch
import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from scipy.stats import spearmanr

from fprnet.errors import ConfigError, UsageError
from fprnet_lab.jobs import Job
from fprnet_lab.reporting.page import Command, Table
from fprnet_lab.reporting.score_table import METRICS
from fprnet_lab.reproduction.experiment import mean_and_deviation
from fprnet_lab.reproduction.published import Row
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.run_cache import RunCache
from fprnet_lab.reproduction.runs import Scored, ScoredRun

__all__ = [
    "Measured",
    "commands_of",
    "failures_of",
    "jobs_of",
    "measure",
    "order_note",
    "score_rows",
    "score_table",
    "selected",
]

LEFT_OUT = "left out"


@dataclass(frozen=True)
class Measured:
    """A row, a column of results, and what came of it; seeds that failed have no scores.

    Attributes:
        row: The row.
        column: Number of the column, from 0.
        runs: Seed -> run; {} where the row is left out.
        scores: Seed -> scores.
        fault: Why the row is left out: the user's overrides do not fit it; None: it is not.
    """

    row: Row
    column: int
    runs: Mapping[int, ScoredRun]
    scores: Mapping[int, Scored]
    fault: str | None = None

    def values(self, metric: str) -> list[float]:
        """Return a metric of every seed that has scores, percent."""
        return [scored.metrics[metric] for scored in self.scores.values()]

    def cell(self, metric: str) -> str:
        """Return mean ± deviation of a metric over the seeds, or why there is none."""
        return LEFT_OUT if self.fault is not None else mean_and_deviation(self.values(metric))


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


def jobs_of(cache: RunCache, rows: Sequence[Row]) -> list[Job]:
    """Return the trainings of the chosen rows; all of the first seed come first.

    A row whose preset the user's overrides do not fit goes to ``cache.left_out``.

    Raises:
        ConfigError: They fit no row.
    """
    request = cache.request
    chosen = selected(rows, request.only)
    variants = dict.fromkeys(variant for row in chosen for variant in row.variants)
    faults = {variant: cache.fault_of(variant) for variant in variants}
    cache.left_out.update(
        (row.label, fault)
        for row in chosen
        for variant in row.variants
        if (fault := faults[variant]) is not None
    )
    possible = [v for row in chosen for v in row.variants if faults[v] is None]
    if not possible:
        raise ConfigError(next(fault for fault in faults.values() if fault is not None))
    return [cache.scored_run(v, seed).job for seed in range(request.seeds) for v in possible]


def measure(cache: RunCache, rows: Sequence[Row]) -> list[Measured]:
    """Read the scores of all rows, column by column within a row."""
    measured = []
    for row in rows:
        for column, variant in enumerate(row.variants):
            fault = cache.fault_of(variant)
            seeds = range(cache.request.seeds) if fault is None else ()
            runs = {seed: cache.scored_run(variant, seed) for seed in seeds}
            read = {seed: run.read(row.ranking) for seed, run in runs.items()}
            scores = {seed: scored for seed, scored in read.items() if scored is not None}
            measured.append(Measured(row, column, runs, scores, fault))
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
    where: str = "",
) -> list[Table]:
    """Lay scores out: mean and deviation over the seeds.

    Args:
        measured: Scores of all rows and columns.
        title: Title of the table.
        first: Head of the first column, which names the rows.
        metrics: Names, in the order of the columns.
        columns: Names of the columns of results; a single one needs no name.
        with_published: Whether the paper's numbers and the differences are shown as well: only
            where both are of the full scale.
        note: Sentences under the table.
        where: Where the paper prints its numbers.

    Returns:
        One table; with published numbers one for each column of results, the first of which has
        them.
    """
    seeds = "Percent; mean ± standard deviation over the seeds."
    if not with_published:
        grouped = [(name, len(metrics)) for name in columns] if len(columns) > 1 else []
        rows = _with_lines(
            measured,
            lambda row: [
                one.cell(metric) for one in measured if one.row is row for metric in metrics
            ],
        )
        head = [first, *(metric for _ in columns for metric in metrics)]
        return [Table(title, head, rows, f"{seeds} {note}".rstrip(), groups=grouped)]
    tables = []
    plain = [first, *metrics]
    printed = f"Published: {where}, SYSU-MM01, single-shot all-search."
    sources = {one.row.label: one.row.source for one in measured if one.row.source}
    printed += "".join(f" {label}: {source}." for label, source in sources.items())
    for number, name in enumerate(columns):
        of_column = [one for one in measured if one.column == number]
        parts = ("published", "ours", "difference") if number == 0 else ("ours",)
        cells = partial(_full, measured=of_column, metrics=metrics, parts=parts)
        tables.append(
            Table(
                f"{title}, {name}" if name else title,
                [first, *(part for _ in metrics for part in parts)] if number == 0 else plain,
                _with_lines(of_column, cells),
                f"{seeds} {printed} {note}".rstrip(),
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
            "ours": one.cell(metric),
            "difference": "–"
            if published is None or not values
            else f"{statistics.fmean(values) - published:+.1f}",
        }
        cells += [cell[part] for part in parts]
    return cells


def _with_lines(
    measured: Sequence[Measured], cells: Callable[[Row], list[str]]
) -> list[Sequence[str]]:
    """Return the rows of the paper's table, then each line across with those that stand below."""
    rows = list({one.row.label: one.row for one in measured}.values())
    result: list[Sequence[str]] = []
    for line in dict.fromkeys([None, *(row.line for row in rows)]):
        below = [[row.label, *cells(row)] for row in rows if row.line == line]
        result += below if line is None or not result else [[line], *below]
    return result


def order_note(measured: Sequence[Measured], metric: str) -> str:
    """Say how far the order of the rows is the paper's, and which row is best.

    Rows that the paper's table does not have are not counted.
    """
    ours = [one for one in measured if one.row.line is None and one.scores]
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
        for seed in one.runs or range(request.seeds):
            run, scored = one.runs.get(seed), one.scores.get(seed)
            cells: dict[str, Any] = {"row": one.row.label, "seed": seed}
            if len(columns) > 1:
                cells["trained"] = columns[one.column]
            cells |= {n: "" if scored is None else round(scored.metrics[n], 4) for n in METRICS}
            if request.with_published:
                published = one.row.published
                cells |= {f"published {n}": published.get(n, "") for n in METRICS[:-1]}
            name = "" if run is None else run.training.out.name
            rows.append(cells | {"ranking": one.row.ranking, "run": name})
    return rows


def failures_of(measured: Sequence[Measured]) -> list[str]:
    """Return paragraphs that name the runs without scores and the rows left out, if any."""
    paragraphs = []
    failed = {
        run.training.out.name: run.log
        for one in measured
        for seed, run in one.runs.items()
        if seed not in one.scores
    }
    if failed:
        logs = ", ".join(map(str, failed.values()))
        paragraphs.append(
            f"Trainings that failed and are in no mean: {len(failed)}. Their output: {logs}."
        )
    faults = {one.row.label: one.fault for one in measured if one.fault is not None}
    paragraphs += [f"Row '{label}' is left out: {fault}." for label, fault in faults.items()]
    return paragraphs


def commands_of(measured: Sequence[Measured], columns: Sequence[str]) -> list[Command]:
    """Return what trains and scores each row's first seed by hand."""
    commands = {}
    for one in measured:
        if 0 not in one.runs:
            continue
        run = one.runs[0]
        label = f"{one.row.label}, {columns[one.column]}" if len(columns) > 1 else one.row.label
        commands[run.scores] = [
            Command(
                f"training of {label}, seed 0", shlex.join(["fprnet", *run.training.arguments])
            ),
            Command(f"scores of {label}", shlex.join(["fprnet", *run.evaluation])),
        ]
    return [command for pair in commands.values() for command in pair]
