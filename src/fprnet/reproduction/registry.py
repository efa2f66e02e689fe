"""Name of a table or figure -> what reproduces it, and how all of them share one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fprnet.errors import UsageError
from fprnet.files import locked, write_text
from fprnet.reporting.page import Collection, render_collection
from fprnet.reproduction.ablations import TABLE_3, TABLE_4, TABLE_5, TABLE_6
from fprnet.reproduction.comparison import about_request
from fprnet.reproduction.experiment import Experiment, Request, Result, write_result
from fprnet.reproduction.figures import FIGURE_4, FIGURE_5, FIGURE_6
from fprnet.reproduction.table7 import TABLE_7
from fprnet.reproduction.table8 import TABLE_8
from fprnet.reproduction.workshop import Workshop
from fprnet.training.side_by_side import Failure, work_side_by_side

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
        FprnetError: The request has a fault, or what all trainings need failed. A training that
            fails alone is missing in its row.
    """
    workshop = Workshop(request)
    experiments = [EXPERIMENTS[name] for name in names]
    works = {work.name: work for experiment in experiments for work in experiment.works(workshop)}
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {request.out} cannot be a folder ({error.strerror}); give another one"
        ) from error
    # The processes inherit the lock: if this one is killed, the next one waits for them.
    waiting = f"another process is at work in {request.out}; waiting for it"
    with locked(request.out / ".lock", waiting=waiting) as lock:
        keep_open = [lock.fileno()]
        workshop.prepare(list(works.values()), keep_open)
        failures = work_side_by_side(
            works.values(),
            description=names[0] if len(names) == 1 else "all tables and figures",
            workers=request.workers,
            keep_open=keep_open,
            keep_going=True,
        )
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
