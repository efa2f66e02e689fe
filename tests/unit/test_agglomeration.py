"""Average links against a slow loop by definition, with and without pairs that stay apart."""

import numpy as np
import pytest

from fprnet.agglomeration import average_links


def slow(distance, never, cut):
    """Join the nearest clusters, one pair by one, as long as they are near enough and may."""
    clusters = [[item] for item in range(len(distance))]
    while True:
        best = None
        for a, one in enumerate(clusters):
            for b, other in enumerate(clusters[:a]):
                if never[np.ix_(one, other)].any():
                    continue
                mean = distance[np.ix_(one, other)].mean()
                if mean <= cut and (best is None or mean < best[0]):
                    best = mean, a, b
        if best is None:
            return {frozenset(cluster) for cluster in clusters}
        _, a, b = best
        clusters[b] += clusters.pop(a)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_labels_are_those_of_joining_one_by_one(seed, share):
    random = np.random.default_rng(seed)
    points = random.standard_normal((25, 2))
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    never = np.triu(random.random((25, 25)) < share, 1)
    never |= never.T
    for cut in (0.0, 0.7, 2.0):
        labels = average_links(distance, never, cut)
        found = {frozenset(np.flatnonzero(labels == label)) for label in np.unique(labels)}
        assert found == slow(distance, never, cut)


def test_equal_items_that_must_differ_stay_apart_at_any_cut():
    never = ~np.eye(3, dtype=bool)
    for cut in (0.0, 1.0, 100.0):
        assert len(set(average_links(np.zeros((3, 3)), never, cut))) == 3


@pytest.mark.parametrize("count", [0, 1])
def test_few_items(count):
    labels = average_links(np.zeros((count, count)), np.zeros((count, count), bool), 1.0)
    assert labels.tolist() == [0] * count
