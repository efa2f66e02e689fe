"""Distances of unlabelled crops become clusters, within a modality and then across both.

Average linkage (Sokal and Michener, 1958) cut at a distance, rather than DBSCAN: two tracklets that
must differ stay apart exactly, however they are linked through others, because the mean distance of
two clusters with a forbidden pair between them is beyond every cut; and no chain of half-alike
crops grows into one cluster. Clusters of fewer than ``least`` crops count as noise.

Shapes: N crops, T tracklets, C clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fprnet.agglomeration import average_links

__all__ = ["NOISE", "Clusters", "cluster", "cluster_site", "mean_distances"]

NOISE = -1
FORBIDDEN = 1e9  # distance of what must not be one person

Labels = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Clusters:
    """Who may be one person.

    Attributes:
        label: ``(N,)`` 0 to C - 1, or -1 (noise).
        count: C.
        both: How many of them have crops in both modalities.
        unsure: ``(C, C)``, True for two clusters that may well be one person: neither drawn
            together nor pushed apart.
    """

    label: Labels
    count: int
    both: int
    unsure: NDArray[np.bool_]


def cluster_site(
    distance: NDArray[np.float32],
    infrared: NDArray[np.bool_],
    tracklet: Labels,
    different: NDArray[np.int64],
    *,
    limit: float,
    match_limit: float,
    unsure: float = 0.0,
    least: int = 2,
) -> Clusters:
    """Cluster all crops, then match the clusters that have found nobody in the other modality.

    The matching is one to one first: the assignment of visible to infrared clusters with the
    smallest sum of mean distances (Kuhn, 1955), where nobody's match counts as ``match_limit``.
    What is left over joins the nearest cluster below that then, so that a person whom one modality
    has split is whole again: many to many.

    Args:
        distance: ``(N, N)`` in [0, 1], as `jaccard_distances` gives them.
        infrared: ``(N,)`` modality.
        tracklet: ``(N,)`` number of the tracklet, unique to each crop that is of none.
        different: ``(P, 2)`` tracklets that are different people.
        limit: Mean distance up to which clusters are one, in one modality and across both.
        match_limit: ... and that of a visible and an infrared cluster; 0 matches none.
        unsure: Mean distance below which two clusters may be one person after all; tracklets that
            are different people make their clusters sure. 0: all are sure.
        least: Crops that a cluster has at least; those of smaller ones are noise.
    """
    label = cluster(distance, tracklet, different, limit)
    if match_limit > 0 and infrared.any() and not infrared.all():
        forbidden = _forbidden(label, tracklet, different)
        label = _matched(distance, infrared, label, forbidden, match_limit)
    label = _numbered(label, least)
    rows = np.flatnonzero(label >= 0)
    count = int(label.max(initial=NOISE)) + 1
    near = np.zeros((count, count), dtype=np.bool_)
    if unsure > 0 and count:
        near = mean_distances(distance[np.ix_(rows, rows)], label[rows], count) < unsure
        np.fill_diagonal(near, False)
        for one, two in _forbidden(label, tracklet, different):
            if one >= 0 and two >= 0:
                near[one, two] = False
    both = np.intersect1d(label[rows][infrared[rows]], label[rows][~infrared[rows]])
    return Clusters(label, count, len(both), near)


def cluster(
    distance: NDArray[np.float32], tracklet: Labels, different: NDArray[np.int64], limit: float
) -> Labels:
    """Cluster crops by average linkage over their tracklets; returns ``(N,)`` labels from 0.

    A tracklet is one person from the beginning. Tracklets of ``different`` are never in one
    cluster.
    """
    names, place = np.unique(tracklet, return_inverse=True)
    apart = mean_distances(distance, place, len(names))
    known = np.isin(different, names).all(axis=1) if len(different) else np.zeros(0, dtype=bool)
    first, second = np.searchsorted(names, different[known].reshape(-1, 2)).T
    never = np.zeros(apart.shape, dtype=np.bool_)
    never[first, second] = never[second, first] = True
    return average_links(apart, never, limit)[place]


def mean_distances(distance: NDArray[np.float32], label: Labels, count: int) -> Array:
    """Return ``(C, C)``: the mean distance of the crops of two clusters, itself pairs included."""
    from scipy.sparse import csr_array

    rows = np.arange(len(label))
    member = csr_array((np.ones(len(label)), (label, rows)), shape=(count, len(label)))
    half = np.asarray(member @ distance)
    size = np.bincount(label, minlength=count)
    total: Array = np.asarray(member @ half.T).T / np.outer(size, size)
    return total


def _matched(
    distance: NDArray[np.float32],
    infrared: NDArray[np.bool_],
    label: Labels,
    forbidden: set[tuple[int, int]],
    limit: float,
) -> Labels:
    """Return labels after clusters of one modality have joined clusters of the other."""
    count = int(label.max()) + 1
    size, dark = np.bincount(label, minlength=count), np.bincount(label[infrared], minlength=count)
    apart = mean_distances(distance, label, count)
    for one, two in forbidden:
        apart[one, two] = FORBIDDEN
    visible, other = np.flatnonzero(dark == 0), np.flatnonzero(dark == size)
    cost = apart[np.ix_(visible, other)]
    left, right = linear_sum_assignment(np.minimum(cost, limit))
    chosen = cost[left, right] < limit
    home = np.arange(count)
    home[other[right[chosen]]] = visible[left[chosen]]
    members = {int(one): {int(one)} for one in np.unique(home)}
    for joining in np.flatnonzero(home != np.arange(count)).tolist():
        members[int(home[joining])].add(joining)
    alone = [one for one, own in members.items() if len(own) == 1 and dark[one] in (0, size[one])]
    for one in sorted(alone, key=lambda one: (_nearest(apart, dark, size, one)[0], one)):
        nearest, target = _nearest(apart, dark, size, one)
        there = int(home[target])
        if nearest >= limit or len(members.get(one, ())) != 1 or there == one:
            continue
        if any((one, other) in forbidden for other in members[there]):
            continue
        members[there].add(one)
        home[one] = there
        del members[one]
    joined: Labels = home[label]
    return joined


def _nearest(apart: Array, dark: Labels, size: Labels, one: int) -> tuple[float, int]:
    """Return the nearest cluster with crops of the modality that a cluster lacks, and how far."""
    has_other = dark < size if dark[one] else dark > 0
    places = np.flatnonzero(has_other)
    if not len(places):
        return FORBIDDEN, one
    best = int(places[apart[one, places].argmin()])
    return float(apart[one, best]), best


def _forbidden(
    label: Labels, tracklet: Labels, different: NDArray[np.int64]
) -> set[tuple[int, int]]:
    """Return pairs of clusters, in both orders, that hold tracklets of different people."""
    home = dict(zip(tracklet.tolist(), label.tolist(), strict=True))
    pairs = [(home[one], home[two]) for one, two in different.tolist()]
    return {*pairs, *((two, one) for one, two in pairs)}


def _numbered(label: Labels, least: int) -> Labels:
    """Number the clusters that are large enough from 0, in the order of their first crop."""
    names, first, place, size = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    kept = np.flatnonzero(size >= least)
    number = np.full(len(names), NOISE, dtype=np.int64)
    number[kept[np.argsort(first[kept])]] = np.arange(len(kept))
    numbered: Labels = number[place]
    return numbered
