"""Name of a table or figure -> what reproduces it, and how all of them share one folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fprnet.errors import TrainingError
from fprnet.files import write_text
from fprnet_lab.jobs import Failure
from fprnet_lab.reporting.page import Collection, render_collection
from fprnet_lab.reproduction.comparison import Comparison, about_request
from fprnet_lab.reproduction.experiment import Experiment, Result, write_result
from fprnet_lab.reproduction.figures import FIGURE_4, FIGURE_5, FIGURE_6
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.run_cache import RunCache
from fprnet_lab.reproduction.table7 import TABLE_7

__all__ = ["EXPERIMENTS", "Reproduced", "reproduce"]

ALL: tuple[Experiment, ...] = (
    *(Comparison(name) for name in ("table3", "table4", "table5", "table6")),
    *(TABLE_7, Comparison("table8")),
    *(FIGURE_4, FIGURE_5, FIGURE_6),
)
EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in ALL}


@dataclass(frozen=True)
class Reproduced:
    """What a call of `reproduce` left.

    Attributes:
        results: Results of the experiments, in order.
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
            others is missing in its row; a row whose preset the overrides do not fit (epochs that
            are too few for its schedule) is left out, which stderr and its page say.
    """
    cache = RunCache(request)
    experiments = [EXPERIMENTS[name] for name in names]
    jobs = [job for experiment in experiments for job in experiment.jobs(cache)]
    for label, fault in cache.left_out.items():
        print(f"fprnet: row '{label}' is left out: {fault}", file=sys.stderr)
    description = names[0] if len(names) == 1 else "all tables and figures"
    with cache.opened() as keep_open:
        failures = cache.run(jobs, description, keep_open)
        if failures and not any(job.finished for job in jobs):
            raise TrainingError(failures[0].reason)
        results = [experiment.lay_out(cache) for experiment in experiments]
        for result in results:
            write_result(result, request.out / result.name)
        page = request.out / results[0].name / "report.html"
        if len(results) > 1:
            page = request.out / "report.html"
            whole = Collection(
                title=request.titled("FPRnet: the paper's tables and figures"),
                summary=about_request(cache),
                pages=[result.page for result in results],
            )
            write_text(page, render_collection(whole))
        return Reproduced(results, failures, page)
