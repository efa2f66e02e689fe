"""Open-set rates become intervals over people: a bootstrap that draws identities.

A resample draws the P test identities with replacement; every enrolled person's mated searches and
every stranger's non-mated searches count as often as the person was drawn, and the threshold is
found anew. Searches of one person stay together, which are no independent evidence.
Shapes: R resamples, P identities, N non-mated searches, C candidate thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fprnet.evaluation.searches import Enrolment

__all__ = ["Bootstrap"]

PERCENTILES = (2.5, 97.5)
MARGIN = 4  # candidate thresholds, as a multiple of what the rate asks for

Interval = tuple[float, float]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """Resamples of the test identities.

    Attributes:
        identity: ``(P,)`` sorted.
        count: ``(R, P)`` how often each was drawn, float64.
    """

    identity: NDArray[np.int64]
    count: Array

    @staticmethod
    def of(identity: NDArray[np.int64], resamples: int, seed: int) -> Bootstrap:
        """Draw the resamples."""
        people = len(identity)
        drawn = np.random.default_rng(seed).multinomial(
            people, np.full(people, 1 / people), resamples
        )
        return Bootstrap(np.sort(identity), drawn.astype(np.float64))

    def at_rate(
        self, enrolments: Sequence[Sequence[Enrolment]], rate: float, rank: int
    ) -> tuple[Interval, Interval]:
        """Return the intervals of TPIR and FPIR, means over enrolments, at a target FPIR."""
        share = Fraction(repr(float(rate)))
        return self._intervals([self._rates_at(e, share, rank) for d in enrolments for e in d])

    def at_thresholds(
        self,
        enrolments: Sequence[Sequence[Enrolment]],
        thresholds: Sequence[Sequence[float]],
        rank: int,
    ) -> tuple[Interval, Interval]:
        """Return the intervals of TPIR and FPIR, means over enrolments, at given thresholds."""
        results = []
        for draws, chosen in zip(enrolments, thresholds, strict=True):
            for one, threshold in zip(draws, chosen, strict=True):
                found = (one.similarity >= threshold) & (one.rank <= rank)
                false = one.stranger_similarity >= threshold
                tpir = self._sum(one.identity[found]) / self._total(one.identity)
                fpir = self._sum(one.stranger_identity[false]) / self._total(one.stranger_identity)
                results.append((tpir, fpir))
        return self._intervals(results)

    def _rates_at(self, one: Enrolment, share: Fraction, rank: int) -> tuple[Array, Array]:
        """Return TPIR and FPIR ``(R,)`` of one enrolment."""
        total = self._total(one.stranger_identity)
        # floor(rate * N) exactly, for whole numbers N below 2^53
        wanted = (total * share.numerator) // share.denominator
        order = np.argsort(-one.stranger_similarity, kind="stable")
        owner = np.searchsorted(self.identity, one.stranger_identity[order])
        enough = min(len(order), MARGIN * int(len(order) * share) + 64)
        while True:
            reached = np.cumsum(self.count[:, owner[:enough]], axis=1)
            if enough == len(order) or (reached[:, -1] >= np.nan_to_num(wanted)).all():
                break
            enough = len(order)
        # The place of the wanted-th largest; where nothing is wanted, of the largest drawn.
        place = (reached < np.maximum(wanted, 1)[:, None]).sum(axis=1).clip(max=enough - 1)
        threshold = one.stranger_similarity[order][place]
        threshold = np.where(wanted > 0, threshold, np.nextafter(threshold, np.inf))
        levels, at = np.unique(threshold, return_inverse=True)
        tpir = self._above(one.similarity, one.identity, levels, at, one.rank <= rank)
        fpir = self._above(one.stranger_similarity, one.stranger_identity, levels, at)
        return tpir / self._total(one.identity), fpir / total

    def _above(
        self,
        similarity: Array,
        identity: NDArray[np.int64],
        levels: Array,
        at: NDArray[np.int64],
        counted: NDArray[np.bool_] | None = None,
    ) -> Array:
        """Return ``(R,)`` the weighted number of searches at or above each resample's threshold."""
        if counted is not None:
            similarity, identity = similarity[counted], identity[counted]
        people = len(self.identity)
        place = np.searchsorted(levels, similarity, side="right")  # levels at or below it
        cell = place * people + np.searchsorted(self.identity, identity)
        table = np.bincount(cell, minlength=(len(levels) + 1) * people).reshape(-1, people)
        above = table[::-1].cumsum(axis=0)[::-1][1:]  # (C, P) searches that reach each level
        weighted: Array = np.einsum("rp,rp->r", self.count, above[at])
        return weighted

    def _sum(self, identity: NDArray[np.int64]) -> Array:
        """Return ``(R,)`` the weighted number of searches for these people."""
        owner = np.searchsorted(self.identity, identity)
        return self.count @ np.bincount(owner, minlength=len(self.identity)).astype(np.float64)

    def _total(self, identity: NDArray[np.int64]) -> Array:
        """Return `_sum`; NaN where none of these people was drawn."""
        total = self._sum(identity)
        return np.where(total > 0, total, np.nan)

    def _intervals(self, results: Sequence[tuple[Array, Array]]) -> tuple[Interval, Interval]:
        """Average over enrolments and take percentiles of the resamples that draw both halves."""
        tpir, fpir = (np.mean(part, axis=0) for part in zip(*results, strict=True))
        whole = np.isfinite(tpir) & np.isfinite(fpir)
        if not whole.any():
            return (float("nan"), float("nan")), (float("nan"), float("nan"))
        intervals = []
        for part in (tpir, fpir):
            low, high = np.percentile(part[whole], PERCENTILES)
            intervals.append((float(low), float(high)))
        return intervals[0], intervals[1]
