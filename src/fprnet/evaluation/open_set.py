"""Open-set identification: is this person in the gallery at all, and who is it?

Terms of ISO/IEC 19795-1. With t a threshold and s the similarity to an enrolled person::

    FPIR(t)    = share of the non-mated searches with max s >= t
    TPIR(t, r) = share of the mated searches with s(p, g_p) >= t and rank(g_p) <= r
    FNIR       = 1 - TPIR

Ties count against the system. The test identities are halved five times, and both halves are
enrolled in turn (`fprnet.evaluation.halvings`): ten enrolments, times the protocol's draws.
Shapes: M mated and N non-mated searches, P test identities, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.protocols.protocol import Protocol
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError, UsageError
from fprnet.evaluation.halvings import halvings, version
from fprnet.evaluation.open_set_bootstrap import Bootstrap
from fprnet.evaluation.ranking import Distance
from fprnet.evaluation.searches import Enrolment, Template, compare_trials, enrol
from fprnet.evaluation.sequences import refuse_pairs, with_means
from fprnet.text_table import text_table

__all__ = [
    "OpenSet",
    "OperatingPoint",
    "false_positive_rate",
    "score_open_set",
    "threshold_at",
    "true_positive_rate",
]

FORMAT = 1
RATES = (0.01, 0.1)  # FPIR that is reported
RESAMPLES = 1000
CURVE = 41  # points of the DET curve


def threshold_at(maxima: NDArray[np.float64], rate: float) -> float:
    """Return the threshold for a target FPIR: the floor(rate N)-th largest of the maxima.

    Where that floor is 0 it is the smallest float above the largest maximum.

    >>> threshold_at(np.array([0.7, 0.5]), 0.5)
    0.7

    Args:
        maxima: ``(N,)`` largest similarity of each non-mated search, N at least 1.
        rate: Target FPIR, 0 to 1; a decimal number is taken as it is written.
    """
    count = int(Fraction(repr(float(rate))) * len(maxima))
    if count == 0:
        return float(np.nextafter(maxima.max(), np.inf))
    return float(np.sort(maxima)[len(maxima) - count])


def false_positive_rate(maxima: NDArray[np.float64], threshold: float) -> float:
    """Return FPIR: the share of the non-mated searches ``(N,)`` that find somebody."""
    return float((maxima >= threshold).mean())


def true_positive_rate(enrolment: Enrolment, threshold: float, rank: int = 1) -> float:
    """Return TPIR: the share of the mated searches that find their person within the rank."""
    found = (enrolment.similarity >= threshold) & (enrolment.rank <= rank)
    return float(found.mean())


@dataclass(frozen=True)
class OperatingPoint:
    """What is found at one threshold, or why it is not reported.

    Attributes:
        name: "FPIR 0.01", or "threshold" for one that was given.
        refused: Why the point is not reported; "" where it is.
        tpir: ``(E,)`` TPIR of each enrolment, mean over the draws.
        fpir: ``(E,)`` measured FPIR of each enrolment; ties make it larger than the target.
        threshold: ``(E,)`` threshold of each enrolment.
        ci95: 95 % bootstrap interval over identities of the mean TPIR.
        fpir_ci95: 95 % bootstrap interval over identities of the mean FPIR.
    """

    name: str
    refused: str = ""
    tpir: tuple[float, ...] = ()
    fpir: tuple[float, ...] = ()
    threshold: tuple[float, ...] = ()
    ci95: tuple[float, float] | None = None
    fpir_ci95: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the point for JSON; fractions, not percent."""
        if self.refused:
            return {"refused": self.refused}
        return {
            "TPIR": {**_spread(self.tpir), "ci95": _listed(self.ci95)},
            "FPIR": {**_spread(self.fpir), "ci95": _listed(self.fpir_ci95)},
            "threshold": _spread(self.threshold),
        }


