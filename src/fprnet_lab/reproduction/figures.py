"""Figures 4, 5 and 6: the methods of Table 8 as pictures, from the same trained models."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fprnet.errors import UsageError
from fprnet.evaluation.metrics import CMC
from fprnet.reporting.plots import DARK, LIGHT, Theme, png
from fprnet_lab.jobs import Job, read_history
from fprnet_lab.reporting.comparison_plots import Curve, curves_figure, methods_figure
from fprnet_lab.reporting.page import Illustration, Table, TablePage
from fprnet_lab.reproduction.comparison import (
    Comparison,
    about_request,
    limits_of,
    preparations,
)
from fprnet_lab.reproduction.experiment import Result, mean_and_deviation
from fprnet_lab.reproduction.published import Row
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.rows import (
    Measured,
    commands_of,
    failures_of,
    jobs_of,
    measure,
    score_rows,
    score_table,
    selected,
)
from fprnet_lab.reproduction.run_cache import RunCache
from fprnet_lab.reproduction.runs import ScoredRun, Variant

__all__ = ["FIGURE_4", "FIGURE_5", "FIGURE_6", "Figure", "epochs_to_share"]

TABLE_8 = Comparison("table8")
EQUAL = 1  # column of results in which all methods have one augmentation
SHARE = 0.9  # of the final value; Fig. 6's table says when it is reached
STRONG = "FPRnet"  # labels that begin so are drawn thick

Draw = Callable[[Theme], bytes]


@dataclass(frozen=True)
class Figure:
    """A picture of the rows of Table 8.

    Attributes:
        name: Name of its files.
        title: Title of its page.
        summary: One sentence, for the documents.
        about: What the picture shows.
        rows: What is trained.
        lay_out_rows: Measured rows become tables, pictures and the rows of the CSV file.
        limits: What the picture cannot show.
    """

    name: str
    title: str
    summary: str
    about: str
    rows: Callable[[Request], Sequence[Row]]
    lay_out_rows: Callable[
        [Request, Sequence[Measured]],
        tuple[list[Table], list[Illustration], list[dict[str, Any]]],
    ]
    limits: tuple[str, ...] = ()

    def jobs(self, cache: RunCache) -> list[Job]:
        """Return the trainings of all rows; those of the first seed come first."""
        return jobs_of(cache, self.rows(cache.request))

    def lay_out(self, cache: RunCache) -> Result:
        """Draw the scores and histories."""
        request = cache.request
        measured = measure(cache, selected(self.rows(request), request.only))
        tables, illustrations, cells = self.lay_out_rows(request, measured)
        columns = TABLE_8.table.columns if any(one.column for one in measured) else ("",)
        page = TablePage(
            title=request.titled(self.title),
            summary=f"{self.about} {about_request(cache)}",
            tables=tables,
            illustrations=illustrations,
            limits=[*failures_of(measured), *self.limits, *limits_of(request)],
            commands=[*preparations(cache, measured), *commands_of(measured, columns)],
        )
        return Result(self.name, page, cells)


def _of_paper(request: Request) -> list[Row]:
    return [row for row in TABLE_8.rows(request) if row.line is None]


def _equal(request: Request) -> list[Row]:
    """Return the paper's rows under the equal augmentation only."""
    return [replace(row, variants=(row.variants[EQUAL],)) for row in _of_paper(request)]


def _equal_note() -> str:
    column = TABLE_8.table.columns[EQUAL]
    return f"All models with the {column}, each at its own learning rate."


def _watched(request: Request) -> list[Row]:
    """Return what is trained in different ways, each with people left to validate on."""
    rows = [row for row in _equal(request) if row.ranking == "plain"]
    if request.scale == "tiny":
        return rows  # trains on the training list alone, as it is

    def held_out(variant: Variant) -> Variant:
        words = ("--data.identities", "train")
        return replace(variant, overrides=(*variant.overrides, *words))

    return [replace(row, variants=(held_out(row.variants[0]),)) for row in rows]


def _bars(
    request: Request, measured: Sequence[Measured]
) -> tuple[list[Table], list[Illustration], list[dict[str, Any]]]:
    table = TABLE_8.table
    tables = score_table(
        measured,
        title="Scores",
        first=table.first,
        metrics=table.metrics,
        columns=table.columns,
        with_published=request.with_published,
        note="",
        where=table.where,
    )
    series: dict[str, dict[str, dict[str, float]]] = {
        name: {
            one.row.label: {
                metric: statistics.fmean(one.values(metric)) for metric in table.metrics
            }
            for one in measured
            if one.column == column and one.scores
        }
        for column, name in enumerate(table.columns)
    }
    if request.with_published:
        series["published"] = {one.row.label: dict(one.row.published) for one in measured}

    def draw(theme: Theme) -> bytes:
        return png(methods_figure(series, table.metrics, theme))

    caption = "A point is the mean over the seeds; the table has the spread."
    picture = _illustration("Methods", caption, draw)
    return tables, [picture], score_rows(measured, table.columns, request)


