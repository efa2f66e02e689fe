"""Scores of the demo become ``scores.json``, ``report.html`` and the table on the terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fprnet.data.data_set import DataSet
from fprnet.embeddings.store import Features
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import ScoreRow, Scores
from fprnet.files import write_text
from fprnet.reporting.plots import DARK, LIGHT, cmc_figure, convergence_figure, png
from fprnet.reporting.reliability import reliability_figure
from fprnet_lab.demo.plan import ROWS, SEED, Plan
from fprnet_lab.demo.search import Found
from fprnet_lab.jobs import read_history
from fprnet_lab.reporting.page import Illustration, Report, render
from fprnet_lab.reporting.ranked_gallery import draw_queries, draw_ranked_galleries, rank_gallery
from fprnet_lab.reporting.score_table import score_table

__all__ = ["Result", "write_report", "write_scores"]

FORMAT = 1  # of scores.json
SHOWN_QUERIES = 8
QUICK = "quick: numbers mean nothing"


@dataclass(frozen=True)
class Result:
    """What the demo measured.

    Attributes:
        plan: What was done.
        scores: Row -> scores on the test identities, in the table's order.
        features: Features of the test images, by fprnet.
        data_set: Whose test identities were asked.
        seconds: Stage -> seconds.
        found: By the one search of the gallery.
    """

    plan: Plan
    scores: Mapping[str, Scores]
    features: Features
    data_set: DataSet
    seconds: Mapping[str, float]
    found: Found

    @property
    def rows(self) -> dict[str, ScoreRow]:
        """Label -> scores."""
        return {label: scores.rows["plain"] for label, scores in self.scores.items()}

    @property
    def page(self) -> Path:
        """The report's file."""
        return self.plan.out / "report.html"

    @property
    def title(self) -> str:
        """One line."""
        name = "fprnet demo"
        return f"{name} ({QUICK})" if self.plan.quick else name

    @property
    def summary(self) -> str:
        """What was measured, in one sentence."""
        scores = self.scores["fprnet"]
        return (
            f"{scores.valid_queries} infrared queries of {len(self.data_set.test)} people whom no "
            f"training has seen, against {scores.gallery_size} visible images; SYSU-MM01 protocol, "
            f"{scores.settings['mode']}-search, single-shot, {scores.trials} trials."
        )

    def text(self) -> str:
        """Return what the terminal shows."""
        return "\n".join(
            (
                self.title,
                self.summary,
                "",
                score_table(self.rows),
                "percent: mean ± sample standard deviation over the trials",
                self.found.sentence,
                "",
                "Rendered people check the pipeline and compare variants; they are no evidence "
                "about SYSU-MM01.",
                f"report: {self.page}",
            )
        )


def write_scores(result: Result) -> None:
    """Write all numbers of the report to ``scores.json``; fractions, not percent."""
    rows = {
        label: scores.as_dict()["scores"]["plain"]
        | {"cmc": scores.rows["plain"].curve_as_dict(), "model": dict(scores.model)}
        for label, scores in result.scores.items()
    }
    one = result.scores["fprnet"]
    content = {
        "format": FORMAT,
        "quick": result.plan.quick,
        "seed": SEED,
        "protocol": one.protocol,
        **one.settings,
        "trials": one.trials,
        "queries": one.queries,
        "valid_queries": one.valid_queries,
        "gallery_size": one.gallery_size,
        "rows": rows,
        "search": result.found.answer.as_dict(),
        "calibration": {
            method: asdict(measured) for method, measured in result.found.measured.items()
        },
        "seconds": dict(result.seconds),
        "versions": {name: version(name) for name in ("fprnet", "numpy", "torch")},
    }
    write_text(result.plan.out / "scores.json", json.dumps(content, indent=1) + "\n")


def write_report(result: Result) -> None:
    """Write ``report.html``."""
    report = Report(
        title=result.title,
        warning=f"{QUICK}; a few people and a few steps show that everything runs, no more."
        if result.plan.quick
        else None,
        summary=result.summary,
        rows=result.rows,
        about_rows=ROWS,
        illustrations=(
            _cmc(result),
            _convergence(result),
            _ranked_galleries(result),
            _search(result),
            _reliability(result),
        ),
        limits=_limits(result),
        seconds=result.seconds,
        commands=result.plan.commands(),
    )
    write_text(result.page, render(report))


