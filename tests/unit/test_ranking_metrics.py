"""Ranking metrics: a case worked by hand, the definition as loops, and what must not matter."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fprnet.evaluation.ranking_metrics import QueryScores, rank_queries, ranking_keys
from sysu_cases import by_definition

# Query: identity 1, camera 3. Gallery by distance, as (identity, camera).
HAND = ((2, 2), (2, 1), (3, 1), (3, 4), (1, 4), (2, 5), (1, 5))


def hand_case(*, rule: bool) -> QueryScores:
    identity, camera = torch.tensor(HAND).T
    return rank_queries(
        torch.arange(1.0, 8.0)[None],
        torch.tensor([1]),
        identity,
        removed=(camera == 2)[None] if rule else None,
    )


def test_hand_worked_query_with_the_same_location_rule() -> None:
    scores = hand_case(rule=True)
    assert scores.identity_rank.tolist() == [3]  # identities 2, 3, 1
    assert scores.image_rank.tolist() == [4]  # images of 2, 3, 3, 1
    assert scores.average_precision.item() == pytest.approx((1 / 4 + 2 / 6) / 2)
    assert scores.inverse_negative_penalty.item() == pytest.approx(2 / 6)


def test_hand_worked_query_without_the_rule() -> None:
    assert hand_case(rule=False).average_precision.item() == pytest.approx((1 / 5 + 2 / 7) / 2)


def agree(scores: QueryScores, query: int, expected: object) -> None:
    if expected is None:
        assert not scores.valid[query]
        assert (scores.identity_rank[query], scores.image_rank[query]) == (0, 0)
        assert scores.average_precision[query].isnan()
        assert scores.inverse_negative_penalty[query].isnan()
        return
    assert scores.valid[query]
    for name, value in vars(expected).items():
        assert getattr(scores, name)[query].item() == pytest.approx(value, abs=1e-15), name


@pytest.mark.parametrize("seed", range(25))
def test_agrees_with_the_definition_with_ties_and_removed_images(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = (9, 14)
    distance = torch.randint(0, 6, size, generator=generator) / 4
    people = torch.randint(0, 5, (14,), generator=generator) * 3
    asked = torch.randint(-1, 6, (9,), generator=generator) * 3  # -3 and 15 are in no gallery
    removed = torch.rand(size, generator=generator) < 0.4
    removed[2] = True  # nothing is left
    scores = rank_queries(distance, asked, people, removed=removed)
    for query in range(9):
        expected = by_definition(distance[query], int(asked[query]), people, removed[query])
        agree(scores, query, expected)
    assert not scores.valid[2]


def test_equal_distances_keep_gallery_order() -> None:
    distance = torch.zeros(2, 3)
    scores = rank_queries(distance, torch.tensor([5, 7]), torch.tensor([5, 6, 7]))
    assert scores.identity_rank.tolist() == [1, 3]


def test_rounding_noise_is_a_tie() -> None:
    distance = torch.tensor([[0.3, 0.1 + 0.2, 0.7]], dtype=torch.float64)
    assert distance[0, 0] != distance[0, 1]
    assert rank_queries(distance, torch.tensor([1]), torch.tensor([1, 2, 3])).image_rank == 1
    assert rank_queries(distance, torch.tensor([2]), torch.tensor([1, 2, 3])).image_rank == 2


def test_keys_differ_and_sort_like_distance_then_column() -> None:
    distance = torch.tensor([[2.0, -1.0, 2.0, 0.0, -1.0, 99.0]], dtype=torch.float64)
    keys = ranking_keys(distance.clone(), torch.zeros(1, 6, dtype=torch.bool))[0]
    assert keys[-1] == math.inf  # nobody
    assert keys[:-1].argsort().tolist() == [1, 4, 3, 0, 2]
    assert len(keys.unique()) == 6


def test_a_negative_distance_ranks_before_a_positive_one() -> None:
    scores = rank_queries(torch.tensor([[0.5, -0.5]]), torch.tensor([2]), torch.tensor([1, 2]))
    assert scores.identity_rank.tolist() == [1]


def test_wrong_shape_names_the_argument_and_the_sizes() -> None:
    with pytest.raises(ValueError, match=r"removed is \(2, 3\) but there are 2 queries and 4"):
        rank_queries(
            torch.zeros(2, 4),
            torch.zeros(2, dtype=torch.long),
            torch.zeros(4, dtype=torch.long),
            removed=torch.zeros(2, 3, dtype=torch.bool),
        )


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_distance_that_is_no_number_names_the_query(wrong: float) -> None:
    distance = torch.tensor([[0.1, 0.2], [wrong, 0.2]])
    with pytest.raises(ValueError, match=r"not finite for queries \[1\]"):
        rank_queries(distance, torch.tensor([1, 1]), torch.tensor([1, 2]))


def test_empty_gallery_is_named() -> None:
    empty = torch.zeros(0, dtype=torch.long)
    with pytest.raises(ValueError, match="gallery is empty"):
        rank_queries(torch.zeros(2, 0), torch.zeros(2, dtype=torch.long), empty)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances without ties ``(3, G)`` and the people of the gallery."""
    size = draw(st.integers(2, 12))
    rows = [draw(st.permutations(range(1, size + 1))) for _ in range(3)]
    people = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(people)


ASKED = torch.tensor([0, 1, 2])
FIELDS = tuple(QueryScores.__dataclass_fields__)


def same(scores: QueryScores, others: QueryScores) -> bool:
    return all(
        torch.equal(getattr(scores, name).nan_to_num(-1.0), getattr(others, name).nan_to_num(-1.0))
        for name in FIELDS
    )


@settings(max_examples=60, deadline=None)
@given(rankings(), st.randoms(use_true_random=False))
def test_gallery_order_does_not_matter_without_ties(case, random) -> None:
    distance, people = case
    order = list(range(len(people)))
    random.shuffle(order)
    shuffled = rank_queries(distance[:, order], ASKED, people[order])
    assert same(rank_queries(distance, ASKED, people), shuffled)


@settings(max_examples=60, deadline=None)
@given(rankings(), st.sampled_from([torch.sqrt, torch.log, torch.square, lambda d: 5 * d - 40]))
def test_a_monotone_transform_changes_nothing(case, transform) -> None:
    distance, people = case
    expected = rank_queries(distance, ASKED, people)
    assert same(expected, rank_queries(transform(distance), ASKED, people))


@settings(max_examples=60, deadline=None)
@given(rankings(), st.floats(0, 13), st.integers(0, 12))
def test_a_distractor_never_helps(case, where: float, column: int) -> None:
    distance, people = case
    at = min(column, len(people))
    further = torch.full((3, 1), where, dtype=torch.float64)
    more = rank_queries(
        torch.cat([distance[:, :at], further, distance[:, at:]], dim=1),
        ASKED,
        torch.cat([people[:at], torch.tensor([9]), people[at:]]),
    )
    before = rank_queries(distance, ASKED, people)
    assert torch.equal(before.valid, more.valid)
    valid = before.valid
    for name in ("average_precision", "inverse_negative_penalty"):
        assert (getattr(more, name)[valid] <= getattr(before, name)[valid]).all()
    for name in ("identity_rank", "image_rank"):
        assert (getattr(more, name)[valid] >= getattr(before, name)[valid]).all()