def _curves(
    request: Request, measured: Sequence[Measured]
) -> tuple[list[Table], list[Illustration], list[dict[str, Any]]]:
    cells = [
        {"row": one.row.label, "seed": seed, "rank": rank, "share": round(share, 4)}
        for one in measured
        for seed, scored in one.scores.items()
        for rank, share in enumerate(scored.curve, start=1)
    ]
    means = {
        one.row.label: _mean_by_place([scored.curve for scored in one.scores.values()])
        for one in measured
        if one.scores
    }
    longest = max((len(curve) for curve in means.values()), default=0)

    def draw(theme: Theme) -> bytes:
        curves = [Curve(label, range(1, len(c) + 1), c) for label, c in means.items()]
        ticks = [1, *range(5, longest + 1, 5)]
        figure = curves_figure(
            {"queries answered, %": curves}, "rank", ticks, strong=STRONG, theme=theme
        )
        return png(figure)

    table = score_table(
        measured,
        title="Queries answered within so many people",
        first="method",
        metrics=tuple(CMC),
        with_published=False,
        note=_equal_note(),
    )
    caption = (
        "Cumulative matching characteristic: the share of queries whose person is among the first "
        "r people of the ranking; mean over the galleries and the seeds."
    )
    return table, [_illustration("CMC curves", caption, draw)], cells


def _convergence(
    request: Request, measured: Sequence[Measured]
) -> tuple[list[Table], list[Illustration], list[dict[str, Any]]]:
    histories = {
        one.row.label: {seed: _history(one.runs[seed]) for seed in one.runs if seed in one.scores}
        for one in measured
        if one.scores
    }
    cells = [
        {"row": label, "seed": seed, **record}
        for label, by_seed in histories.items()
        for seed, history in by_seed.items()
        for record in history
    ]
    rows = []
    for label, by_seed in histories.items():
        final = [history[-1] for history in by_seed.values()]
        reached = [epochs_to_share(history, "mAP") for history in by_seed.values()]
        ranks = [epochs_to_share(history, "rank-1") for history in by_seed.values()]
        rows.append(
            [
                label,
                mean_and_deviation([record["rank-1"] for record in final]),
                mean_and_deviation([record["mAP"] for record in final]),
                mean_and_deviation([record["epoch"] for record in ranks]),
                mean_and_deviation([record["epoch"] for record in reached]),
                mean_and_deviation([record["images"] for record in reached], 0),
            ]
        )
    percent = round(100 * SHARE)
    table = Table(
        title=f"When {percent} % of the final value is reached",
        head=["method", "rank-1", "mAP", "epochs, rank-1", "epochs, mAP", "images, mAP"],
        rows=rows,
        note="On validation people, percent: final value, then the first epoch, counted from 1, "
        f"that reaches {percent} % of it, and the images seen until then (both modalities). Mean "
        f"± standard deviation over the seeds. {_equal_note()}",
    )

    def draw(theme: Theme) -> bytes:
        panels = {
            f"validation {metric}, %": [
                _mean_curve(label, list(by_seed.values()), metric)
                for label, by_seed in histories.items()
            ]
            for metric in ("rank-1", "mAP")
        }
        last = max((record["epoch"] for record in cells), default=1)
        every = -(-last // 10)
        ticks = range(every, last + 1, every)
        return png(curves_figure(panels, "epoch", ticks, strong=STRONG, theme=theme))

    caption = (
        "Accuracy (rank-1) and mAP on the validation people after each epoch, mean over the seeds. "
        "Epochs of different methods need not hold equally many images: the table has those."
    )
    return [table], [_illustration("Convergence", caption, draw)], cells


def _history(run: ScoredRun) -> list[dict[str, Any]]:
    """Return epoch, images seen, rank-1 and mAP in percent, of every validated epoch.

    Raises:
        UsageError: There is none.
    """
    batches = run.training.config.batches.options
    images = 2 * batches["identities"] * batches["images"]
    history = [
        {
            "epoch": record["epoch"],
            "images": images * record["step"],
            "rank-1": round(100 * record["validation"]["rank-1"], 4),
            "mAP": round(100 * record["validation"]["mAP"], 4),
        }
        for record in read_history(run.training.out)
        if "validation" in record
    ]
    if not history:
        raise UsageError(
            f"{run.training.out} has no scores on validation people; remove {run.scores} to train "
            "it again, and leave --training.validate_every as it is"
        )
    return history


def epochs_to_share(history: Sequence[Mapping[str, Any]], metric: str) -> Mapping[str, Any]:
    """Return the first record that reaches 90 % of the last one's value of a metric."""
    enough = SHARE * history[-1][metric]
    return next(record for record in history if record[metric] >= enough)


def _mean_curve(label: str, histories: Sequence[Sequence[Mapping[str, Any]]], metric: str) -> Curve:
    values = _mean_by_place([[record[metric] for record in history] for history in histories])
    return Curve(label, [record["epoch"] for record in histories[0]], values)


def _mean_by_place(curves: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*curves, strict=True)]


def _illustration(title: str, caption: str, draw: Draw) -> Illustration:
    return Illustration(title, caption, draw(LIGHT), draw(DARK))


FIGURE_4 = Figure(
    name="fig4",
    title="Figure 4: the methods compared",
    summary="the methods of Table 8 as a picture",
    about="The rows of Table 8 as a picture.",
    rows=_of_paper,
    lay_out_rows=_bars,
)
FIGURE_5 = Figure(
    name="fig5",
    title="Figure 5: CMC curves",
    summary="CMC curves of the methods of Table 8",
    about="CMC curves of the methods of Table 8, all with the augmentation of fprnet.",
    rows=_equal,
    lay_out_rows=_curves,
)
FIGURE_6 = Figure(
    name="fig6",
    title="Figure 6: convergence",
    summary="accuracy and mAP over the epochs, and when 90 % of the final value is reached",
    about="How fast the methods of Table 8 learn, all with the augmentation of fprnet.",
    rows=_watched,
    lay_out_rows=_convergence,
    limits=(
        "Learning rate and schedule decide much of how fast a curve rises: every method follows "
        "its own, and the paper does not publish those of the others.",
    ),
)
