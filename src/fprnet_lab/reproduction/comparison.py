"""Rows of trained and scored models become a table with its page: tables 3, 4, 5, 6 and 8."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fprnet_lab.reporting.page import Command, TablePage
from fprnet_lab.reproduction.experiment import Request, Result
from fprnet_lab.reproduction.rows import (
    Measured,
    Row,
    commands_of,
    failures_of,
    measure,
    order_note,
    score_rows,
    score_table,
    selected,
    trainings,
)
from fprnet_lab.reproduction.runs import ScoredRun
from fprnet_lab.reproduction.workshop import Workshop

__all__ = ["Comparison", "about_request", "limits_of", "preparations"]


@dataclass(frozen=True)
class Comparison:
    """An experiment whose rows are models.

    Attributes:
        name: Of its files.
        title: Of its page.
        summary: One sentence, for the documents.
        about: What is compared, in a sentence or two.
        first: Head of the column that names the rows.
        metrics: Those of the paper's table.
        rows: What is trained.
        columns: Names of the columns of results.
        notes: How unclear points are read.
    """

    name: str
    title: str
    summary: str
    about: Callable[[Request], str]
    first: str
    metrics: tuple[str, ...]
    rows: Callable[[Request], Sequence[Row]]
    columns: tuple[str, ...] = ("",)
    notes: tuple[str, ...] = ()

    def works(self, workshop: Workshop) -> list[ScoredRun]:
        """Return the trainings of all rows; those of the first seed come first."""
        return trainings(workshop, self.rows)

    def lay_out(self, workshop: Workshop) -> Result:
        """Return the table from the scores that are there."""
        request = workshop.request
        measured = measure(workshop, selected(self.rows(request), request.only))
        tables = score_table(
            measured,
            title="Scores",
            first=self.first,
            metrics=self.metrics,
            columns=self.columns,
            with_published=request.with_published,
            note=order_note([m for m in measured if m.column == 0], "mAP"),
        )
        page = TablePage(
            title=request.titled(self.title),
            summary=f"{self.about(request)} {about_request(workshop)}",
            tables=tables,
            illustrations=[],
            limits=[*failures_of(measured), *self.notes, *limits_of(request)],
            commands=[*preparations(workshop, measured), *commands_of(measured, self.columns)],
        )
        return Result(self.name, page, score_rows(measured, self.columns, request))


def about_request(workshop: Workshop) -> str:
    """Return the sentence that says what everything was trained and scored on."""
    request = workshop.request
    seeds = "one seed" if request.seeds == 1 else f"{request.seeds} seeds"
    changed = shlex.join(request.overrides)
    return (
        f"Trained on {request.data} at scale {request.scale}, {seeds}, and scored on its "
        f"{len(workshop.data_set.test)} test people, whom no training has seen and on whom nothing "
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
            "its numbers are not comparable with the published ones, which is why those do not "
            "stand here."
        )
    limits.append(
        "A difference between rows that is smaller than the spread over seeds shows nothing"
        + (
            ", and one seed has no spread: the order of rows that lie close is chance. "
            "--seeds 3 says more."
            if request.seeds == 1
            else "."
        )
    )
    return limits


def preparations(workshop: Workshop, measured: Sequence[Measured]) -> list[Command]:
    """Return what makes the warm start and the sharper images by hand, where they are needed."""
    commands = []
    if (warm := workshop.warm_start) is not None:
        commands += [
            Command(
                "people for the warm start (the experiment leaves out the infrared images and the "
                "two people that no training reads)",
                f"fprnet data generate {shlex.quote(str(warm.data))} --seed 1 "
                "--images-per-camera 8 --validation-identities 1 --test-identities 1",
            ),
            Command("warm start", shlex.join(["fprnet", *warm.arguments])),
        ]
    if any(variant.sharpened for one in measured for variant in one.row.variants):
        sharpening = workshop.sharpening
        commands += [
            Command("SRCNN", shlex.join(["fprnet", *sharpening.network.arguments])),
            Command("sharper training images", shlex.join(["fprnet", *sharpening.arguments])),
        ]
    return commands