@dataclass(frozen=True)
class OpenSet:
    """The open-set result of one model.

    Attributes:
        rank: r of TPIR.
        template: "best" or "mean", how a person's images are one template.
        similarity: What thresholds are in: "cosine" or "negative distance".
        identities: P, test identities.
        strangers: Identities that are not enrolled, smallest number of all enrolments.
        enrolments: Number of enrolments: two of each halving.
        draws: Galleries drawn by the protocol, each used by every enrolment.
        mated: Mean number of mated searches.
        non_mated: Smallest number of non-mated searches.
        skipped: Searches left out because the query may see no image of its enrolled person, in
            all enrolments and draws together.
        points: The operating points.
        det: FPIR and FNIR of the DET curve, mean over enrolments and draws.
    """

    rank: int
    template: Template
    similarity: str
    identities: int
    strangers: int
    enrolments: int
    draws: int
    mated: float
    non_mated: int
    skipped: int
    points: tuple[OperatingPoint, ...]
    det: tuple[tuple[float, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that stands under ``open_set`` in the result."""
        return {
            "format": FORMAT,
            "halvings": version(),
            "rank": self.rank,
            "template": self.template,
            "similarity": self.similarity,
            "identities": self.identities,
            "non_mated_identities": self.strangers,
            "enrolments": self.enrolments,
            "draws": self.draws,
            "mated_searches": self.mated,
            "non_mated_searches": self.non_mated,
            "skipped_searches": self.skipped,
            "points": {point.name: point.as_dict() for point in self.points},
            "det": {
                "FPIR": [fpir for fpir, _ in self.det],
                "FNIR": [fnir for _, fnir in self.det],
            },
        }

    def table(self) -> str:
        """Return the result as text, in percent."""
        head = ["", "TPIR", "95 % interval", "FPIR", "threshold"]
        rows, refusals = [], []
        for point in self.points:
            if point.refused:
                refusals.append(f"{point.name} is not reported: {point.refused}")
                continue
            tpir, fpir, threshold = (
                _spread(values) for values in (point.tpir, point.fpir, point.threshold)
            )
            low, high = point.ci95 or (float("nan"), float("nan"))
            interval = f"{100 * low:.2f}–{100 * high:.2f}"
            cells = (_percent(tpir), interval, _percent(fpir), f"{threshold['mean']:.4f}")
            rows.append([point.name, *cells])
        lines = [
            f"open set, {version()}, rank {self.rank}, template {self.template}: "
            f"{self.enrolments} enrolments x {self.draws} galleries, {self.mated:.0f} mated and "
            f"{self.non_mated} non-mated searches ({self.strangers} people), "
            f"{self.skipped} searches skipped",
            *([text_table(head, rows)] if rows else []),
            *refusals,
        ]
        lines.append(
            "percent: mean ± standard deviation over the enrolments; interval: bootstrap over "
            "identities"
        )
        return "\n".join(lines)


def score_open_set(
    features: Features,
    protocol: Protocol,
    *,
    metric: Distance = "euclidean",
    template: Template = "best",
    rank: int = 1,
    rates: Sequence[float] = RATES,
    shipped: Callable[[int], float] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> OpenSet:
    """Score features under a protocol with half of the people unknown.

    Args:
        features: The table whose rows the protocol names.
        protocol: Its queries search, its galleries enrol.
        metric: "cosine" or "euclidean", see `fprnet.evaluation.searches`.
        template: How a person's images are one template.
        rank: r of TPIR, 1 or more.
        rates: Target FPIRs, above 0 and below 1.
        shipped: Gives the threshold that the model comes with, for a number of gallery images;
            None: it has none.
        resamples: R, number of bootstrap resamples over identities.
        seed: Seed of the bootstrap.

    Raises:
        UsageError: Rank or a rate are out of their range.
        FeaturesError: There are fewer than two people with queries, or no mated or no non-mated
            search is left.
    """
    if rank < 1:
        raise UsageError(f"rank of open set is {rank}; it must be 1 or more")
    for rate in rates:
        if not 0 < rate < 1:
            raise UsageError(f"FPIR {rate} is no share between 0 and 1; give e.g. 0.01")
    refuse_pairs(protocol, "open set")
    features = with_means(features, protocol)
    people = np.unique(np.concatenate([features.identity[t.query] for t in protocol.trials]))
    if len(people) < 2:
        raise FeaturesError(
            f"open set needs two people with queries or more and there are {len(people)}; "
            "give more test identities"
        )
    kind, searches = compare_trials(features, protocol, metric=metric, template=template)
    enrolments = [
        [enrol(one, known, unknown) for one in searches]
        for halving in halvings(people.tolist())
        for known, unknown in ((halving.first, halving.second), (halving.second, halving.first))
    ]
    every = [one for draws in enrolments for one in draws]
    for one in every:
        if not len(one.similarity) or not len(one.stranger_similarity):
            raise FeaturesError(
                f"an enrolment has {len(one.similarity)} mated and {len(one.stranger_similarity)} "
                "non-mated searches; open set needs both, so give more test identities"
            )
    fewest = min(len(one.stranger_similarity) for one in every)
    bootstrap = Bootstrap.of(people, resamples, seed)
    points = [_point_at(rate, enrolments, fewest, rank, bootstrap) for rate in rates]
    if shipped is not None:
        points.append(_point_shipped(shipped, enrolments, rank, bootstrap))
    return OpenSet(
        rank=rank,
        template=template,
        similarity=kind,
        identities=len(people),
        strangers=min(len(np.unique(one.stranger_identity)) for one in every),
        enrolments=len(enrolments),
        draws=len(protocol.trials),
        mated=float(np.mean([len(one.similarity) for one in every])),
        non_mated=fewest,
        skipped=sum(one.skipped for one in every),
        points=tuple(points),
        det=_det(every, fewest, rank),
    )


def _point_at(
    rate: float,
    enrolments: Sequence[Sequence[Enrolment]],
    fewest: int,
    rank: int,
    bootstrap: Bootstrap,
) -> OperatingPoint:
    name = f"FPIR {rate:g}"
    needed = int(-(-1 // Fraction(repr(float(rate)))))  # ceil(1 / rate)
    if fewest < needed:
        refusal = f"it needs {needed} non-mated searches and there are {fewest}"
        return OperatingPoint(name, refusal)
    chosen = [[threshold_at(e.stranger_similarity, rate) for e in draws] for draws in enrolments]
    interval = bootstrap.at_rate(enrolments, rate, rank)
    return _measured(name, enrolments, chosen, rank, interval)


def _point_shipped(
    shipped: Callable[[int], float],
    enrolments: Sequence[Sequence[Enrolment]],
    rank: int,
    bootstrap: Bootstrap,
) -> OperatingPoint:
    chosen = [[shipped(e.images) for e in draws] for draws in enrolments]
    interval = bootstrap.at_thresholds(enrolments, chosen, rank)
    return _measured("threshold", enrolments, chosen, rank, interval)


def _measured(
    name: str,
    enrolments: Sequence[Sequence[Enrolment]],
    thresholds: Sequence[Sequence[float]],
    rank: int,
    intervals: tuple[tuple[float, float], tuple[float, float]],
) -> OperatingPoint:
    tpir, fpir = [], []
    for draws, chosen in zip(enrolments, thresholds, strict=True):
        pairs = list(zip(draws, chosen, strict=True))
        tpir.append(float(np.mean([true_positive_rate(e, t, rank) for e, t in pairs])))
        fpir.append(
            float(np.mean([false_positive_rate(e.stranger_similarity, t) for e, t in pairs]))
        )
    means = tuple(float(np.mean(chosen)) for chosen in thresholds)
    return OperatingPoint(name, "", tuple(tpir), tuple(fpir), means, *intervals)


def _det(every: Sequence[Enrolment], fewest: int, rank: int) -> tuple[tuple[float, float], ...]:
    """Return FPIR and mean FNIR at rates from 1 / N to 1, evenly spaced in their logarithm."""
    rates = np.geomspace(1 / fewest, 1, CURVE)
    found = np.zeros(CURVE)
    for one in every:
        strangers = np.sort(one.stranger_similarity)
        count = np.floor(rates * len(strangers) + 1e-9).astype(np.int64).clip(1)
        hits = np.sort(one.similarity[one.rank <= rank])
        threshold = strangers[len(strangers) - count]
        found += (len(hits) - np.searchsorted(hits, threshold)) / len(one.similarity)
    return tuple(zip(rates.tolist(), (1 - found / len(every)).tolist(), strict=True))


def _spread(values: Sequence[float]) -> dict[str, float]:
    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "std": std}


def _listed(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _percent(spread: dict[str, float]) -> str:
    return f"{100 * spread['mean']:.2f} ± {100 * spread['std']:.2f}"
