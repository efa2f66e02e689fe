"""Corruptions: each is stronger the more severe it is, and depends on seed, draw and path only."""

import hashlib

import numpy as np
import pytest

from fprnet.errors import UsageError
from fprnet.evaluation.corrupted import Corrupted
from fprnet.evaluation.corruption_effects import CORRUPTIONS, SEVERITIES
from fprnet.evaluation.corruptions import CHOICES, MIXED, VERSION, Corruption


def person(size=(192, 96)) -> np.ndarray:
    """A picture with slopes, edges and a fine texture."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([y / height, x / width, 0.5 + 0.3 * np.sin(y / 5)], axis=2)
    picture[height // 3 :, width // 3 : 2 * width // 3] = (0.7, 0.2, 0.1)
    texture = np.random.default_rng(7).normal(0, 0.05, (height, width, 1))
    return (picture + texture).clip(0, 1)


def changed(name: str, severity: int, seed: int = 1) -> np.ndarray:
    picture = person()
    return np.clip(CORRUPTIONS[name](picture, severity, np.random.default_rng(seed)), 0, 1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_keeps_the_shape_and_changes_the_image(name) -> None:
    for severity in SEVERITIES:
        result = changed(name, severity)
        assert result.shape == (192, 96, 3)
        assert np.isfinite(result).all()
        assert np.abs(result - person()).mean() > 1e-3
    np.testing.assert_array_equal(changed(name, 3), changed(name, 3))


# Published strengths of these do not grow at every step: elastic changes its kind, glass its number
# of passes, snow its flakes, fog and frost also darken, and some blocks of pixelate fit the edges.
UNEVEN = ("elastic", "fog", "frost", "glass-blur", "pixelate", "saturate", "snow", "spatter")


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in UNEVEN])
def test_more_severe_is_farther_from_the_image(name) -> None:
    errors = [
        np.mean([np.abs(changed(name, s, k) - person()).mean() for k in range(2)])
        for s in SEVERITIES
    ]
    assert errors == sorted(errors)
    assert errors[4] > 1.1 * errors[0]


def test_noise_has_its_published_strength() -> None:
    gray = np.full((200, 200, 3), 0.5)
    random = np.random.default_rng(0)
    noisy = CORRUPTIONS["gaussian-noise"](gray, 2, random)
    assert (noisy - gray).std() == pytest.approx(0.12, rel=0.02)
    shot = CORRUPTIONS["shot-noise"](gray, 1, random)
    assert shot.std() == pytest.approx((0.5 / 60) ** 0.5, rel=0.02)  # Poisson
    hit = CORRUPTIONS["impulse-noise"](gray, 5, random) != 0.5
    assert hit.mean() == pytest.approx(0.27, rel=0.02)


def test_contrast_and_brightness_by_hand() -> None:
    picture = np.zeros((2, 1, 3))
    picture[1] = 1.0
    flat = CORRUPTIONS["contrast"](picture, 2, np.random.default_rng(0))
    np.testing.assert_allclose(flat[:, 0, 0], (0.5 - 0.15, 0.5 + 0.15))  # 0.3 of the distance
    red = np.zeros((1, 1, 3))
    red[..., 0] = 0.5
    np.testing.assert_allclose(
        CORRUPTIONS["brightness"](red, 2, np.random.default_rng(0))[0, 0], (0.7, 0, 0)
    )
    np.testing.assert_allclose(
        CORRUPTIONS["saturate"](red, 1, np.random.default_rng(0))[0, 0], (0.5, 0.35, 0.35)
    )  # saturation 1 becomes 0.3


@pytest.mark.parametrize("severity", SEVERITIES)
def test_occlusion_covers_its_share(severity) -> None:
    for seed in range(10):
        picture = np.full((100, 50, 3), 2.0)  # no colour of the rectangle is 2
        covered = CORRUPTIONS["occlusion"](picture, severity, np.random.default_rng(seed))
        share = (covered[..., 0] != 2).mean()
        assert share == pytest.approx(0.1 * severity, abs=0.02)


def image() -> np.ndarray:
    return (person() * 255).astype(np.uint8)


def test_only_seed_draw_and_path_matter() -> None:
    one = Corruption(severity=3, seed=4)
    first = one(image(), "cam1/0001/0001.jpg", "visible")
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, one(image(), "cam1/0001/0001.jpg", "visible"))
    others = [
        one(image(), "cam1/0001/0002.jpg", "visible"),
        Corruption(severity=3, seed=5)(image(), "cam1/0001/0001.jpg", "visible"),
        Corruption(severity=3, seed=4, draw=2)(image(), "cam1/0001/0001.jpg", "visible"),
    ]
    for other in others:
        assert not np.array_equal(first, other)


def test_mixed_draws_all_twenty_and_all_severities_alike() -> None:
    kinds = [name for name in CHOICES if name not in (MIXED, "occlusion")]
    assert len(kinds) == 20
    results = {
        hashlib.sha256(Corruption(name=n, severity=2)(image(), "x", "visible")).digest(): n
        for n in kinds
    }
    assert len(results) == 20
    mixed = [Corruption(severity=2)(image(), f"{k}", "visible") for k in range(60)]
    # Sixty draws: some corruptions have no random numbers, and are then the same image.
    known = {Corruption(name=n, severity=2)(image(), "y", "visible").tobytes() for n in kinds}
    assert len({one.tobytes() for one in mixed} | known) > 40
    again = [Corruption()(image(), f"{k}", "visible") for k in range(60)]
    assert len({one.tobytes() for one in again}) > len({one.tobytes() for one in mixed})


def test_infrared_images_stay_gray_and_others_as_they_are() -> None:
    gray = np.repeat(image()[..., :1], 3, axis=2)
    for name in CORRUPTIONS:
        one = Corruption(name=name, modality="infrared", severity=4)
        result = one(gray, "x", "infrared")
        assert (result == result[..., :1]).all()
        np.testing.assert_array_equal(one(image(), "x", "visible"), image())


def test_a_version_never_changes() -> None:
    """Mean gray value of each corruption of one image, as first published."""
    assert Corruption().as_dict()["version"] == VERSION == "corruptions@1"
    pictures = [Corruption(name=name, severity=3)(image(), "x", "visible") for name in CHOICES]
    means = [float(picture.mean()) for picture in pictures]
    np.testing.assert_allclose(means, PUBLISHED, atol=0.2)


PUBLISHED = (
    110.65,
    138.5,
    115.04,
    110.65,
    115.3,
    110.21,
    113.96,
    113.91,
    113.96,
    112.36,
    112.52,
    123.4,
    151.42,
    180.6,
    108.35,
    122.48,
    148.3,
    92.87,
    113.99,
    113.67,
    114.14,
    113.67,
)


def test_bad_choices_are_one_line() -> None:
    for options, message in (
        ({"name": "sleet"}, "corruption 'sleet' is unknown"),
        ({"modality": "radar"}, "'radar' is none"),
        ({"severity": 6}, "severity 6"),
    ):
        with pytest.raises(UsageError, match=message):
            Corruption(**options)


def test_loss_against_clean_by_hand() -> None:
    table = Corrupted.of({"name": "fog"}, {"mAP": 0.5}, [{"mAP": 0.3}, {"mAP": 0.4}])
    score = table.as_dict()["scores"]["mAP"]
    assert score["mean"] == pytest.approx(0.35)
    assert score["loss"] == pytest.approx(0.15)
    assert score["std"] == pytest.approx(0.0707107, abs=1e-6)
    assert "15.00" in table.table()
