"""Another view and another sensor: identities by options, hand-worked cases, gray stays gray."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fprnet.data.augmentation import IMAGENET_MEAN, IMAGENET_STD
from fprnet.data.augmentation_camera import RandomSensor, RandomView
from fprnet.data.augmentation_steps import AUGMENTATION_STEPS

MEAN = torch.tensor(IMAGENET_MEAN)[:, None, None]
STD = torch.tensor(IMAGENET_STD)[:, None, None]
STILL = {
    "exposure": 0,
    "balance": 0,
    "saturation": 0,
    "contrast": 0,
    "lamp": 0,
    "negative": 0,
    "noise": 0,
}


def light(count=4, size=(16, 8), seed=0):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def normalised(images):
    return (images - MEAN) / STD


def of_light(images):
    return images * STD + MEAN


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_steps_have_names_in_configs():
    assert AUGMENTATION_STEPS["random-view"] is RandomView
    assert AUGMENTATION_STEPS["random-sensor"] is RandomSensor


def test_view_without_change_is_the_image():
    images = normalised(light())
    same = RandomView(zoom=0, shift=0, tilt=0)(images, "visible", generator())
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def first_shift(seed):
    """The first normal number that a view draws for a horizontal shift: after two zooms."""
    drawn = generator(seed)
    torch.randn(1, 2, generator=drawn)
    return float(torch.randn(1, 2, generator=drawn)[0, 0])


def test_view_shifts_whole_pixels_and_continues_the_edge():
    images = torch.arange(4.0).expand(1, 3, 1, 4).contiguous()  # pixels 0 1 2 3
    seed = next(seed for seed in range(100) if first_shift(seed) > 0)
    shift = 1 / (4 * first_shift(seed))  # of a side: the window moves by exactly one pixel
    seen = RandomView(zoom=0, shift=shift, tilt=0)(images, "visible", generator(seed))[0, 0, 0]
    torch.testing.assert_close(seen, torch.tensor([1.0, 2.0, 3.0, 3.0]), atol=1e-5, rtol=0)


def test_view_turns_about_the_centre_without_shearing():
    # A disc looks the same from every tilt, also where height and width differ.
    y, x = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(16) - 7.5, indexing="ij")
    disc = torch.exp(-(x**2 + y**2) / 8).expand(6, 3, 32, 16).contiguous()
    turned = RandomView(zoom=0, shift=0, tilt=40)(disc, "visible", generator())
    assert float((turned - disc).abs().max()) < 0.05


def test_sensor_without_change_is_the_image():
    images = normalised(light())
    for modality in ("visible", "infrared"):
        step = RandomSensor(probability=0, noise=0)
        torch.testing.assert_close(step(images, modality, generator()), images, atol=1e-5, rtol=0)
    still = RandomSensor(probability=1, **STILL)(images, "visible", generator())
    torch.testing.assert_close(still, images, atol=1e-5, rtol=0)


def test_negative_of_an_even_infrared_image():
    # Even light v becomes 1 - v; the gamma then takes it to (1 - v) ** g, g in [0.6, 1 / 0.6].
    images = normalised(torch.full((8, 3, 4, 4), 0.25))
    step = RandomSensor(probability=1, **{**STILL, "negative": 1})
    changed = of_light(step(images, "infrared", generator()))
    assert float(changed.min()) >= 0.75 ** (1 / 0.6) - 1e-4
    assert float(changed.max()) <= 0.75**0.6 + 1e-4
    for image in changed:  # every pixel of an image alike
        assert float(image.max() - image.min()) < 1e-4


def test_exposure_multiplies_all_channels_by_one_factor():
    images = normalised(
        torch.full((1, 3, 2, 2), 0.1) * torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    )
    step = RandomSensor(probability=1, **{**STILL, "exposure": 0.2})
    changed = of_light(step(images, "visible", generator()))[0, :, 0, 0]
    factor = float(changed[0] / 0.1)
    assert not math.isclose(factor, 1, abs_tol=1e-3)
    torch.testing.assert_close(changed, 0.1 * factor * torch.tensor([1.0, 2.0, 3.0]))


@given(st.integers(0, 2**31), st.sampled_from(["visible", "infrared"]))
def test_gray_stays_gray_and_light_stays_in_range(seed, modality):
    gray = light(count=3, size=(6, 4), seed=seed % 1000)[:, :1].expand(-1, 3, -1, -1)
    noise = 0 if modality == "visible" else 1  # the noise of a colour sensor has colours
    step = RandomSensor(probability=1, negative=0.5, noise=noise)
    changed = of_light(step(normalised(gray), modality, generator(seed)))
    assert float((changed - changed[:, :1]).abs().max()) < 1e-4
    assert float(changed.min()) > -1e-4
    assert float(changed.max()) < 1 + 1e-4


def test_same_generator_same_images_and_format_is_kept():
    images = normalised(light()).contiguous(memory_format=torch.channels_last)
    for step in (RandomView(), RandomSensor()):
        one = step(images, "visible", generator(3))
        assert torch.equal(one, step(images, "visible", generator(3)))
        assert not torch.equal(one, step(images, "visible", generator(4)))
        assert one.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_share_of_changed_images(share):
    images = normalised(light(count=50))
    changed = RandomSensor(probability=share, noise=0)(images, "visible", generator())
    differs = ((changed - images).abs().flatten(1).amax(1) > 1e-3).float().mean()
    assert float(differs) == share
