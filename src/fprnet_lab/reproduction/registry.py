"""Name of a table or figure -> what reproduces it, and how all of them share one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fprnet.errors import TrainingError
from fprnet.files import write_text
from fprnet_lab.jobs import Failure
from fprnet_lab.reporting.page import Collection, render_collection
from fprnet_lab.reproduction.ablations import TABLE_3, TABLE_4, TABLE_5, TABLE_6
from fprnet_lab.reproduction.comparison import about_request
from fprnet_lab.reproduction.experiment import Experiment, Request, Result, write_result
from fprnet_lab.reproduction.figures import FIGURE_4, FIGURE_5, FIGURE_6
from fprnet_lab.reproduction.table7 import TABLE_7
from fprnet_lab.reproduction.table8 import TABLE_8
from fprnet_lab.reproduction.workshop import Workshop

__all__ = ["EXPERIMENTS", "Reproduced", "reproduce"]

ALL: tuple[Experiment, ...] = (
    *(TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7, TABLE_8),
    *(FIGURE_4, FIGURE_5, FIGURE_6),
)
EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in ALL}


@dataclass(frozen=True)
class Reproduced:
    """What a call of `reproduce` left.

    Attributes:
        results: Of each experiment, in order.
        failures: Trainings that are missing in them.
        page: The report of the whole.
    """

    results: Sequence[Result]
    failures: Sequence[Failure]
    page: Path


def reproduce(names: Sequence[str], request: Request) -> Reproduced:
    """Do what is left of some experiments, and write ``OUT/NAME/NAME.csv`` and ``report.html``.

    Several share what they have in common, and get one ``OUT/report.html`` besides.

    Args:
        names: Keys of ``EXPERIMENTS``.
        request: Data set, folder, scale, seeds, ...

    Raises:
        FprnetError: The request has a fault, or every training failed. One that fails beside
            others is missing in its row.
    """
    workshop = Workshop(request)
    experiments = [EXPERIMENTS[name] for name in names]
    works = [work for experiment in experiments for work in experiment.works(workshop)]
    description = names[0] if len(names) == 1 else "all tables and figures"
    with workshop.opened() as keep_open:
        failures = workshop.work(works, description, keep_open)
        if failures and all(work.next_command() is not None for work in works):
            raise TrainingError(failures[0].reason)
        results = [experiment.lay_out(workshop) for experiment in experiments]
        for result in results:
            write_result(result, request.out / result.name)
        page = request.out / results[0].name / "report.html"
        if len(results) > 1:
            page = request.out / "report.html"
            whole = Collection(
                title=request.titled("FPRnet: the paper's tables and figures"),
                summary=about_request(workshop),
                pages=[result.page for result in results],
            )
            write_text(page, render_collection(whole))
        return Reproduced(results, failures, page)
