"""PSNR, SSIM and luma against worked cases, slow loops and scikit-image."""

import math

import numpy as np
import pytest
from skimage.color import rgb2ycbcr, ycbcr2rgb
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from fprnet_lab.superres.colour import luma, rgb_to_ycbcr, to_bytes, ycbcr_to_rgb
from fprnet_lab.superres.quality import psnr, shave, ssim


def pair(seed, shape=(24, 17)):
    generator = np.random.default_rng(seed)
    original = generator.integers(0, 256, shape, dtype=np.uint8)
    noise = generator.normal(0, 12, shape)
    return to_bytes(original + noise), original


def ssim_by_definition(x, y):
    """One window after the other, 11 x 11, as Wang et al. (2004) write it."""
    offset = np.arange(-5, 6)
    weight = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    weight /= weight.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (i[top : top + 11, left : left + 11].astype(float) for i in (x, y))
            mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
            variance_a = (weight * (a - mean_a) ** 2).sum()
            variance_b = (weight * (b - mean_b) ** 2).sum()
            covariance = (weight * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
            )
    return np.mean(values)


def test_psnr_worked_by_hand():
    original = np.full((4, 5), 100, np.uint8)
    assert psnr(original + 1, original) == pytest.approx(20 * math.log10(255))
    assert psnr(original + 51, original) == pytest.approx(20 * math.log10(5))
    assert psnr(original, original) == math.inf


def test_psnr_does_not_wrap_around():
    dark, light = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert psnr(dark, light) == 0 == psnr(light, dark)


@pytest.mark.parametrize("seed", range(5))
def test_psnr_and_ssim_agree_with_scikit_image(seed):
    image, original = pair(seed)
    assert psnr(image, original) == pytest.approx(peak_signal_noise_ratio(original, image))
    reference = structural_similarity(
        original,
        image,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(image, original) == pytest.approx(reference, abs=1e-12)


def test_ssim_agrees_with_its_definition():
    image, original = pair(7, (14, 13))
    assert ssim(image, original) == pytest.approx(ssim_by_definition(image, original), abs=1e-12)


def test_ssim_of_an_image_with_itself_is_1():
    image, _ = pair(1)
    assert ssim(image, image) == pytest.approx(1)


def test_shave_and_its_limit():
    image = np.arange(36, dtype=np.uint8).reshape(6, 6)
    np.testing.assert_array_equal(shave(image, 2), [[14, 15], [20, 21]])
    np.testing.assert_array_equal(shave(image, 0), image)
    with pytest.raises(ValueError, match="cannot shave 3"):
        shave(image, 3)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="equal"):
        psnr(np.zeros((3, 4)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)))


@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81.481, 90.203, 240)),
        ((0, 255, 0), (144.553, 53.797, 34.214)),
        ((0, 0, 255), (40.966, 240, 109.786)),
    ],
)
def test_colours_of_bt601(rgb, ycbcr):
    colour = np.array([[rgb]], dtype=np.uint8)
    np.testing.assert_allclose(rgb_to_ycbcr(colour)[0, 0], ycbcr, atol=1e-9)
    np.testing.assert_allclose(luma(colour)[0, 0], ycbcr[0], atol=1e-9)


def test_colour_agrees_with_scikit_image_and_comes_back():
    rgb = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    ycbcr = rgb_to_ycbcr(rgb)
    np.testing.assert_allclose(ycbcr, rgb2ycbcr(rgb), atol=1e-9)
    np.testing.assert_array_equal(ycbcr_to_rgb(ycbcr), rgb)
    np.testing.assert_array_equal(ycbcr_to_rgb(ycbcr), to_bytes(255 * ycbcr2rgb(ycbcr)))


def test_bytes_round_halves_upwards_and_clip():
    np.testing.assert_array_equal(to_bytes(np.array([0.5, 1.5, 2.49, -3, 300])), [1, 2, 2, 0, 255])