def _cmc(result: Result) -> Illustration:
    curves = {label: row.curve for label, row in result.rows.items()}
    light, dark = (png(cmc_figure(curves, theme)) for theme in (LIGHT, DARK))
    caption = (
        "Cumulative matching characteristic: the share of queries whose person is among the first "
        "r people of the ranking. Each person stands where the nearest image of them does. Bands: "
        "one standard deviation over the trials."
    )
    return Illustration("CMC curves", caption, light, dark)


def _convergence(result: Result) -> Illustration:
    histories = {
        label: read_history(training.out) for label, training in result.plan.trainings.items()
    }
    colour = min(list(ROWS).index(label) for label in histories)
    light, dark = (
        png(convergence_figure(histories, theme, first_colour=colour)) for theme in (LIGHT, DARK)
    )
    caption = (
        "Above: mAP on the validation identities, which chose the checkpoint that was scored. "
        "Below: cross entropy of the main head on the training batches, the one term that both "
        "models have; fprnet lowers those of its levels and a triplet loss for each as well, so a "
        "higher curve there is no worse model."
    )
    return Illustration("Convergence", caption, light, dark)


def _ranked_galleries(result: Result) -> Illustration:
    features = result.features
    protocol = make_protocol(features, result.data_set)
    generator = np.random.default_rng(SEED)
    queries = draw_queries(features, protocol.trials[0].query, SHOWN_QUERIES, generator)
    ranked = rank_gallery(features, protocol, queries)
    picture = draw_ranked_galleries(features, ranked, result.plan.data)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=90)
    caption = (
        f"{len(ranked)} queries drawn at random, not chosen, and what fprnet ranks first in the "
        "gallery of the first trial: infrared query on the left, then its ten nearest visible "
        "images. Green and a tick: the same person; red and a cross: somebody else. The number is "
        "the cosine of the two embeddings. Images from the query's own location are left out, as "
        "the protocol wants, so a person has at most four images to be found."
    )
    return Illustration("Ranked galleries", caption, content.getvalue(), wide=True)


def _search(result: Result) -> Illustration:
    content = io.BytesIO()
    result.found.picture.save(content, "PNG", optimize=True)
    answer = result.found.answer
    people = len(result.data_set.test)
    assert answer.decision is not None  # the demo calibrates its model
    threshold = answer.decision.threshold
    caption = (
        f"One search, as fprnet search does it, of the visible images of {people} "
        "people, without those of the query's own location. Under each match: its similarity and "
        "the probability p that it is the same person. A green frame and *: the similarity "
        f"reaches {threshold:.3f}, which at most about one in 100 searches for people "
        "who are not in the gallery should reach. Below, why the first ones are alike: what each "
        "place adds to the similarity (orange) or takes from it (blue), and each level's cosine."
    )
    return Illustration("One search of a gallery", caption, content.getvalue(), wide=True)


def _reliability(result: Result) -> Illustration:
    measured = result.found.measured
    light, dark = (png(reliability_figure(measured, theme)) for theme in (LIGHT, DARK))
    caption = (
        "Of the matches with a stated probability, the share that is right; on the diagonal both "
        "are equal. Measured on validation people other than those that each curve was fitted on, "
        "over the first ten matches of every query; larger dots are more matches."
    )
    return Illustration("How honest the probabilities are", caption, light, dark)


def _limits(result: Result) -> list[str]:
    return [
        "The people are rendered by a program. The set checks that the pipeline works from images "
        "to scores, and compares variants of a model with each other. It is no evidence about "
        "SYSU-MM01 or any real camera: never put these numbers beside published ones.",
        f"This is one seed ({SEED}) of each training, and another seed gives other numbers: the ± "
        "in the table is the spread over ten galleries for fixed weights, which does not contain "
        "that. A difference that counts needs several seeds.",
        "Both models start from the same warm start, see the same number of images with the same "
        "augmentation, and are chosen on the same validation identities. The design of fprnet and "
        "the augmentation were found on people made by programs, not on real images, to which they "
        "need not carry over.",
    ]
