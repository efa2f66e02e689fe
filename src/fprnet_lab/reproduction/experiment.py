"""What reproducing a table or figure is asked for, what it leaves, and how both are written."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fprnet.config.schema import Scale
from fprnet.files import write_text
from fprnet_lab.reporting.page import TablePage, render_tables

if TYPE_CHECKING:
    from fprnet_lab.jobs import Job
    from fprnet_lab.reproduction.run_cache import RunCache

__all__ = ["Base", "Experiment", "Request", "Result", "mean_and_deviation", "write_result"]

Base = Literal["paper", "released"]


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        data: Data set.
        out: Folder; each table has its own inside it, and all share the trainings.
        scale: Scale of the re-identification models: "tiny" or "full".
        seeds: Number of seeds; they are 0, 1, ...
        weights: The warm start of every training; None makes one at the tiny scale, and leaves
            the presets' own (ImageNet) at the full one.
        split: Number of RegDB's split, 1 to 10; None for other layouts.
        base: Preset that tables 3 to 6 change.
        only: Patterns of the rows that are wanted; none wants all.
        workers: Number of processes at the same time.
        overrides: Changes of all trainings' configs; ``--superres.KEY`` are those of SRCNN.
    """

    data: Path
    out: Path
    scale: Scale = "tiny"
    seeds: int = 1
    weights: Path | None = None
    split: int | None = None
    base: Base = "paper"
    only: tuple[str, ...] = ()
    workers: int = 1
    overrides: tuple[str, ...] = ()

    @property
    def with_published(self) -> bool:
        """Whether published values are shown beside ours: both are of the full scale."""
        return self.scale == "full"

    def titled(self, title: str) -> str:
        """Return the title of a page, which says so where it is a miniature."""
        return title if self.scale == "full" else f"{title}, in miniature"


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
