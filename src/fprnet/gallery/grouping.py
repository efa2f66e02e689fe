"""Templates of tracklets and images become groups, each of one person, under what cannot be.

Average-link agglomeration (UPGMA: Sokal and Michener, 1958) of margins: of two units the margin is
the product of their templates minus the threshold for their kinds; of two groups it is the
mean over the pairs of their units. Groups are joined, those of the largest margin first, as long as
it is not negative. Two groups are never joined if units of them cannot be one person, or if both
were there before. Shapes: n units, D numbers per template, K people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fprnet.agglomeration import average_links
from fprnet.errors import GalleryError

__all__ = ["NEW", "UNKNOWN", "Units", "alike_people", "group_units"]

NEW = -1  # a unit that is in no group yet
UNKNOWN = -1  # a camera or location that nobody knows
BLOCK = 1024  # rows of margins that are computed at a time
MAX_CHAINED = 12_000  # units that alike ones connect with each other; memory is their square

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Margins = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Units:
    """What is grouped: tracklets, and images that belong to none.

    Attributes:
        templates: ``(n, D)`` float32.
        kind: ``(n,)`` from 0 on, row of the thresholds: image or tracklet, and its modality.
        camera: ``(n,)`` a number for each name; -1 is unknown.
        location: ``(n,)`` likewise.
        start: ``(n,)`` milliseconds.
        end: ``(n,)`` milliseconds; an image ends when it starts.
        timed: ``(n,)`` bool, False where the time is unknown.
        person: ``(n,)`` the group that the unit is in already; -1 is none.
    """

    templates: NDArray[np.float32]
    kind: Ints
    camera: Ints
    location: Ints
    start: Ints
    end: Ints
    timed: Mask
    person: Ints

    def __len__(self) -> int:
        return len(self.templates)

    def conflicts(self, one: Ints, other: Ints) -> Mask:
        """Return which pairs cannot be one person: ``(p,)`` for ``(p,)`` rows of each side.

        Such are units that overlap in time at one camera, or at two cameras of different
        locations. Two that merely touch do not overlap, and an image overlaps only what began
        before it and ended after it: two images of one moment may be two shots of one person.
        """
        overlap = (self.start[one] < self.end[other]) & (self.start[other] < self.end[one])
        overlap &= self.timed[one] & self.timed[other]
        cameras = (self.camera[one], self.camera[other])
        places = (self.location[one], self.location[other])
        known = (cameras[0] != UNKNOWN) & (cameras[1] != UNKNOWN)
        shared = (places[0] == places[1]) & (places[0] != UNKNOWN)
        result: Mask = overlap & known & ((cameras[0] == cameras[1]) | ~shared)
        return result


def group_units(units: Units, thresholds: Margins) -> Ints:
    """Put new units into groups, old or new ones; units that are in a group stay there.

    Args:
        units: n of them.
        thresholds: ``(k, k)`` for the kinds of both sides, symmetric.

    Returns:
        ``(n,)`` groups: people's numbers as they were, and new numbers above them. A unit that is
        like no other is a group by itself.

    Raises:
        GalleryError: Too many units are alike.
    """
    groups = units.person.copy()
    fresh = int(groups.max(initial=NEW)) + 1
    for rows in _connected(units, thresholds):
        if not (units.person[rows] == NEW).any():
            continue
        labels = _agglomerated(units, rows, thresholds)
        for label in dict.fromkeys(labels.tolist()):
            members = rows[labels == label]
            old = units.person[members].max()
            if old == NEW:
                old, fresh = fresh, fresh + 1
            groups[members] = old
    return groups


def _connected(units: Units, thresholds: Margins) -> list[Ints]:
    """Return the units by sets which no joining can cross, each ascending, the first unit's first.

    The margin of two groups can be 0 or more only where that of a pair of their units is.
    """
    count = len(units)
    everybody = np.arange(count)
    new = everybody[units.person == NEW]
    ones, others = [], []
    for start in range(0, len(new), BLOCK):
        some = new[start : start + BLOCK]
        margins = _margins(units, some, everybody, thresholds)
        row, other = np.nonzero(margins >= 0)
        one = some[row]
        apart = (one != other) & ~units.conflicts(one, other)
        ones.append(one[apart])
        others.append(other[apart])
    # The units of a person are a chain.
    order = np.argsort(units.person, kind="stable")
    inside = (units.person[order][1:] == units.person[order][:-1]) & (
        units.person[order][1:] != NEW
    )
    ones.append(order[:-1][inside])
    others.append(order[1:][inside])
    edges = np.concatenate(ones), np.concatenate(others)
    graph = coo_array((np.ones(len(edges[0]), np.bool_), edges), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    order = np.argsort(labels, kind="stable")
    limits = np.flatnonzero(np.diff(labels[order])) + 1
    sets = [rows.astype(np.int64) for rows in np.split(order, limits)] if count else []
    return sorted(sets, key=lambda rows: int(rows[0]))


def _agglomerated(units: Units, rows: Ints, thresholds: Margins) -> Ints:
    """Return labels of connected units: average links, cut where margins are below 0.

    A distance is a constant minus the margin, 1 at least; what is joined already has distance 0.
    """
    count = len(rows)
    if count > MAX_CHAINED:
        raise GalleryError(
            f"{count} units are connected by alike ones, more than {MAX_CHAINED} can be compared "
            "at once; give a smaller --false-link-rate"
        )
    margins = _margins(units, rows, rows, thresholds)
    cut = 1 + max(float(margins.max()), 0.0)
    distances = cut - margins
    person = units.person[rows]
    old = person != NEW
    same = (person[:, None] == person) & old[:, None]
    never = old[:, None] & old & ~same
    one, other = np.nonzero(~same)
    clash = units.conflicts(rows[one], rows[other])
    never[one[clash], other[clash]] = True
    distances[same] = 0
    return average_links(distances, never, cut)


def alike_people(
    units: Units, groups: Ints, thresholds: Margins, *, limit: int = 20
) -> list[tuple[int, int, float]]:
    """Return pairs of groups that nobody has joined though they could be one person.

    Args:
        units: n of them.
        groups: ``(n,)`` of :func:`group_units`.
        thresholds: ``(k, k)`` for the kinds of both sides, symmetric.
        limit: At most so many.

    Returns:
        Both groups and their margin, 0 or more, largest first.
    """
    people, place = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(people), len(thresholds)))
    np.add.at(counts, (place, units.kind), 1)
    sums = np.zeros((len(people), units.templates.shape[1]))
    np.add.at(sums, place, units.templates)
    size = counts.sum(axis=1)
    pairs: list[tuple[int, int, float]] = []
    for start in range(0, len(people), BLOCK):
        part = slice(start, start + BLOCK)
        products = sums[part] @ sums.T - counts[part] @ thresholds @ counts.T
        margins = products / (size[part, None] * size)
        one, other = np.nonzero(margins >= 0)
        one += start
        pairs += [
            (int(a), int(b), float(margins[a - start, b]))
            for a, b in zip(one, other, strict=True)
            if a < b
        ]
    pairs.sort(key=lambda pair: (-pair[2], pair[0], pair[1]))
    found: list[tuple[int, int, float]] = []
    for a, b, margin in pairs:
        if len(found) == limit:
            break
        sides = np.flatnonzero(place == a), np.flatnonzero(place == b)
        one, other = (side.ravel() for side in np.meshgrid(*sides, indexing="ij"))
        if not units.conflicts(one, other).any():
            found.append((int(people[a]), int(people[b]), margin))
    return found


def _margins(units: Units, one: Ints, other: Ints, thresholds: Margins) -> Margins:
    products = (units.templates[one] @ units.templates[other].T).astype(np.float64)
    limits = thresholds[units.kind[one][:, None], units.kind[other]]
    result: Margins = products - limits
    return result
