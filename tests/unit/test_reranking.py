"""Re-ranking against the algorithm written plainly, a hand-worked case and what it must keep."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_neighbours import plain_jaccard

from fprnet.errors import UsageError
from fprnet.evaluation import reranking
from fprnet.evaluation.reranking import Reranking, rerank, reranked_blocks
from fprnet_lab.benchmarking.plain_reranking import plain_rerank


def people(queries: int, gallery: int, dimensions: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries and gallery with some identity in them."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((max(2, gallery // 8), dimensions))
    pairs = [
        centres[generator.integers(0, len(centres), number)]
        + 0.7 * generator.standard_normal((number, dimensions))
        for number in (queries, gallery)
    ]
    return pairs[0], pairs[1]


def fast(query: np.ndarray, gallery: np.ndarray, **options: float) -> np.ndarray:
    names = {"weight": options.pop("weight", 0.3), **options}
    return rerank(torch.tensor(query), torch.tensor(gallery), Reranking(**names)).numpy()


def test_hand_worked_case() -> None:
    # On a line: query 0; gallery 1 and 5. With k1 = 1, N(p, 1) holds p and its nearest:
    # N(q) = {q, a}, N(a) = {a, q}, N(b) = {b, a}. R(q) = R(a) = {q, a}; R(b) = {b}.
    # Round(1 / 2) = 0, so R(p, 0) = {p}, which adds nothing. d, each row divided by its largest:
    # d(q, a) = 1 / 25, d(a, q) = 1 / 16, d(q, b) = 1, and so on the images (q, a, b)
    # V_q = (1, e^-1/25, 0) / Z, V_a = (e^-1/16, 1, 0) / Z', V_b = (0, 0, 1).
    near, back = math.exp(-1 / 25), math.exp(-1 / 16)
    own, other = 1 / (1 + near), near / (1 + near)
    shared = min(own, back / (1 + back)) + min(other, 1 / (1 + back))
    expected = [
        0.7 * (1 - shared / (2 - shared)) + 0.3 / 25,
        0.7 * 1 + 0.3 * 1,
    ]
    query, gallery = np.array([[0.0]]), np.array([[1.0], [5.0]])
    assert fast(query, gallery, k1=1, k2=1)[0] == pytest.approx(expected, abs=1e-6)
    assert plain_rerank(query, gallery, k1=1, k2=1)[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "options",
    [{}, {"k1": 7, "k2": 3}, {"k1": 5, "k2": 1}, {"k1": 3, "k2": 9, "weight": 0.0}],
)
def test_equals_the_plain_algorithm(seed: int, options: dict[str, float]) -> None:
    query, gallery = people(60, 90, 6, seed)
    expected = plain_rerank(query, gallery, **options)
    np.testing.assert_allclose(fast(query, gallery, **options), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("places", [2, 5])  # with 8 places more than k1 images are equal
def test_equals_the_plain_algorithm_with_ties(seed: int, places: int) -> None:
    generator = np.random.default_rng(seed)
    query = generator.integers(0, places, (40, 3)).astype(float)
    gallery = generator.integers(0, places, (90, 3)).astype(float)
    expected = plain_rerank(query, gallery, k1=12, k2=4)
    np.testing.assert_allclose(fast(query, gallery, k1=12, k2=4), expected, rtol=0, atol=1e-5)


def test_equals_the_plain_algorithm_where_there_are_fewer_images_than_neighbours() -> None:
    query, gallery = people(3, 5, 4, seed=0)
    np.testing.assert_allclose(
        fast(query, gallery), plain_rerank(query, gallery), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("k1", "k2", "weight"), [(8, 5, 0.3), (4, 1, 0.0)])
def test_balanced_neighbours_are_half_of_each_group(seed, k1, k2, weight) -> None:
    query, gallery = people(14, 22, 6, seed)
    query = query + 3  # the modalities lie apart
    vectors, groups = np.concatenate([query, gallery]), np.repeat([1, 0], [14, 22])
    jaccard = plain_jaccard(vectors, groups, k1, k2)[:14, 14:]
    apart = ((vectors[:14, None] - vectors) ** 2).sum(axis=2)
    original = (apart / apart.max(axis=1, keepdims=True))[:, 14:]
    expected = (1 - weight) * jaccard + weight * original
    blocks = reranked_blocks(
        torch.tensor(query), torch.tensor(gallery), Reranking(k1, k2, weight, balanced=True), groups
    )
    found = torch.cat([distance for _, distance in blocks]).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("balanced", "groups"), [(True, None), (False, np.zeros(7, dtype=int))])
def test_balanced_neighbours_and_groups_belong_together(balanced, groups) -> None:
    with pytest.raises(ValueError, match="balanced neighbours need groups"):
        next(
            reranked_blocks(
                torch.zeros(3, 2), torch.zeros(4, 2), Reranking(balanced=balanced), groups
            )
        )


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery = people(50, 60, 5, seed=3)
    expected = fast(query, gallery)
    for name, size in (("ROWS", 7), ("CPU_BLOCK", 100)):
        monkeypatch.setattr(reranking, name, size)
    np.testing.assert_allclose(fast(query, gallery), expected, rtol=0, atol=1e-7)


def test_blocks_are_of_queries_in_their_order() -> None:
    query, gallery = people(9, 20, 4, seed=1)
    blocks = list(reranked_blocks(torch.tensor(query), torch.tensor(gallery)))
    rows = np.concatenate([np.arange(9)[part] for part, _ in blocks])
    assert rows.tolist() == list(range(9))
    assert all(distance.shape[1] == 20 for _, distance in blocks)
    assert blocks[0][1].dtype == torch.float32


def test_equal_images_are_at_no_distance_and_nothing_is_nan() -> None:
    equal = np.full((30, 3), 1 / 3), np.full((40, 3), 1 / 3)
    same = fast(*equal)  # the first images are everybody's neighbours
    assert np.isfinite(same).all()
    with np.errstate(invalid="ignore"):  # 0 / 0: all distances are 0
        assert np.isnan(plain_rerank(*equal)).all()
    twice = np.array([[0.0, 0.0]])
    assert fast(twice, np.array([[0.0, 0.0], [9.0, 9.0]]), k1=1, k2=1)[0, 0] == pytest.approx(0)


def test_a_large_common_part_does_not_matter() -> None:
    query, gallery = people(30, 40, 5, seed=4)
    moved = fast(query + 1000, gallery + 1000)
    np.testing.assert_allclose(moved, fast(query, gallery), rtol=0, atol=1e-6)


def test_lambda_1_is_the_original_distance() -> None:
    query, gallery = people(10, 30, 5, seed=5)
    squared = ((query[:, None] - gallery) ** 2).sum(axis=2)
    among = ((query[:, None] - query) ** 2).sum(axis=2)
    largest = np.maximum(squared.max(axis=1), among.max(axis=1))[:, None]
    original = fast(query, gallery, weight=1.0)
    np.testing.assert_allclose(original, squared / largest, rtol=1e-5, atol=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_permuting_queries_permutes_the_rows(seed: int, random) -> None:
    query, gallery = people(12, 25, 4, seed)
    order = list(range(len(query)))
    random.shuffle(order)
    expected = fast(query, gallery, k1=6, k2=3)[order]
    np.testing.assert_allclose(fast(query[order], gallery, k1=6, k2=3), expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_permuting_the_gallery_permutes_the_columns(seed: int, random) -> None:
    query, gallery = people(12, 25, 4, seed)
    order = list(range(len(gallery)))
    random.shuffle(order)
    expected = fast(query, gallery, k1=6, k2=3)[:, order]
    np.testing.assert_allclose(fast(query, gallery[order], k1=6, k2=3), expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_scale_does_not_matter_and_distances_lie_in_0_to_1(seed: int, scale: float) -> None:
    query, gallery = people(8, 20, 4, seed)
    distance = fast(query, gallery, k1=6, k2=3)
    np.testing.assert_allclose(
        fast(scale * query, scale * gallery, k1=6, k2=3), distance, atol=1e-6
    )
    assert ((distance >= -1e-6) & (distance <= 1 + 1e-6)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": 0}, "k1 of re-ranking is 0; it must be 1 or more"),
        ({"k2": -1}, "k2 of re-ranking is -1; it must be 1 or more"),
        ({"weight": 1.5}, "lambda of re-ranking is 1.5; it must be from 0 to 1"),
        ({"weight": math.nan}, "lambda of re-ranking is nan"),
    ],
)
def test_options_without_meaning(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Reranking(**options)


@pytest.mark.parametrize("shape", [(0, 3), (4, 2)])
def test_wrong_shapes_are_named(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"gallery \(\d, \d\); both need rows"):
        rerank(torch.zeros(2, 3), torch.zeros(shape))
