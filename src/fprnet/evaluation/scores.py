"""Scores of a protocol: features become CMC, mAP and mINP, averaged over the trials.

Shapes: N images (rows of the features), D numbers per embedding, Q queries, U images of which
galleries are drawn, T trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fprnet.data.protocols.protocol import Protocol
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError, UsageError
from fprnet.evaluation.corrupted import Corrupted
from fprnet.evaluation.leaks import Leaks
from fprnet.evaluation.metrics import CMC, Metric, Metrics, parse_metrics
from fprnet.evaluation.open_set import OpenSet
from fprnet.evaluation.postprocessing import score_expanded_trials, score_reranked_trials
from fprnet.evaluation.ranking import Distance, score_trials
from fprnet.evaluation.ranking_metrics import QueryScores
from fprnet.evaluation.reliability import Reliability
from fprnet.evaluation.reranking import Reranking
from fprnet.evaluation.sequences import (
    needs_pairs,
    refuse_pairs,
    score_best_pairs,
    with_means,
)
from fprnet.evaluation.statistics import PerIdentity, confidence_interval
from fprnet.text_table import text_table

__all__ = ["CURVE", "FORMAT", "ScoreRow", "Scores", "Trials", "score"]

FORMAT = 1
CURVE = 20  # ranks of the CMC curve


@dataclass(frozen=True)
class Trials:
    """One quantity, once per trial; a fraction in [0, 1]."""

    per_trial: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the trials."""
        return float(np.mean(self.per_trial))

    @property
    def std(self) -> float:
        """Sample standard deviation (divided by T - 1) over the trials; 0 for a single one."""
        return float(np.std(self.per_trial, ddof=1)) if len(self.per_trial) > 1 else 0.0

    @property
    def ci95(self) -> tuple[float, float] | None:
        """95 % confidence interval of the mean, cut at 0 and 1; None for a single trial."""
        interval = confidence_interval(self.per_trial)
        return None if interval is None else (max(interval[0], 0.0), min(interval[1], 1.0))

    def as_dict(self) -> dict[str, Any]:
        """Return mean, std, ci95 (null for a single trial) and per_trial."""
        interval = self.ci95
        return {
            "mean": self.mean,
            "std": self.std,
            "ci95": None if interval is None else list(interval),
            "per_trial": list(self.per_trial),
        }


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one way of ranking.

    Attributes:
        metrics: Name -> values; the points of the CMC count as the protocol publishes it.
        image_level: Those points of the image-level CMC.
        curve: The CMC that the protocol publishes at ranks 1 to 20, for plots.
        per_identity: What each person's queries contribute, for paired comparisons.
    """

    metrics: Mapping[str, Trials]
    image_level: Mapping[str, Trials]
    curve: tuple[Trials, ...]
    per_identity: PerIdentity | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what stands under the row's label in the result."""
        return {
            **{name: trials.as_dict() for name, trials in self.metrics.items()},
            "image-level": {name: trials.as_dict() for name, trials in self.image_level.items()},
        }

    def curve_as_dict(self) -> dict[str, list[float]]:
        """Return mean and std over the trials of the CMC at ranks 1, 2, ..., as ``curves`` has."""
        return {
            "mean": [trials.mean for trials in self.curve],
            "std": [trials.std for trials in self.curve],
        }


