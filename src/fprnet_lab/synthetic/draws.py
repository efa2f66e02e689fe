"""A generator of random numbers becomes the few kinds of draws that the pictures need."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

__all__ = ["bounded", "pick"]


def bounded(rng: Generator, mean: float, deviation: float, low: float, high: float) -> float:
    """Draw from a normal distribution, cut at ``low`` and ``high``."""
    return min(max(float(rng.normal(mean, deviation)), low), high)


def pick(rng: Generator, **weights: float) -> str:
    """Return one of the names, as often as its weight says; weights need not sum to 1."""
    names, share = list(weights), np.cumsum(list(weights.values()))
    return names[int(np.searchsorted(share, rng.uniform(0, share[-1]), side="right"))]
