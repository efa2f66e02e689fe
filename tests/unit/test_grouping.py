"""Groups are what joining one by one gives, under what cannot be; pairs are counted as by hand."""

from itertools import combinations

import numpy as np
import pytest

from fprnet.errors import GalleryError
from fprnet.evaluation.pairwise import pairwise_scores
from fprnet.gallery import grouping
from fprnet.gallery.grouping import NEW, UNKNOWN, Units, alike_people, group_units

ONE = np.full((2, 2), 0.5)


def units_of(templates, *, person=None, camera=None, location=None, span=None, kind=None):
    """Units that are all of one camera and of unknown time unless it is said."""
    count = len(templates)
    camera = np.zeros(count, np.int64) if camera is None else np.array(camera)
    spans = np.zeros((count, 2), np.int64) if span is None else np.array(span)
    return Units(
        templates=np.asarray(templates, np.float32),
        kind=np.zeros(count, np.int64) if kind is None else np.array(kind),
        camera=camera,
        location=camera if location is None else np.array(location),
        start=spans[:, 0],
        end=spans[:, 1],
        timed=np.full(count, span is not None),
        person=np.full(count, NEW) if person is None else np.array(person),
    )


def angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def as_sets(groups):
    return {frozenset(np.flatnonzero(groups == one).tolist()) for one in set(groups.tolist())}


def slowly(units, thresholds):
    """Join the two groups of the largest mean margin, one by one, by the definition."""
    count = len(units)
    groups = {}
    for row in range(count):
        old = int(units.person[row])
        groups.setdefault(("old", old) if old != NEW else ("new", row), []).append(row)

    def margin(row, other):
        product = float(units.templates[row].astype(float) @ units.templates[other].astype(float))
        return product - thresholds[units.kind[row], units.kind[other]]

    def forbidden(one, other):
        if one[0] == other[0] == "old":
            return True
        return any(
            bool(units.conflicts(np.array([a]), np.array([b]))[0])
            for a in groups[one]
            for b in groups[other]
        )

    while True:
        best = max(
            (
                (float(np.mean([margin(a, b) for a in groups[one] for b in groups[other]])), i)
                for i, (one, other) in enumerate(combinations(groups, 2))
                if not forbidden(one, other)
            ),
            default=(-1.0, 0),
        )
        if best[0] < 0:
            return {frozenset(rows) for rows in groups.values()}
        one, other = list(combinations(groups, 2))[best[1]]
        if other[0] == "old":
            one, other = other, one
        groups[one] += groups.pop(other)


@pytest.mark.parametrize("seed", range(30))
def test_groups_are_what_joining_one_by_one_gives(seed):
    random = np.random.default_rng(seed)
    count, people = 26, 7
    centres = random.normal(size=(people, 6))
    templates = centres[random.integers(people, size=count)] + random.normal(0, 0.45, (count, 6))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    start = random.integers(0, 60, count)
    thresholds = np.array([[0.5, 0.3], [0.3, 0.6]])
    units = units_of(
        templates * random.uniform(0.8, 1, (count, 1)),
        kind=random.integers(2, size=count),
        camera=random.integers(-1, 3, count),
        location=random.integers(-1, 2, count),
        span=np.stack([start, start + random.integers(0, 12, count)], axis=1),
        person=np.where(random.random(count) < 0.3, random.integers(3, 6, count), NEW),
    )
    groups = group_units(units, thresholds)
    assert as_sets(groups) == slowly(units, thresholds)
    old = units.person != NEW
    assert (groups[old] == units.person[old]).all()


def test_in_parts_of_any_size(monkeypatch):
    random = np.random.default_rng(0)
    units = units_of(random.normal(size=(50, 3)))
    whole = group_units(units, ONE)
    monkeypatch.setattr(grouping, "BLOCK", 7)
    np.testing.assert_array_equal(group_units(units, ONE), whole)
    assert alike_people(units, whole, ONE) == []  # whoever could be joined was


def test_the_mean_decides_not_the_nearest():
    # cos 50 = 0.64 and cos 60 = 0.5; 0 and 50 are joined, 100 is 50 from one, 100 from the other:
    # (0.64 + -0.17) / 2 < 0.5.
    assert as_sets(group_units(units_of(angles(0, 50, 101)), ONE)) == {
        frozenset({0, 1}),
        frozenset({2}),
    }
    assert as_sets(group_units(units_of(angles(0, 60, 200)), ONE - 1e-6)) == {
        frozenset({0, 1}),
        frozenset({2}),
    }


def test_thresholds_are_those_of_the_kinds():
    thresholds = np.array([[0.9, 0.2], [0.2, 0.5]])
    units = units_of(angles(0, 50, 180, 230, 255), kind=[0, 0, 1, 1, 0])
    assert as_sets(group_units(units, thresholds)) == {
        frozenset({0}),
        frozenset({1}),
        frozenset({2, 3, 4}),
    }