@dataclass(frozen=True)
class Scores:
    """The result of an evaluation.

    Attributes:
        protocol: Its name.
        settings: Its options, e.g. mode, shots and gallery.
        trials: T.
        queries: Queries per trial.
        valid_queries: Those with a match left; only they are scored.
        gallery_size: Gallery images per trial.
        rows: Label -> scores. "plain" always stands, and first.
        model: What made the features.
        metrics: What is computed of each ranking; the columns of every row.
        published_as: Name of the protocol in `fprnet protocols`; None where it has none.
        metric: Distance of two embeddings.
        postprocessing: Label -> what was chosen, for the rows that need it.
        open_set: Detection and identification rates, where they were asked for.
        calibration: How far the model's stated probabilities can be trusted, where asked for.
        leaks: What makes the scores better than they would be for people never seen before.
        provenance: What the model was trained on and is tested on.
        corrupted: Scores of the corrupted images, where asked for.

    Examples:
        Mean and deviation of a metric over the trials::

            mean_average_precision = scores.rows["plain"].metrics["mAP"]
            print(mean_average_precision.mean, mean_average_precision.std)
    """

    protocol: str
    settings: Mapping[str, str | int]
    trials: int
    queries: int
    valid_queries: int
    gallery_size: int
    rows: Mapping[str, ScoreRow]
    model: Mapping[str, Any]
    metrics: Metrics = field(default_factory=parse_metrics)
    published_as: str | None = None
    metric: Distance = "euclidean"
    postprocessing: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    open_set: OpenSet | None = None
    calibration: Reliability | None = None
    leaks: Leaks | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    corrupted: Corrupted | None = None

    def with_row(self, label: str, row: ScoreRow) -> Scores:
        """Return these scores and one more labelled row, e.g. "flip" or "rerank"."""
        if label in self.rows:
            raise ValueError(f"row {label!r} is there already; a row never replaces another")
        return replace(self, rows={**self.rows, label: row})

    def with_flipped(self, flipped: Scores) -> Scores:
        """Return these scores and those of features averaged with their mirror image.

        Row "plain" becomes "flip", and any other, e.g. "rerank", becomes "flip+rerank".
        """
        scores = self
        for label, row in flipped.rows.items():
            scores = scores.with_row("flip" if label == "plain" else f"flip+{label}", row)
        return scores

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet evaluate --json`` prints; fractions, not percent."""
        return {
            "format": FORMAT,
            "protocol": self.protocol,
            **self.settings,
            "published_as": self.published_as,
            "trials": self.trials,
            "queries": self.queries,
            "valid_queries": self.valid_queries,
            "gallery_size": self.gallery_size,
            "metric": self.metric,
            "metrics": self.metrics.as_dict(),
            "postprocessing": {
                label: dict(chosen) for label, chosen in self.postprocessing.items()
            },
            "scores": {label: row.as_dict() for label, row in self.rows.items()},
            "curves": {label: row.curve_as_dict() for label, row in self.rows.items()},
            "per_identity": self._per_identity(),
            **self._parts(),
            **self.provenance,
            "runtime": self.model.get("runtime"),
            "precision": self.model.get("precision"),
            "model": dict(self.model),
            "versions": {name: version(name) for name in ("fprnet", "numpy", "torch")},
        }

    def _parts(self) -> dict[str, Any]:
        """Return what only some results have."""
        parts = {
            "open_set": self.open_set,
            "calibration": self.calibration,
            "corrupted": self.corrupted,
            "leaks": self.leaks,
        }
        return {name: part.as_dict() for name, part in parts.items() if part is not None}

    def _per_identity(self) -> dict[str, Any]:
        known = {
            label: row.per_identity
            for label, row in self.rows.items()
            if row.per_identity is not None
        }
        if not known:
            return {}
        people = {(person.identity, person.valid) for person in known.values()}
        if len(people) != 1:
            raise ValueError("rows differ in their query identities; score them apart")
        identity, valid = people.pop()
        return {
            "identity": list(identity),
            "valid": list(valid),
            "scores": {label: sums.sums_as_dict() for label, sums in known.items()},
        }

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return the scores as text, in percent."""
        settings = "".join(f", {name} {value}" for name, value in self.settings.items())
        names = list(self.metrics.components)
        rows = []
        for label, row in self.rows.items():
            titles = {label: row.metrics, f"{label} (image level)": row.image_level}
            for title, metrics in titles.items():
                if metrics:
                    cells = (_percent(metrics[n]) if n in metrics else "" for n in names)
                    rows.append([title, *cells])
            if self.trials > 1:
                intervals = (_interval(row.metrics[name]) for name in names)
                rows.append([f"{label} (95 % interval)", *intervals])
        lines = [
            f"{self.protocol}{settings}, trials {self.trials}: {self.queries} queries, "
            f"{self.valid_queries} with a match, against {self.gallery_size} gallery images",
            text_table(["", *names], rows),
        ]
        single = "percent, of one trial"
        several = "percent: mean ± sample standard deviation over the trials"
        lines.append(several if self.trials > 1 else single)
        if self.model.get("precision"):
            lines.append(
                f"embeddings computed by {self.model.get('runtime')} in {self.model['precision']}"
            )
        if self.corrupted is not None:
            lines += ["", self.corrupted.table()]
        if self.open_set is not None:
            lines += ["", self.open_set.table()]
        if self.calibration is not None:
            error = 100 * self.calibration.expected_calibration_error
            lines.append(
                f"calibration error {error:.2f} % over the first matches of all queries "
                f"({self.calibration.matches})"
            )
        if self.leaks is not None and self.leaks.found:
            lines += ["", *self.leaks.found]
        return "\n".join(lines)


