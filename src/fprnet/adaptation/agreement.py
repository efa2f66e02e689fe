"""Embeddings of held-out crops become one number without a label: do ways there and back agree?

From a held-out crop to the most similar crop of the other modality, and from there back to the most
similar one of its own modality: the way agrees if it ends in the group (tracklet, or cluster of the
model before) that it began in. A model that mixes people up, or lets all look alike, sends ways
home to others; so does one that has learnt nothing across the modalities.

Shapes: N crops, D numbers of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Agreement", "agreement", "held_out_groups"]

ROWS = 512


@dataclass(frozen=True)
class Agreement:
    """How many ways end where they began.

    Attributes:
        share: 0 to 1.
        ways: Number of ways.
        chance: Share that blind chance would send home.
    """

    share: float
    ways: int
    chance: float


def held_out_groups(
    group: NDArray[np.int64], share: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return ``(N,)``, True for the crops of some groups of two crops or more.

    Args:
        group: ``(N,)``; -1 is none.
        share: Share of the groups of two crops or more that is held out, 0 to 1.
        random: Draws which groups are held out.
    """
    names, size = np.unique(group[group >= 0], return_counts=True)
    several = names[size >= 2]
    drawn = random.permutation(several)[: round(share * len(several))]
    held: NDArray[np.bool_] = np.isin(group, drawn)
    return held


def agreement(
    embeddings: NDArray[np.float32],
    infrared: NDArray[np.bool_],
    group: NDArray[np.int64],
    start: NDArray[np.bool_],
) -> Agreement:
    """Return how many ways from the crops of ``start`` end in the group that they began in.

    Args:
        embeddings: ``(N, D)``, rows of unit length.
        infrared: ``(N,)``.
        group: ``(N,)``.
        start: ``(N,)`` crops where a way begins; they have a group with others in it.
    """
    home = 0
    chance = 0.0
    rows = np.flatnonzero(start)
    for dark in (False, True):
        begun = rows[infrared[rows] == dark]
        own, other = np.flatnonzero(infrared == dark), np.flatnonzero(infrared != dark)
        if not len(begun) or not len(other) or len(own) < 2:
            continue
        for first in range(0, len(begun), ROWS):
            some = begun[first : first + ROWS]
            there = other[(embeddings[some] @ embeddings[other].T).argmax(axis=1)]
            back = embeddings[there] @ embeddings[own].T
            back[np.arange(len(some)), np.searchsorted(own, some)] = -np.inf
            home += int((group[own[back.argmax(axis=1)]] == group[some]).sum())
        _, place, size = np.unique(group[own], return_inverse=True, return_counts=True)
        chance += float(((size[place] - 1) / (len(own) - 1))[np.isin(own, begun)].sum())
    ways = len(rows)
    return Agreement(home / max(ways, 1), ways, chance / max(ways, 1))
