"""Random fusion search: specs drawn, trained by successive halving, ranked on validation people.

A rung trains every spec that is left up to an epoch of one schedule, that of the whole training,
and keeps the best third. What goes on continues its own run: nothing is trained twice. The price is
that a spec is judged early at the high learning rate of the first epochs.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fprnet.config import to_yaml
from fprnet.data.records import MODALITIES
from fprnet.errors import TrainingError, UsageError
from fprnet.files import write_text
from fprnet.methods.paper.fusion import FusionSpec
from fprnet_lab.jobs import Failure, Job, Training, read_history
from fprnet_lab.reporting.page import Table
from fprnet_lab.reproduction.experiment import mean_and_deviation
from fprnet_lab.reproduction.fusion_draws import draw_specs
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.run_cache import RunCache
from fprnet_lab.reproduction.runs import Variant

__all__ = ["Entry", "Search", "rungs_of", "search_fusion"]

KEPT = 3  # one of so many goes on to the next rung, which has so many times the epochs
FUSION = "--model.head.fusion"
# Ranked on people whom no training sees, whatever the preset does at this scale.
HELD_OUT = ("--data.identities", "train", "--training.selection", "validation")


@dataclass(frozen=True)
class Entry:
    """A spec and how it did.

    Attributes:
        spec: The fusion spec.
        epochs: Epochs of the last rung that it reached.
        values: mAP on the validation people after that epoch, one for each seed; percent.
    """

    spec: FusionSpec
    epochs: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.values)


@dataclass(frozen=True)
class Search:
    """What a search left.

    Attributes:
        ranking: Best first; specs that went further come before those that did not.
        best: File of the winner's config.
        failures: Trainings that failed; their specs are not ranked.
    """

    ranking: Sequence[Entry]
    best: Path
    failures: Sequence[Failure]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet search-fusion --json`` prints; mAP in percent."""
        return {"best": str(self.best), "ranking": _cells(self.ranking)}

    def text(self) -> str:
        """Return what the terminal shows."""
        rows = [
            [str(place), str(entry.spec), str(entry.epochs), mean_and_deviation(entry.values)]
            for place, entry in enumerate(self.ranking, start=1)
        ]
        table = Table(
            title="Ranking",
            head=["", "fusion spec", "epochs", "mAP"],
            rows=rows,
            note="mAP on the validation people after so many epochs, percent; mean ± standard "
            "deviation over the seeds. Specs of fewer epochs were left behind there.",
        )
        return f"{table.text()}\n{table.note}\nbest: fprnet train --config {self.best} ..."


def rungs_of(epochs: int) -> list[int]:
    """Return the epochs at which specs are compared: 1, 3, 9, ... and the last one.

    >>> rungs_of(6), rungs_of(60)
    ([1, 3, 6], [1, 3, 9, 27, 60])
    """
    rungs = [1]
    while rungs[-1] * KEPT < epochs:
        rungs.append(rungs[-1] * KEPT)
    return rungs if epochs == 1 else [*rungs, epochs]


