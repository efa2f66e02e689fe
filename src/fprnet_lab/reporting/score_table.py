"""Labelled scores become a table: text for the terminal, cells for a page."""

from __future__ import annotations

from collections.abc import Mapping

from fprnet.evaluation import metrics
from fprnet.evaluation.scores import ScoreRow, Trials
from fprnet.text_table import text_table

__all__ = ["METRICS", "percent", "score_cells", "score_table"]

METRICS = tuple(metrics.METRICS)


def percent(trials: Trials) -> str:
    """Return mean ± sample standard deviation over the trials, in percent."""
    return f"{100 * trials.mean:.1f} ± {100 * trials.std:.1f}"


def score_cells(rows: Mapping[str, ScoreRow]) -> dict[str, list[str]]:
    """Return label -> one cell for each of ``METRICS``."""
    return {label: [percent(row.metrics[name]) for name in METRICS] for label, row in rows.items()}


def score_table(rows: Mapping[str, ScoreRow]) -> str:
    """Return an aligned table, a line for each label, without a line break at its end."""
    cells = score_cells(rows)
    return text_table(["", *METRICS], [[label, *cells[label]] for label in rows])
