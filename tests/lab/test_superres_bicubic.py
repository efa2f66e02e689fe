"""Bicubic resizing against its definition in loops and against values worked by hand."""

import math

import numpy as np
import pytest

from fprnet_lab.superres.bicubic import crop_to_multiple, cubic, resize, resizing_matrix


def kernel_by_definition(x, a=-0.5):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def resize_line_by_definition(line, new_length):
    """Counted from 1, as MATLAB does: u = x / scale + 0.5 (1 - 1 / scale)."""
    length = len(line)
    scale = new_length / length
    width = 4 / min(scale, 1)
    result = []
    for x in range(1, new_length + 1):
        u = x / scale + 0.5 * (1 - 1 / scale)
        total = weights = 0.0
        for j in range(math.floor(u - width), math.ceil(u + width) + 1):
            weight = min(scale, 1) * kernel_by_definition(min(scale, 1) * (u - j))
            mirror = [*range(1, length + 1), *range(length, 0, -1)]
            total += weight * line[mirror[(j - 1) % (2 * length)] - 1]
            weights += weight
        result.append(total / weights)
    return result


def test_kernel_values_worked_by_hand():
    distances = np.array([0, 0.25, 0.5, 1, 1.25, 1.5, 2, 2.5])
    expected = [1, 0.8671875, 0.5625, 0, -0.0703125, -0.0625, 0, 0]
    np.testing.assert_allclose(cubic(distances), expected, atol=1e-15)
    np.testing.assert_allclose(cubic(-distances), expected, atol=1e-15)


def test_two_pixels_become_four_worked_by_hand():
    doubled = resize(np.array([[1.0], [2.0]]), (4, 1))[:, 0]
    np.testing.assert_allclose(doubled, [0.90625, 1.203125, 1.796875, 2.09375])


@pytest.mark.parametrize(
    ("length", "new_length"), [(7, 14), (9, 3), (12, 3), (5, 20), (10, 7), (7, 10), (3, 1), (1, 4)]
)
def test_agrees_with_the_definition_in_loops(length, new_length):
    image = np.random.default_rng(length).random((length, 3))
    expected = [resize_line_by_definition(list(column), new_length) for column in image.T]
    actual = resize(image, (new_length, 3))
    np.testing.assert_allclose(actual, np.transpose(expected), atol=1e-12)
    np.testing.assert_allclose(actual, resizing_matrix(length, new_length) @ image, atol=1e-12)


def test_axes_and_channels_are_separate():
    image = np.random.default_rng(0).random((6, 8, 2))
    both = resize(image, (3, 4))
    for channel in range(2):
        np.testing.assert_allclose(both[..., channel], resize(image[..., channel], (3, 4)))
    rows_first = resize(resize(image, (3, 8)), (3, 4))
    np.testing.assert_allclose(both, rows_first)


def test_shrinking_is_antialiased():
    stripes = np.tile([0.0, 1.0], 16)[None]  # without antialiasing: all black or all white
    np.testing.assert_allclose(resize(stripes, (1, 8))[0, 2:-2], 0.5, atol=1e-12)


def test_size_of_its_own_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (5, 4), dtype=np.uint8)
    np.testing.assert_array_equal(resize(image, (5, 4)), image)


def test_crops_right_and_bottom():
    image = np.arange(35, dtype=np.uint8).reshape(5, 7)
    np.testing.assert_array_equal(crop_to_multiple(image, 3), image[:3, :6])


def test_no_pixels_are_refused():
    with pytest.raises(ValueError, match="cannot resize 4 pixels to 0"):
        resizing_matrix(4, 0)