def search_fusion(request: Request, *, budget: int, seed: int = 0) -> Search:
    """Draw, train and rank fusion specs, or continue a search that was stopped.

    Args:
        request: Data set, folder, scale, seeds of the trainings; ``base`` is the preset.
        budget: Specs that are drawn.
        seed: Seed of the draw of specs.

    Raises:
        FprnetError: The request has a fault, or every training failed.
    """
    cache = RunCache(request)
    specs = draw_specs(budget, np.random.default_rng(seed))
    trainings = {spec: _trainings(cache, spec) for spec in specs}
    config = trainings[specs[0]][0].config
    if not config.training.validate_every:
        raise UsageError("specs are ranked on validation people; leave --training.validate_every")
    if not cache.data_set.validation:
        raise UsageError(f"{request.data} lists no validation people, on whom specs are ranked")
    steps_per_epoch = _steps_per_epoch(cache, trainings[specs[0]][0])
    needs = cache.needs_of(Variant(request.base))
    with cache.opened() as keep_open:
        failures: list[Failure] = []
        ranking: list[Entry] = []
        left = specs
        rungs = rungs_of(config.training.epochs)
        for number, epochs in enumerate(rungs, start=1):
            jobs = [
                _job_until(training, epochs, epochs * steps_per_epoch, needs)
                for spec in left
                for training in trainings[spec]
            ]
            failures += cache.run(
                jobs,
                f"rung {number} of {len(rungs)}: {len(left)} specs, {epochs} epochs",
                keep_open,
            )
            rung = _ranked(left, trainings, epochs)
            if not rung:
                raise TrainingError(failures[-1].reason)
            ranking = rung + [e for e in ranking if e.spec not in {entry.spec for entry in rung}]
            left = [entry.spec for entry in rung[: math.ceil(len(rung) / KEPT)]]
        best = request.out / "best.yaml"
        write_text(best, _config_text(cache, ranking[0].spec))
        write_text(request.out / "ranking.csv", _as_csv(ranking))
    return Search(ranking, best, failures)


def _trainings(cache: RunCache, spec: FusionSpec) -> list[Training]:
    variant = Variant(cache.request.base, (FUSION, str(spec), *HELD_OUT))
    return [cache.training(variant, seed) for seed in range(cache.request.seeds)]


def _job_until(training: Training, epochs: int, steps: int, needs: tuple[Job, ...]) -> Job:
    """Return the training up to an epoch of its schedule; later epochs do not count.

    Args:
        training: The whole of it.
        epochs: Epochs after which it stops.
        steps: Steps in them.
        needs: What has to be finished before.
    """

    def done() -> int:
        return min(epochs, training.epochs_done())

    def command() -> list[str] | None:
        return None if done() >= epochs else [*training.arguments, "--max-steps", str(steps)]

    return Job(training.name, training.log, command, epochs, done, needs)


def _ranked(
    specs: Sequence[FusionSpec], trainings: dict[FusionSpec, list[Training]], epochs: int
) -> list[Entry]:
    """Return the specs all of whose trainings got so far, best first; ties as they were drawn."""
    entries = []
    for spec in specs:
        histories = [read_history(training.out) for training in trainings[spec]]
        if all(len(history) >= epochs for history in histories):
            values = (100 * history[epochs - 1]["validation"]["mAP"] for history in histories)
            entries.append(Entry(spec, epochs, tuple(values)))
    return sorted(entries, key=lambda entry: -entry.mean)


def _steps_per_epoch(cache: RunCache, training: Training) -> int:
    """Return what the training itself will count, from the data set's list of images."""
    config = training.config
    if config.training.steps_per_epoch is not None:
        return config.training.steps_per_epoch
    records = cache.data_set.records().of(cache.data_set.train)
    by_modality = (records.identity[records.modality == modality] for modality in MODALITIES)
    steps: int = config.batches.build(*by_modality, 0).steps_per_epoch
    return steps


def _config_text(cache: RunCache, spec: FusionSpec) -> str:
    """Return the winner's config: the preset's own choice of people, the user's changes."""
    variant = Variant(cache.request.base, (FUSION, str(spec)))
    config = cache.training(variant, 0).config
    return f"# The best of a random fusion search: {spec}\n{to_yaml(config)}"


def _as_csv(ranking: Sequence[Entry]) -> str:
    text = io.StringIO(newline="")
    cells = _cells(ranking)
    writer = csv.DictWriter(text, fieldnames=list(cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def _cells(ranking: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "place": place,
            "fusion": str(entry.spec),
            "epochs": entry.epochs,
            "mAP": round(entry.mean, 4),
            "deviation": round(statistics.stdev(entry.values), 4) if len(entry.values) > 1 else "",
        }
        for place, entry in enumerate(ranking, start=1)
    ]
