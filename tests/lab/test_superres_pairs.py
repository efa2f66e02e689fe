"""Pairs are drawn by step, luma is read from any image, scores follow the literature."""

import numpy as np
import pytest
import torch
from PIL import Image
from superres_cases import smooth_image, write_set

from fprnet.data.data_set import open_data_set
from fprnet.errors import DataError
from fprnet_lab.superres.bicubic import resize
from fprnet_lab.superres.networks import ARCHITECTURES, SuperResolution
from fprnet_lab.superres.pairs import PairSampler, read_luma, select_camera
from fprnet_lab.superres.quality import psnr, ssim
from fprnet_lab.superres.scoring import mean_quality, score_image


def sampler(images, **changes):
    options = {"side": 8, "factor": 2, "flip": 0.5, "batch": 3, "seed": 0} | changes
    return PairSampler(images, **options)


def bicubic_network():
    network = SuperResolution(ARCHITECTURES["9-1-5"], enlargement=3, residual=True)
    torch.nn.init.zeros_(network.conv3.weight)
    return network.eval()


def test_batch_is_a_function_of_seed_and_step():
    images = [smooth_image(n)[..., 0] for n in range(4)]
    one, other = sampler(images), sampler(images)
    other.pairs(0)
    for a, b in zip(one.pairs(5), other.pairs(5), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.pairs(5)[1], one.pairs(6)[1])
    assert not torch.equal(one.pairs(5)[1], sampler(images, seed=1).pairs(5)[1])


def test_degraded_half_of_a_pair_is_the_original_made_smaller():
    degraded, original = sampler([smooth_image(0)[..., 1]]).pairs(0)
    assert degraded.shape == (3, 1, 4, 4)
    assert original.shape == (3, 1, 8, 8)
    for small, large in zip(degraded[:, 0].numpy(), original[:, 0].numpy(), strict=True):
        np.testing.assert_allclose(small, resize(large, (4, 4)), atol=1e-6)


def test_flip_mirrors_left_to_right():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for flip, expected in ((0, image), (1, image[:, ::-1])):
        _, original = sampler([image], flip=flip).pairs(0)
        np.testing.assert_allclose(255 * original[0, 0].numpy(), expected, atol=1e-4)


def test_image_smaller_than_the_square():
    images = [smooth_image(0)[..., 0], np.zeros((7, 30), np.uint8)]
    with pytest.raises(DataError, match="side is 8 but an image has only 7 x 30 pixels"):
        sampler(images)
    with pytest.raises(DataError, match="no image to learn from"):
        sampler([])


def test_cameras(tmp_path):
    records = open_data_set(write_set(tmp_path)).records()
    assert len(select_camera(records, 1, [1, 2])) == 4
    with pytest.raises(DataError, match=r"camera 3 is no visible camera .*; choose one of 1, 2"):
        select_camera(records, 3, [1])
    with pytest.raises(DataError, match="camera 9 is no visible camera"):
        select_camera(records, 9, [1])


def test_luma_of_every_kind_of_image(tmp_path):
    gray = smooth_image(0)[..., 0]
    colour = Image.fromarray(np.dstack([gray, gray, gray]))
    alpha = Image.fromarray(np.dstack([gray, gray, gray, np.where(gray > 99, 255, 0)]).astype("u1"))
    sixteen = Image.fromarray(gray.astype(np.uint16) * 256 + 7)
    # Sixteen bits are spread over their own range, from its 0.1 % to its 99.9 % quantile or so.
    low, high = np.quantile(gray.astype(float), (0.001, 0.999))
    spread = np.clip((gray - low) / (high - low), 0, 1) * 255
    studio = 16 + 219 / 255 * gray.astype(float)  # what BT.601 makes of gray R = G = B
    expected = {
        "gray": (Image.fromarray(gray), gray),
        "sixteen": (sixteen, spread),
        "colour": (colour, np.floor(studio + 0.5)),
        "alpha": (alpha, np.floor(np.where(gray > 99, studio, 16) + 0.5)),
    }
    for name, (image, values) in expected.items():
        image.save(tmp_path / f"{name}.png")
        luma = read_luma(tmp_path / f"{name}.png")
        assert luma.dtype == np.uint8
        np.testing.assert_allclose(luma, values, atol=0.5 if name == "sixteen" else 0, err_msg=name)


def test_score_step_by_step():
    """Cut to a multiple, shrink, enlarge, round, shave; a network that is bicubic scores as it."""
    image = smooth_image(3, (41, 32))[..., 0]
    quality = score_image(bicubic_network(), image)
    original = image[:39, :30]
    small = resize(original / 255, (13, 10))
    large = np.floor(resize(small, (39, 30)) * 255 + 0.5).clip(0, 255)
    inner = (slice(3, -3), slice(3, -3))
    assert quality.bicubic_psnr == pytest.approx(psnr(large[inner], original[inner]))
    assert quality.bicubic_ssim == pytest.approx(ssim(large[inner], original[inner]))
    assert quality.psnr == pytest.approx(quality.bicubic_psnr, abs=1e-3)
    assert quality.gain == pytest.approx(0, abs=1e-3)


def test_image_smaller_than_border_and_window():
    network = bicubic_network()
    score_image(network, np.zeros((18, 18), np.uint8))
    with pytest.raises(DataError, match=r"a.png has 17 x 40 pixels, but a border of 3 .* need 18"):
        score_image(network, np.zeros((17, 40), np.uint8), name="a.png")


def test_mean_of_nothing():
    with pytest.raises(ValueError, match="no image"):
        mean_quality([])
