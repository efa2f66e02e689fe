"""Descriptors that nothing has learned: hand-made pictures, slow definitions, error messages."""

import colorsys
import math

import numpy as np
import pytest

from fprnet.embeddings.descriptors import (
    DESCRIPTORS,
    gradient_histogram,
    gray_histogram,
    hsv_stripe_histogram,
)


def random_pictures(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def flat_picture(color: tuple[int, int, int], height: int = 16, width: int = 8) -> np.ndarray:
    return np.broadcast_to(np.array(color, dtype=np.uint8), (1, height, width, 3))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("gradients", 15 * 7 * 4 * 9), ("hsv", 8 * 12 * 3 * 3), ("gray", 8 * 16)],
)
@pytest.mark.parametrize("size", [(128, 64), (288, 144)])
def test_every_descriptor_has_length_one_and_a_size_of_its_own(
    name: str, numbers: int, size: tuple[int, int]
) -> None:
    described = DESCRIPTORS[name](random_pictures(3, *size))
    assert described.shape == (3, numbers)
    assert described.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(DESCRIPTORS))
def test_no_pictures_are_no_descriptors(name: str) -> None:
    assert len(DESCRIPTORS[name](np.empty((0, 128, 64, 3), dtype=np.uint8))) == 0


@pytest.mark.parametrize("name", sorted(DESCRIPTORS))
def test_a_picture_is_described_alike_alone_and_among_many(name: str) -> None:
    pictures = np.concatenate([random_pictures(1, 32, 16)] * 300)  # more than are done at once
    pictures[270] = 255 - pictures[270]
    described = DESCRIPTORS[name](pictures)
    np.testing.assert_array_equal(described[270], DESCRIPTORS[name](pictures[270:271])[0])
    np.testing.assert_array_equal(described[299], described[0])


def test_gray_bins_of_a_two_tone_picture() -> None:
    picture = flat_picture((0, 0, 0)).copy()
    picture[0, 8:] = 255  # lower half white
    described = gray_histogram(picture, stripes=2, bins=4)
    expected = np.array([1, 0, 0, 0, 0, 0, 0, 1]) / math.sqrt(2)
    np.testing.assert_allclose(described[0], expected, atol=1e-6)


def test_gray_shares_enter_as_square_roots() -> None:
    picture = flat_picture((0, 0, 0), height=4, width=4).copy()
    picture[0, 0] = 255  # a quarter of the only stripe
    described = gray_histogram(picture, stripes=1, bins=2, centre=1.0)
    np.testing.assert_allclose(described[0], [math.sqrt(3 / 4), math.sqrt(1 / 4)], atol=1e-6)


@pytest.mark.parametrize(
    "color",
    [
        (255, 0, 0),
        (10, 200, 30),
        (0, 0, 255),
        (200, 200, 10),
        (90, 90, 90),
        (0, 0, 0),
        (200, 10, 150),
    ],
)
def test_hsv_bin_of_a_flat_picture_is_that_of_colorsys(color: tuple[int, int, int]) -> None:
    bins = (6, 3, 4)
    place = 0
    for value, count in zip(colorsys.rgb_to_hsv(*(c / 255 for c in color)), bins, strict=True):
        place = place * count + min(int(value * count), count - 1)
    described = hsv_stripe_histogram(flat_picture(color), stripes=1, bins=bins)
    assert described[0].argmax() == place
    assert described[0, place] == pytest.approx(1)


def test_only_the_middle_columns_count() -> None:
    picture = flat_picture((200, 0, 0), width=16).copy()
    changed = picture.copy()
    changed[:, :, :4] = changed[:, :, 12:] = (0, 90, 200)
    np.testing.assert_array_equal(hsv_stripe_histogram(picture), hsv_stripe_histogram(changed))
    changed[:, :, 4] = (0, 90, 200)
    assert (hsv_stripe_histogram(picture) != hsv_stripe_histogram(changed)).any()


def test_a_vertical_edge_votes_for_horizontal_gradients_alone() -> None:
    picture = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    picture[:, :, 8:] = 255
    described = gradient_histogram(picture, rows=2, orientations=9, block=1, centre=1.0)
    # Orientation 0 lies on the border of the first and the last bin: each gets half.
    votes = described.reshape(2, 2, 9)
    np.testing.assert_allclose(votes[..., 0], votes[..., 8], atol=1e-6)
    assert (votes[..., 1:8] == 0).all()
    assert (votes[..., 0] > 0).all()


def gradients_by_definition(gray: np.ndarray, cell: int, orientations: int) -> np.ndarray:
    """Cells of one picture, pixel by pixel."""
    height, width = gray.shape
    cells = np.zeros((height // cell, width // cell, orientations))
    for y in range(height):
        for x in range(width):
            down = gray[y + 1, x] - gray[y - 1, x] if 0 < y < height - 1 else 0.0
            right = gray[y, x + 1] - gray[y, x - 1] if 0 < x < width - 1 else 0.0
            degrees = math.degrees(math.atan2(down, right)) % 180
            place = degrees / 180 * orientations - 0.5
            share = place - math.floor(place)
            first = math.floor(place) % orientations
            row, column = y // cell, x // cell
            if row < len(cells) and column < cells.shape[1]:
                strength = math.hypot(down, right)
                cells[row, column, first] += (1 - share) * strength
                cells[row, column, (first + 1) % orientations] += share * strength
    return cells


def test_gradients_agree_with_their_definition() -> None:
    pictures = random_pictures(2, 26, 13)
    cell, orientations = 26 // 5, 6
    described = gradient_histogram(pictures, rows=5, orientations=orientations, block=2, centre=1.0)
    for picture, row in zip(pictures, described, strict=True):
        gray = picture.astype(np.float64) / 255 @ np.array([0.299, 0.587, 0.114])
        cells = gradients_by_definition(gray, cell, orientations)
        blocks = []
        for y in range(cells.shape[0] - 1):
            for x in range(cells.shape[1] - 1):
                block = np.concatenate(
                    [cells[y, x], cells[y, x + 1], cells[y + 1, x], cells[y + 1, x + 1]]
                )
                block = np.minimum(block / np.linalg.norm(block), 0.2)
                blocks.append(block / np.linalg.norm(block))
        expected = np.concatenate(blocks)
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-5)


def test_gradients_do_not_see_brightness_and_gain() -> None:
    picture = random_pictures(1, 64, 32) // 4  # 0 to 63
    brighter = picture * 2 + 50
    np.testing.assert_allclose(
        gradient_histogram(picture, rows=8), gradient_histogram(brighter, rows=8), atol=1e-5
    )


@pytest.mark.parametrize("name", sorted(DESCRIPTORS))
def test_wrong_pictures_name_their_shape_and_type(name: str) -> None:
    with pytest.raises(ValueError, match=r"\(2, 32, 16\) uint8; expected \(N, H, W, 3\) uint8"):
        DESCRIPTORS[name](np.zeros((2, 32, 16), dtype=np.uint8))
    with pytest.raises(ValueError, match="float32"):
        DESCRIPTORS[name](np.zeros((2, 32, 16, 3), dtype=np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(DESCRIPTORS))
def test_pictures_that_are_too_small(name: str) -> None:
    with pytest.raises(ValueError, match=r"too small|fewer than"):
        DESCRIPTORS[name](np.zeros((1, 4, 2, 3), dtype=np.uint8))