def score(
    features: Features,
    protocol: Protocol,
    *,
    metric: Distance = "euclidean",
    metrics: Sequence[str | Metric] | None = None,
    rerank: Reranking | None = None,
    expand_query: int | None = None,
    device: str | torch.device | None = None,
) -> Scores:
    """Score features under any protocol.

    Args:
        features: The table whose rows the protocol names.
        protocol: Trials and rules.
        metric: "euclidean" on the vectors as they are, or "cosine".
        metrics: What is computed of each ranking: names, import paths, or functions of
            `QueryScores` (see `fprnet.evaluation.metrics`); None takes all of METRICS.
        rerank: Adds the row "rerank", after k-reciprocal re-ranking, or "rerank-balanced", with
            neighbours balanced over the modalities.
        expand_query: Adds the row "query-expansion": each query averaged with so many nearest
            gallery images.
        device: Where to rank; None takes a CUDA device if there is one, else the CPU.

    Returns:
        The scores, with the row "plain" always and first.

    Raises:
        UsageError: An option has no meaning, or trials are of different sizes.
        FeaturesError: No query has a match, or a vector has no direction for the cosine.
    """
    columns = parse_metrics(metrics)
    if needs_pairs(protocol):
        if rerank is not None or expand_query is not None:
            refuse_pairs(protocol, "re-ranking" if rerank is not None else "query expansion")
        per_trial = score_best_pairs(features, protocol, metric=metric)
    else:
        features = with_means(features, protocol)
        per_trial = score_trials(features, protocol, metric=metric, device=device)
    valid = _only({int(scores.valid.sum()) for scores in per_trial}, "valid queries")
    if valid == 0:
        raise FeaturesError(
            "no query has an image of its identity in the gallery; check identities and cameras"
        )
    rows = {"plain": score_row(per_trial, protocol, features, columns)}
    chosen: dict[str, Mapping[str, float]] = {}
    if rerank is not None:
        reranked = score_reranked_trials(features, protocol, rerank, metric=metric, device=device)
        label = "rerank-balanced" if rerank.balanced else "rerank"
        rows[label] = score_row(reranked, protocol, features, columns)
        chosen[label] = {"k1": rerank.k1, "k2": rerank.k2, "lambda": rerank.weight}
    if expand_query is not None:
        expanded = score_expanded_trials(
            features, protocol, expand_query, metric=metric, device=device
        )
        rows["query-expansion"] = score_row(expanded, protocol, features, columns)
        chosen["query-expansion"] = {"neighbours": expand_query}
    return Scores(
        protocol=protocol.name,
        settings=dict(protocol.settings),
        trials=len(per_trial),
        queries=_only({len(trial.query) for trial in protocol.trials}, "queries"),
        valid_queries=valid,
        gallery_size=_only({len(trial.gallery) for trial in protocol.trials}, "gallery images"),
        rows=rows,
        model=dict(features.meta.get("model", {})),
        metrics=columns,
        published_as=protocol.published_as,
        metric=metric,
        postprocessing=chosen,
    )


def score_row(
    per_trial: Sequence[QueryScores], protocol: Protocol, features: Features, metrics: Metrics
) -> ScoreRow:
    """Average the valid queries of each trial."""
    values = _by_metric([metrics.values(scores) for scores in per_trial])
    image_values = _by_metric(
        [metrics.values(scores.counting("image"), only=tuple(CMC)) for scores in per_trial]
    )
    per_identity = PerIdentity.of(
        [features.identity[trial.query] for trial in protocol.trials],
        [scores.valid.numpy() for scores in per_trial],
        {name: [value.numpy() for value in column] for name, column in values.items()},
        {name: [value.numpy() for value in column] for name, column in image_values.items()},
    )
    return ScoreRow(
        metrics={name: _means(per_trial, column) for name, column in values.items()},
        image_level={name: _means(per_trial, column) for name, column in image_values.items()},
        curve=tuple(
            _means(per_trial, [scores.first_rank <= rank for scores in per_trial])
            for rank in range(1, CURVE + 1)
        ),
        per_identity=per_identity,
    )


def _by_metric(per_trial: Sequence[Mapping[str, Tensor]]) -> dict[str, list[Tensor]]:
    return {name: [values[name] for values in per_trial] for name in per_trial[0]}


def _means(per_trial: Sequence[QueryScores], quantity: Sequence[Tensor]) -> Trials:
    """Average a quantity ``(Q,)`` of each trial over its valid queries."""
    pairs = zip(per_trial, quantity, strict=True)
    return Trials(tuple(float(values[scores.valid].double().mean()) for scores, values in pairs))


def _only(numbers: set[int], what: str) -> int:
    if len(numbers) != 1:
        sizes = ", ".join(map(str, sorted(numbers)))
        raise UsageError(
            f"the protocol's trials differ in their {what} ({sizes}), so they have no mean; make a "
            "protocol of each"
        )
    return numbers.pop()


def _percent(trials: Trials) -> str:
    mean = f"{100 * trials.mean:.2f}"
    return mean if len(trials.per_trial) == 1 else f"{mean} ± {100 * trials.std:.2f}"


def _interval(trials: Trials) -> str:
    low, high = trials.ci95 or (trials.mean, trials.mean)
    return f"{100 * low:.2f}–{100 * high:.2f}"
