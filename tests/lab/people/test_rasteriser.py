"""Coverage by hand, against exact fractions, and the compiled form against the plain one."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fprnet_lab.people import rasteriser
from fprnet_lab.people.rasteriser import (
    FAR,
    depth_map,
    interpolated,
    rasterised,
    vertex_normals,
)

# Sixteenths of a sample are exact in binary, and never lie within 1e-5 of an edge by accident.
PLACES = st.integers(-64, 224).map(lambda place: place / 16)
POINTS = st.lists(st.tuples(PLACES, PLACES, st.integers(1, 9)), min_size=3, max_size=8)


def exact(points: list[tuple[float, float, int]], triangles: np.ndarray, size: int):
    """Nearest triangle of each sample and its depth, by definition, in fractions."""
    nearest = np.full((size, size), -1)
    depth = [[None] * size for _ in range(size)]
    for number, corners in enumerate(triangles):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (
            tuple(map(Fraction, points[corner])) for corner in corners
        )
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0:
            continue
        for row in range(size):
            for column in range(size):
                x, y = Fraction(2 * column + 1, 2), Fraction(2 * row + 1, 2)
                a = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area
                b = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area
                c = 1 - a - b
                if min(a, b, c) < 0:
                    continue
                z = a * az + b * bz + c * cz
                if depth[row][column] is None or z < depth[row][column]:
                    depth[row][column], nearest[row, column] = z, number
    return nearest, depth


@given(POINTS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_coverage_and_depth_are_the_exact_ones(points, random):
    count = random.randint(1, 4)
    triangles = np.array(
        [random.sample(range(len(points)), 3) for _ in range(count)], dtype=np.int32
    )
    coverage = rasterised(np.array(points, np.float32), triangles, 10, 10)
    nearest, depth = exact(points, triangles, 10)
    covered = np.zeros((10, 10), bool)
    covered[coverage.rows, coverage.columns] = True
    assert np.array_equal(covered, nearest >= 0)
    for row, column, triangle in zip(
        coverage.rows, coverage.columns, coverage.triangles, strict=True
    ):
        assert coverage.depth[row, column] == pytest.approx(float(depth[row][column]), abs=1e-4)
        if triangle != nearest[row, column]:  # only where both are equally near
            first = exact(points, triangles[[triangle]], 10)[1][row][column]
            assert float(first) == pytest.approx(float(depth[row][column]), abs=1e-4)


def test_a_triangle_covers_the_samples_whose_middle_it_holds():
    # Corners (0, 0), (4, 0), (0, 4): of each row the middles with x + y <= 4.
    points = np.array([[0, 0, 1], [4, 0, 1], [0, 4, 1]], np.float32)
    coverage = rasterised(points, np.array([[0, 1, 2]], np.int32), 4, 4)
    assert list(zip(coverage.rows, coverage.columns, strict=True)) == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0),
    ]  # fmt: skip
    assert coverage.depth[3, 3] == FAR
    # At the middle (0.5, 0.5) the weights are 1 - 1/8 - 1/8, 1/8 and 1/8.
    assert coverage.weights[0] == pytest.approx([0.75, 0.125, 0.125])


def test_neighbours_leave_no_gap():
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), 2).reshape(-1, 2) * 2
    inner = (grid > 0).all(1) & (grid < 16).all(1)
    grid[inner] += rng.uniform(-0.6, 0.6, (inner.sum(), 2))
    points = np.column_stack([grid, np.ones(81)]).astype(np.float32)
    corner = (np.arange(8)[:, None] * 9 + np.arange(8)).ravel()
    quads = np.stack([corner, corner + 1, corner + 10, corner + 9], 1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    assert len(rasterised(points, triangles, 16, 16).rows) == 256


def test_values_between_vertices():
    points = np.array([[0, 0, 1], [4, 0, 1], [0, 4, 1]], np.float32)
    triangles = np.array([[0, 1, 2]], np.int32)
    coverage = rasterised(points, triangles, 4, 4)
    values = np.array([[0, 1], [4, 1], [0, 1]], np.float32)  # the column itself, and a constant
    found = interpolated(values, triangles, coverage)
    assert found[0] == pytest.approx(coverage.columns + 0.5)
    assert found[1] == pytest.approx(1)


def test_normals_of_a_cube_point_outwards():
    corners = np.array(
        [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32
    )  # number 4 x + 2 y + z
    quads = np.array(
        [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]],
        np.int32,
    )
    assert vertex_normals(corners, quads) == pytest.approx(corners / np.sqrt(3), abs=1e-6)


def test_depth_map_keeps_the_nearest_centre():
    points = np.array(
        [[0, 0, 5], [3, 0, 5], [0, 3, 5], [0, 0, 2], [3, 0, 2], [0, 3, 2]], np.float32
    )
    found = depth_map(points, np.array([[0, 1, 2], [3, 4, 5]], np.int32), 3, 3)
    assert found[1, 1] == 2  # both centres are (1, 1)
    assert (found == FAR).sum() == 8


def test_the_compiled_forms_give_the_same_bits():
    rng = np.random.default_rng(2)
    points = (rng.uniform(-3, 23, (60, 3))).astype(np.float32)
    triangles = rng.integers(0, 60, (150, 3)).astype(np.int32)
    both = []
    for form in (rasteriser._rasterise, rasteriser._rasterise_arrays):
        depth, nearest = np.full((20, 20), FAR, np.float32), np.full((20, 20), -1, np.int32)
        weights = np.zeros((20, 20, 2), np.float32)
        form(points.astype(np.float64), triangles, depth, nearest, weights)
        both.append((depth, nearest, weights))
    for fast, plain in zip(*both, strict=True):
        assert np.array_equal(fast, plain)
    quads = rng.integers(0, 60, (80, 4)).astype(np.int32)
    fast, plain = np.zeros_like(points), np.zeros_like(points)
    rasteriser._add_normals(points, quads, fast)
    rasteriser._add_normals_arrays(points, quads, plain)
    assert np.array_equal(fast, plain)
    coverage = rasterised(points, triangles, 20, 20)
    values = rng.normal(size=(60, 4)).astype(np.float32)
    fast, plain = (np.empty((4, len(coverage.rows)), np.float32) for _ in range(2))
    rasteriser._interpolate(values, triangles, coverage.triangles, coverage.weights, fast)
    rasteriser._interpolate_arrays(values, triangles, coverage.triangles, coverage.weights, plain)
    assert np.array_equal(fast, plain)
    fast, plain = (np.full((20, 20), FAR, np.float32) for _ in range(2))
    rasteriser._splat(points, triangles, fast)
    rasteriser._splat_arrays(points, triangles, plain)
    assert np.array_equal(fast, plain)
