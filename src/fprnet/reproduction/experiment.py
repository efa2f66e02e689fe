"""What reproducing a table is asked for, what it leaves, and how finished cells are kept."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fprnet.config.schema import Scale
from fprnet.errors import UsageError
from fprnet.files import write_text
from fprnet.reporting.page import Table, TablePage, render_tables

__all__ = ["Experiment", "Request", "Result", "keep_cell", "mean_and_deviation", "write_result"]

FORMAT = 1


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        data: Data set.
        out: Folder; each table has its own inside it.
        scale: Of the re-identification models: "tiny" or "full".
        seeds: How many; 0, 1, ...
        weights: The warm start of the tiny scale; None makes one.
    """

    data: Path
    out: Path
    scale: Scale
    seeds: int
    weights: Path | None = None


@dataclass(frozen=True)
class Result:
    """What an experiment leaves: its page, and one row of the CSV file for each cell.

    Attributes:
        page: Its first table is printed.
        cells: Rows of equal keys.
    """

    page: TablePage
    cells: Sequence[Mapping[str, Any]]

    @property
    def table(self) -> Table:
        """The table that is printed."""
        return self.page.tables[0]


@dataclass(frozen=True)
class Experiment:
    """A table of the paper.

    Attributes:
        summary: One sentence, for the help.
        run: Does what is left of it.
    """

    summary: str
    run: Callable[[Request], Result]


def keep_cell(
    file: Path, about: Mapping[str, Any], make: Callable[[], Mapping[str, float]]
) -> dict[str, float]:
    """Return the numbers of a cell; they are made once and kept in a file.

    Args:
        file: JSON.
        about: What the numbers depend on, plain values.
        make: Called where there is no such file yet.

    Raises:
        UsageError: The file there is about something else, or damaged.
    """
    plain = json.loads(json.dumps(about))
    if file.is_file():
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            numbers: dict[str, float] = kept["numbers"]
            same = kept["about"] == plain and kept["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{file} is damaged; remove it and start again") from error
        if not same:
            raise UsageError(
                f"{file} is about another data set, model or option; give another folder with --out"
            )
        return numbers
    numbers = dict(make())
    state = {"format": FORMAT, "about": plain, "numbers": numbers}
    write_text(file, json.dumps(state, indent=1) + "\n")
    return numbers


def mean_and_deviation(values: Sequence[float], digits: int = 2) -> str:
    """Return mean ± sample standard deviation over the seeds; one seed has no deviation."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def write_result(result: Result, folder: Path, name: str) -> None:
    """Write ``NAME.csv`` and ``report.html``."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(result.cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(result.cells)
    write_text(folder / f"{name}.csv", text.getvalue())
    write_text(folder / "report.html", render_tables(result.page))
