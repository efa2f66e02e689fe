"""Open-set identification: the worked case, ties, the definition as a slow loop, properties."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Trial, tie_order
from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError, UsageError
from fprnet.evaluation.halvings import halvings, order_by_rule, version
from fprnet.evaluation.open_set import (
    false_positive_rate,
    score_open_set,
    threshold_at,
    true_positive_rate,
)
from fprnet.evaluation.reliability import measure_reliability, reliability
from fprnet.evaluation.searches import Searches, compare_trials, enrol
from sysu_cases import small_features, small_split

# Enrolled a = 1, b = 2; p1 of a, p2 of b; strangers q1 = 8, q2 = 9 (open-set worked case).
WORKED = Searches(
    score=np.array([[0.9, 0.2], [0.8, 0.6], [0.7, 0.1], [0.5, 0.5]]),
    identity=np.array([1, 2]),
    query_identity=np.array([1, 2, 8, 9]),
    images=np.array([1, 1]),
)


def test_worked_case() -> None:
    one = enrol(WORKED, (1, 2), (8, 9))
    assert one.similarity.tolist() == [0.9, 0.6]
    assert one.rank.tolist() == [1, 2]
    assert one.stranger_similarity.tolist() == [0.7, 0.5]
    half = threshold_at(one.stranger_similarity, 0.5)  # floor(.5 * 2) = 1: the largest
    assert half == 0.7
    assert false_positive_rate(one.stranger_similarity, half) == 0.5
    assert true_positive_rate(one, half, 1) == 0.5  # p1; p2's right one is at rank 2 and below
    assert true_positive_rate(one, half, 2) == 0.5
    tenth = threshold_at(one.stranger_similarity, 0.1)  # floor 0: just above the largest
    assert 0.7 < tenth < 0.7 + 1e-15
    assert false_positive_rate(one.stranger_similarity, tenth) == 0
    assert true_positive_rate(one, tenth, 1) == 0.5


def test_ties_count_against_the_system() -> None:
    # The right person and another are equally alike: rank 2. A stranger at the threshold enters.
    tied = replace(WORKED, score=np.array([[0.6, 0.6], [0.1, 0.6], [0.6, 0.1], [0.6, 0.6]]))
    one = enrol(tied, (1, 2), (8, 9))
    assert one.rank.tolist() == [2, 1]
    assert true_positive_rate(one, 0.6, 1) == 0.5
    assert true_positive_rate(one, 0.6, 2) == 1
    half = threshold_at(one.stranger_similarity, 0.5)
    assert half == 0.6
    assert false_positive_rate(one.stranger_similarity, half) == 1  # more than was asked for


@pytest.mark.parametrize(
    ("rate", "searches", "place"), [(0.29, 100, 29), (0.07, 100, 7), (0.1, 30, 3), (0.3, 10, 3)]
)
def test_rates_are_decimal_numbers(rate, searches, place) -> None:
    # 0.29 * 100 is 28.999999999999996 in binary floating point.
    maxima = np.arange(1.0, searches + 1)
    assert threshold_at(maxima, rate) == searches - place + 1


def test_people_of_whom_a_query_sees_nothing_are_skipped_and_counted() -> None:
    unseen = replace(WORKED, score=np.array([[-np.inf, 0.2], [0.8, 0.6], [-np.inf] * 2, [0.5, 0]]))
    one = enrol(unseen, (1, 2), (8, 9))
    assert (one.skipped, one.identity.tolist()) == (1, [2])
    assert one.stranger_similarity.tolist() == [-np.inf, 0.5]  # the stranger counts: nobody found
    nobody = enrol(WORKED, (5,), (8, 9))
    assert (nobody.enrolled, nobody.skipped, len(nobody.similarity)) == (0, 0, 0)
    assert (nobody.stranger_similarity == -np.inf).all()


# The definition, as slowly and plainly as it is written


def definition(features, protocol, enrolled, strangers, rate, rank, *, mean) -> tuple[float, float]:
    """TPIR and threshold of the first trial; similarity is the negative Euclidean distance."""
    trial = protocol.trials[0]
    group = protocol.exclusion_group

    def alike(query, person):
        images = [
            g
            for g in trial.gallery
            if features.identity[g] == person
            and (group[g] == NEVER_EXCLUDED or group[g] != group[query])
        ]
        if not images:
            return None
        vectors = features.features[images].astype(float)
        if mean:
            vectors = vectors.mean(axis=0, keepdims=True)
        return -min(math.dist(vector, features.features[query]) for vector in vectors)

    maxima, mated = [], []
    for query in trial.query:
        scores = {person: alike(query, person) for person in enrolled}
        scores = {person: score for person, score in scores.items() if score is not None}
        own = int(features.identity[query])
        if own in strangers:
            maxima.append(max(scores.values(), default=-math.inf))
        elif own in scores:
            place = sum(round(score, 9) >= round(scores[own], 9) for score in scores.values())
            mated.append((scores[own], place))
    count = math.floor(Fraction(str(rate)) * len(maxima))
    threshold = sorted(maxima, reverse=True)[count - 1] if count else max(maxima) + 1e-12
    found = [s >= threshold - 1e-13 and place <= rank for s, place in mated]
    return sum(found) / len(found), threshold


PEOPLE = (1, 2, 3, 4, 5, 6, 8, 9)  # 7 trains
IMAGES = {
    (camera, identity): 1 + (camera * identity) % 4
    for identity in PEOPLE
    for camera in (1, 2, 4, 5, 3, 6)
    if (camera + identity) % 7
}


@pytest.mark.parametrize("template", ["best", "mean"])
@pytest.mark.parametrize(("shots", "mode"), [(1, "all"), (3, "all"), (2, "indoor")])
@pytest.mark.parametrize("seed", [0, 1])
def test_rates_are_those_of_the_definition(template, shots, mode, seed) -> None:
    split = small_split(IMAGES, test=PEOPLE, seed=seed)
    features = small_features(IMAGES, seed=seed)  # whole numbers from 0 to 2: many ties
    protocol = sysu_mm01_protocol(features, split, shots=shots, mode=mode)
    kind, searches = compare_trials(features, protocol, template=template)
    assert kind == "negative distance"
    known, unknown = PEOPLE[::2], PEOPLE[1::2]
    one = enrol(searches[0], known, unknown)
    for rate, rank in ((0.1, 1), (0.25, 2), (0.01, 1)):
        threshold = threshold_at(one.stranger_similarity, rate)
        tpir, expected = definition(
            features, protocol, known, unknown, rate, rank, mean=template == "mean"
        )
        assert threshold == pytest.approx(expected, abs=1e-6)
        assert true_positive_rate(one, threshold, rank) == pytest.approx(tpir, abs=1e-12)


def test_unit_vectors_are_compared_by_their_cosine() -> None:
    features = small_features(IMAGES, ties=False)
    unit = features.features / np.linalg.norm(features.features, axis=1, keepdims=True)
    features = replace(features, features=unit)
    protocol = sysu_mm01_protocol(features, small_split(IMAGES, test=PEOPLE))
    plain = score_open_set(features, protocol, rates=(0.25,))
    cosine = score_open_set(features, protocol, rates=(0.25,), metric="cosine")
    assert plain == cosine
    assert plain.similarity == "cosine"
    longer = replace(features, features=3 * unit)
    distance = score_open_set(longer, protocol, rates=(0.25,))
    assert distance.similarity == "negative distance"
    assert distance.points[0].tpir == plain.points[0].tpir  # both order equally


# The whole result


def result(seed=0, **options):
    features = small_features(IMAGES, seed=seed, ties=False)
    protocol = sysu_mm01_protocol(features, small_split(IMAGES, test=PEOPLE))
    return score_open_set(features, protocol, **options)


def test_ten_enrolments_times_ten_draws() -> None:
    found = result(rates=(0.25,), resamples=200)
    assert (found.enrolments, found.draws, found.identities, found.strangers) == (10, 10, 8, 4)
    (point,) = found.points
    assert len(point.tpir) == len(point.fpir) == len(point.threshold) == 10
    low, high = point.ci95
    assert low <= np.mean(point.tpir) <= high
    # Without ties FPIR is the largest share that is not above the rate.
    assert max(point.fpir) <= 0.25
    fpir, fnir = zip(*found.det, strict=True)
    assert list(fpir) == sorted(fpir)
    assert list(fnir) == sorted(fnir, reverse=True)


def test_rates_that_too_few_searches_can_show_are_refused() -> None:
    found = result(rates=(0.01, 0.25))
    assert "needs 100 non-mated searches" in found.points[0].refused
    assert str(found.non_mated) in found.points[0].refused
    assert found.points[0].as_dict() == {"refused": found.points[0].refused}
    assert not found.points[1].refused
    assert "not reported" in found.table()


def test_threshold_that_the_model_ships_with() -> None:
    found = result(rates=(), shipped=lambda images: -1.0 - images / 1000, resamples=50)
    (point,) = found.points
    assert point.name == "threshold"
    assert all(-1.1 <= threshold < -1.0 for threshold in point.threshold)
    everything = result(rates=(), shipped=lambda images: -math.inf).points[0]
    assert set(everything.fpir) == {1.0}
    assert everything.fpir_ci95 == (1.0, 1.0)


def test_bootstrap_is_that_of_the_definition() -> None:
    """Every resample again, with searches repeated as often as their person was drawn."""
    features = small_features(IMAGES, seed=3)
    protocol = sysu_mm01_protocol(features, small_split(IMAGES, test=PEOPLE), trials=2)
    found = score_open_set(features, protocol, rates=(0.25,), resamples=40, seed=5)
    people = np.array(PEOPLE)
    drawn = np.random.default_rng(5).multinomial(8, np.full(8, 1 / 8), 40)
    _, searches = compare_trials(features, protocol)
    means = []
    for count in drawn:
        of_person = dict(zip(people.tolist(), count.tolist(), strict=True))
        rates = []
        for halving in halvings(people.tolist()):
            for known, unknown in (
                (halving.first, halving.second),
                (halving.second, halving.first),
            ):
                for one in (enrol(trial, known, unknown) for trial in searches):
                    mated = np.repeat(
                        np.arange(len(one.rank)), [of_person[i] for i in one.identity]
                    )
                    times = [of_person[i] for i in one.stranger_identity]
                    maxima = np.repeat(one.stranger_similarity, times)
                    if not len(mated) or not len(maxima):
                        rates.append(np.nan)
                        continue
                    threshold = threshold_at(maxima, 0.25)
                    hits = (one.similarity >= threshold) & (one.rank <= 1)
                    rates.append(hits[mated].mean())
        means.append(np.mean(rates))
    expected = np.nanpercentile(means, (2.5, 97.5))
    np.testing.assert_allclose(found.points[0].ci95, expected, atol=1e-12)


def test_bad_questions_are_one_line() -> None:
    with pytest.raises(UsageError, match="rank of open set is 0"):
        result(rank=0)
    with pytest.raises(UsageError, match="FPIR 1"):
        result(rates=(1.0,))
    with pytest.raises(UsageError, match="template 'median'"):
        result(template="median")
    features = small_features(IMAGES)
    alone = sysu_mm01_protocol(features, small_split(IMAGES), identities=(1,))
    with pytest.raises(FeaturesError, match="needs two people"):
        score_open_set(features, alone)


def test_no_non_mated_search_is_refused() -> None:
    """Two people, of whom only one is ever searched for when the other is enrolled."""
    features = small_features(IMAGES)
    protocol = sysu_mm01_protocol(features, small_split(IMAGES), identities=(1, 2))
    hidden = features.identity[protocol.trials[0].gallery] != 1
    trials = tuple(
        Trial(t.query, t.gallery[features.identity[t.gallery] != 1]) for t in protocol.trials
    )
    assert hidden.any()
    with pytest.raises(FeaturesError, match="0 mated and"):
        score_open_set(features, replace(protocol, trials=trials))


# Properties


@st.composite
def tables(draw):
    """Scores of up to five people and eight queries from a small range of values."""
    people = draw(st.integers(2, 5))
    queries = draw(st.integers(2, 8))
    values = st.integers(-3, 3).map(float)
    score = np.array(draw(st.lists(values, min_size=people * queries, max_size=people * queries)))
    owner = np.array(draw(st.lists(st.integers(1, 6), min_size=queries, max_size=queries)))
    numbers = np.arange(1, people + 1)
    return Searches(score.reshape(queries, people), numbers, owner, np.ones_like(numbers))


@given(tables(), st.integers(-3, 3), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_another_enrolled_person_never_raises_tpir(searches, threshold, rank) -> None:
    known = searches.identity[:-1].tolist()
    fewer = enrol(searches, known, (6,))
    more = replace(searches, query_identity=searches.query_identity)
    more = enrol(more, searches.identity.tolist(), (6,))
    own = np.isin(more.identity, known)
    assert (more.rank[own] >= fewer.rank).all()
    if len(fewer.rank):
        raised = true_positive_rate(
            replace(more, similarity=more.similarity[own], rank=more.rank[own]), threshold, rank
        )
        assert raised <= true_positive_rate(fewer, threshold, rank)
    if len(fewer.stranger_similarity):
        assert false_positive_rate(more.stranger_similarity, threshold) >= false_positive_rate(
            fewer.stranger_similarity, threshold
        )


@given(st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12), st.integers(1, 99))
def test_no_more_than_the_rate_is_above_the_threshold(maxima, percent) -> None:
    values = np.array(maxima)
    threshold = threshold_at(values, percent / 100)
    assert (values > threshold).sum() <= percent * len(values) / 100
    assert false_positive_rate(values, np.nextafter(threshold, np.inf)) <= percent / 100


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_order_of_rows_and_galleries_changes_nothing(seed) -> None:
    features = small_features(IMAGES)
    split = small_split(IMAGES, test=PEOPLE)
    order = np.random.default_rng(seed).permutation(len(features))
    plain, shuffled = (
        score_open_set(f, sysu_mm01_protocol(f, split, trials=2), rates=(0.25,), resamples=20)
        for f in (features, features.where(order))
    )
    assert plain == shuffled


# Halvings


def test_stored_halvings_are_those_of_the_rule() -> None:
    stored = json.loads((files("fprnet.evaluation") / "halvings.json").read_text(encoding="utf-8"))
    assert version() == stored["version"] == "halvings@1"
    assert len(stored["orders"]) == 5
    for number, order in enumerate(stored["orders"], start=1):
        assert sorted(order) == list(range(1, 1101))
        assert order == order_by_rule(range(1, 1101), number, stored["seed"])


def test_halves_are_disjoint_and_complete_also_beyond_the_list() -> None:
    for people in (range(1, 97), (5, 2, 900), (3, 70_000, 12)):
        found = halvings(list(people))
        for halving in found:
            assert sorted(halving.first + halving.second) == sorted(people)
            assert len(halving.first) - len(halving.second) in (0, 1)
        assert [halving.number for halving in found] == [1, 2, 3, 4, 5]
    assert len({halving.first for halving in halvings(list(range(1, 97)))}) == 5
    # Worked by hand: sha256("0:1:3") = 0a..., ("0:1:12") and ("0:1:70000") follow the rule, too.
    assert halvings([3, 70_000, 12])[0].first == tuple(
        sorted(order_by_rule([3, 12, 70_000], 1, 0)[:2])
    )


# Reliability


def test_calibration_error_by_hand() -> None:
    stated = np.array([0.05, 0.15, 0.15, 0.95])
    right = np.array([False, True, False, True])
    found = reliability(stated, right)
    # |0.05 - 0| * 1 + |0.15 - 0.5| * 2 + |0.95 - 1| * 1 = 0.8, over 4 matches
    assert found.expected_calibration_error == pytest.approx(0.2)
    assert [one.matches for one in found.bins] == [1, 2, 1]


def test_probabilities_of_the_first_matches() -> None:
    """Two queries and a gallery of three; the second query must not see its own image."""
    features = Features(
        features=np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32),
        identity=np.array([1, 2, 1, 3, 2]),
        camera=np.zeros(5, dtype=np.int64),
        modality=np.array(["infrared"] * 2 + ["visible"] * 3),
        path=np.array(list("abcde")),
    )
    protocol = Protocol(
        name="hand",
        settings={},
        trials=(Trial(np.array([0, 1]), np.array([2, 3, 4])),),
        exclusion_group=np.array([NEVER_EXCLUDED, 7, NEVER_EXCLUDED, NEVER_EXCLUDED, 7]),
        order=tie_order(features),
    )
    asked = []

    def probability(similarity, candidates, images):
        asked.append((similarity.tolist(), candidates.tolist(), images.tolist()))
        return np.where(similarity > 0.9, 0.9, 0.1)

    found = measure_reliability(features, protocol, probability)
    ((similarity, candidates, images),) = asked
    np.testing.assert_allclose(similarity, [[1, 0.6, 0], [0.8, 0, 0]], atol=1e-6)
    assert candidates == [[3], [2]]
    assert images == [[1], [1]]
    # 0.9 stated once and right; 0.1 stated 2 + 2 times and never right.
    assert found.matches == 5
    assert found.expected_calibration_error == pytest.approx((0.1 + 4 * 0.1) / 5)
