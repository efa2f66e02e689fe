"""Scores of a protocol: features become CMC, mAP and mINP, averaged over the trials.

Shapes: N images (rows of the features), D numbers per embedding, Q queries, U images of which
galleries are drawn, T trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fprnet.data.sysu_mm01 import SysuSplit
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError
from fprnet.evaluation.postprocessing import score_expanded_trials, score_reranked_trials
from fprnet.evaluation.protocols import Protocol
from fprnet.evaluation.ranking import Metric, score_trials
from fprnet.evaluation.ranking_metrics import QueryScores
from fprnet.evaluation.reranking import Reranking
from fprnet.evaluation.statistics import PerIdentity, confidence_interval
from fprnet.evaluation.sysu_mm01 import GalleryDraw, Mode, sysu_mm01_protocol

__all__ = ["CURVE", "FORMAT", "RANKS", "ScoreRow", "Scores", "Trials", "evaluate", "score"]

FORMAT = 1
RANKS = (1, 5, 10, 20)
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
        """95 % confidence interval of the mean (Student's t); None for a single trial."""
        return confidence_interval(self.per_trial)

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
        metrics: "rank-1", "rank-5", "rank-10", "rank-20" (the CMC that the protocol publishes),
            "mAP", "mINP".
        image_level: The same ranks of the image-level CMC.
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
        metric: Of the distance.
        postprocessing: Label -> what was chosen, for the rows that need it.
    """

    protocol: str
    settings: Mapping[str, str | int]
    trials: int
    queries: int
    valid_queries: int
    gallery_size: int
    rows: Mapping[str, ScoreRow]
    model: Mapping[str, Any]
    metric: Metric = "euclidean"
    postprocessing: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

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
            "trials": self.trials,
            "queries": self.queries,
            "valid_queries": self.valid_queries,
            "gallery_size": self.gallery_size,
            "metric": self.metric,
            "postprocessing": {
                label: dict(chosen) for label, chosen in self.postprocessing.items()
            },
            "scores": {label: row.as_dict() for label, row in self.rows.items()},
            "curves": {label: row.curve_as_dict() for label, row in self.rows.items()},
            "per_identity": self._per_identity(),
            "model": dict(self.model),
            "versions": {name: version(name) for name in ("fprnet", "numpy", "torch")},
        }

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

    def table(self) -> str:
        """Return the scores as text, in percent."""
        settings = "".join(f", {name} {value}" for name, value in self.settings.items())
        names = list(next(iter(self.rows.values())).metrics)
        width = max(len(label) for label in self.rows) + len(" (95 % interval)")
        lines = [
            f"{self.protocol}{settings}, trials {self.trials}: {self.queries} queries, "
            f"{self.valid_queries} with a match, against {self.gallery_size} gallery images",
            " " * width + "".join(f"{name:>15}" for name in names),
        ]
        for label, row in self.rows.items():
            for title, metrics in (
                (label, row.metrics),
                (f"{label} (image level)", row.image_level),
            ):
                cells = (_percent(metrics[name]) if name in metrics else "" for name in names)
                lines.append(f"{title:<{width}}" + "".join(f"{c:>15}" for c in cells).rstrip())
            if self.trials > 1:
                intervals = "".join(f"{_interval(row.metrics[name]):>15}" for name in names)
                lines.append(f"{label + ' (95 % interval)':<{width}}" + intervals)
        lines.append("percent: mean ± sample standard deviation over the trials")
        return "\n".join(lines)


def evaluate(
    features: Features,
    split: SysuSplit,
    *,
    mode: Mode = "all",
    shots: int = 1,
    trials: int = 10,
    gallery: GalleryDraw = "official",
    metric: Metric = "euclidean",
    identities: Sequence[int] | None = None,
    rerank: Reranking | None = None,
    expand_query: int | None = None,
    device: str | torch.device | None = None,
) -> Scores:
    """Score features under the protocol of SYSU-MM01.

    Args:
        features: At least all infrared images of the tested identities and the gallery images.
        split: The lists and permutations.
        mode: "all" or "indoor".
        shots: Gallery images per identity and camera.
        trials: How many galleries.
        gallery: "official" or "seeded", see :func:`.sysu_mm01_protocol`.
        metric: "euclidean" on the vectors as they are, or "cosine".
        identities: Who is tested; None takes the split's test identities.
        rerank: As for :func:`score`.
        expand_query: As for :func:`score`.
        device: Where to rank; None takes a CUDA device if there is one, else the CPU.

    Raises:
        UsageError: An option has no meaning.
        FeaturesError: The features cannot be scored.
    """
    protocol = sysu_mm01_protocol(
        features,
        split,
        mode=mode,
        shots=shots,
        trials=trials,
        gallery=gallery,
        identities=identities,
    )
    return score(
        features, protocol, metric=metric, rerank=rerank, expand_query=expand_query, device=device
    )


def score(
    features: Features,
    protocol: Protocol,
    *,
    metric: Metric = "euclidean",
    rerank: Reranking | None = None,
    expand_query: int | None = None,
    device: str | torch.device | None = None,
) -> Scores:
    """Score features under any protocol.

    Args:
        features: The table whose rows the protocol names.
        protocol: Trials and rules.
        metric: "euclidean" on the vectors as they are, or "cosine".
        rerank: Adds the row "rerank": after k-reciprocal re-ranking.
        expand_query: Adds the row "query-expansion": each query averaged with so many nearest
            gallery images.
        device: Where to rank; None takes a CUDA device if there is one, else the CPU.

    Returns:
        The scores, with the row "plain" always and first.

    Raises:
        UsageError: An option has no meaning.
        FeaturesError: No query has a match, or a vector has no direction for the cosine.
    """
    per_trial = score_trials(features, protocol, metric=metric, device=device)
    valid = _only({int(scores.valid.sum()) for scores in per_trial}, "valid queries")
    if valid == 0:
        raise FeaturesError(
            "no query has an image of its identity in the gallery; check identities and cameras"
        )
    rows = {"plain": score_row(per_trial, protocol, features)}
    chosen: dict[str, Mapping[str, float]] = {}
    if rerank is not None:
        reranked = score_reranked_trials(features, protocol, rerank, metric=metric, device=device)
        rows["rerank"] = score_row(reranked, protocol, features)
        numbers = asdict(rerank)
        chosen["rerank"] = {"lambda" if k == "weight" else k: v for k, v in numbers.items()}
    if expand_query is not None:
        expanded = score_expanded_trials(
            features, protocol, expand_query, metric=metric, device=device
        )
        rows["query-expansion"] = score_row(expanded, protocol, features)
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
        metric=metric,
        postprocessing=chosen,
    )


def score_row(per_trial: Sequence[QueryScores], protocol: Protocol, features: Features) -> ScoreRow:
    """Average the valid queries of each trial."""
    image_ranks = [scores.image_rank for scores in per_trial]
    ranks = image_ranks
    if protocol.cmc == "identity":
        ranks = [scores.identity_rank for scores in per_trial]
    values = {
        **_hits(ranks),
        "mAP": [scores.average_precision for scores in per_trial],
        "mINP": [scores.inverse_negative_penalty for scores in per_trial],
    }
    image_values = _hits(image_ranks)
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
            _means(per_trial, [first_hit <= rank for first_hit in ranks])
            for rank in range(1, CURVE + 1)
        ),
        per_identity=per_identity,
    )


def _hits(ranks: Sequence[Tensor]) -> dict[str, list[Tensor]]:
    return {f"rank-{rank}": [first_hit <= rank for first_hit in ranks] for rank in RANKS}


def _means(per_trial: Sequence[QueryScores], quantity: Sequence[Tensor]) -> Trials:
    """Average a quantity ``(Q,)`` of each trial over its valid queries."""
    pairs = zip(per_trial, quantity, strict=True)
    return Trials(tuple(float(values[scores.valid].double().mean()) for scores, values in pairs))


def _only(numbers: set[int], what: str) -> int:
    if len(numbers) != 1:
        raise ValueError(f"trials differ in their {what}: {sorted(numbers)}; score them apart")
    return numbers.pop()


def _percent(trials: Trials) -> str:
    return f"{100 * trials.mean:.2f} ± {100 * trials.std:.2f}"


def _interval(trials: Trials) -> str:
    low, high = confidence_interval(trials.per_trial) or (trials.mean, trials.mean)
    return f"{100 * low:.2f}–{100 * high:.2f}"