CASES = [
    # Spans, cameras, locations -> whether the two can be one person.
    ([(0, 10), (5, 15)], [1, 1], [1, 1], False),
    ([(0, 10), (10, 20)], [1, 1], [1, 1], True),  # they touch
    ([(0, 10), (5, 15)], [1, 2], [1, 2], False),  # at two places at one time
    ([(0, 10), (5, 15)], [1, 2], [1, 1], True),  # two cameras that see one place
    ([(0, 10), (5, 15)], [1, 2], [UNKNOWN, UNKNOWN], False),
    ([(0, 10), (5, 15)], [1, UNKNOWN], [1, UNKNOWN], True),
    ([(0, 10), (5, 5)], [1, 1], [1, 1], False),  # an image while somebody else walks by
    ([(0, 10), (10, 10)], [1, 1], [1, 1], True),
    ([(5, 5), (5, 5)], [1, 1], [1, 1], True),  # two shots
]


@pytest.mark.parametrize(("span", "camera", "location", "possible"), CASES)
def test_what_cannot_be_one_person(span, camera, location, possible):
    units = units_of(angles(0, 1), span=span, camera=camera, location=location)
    assert units.conflicts(np.array([0, 1]), np.array([1, 0])).tolist() == [not possible] * 2
    assert len(as_sets(group_units(units, ONE))) == (1 if possible else 2)


def test_without_a_time_there_is_no_conflict():
    assert as_sets(group_units(units_of(angles(0, 1)), ONE)) == {frozenset({0, 1})}


def test_a_third_one_does_not_join_what_cannot_be_joined():
    span, camera = [(0, 10), (5, 15), (30, 40)], [1, 1, 1]
    groups = group_units(units_of(angles(0, 2, 1.5), span=span, camera=camera), ONE)
    assert as_sets(groups) == {frozenset({0}), frozenset({1, 2})}


def test_old_groups_grow_and_are_never_joined():
    units = units_of(angles(0, 10, 5, 90), person=[12, 30, NEW, NEW])
    groups = group_units(units, ONE)
    assert groups[:2].tolist() == [12, 30]
    assert groups[2] in (12, 30)
    assert groups[3] == 31
    ((one, other, margin),) = alike_people(units, groups, ONE)
    assert (one, other) == (12, 30)
    # 2 is with one of them: the mean of the cosines of 10 and 5 degrees.
    expected = (np.cos(np.radians(10)) + np.cos(np.radians(5))) / 2 - 0.5
    assert margin == pytest.approx(expected, abs=1e-6)
    apart = units_of(angles(0, 10), person=[12, 30], span=[(0, 9), (5, 9)], camera=[1, 1])
    assert alike_people(apart, apart.person, ONE) == []


def test_of_nothing_comes_nothing():
    assert len(group_units(units_of(np.empty((0, 2))), ONE)) == 0


def test_too_many_alike(monkeypatch):
    monkeypatch.setattr(grouping, "MAX_CHAINED", 2)
    with pytest.raises(GalleryError, match=r"3 units.*--false-link-rate"):
        group_units(units_of(angles(0, 1, 2)), ONE)


PAIRS = [
    # Three pairs put together (aa, ab, ab), two belong together (aa, bb), one is both.
    ([1, 1, 1, 2], "aabb", (3, 2, 1), (1 / 3, 1 / 2, 2 / 5)),
    ([1, 1, 2, 2], "aabb", (2, 2, 2), (1, 1, 1)),
    ([1, 1, 1, 1], "aabb", (6, 2, 2), (1 / 3, 1, 1 / 2)),
    ([1, 2, 3, 4], "aabb", (0, 2, 0), (1, 0, 0)),
    ([1, 2, 3, 4], "abcd", (0, 0, 0), (1, 1, 1)),
]


@pytest.mark.parametrize(("groups", "truth", "counts", "shares"), PAIRS)
def test_pairs_by_hand(groups, truth, counts, shares):
    scores = pairwise_scores(groups, list(truth))
    assert (scores.together, scores.same, scores.right) == counts
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx(shares)


def test_pairs_are_those_of_all_loops():
    random = np.random.default_rng(0)
    groups, truth = random.integers(9, size=80), random.integers(12, size=80)
    scores = pairwise_scores(groups, truth)
    pairs = list(combinations(range(80), 2))
    together = {pair for pair in pairs if groups[pair[0]] == groups[pair[1]]}
    same = {pair for pair in pairs if truth[pair[0]] == truth[pair[1]]}
    assert (scores.together, scores.same) == (len(together), len(same))
    assert scores.right == len(together & same)
    with pytest.raises(ValueError, match="columns"):
        pairwise_scores([1], [1, 2])
