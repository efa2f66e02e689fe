"""Rows of trained and scored models become a table with its page: tables 3, 4, 5, 6 and 8."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fprnet_lab.jobs import Job
from fprnet_lab.reporting.page import Command, TablePage
from fprnet_lab.reproduction.experiment import Result
from fprnet_lab.reproduction.published import PublishedTable, Row, read_table
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.rows import (
    Measured,
    commands_of,
    failures_of,
    jobs_of,
    measure,
    order_note,
    score_rows,
    score_table,
    selected,
)
from fprnet_lab.reproduction.run_cache import RunCache

__all__ = ["Comparison", "about_request", "limits_of", "preparations"]


@dataclass(frozen=True)
class Comparison:
    """An experiment whose rows are models: one of the paper's tables.

    Attributes:
        name: Name of the table's data file, "table4".
    """

    name: str

    @cached_property
    def table(self) -> PublishedTable:
        """The table's data file."""
        return read_table(self.name)

    @property
    def summary(self) -> str:
        """One sentence, for the documents."""
        return self.table.summary

    def rows(self, request: Request) -> list[Row]:
        """Return what is trained: rows of the paper's table, then those that stand apart."""
        return self.table.rows_of(request)

    def jobs(self, cache: RunCache) -> list[Job]:
        """Return the trainings of all rows; those of the first seed come first."""
        return jobs_of(cache, self.rows(cache.request))

    def lay_out(self, cache: RunCache) -> Result:
        """Return the table from the scores that are there."""
        request, table = cache.request, self.table
        measured = measure(cache, selected(self.rows(request), request.only))
        tables = score_table(
            measured,
            title="Scores",
            first=table.first,
            metrics=table.metrics,
            columns=table.columns,
            with_published=request.with_published,
            note=order_note([one for one in measured if one.column == 0], "mAP"),
            where=table.where,
        )
        about = table.about.format(base=request.base, scale=request.scale)
        page = TablePage(
            title=request.titled(table.title),
            summary=f"{about} {about_request(cache)}",
            tables=tables,
            illustrations=[],
            limits=[*failures_of(measured), *table.notes, *limits_of(request)],
            commands=[*preparations(cache, measured), *commands_of(measured, table.columns)],
        )
        return Result(self.name, page, score_rows(measured, table.columns, request))


def about_request(cache: RunCache) -> str:
    """Return the sentence that says what everything was trained and scored on."""
    request = cache.request
    seeds = "one seed" if request.seeds == 1 else f"{request.seeds} seeds"
    changed = shlex.join(request.overrides)
    return (
        f"Trained on {request.data} at scale {request.scale}, {seeds}, and scored on its "
        f"{len(cache.data_set.test)} test people, whom no training has seen and on whom nothing "
        "is chosen." + (f" Changed in all trainings: {changed}." if changed else "")
    )


def limits_of(request: Request) -> list[str]:
    """Return what the numbers can and cannot show, whatever the table."""
    limits = []
    if request.with_published:
        limits.append(
            "Published numbers are of SYSU-MM01. On any other data set the differences to them "
            "mean nothing; compare the rows with each other."
        )
    else:
        limits.append(
            "A miniature of the experiment, on small images and a small network for a few minutes: "
            "its numbers are not comparable with the published ones, which are therefore not shown."
        )
    limits.append(
        "A difference between rows that is smaller than the spread over seeds shows nothing"
        + (
            ", and one seed has no spread: the order of close rows is chance. --seeds 3 says more."
            if request.seeds == 1
            else "."
        )
    )
    return limits


def preparations(cache: RunCache, measured: Sequence[Measured]) -> list[Command]:
    """Return the commands of the warm start and of super-resolution, where rows need them."""
    commands = [] if cache.warm_start is None else cache.warm_start.commands()
    used = [
        variant.superres
        for one in measured
        for variant in one.row.variants
        if variant.superres is not None
    ]
    for options in dict.fromkeys(used):
        data_set = cache.super_resolved(options)
        commands += [
            Command(
                f"SRCNN, preset {options.preset}",
                shlex.join(["fprnet", *data_set.network.arguments]),
            ),
            Command(
                f"training images by SRCNN, preset {options.preset}",
                shlex.join(["fprnet", *data_set.arguments]),
            ),
        ]
    return commands
