"""What reproducing a table or figure is asked for, what it leaves, and how both are written."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fprnet.files import write_text
from fprnet_lab.jobs import Job
from fprnet_lab.reporting.page import TablePage, render_tables
from fprnet_lab.reproduction.run_cache import RunCache

__all__ = ["Experiment", "Result", "mean_and_deviation", "write_result"]


@dataclass(frozen=True)
class Result:
    """What an experiment leaves: its page, and the rows of its CSV file.

    Attributes:
        name: Name of the experiment, e.g. "table4".
        page: Page whose tables are printed.
        cells: Rows of the CSV file, all with the same keys.
    """

    name: str
    page: TablePage
    cells: Sequence[Mapping[str, Any]]

    def text(self) -> str:
        """Return what the terminal shows."""
        parts = [self.page.title]
        for table in self.page.tables:
            titled = [table.title] if len(self.page.tables) > 1 else []
            parts.append("\n".join([*titled, table.text(), table.note]))
        return "\n".join(parts)


class Experiment(Protocol):
    """A table or a figure of the paper."""

    @property
    def name(self) -> str:
        """Name of its files, and on the command line."""

    @property
    def summary(self) -> str:
        """One sentence, for the documents."""

    def jobs(self, cache: RunCache) -> Sequence[Job]:
        """Return what has to be finished before it can be laid out."""

    def lay_out(self, cache: RunCache) -> Result:
        """Return tables, pictures and numbers from what is finished; nothing is computed anew."""


def mean_and_deviation(values: Sequence[float], digits: int = 1) -> str:
    """Return mean ± sample standard deviation over the seeds; one seed has no deviation."""
    if not values:
        return "failed"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def write_result(result: Result, folder: Path) -> None:
    """Write ``NAME.csv`` and ``report.html``."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(result.cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(result.cells)
    write_text(folder / f"{result.name}.csv", text.getvalue())
    write_text(folder / "report.html", render_tables(result.page))
