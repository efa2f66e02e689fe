"""Amplitude swap against the discrete Fourier transform written out, and in the training set."""

import numpy as np
import pytest
import torch

from fprnet.config import load_config
from fprnet.data.augmentation import from_light, to_light
from fprnet.data.augmentation_pairs import AUGMENTATION_PAIR_STEPS, AmplitudeSwap
from fprnet.errors import ConfigError
from fprnet.filling import parse_component
from fprnet.kinds import AUGMENTATION_PAIR_STEP


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(seed, count=3, height=6, width=5):
    light = 0.3 + 0.4 * torch.rand(count, 3, height, width, generator=generator(seed))
    return from_light(light, light)


def swapped_by_definition(own, other, size):
    """Eq. 1 and 2 of Yang and Soatto for one channel (H, W): sums over all pixels."""
    height, width = own.shape
    y, x = np.mgrid[:height, :width]
    result = np.zeros((height, width), dtype=complex)
    for v in range(height):
        for u in range(width):
            wave = np.exp(-2j * np.pi * (v * y / height + u * x / width))
            mine, theirs = (own * wave).sum(), (other * wave).sum()
            # Frequencies above one half are the negative ones.
            down, across = min(v, height - v) / height, min(u, width - u) / width
            low = down <= size and across <= size
            amplitude = abs(theirs) if low else abs(mine)
            phase = mine / abs(mine)
            result += amplitude * phase * wave.conj() / (height * width)
    assert abs(result.imag).max() < 1e-9
    return result.real


@pytest.mark.parametrize("size", [0.0, 0.17, 0.25, 0.5])
@pytest.mark.parametrize("shape", [(6, 5), (5, 6)])
def test_equals_the_definition(size, shape):
    sides = [images(seed, 2, *shape) for seed in (1, 2)]
    changed = AmplitudeSwap(probability=1.0, size=size)(*sides, generator())
    light = [to_light(side).double().numpy() for side in sides]
    for own, other, result in ((0, 1, changed[0]), (1, 0, changed[1])):
        expected = np.array(
            [
                [swapped_by_definition(a, b, size) for a, b in zip(mine, theirs, strict=True)]
                for mine, theirs in zip(light[own], light[other], strict=True)
            ]
        )
        clipped = torch.from_numpy(expected.clip(0, 1)).float()
        torch.testing.assert_close(to_light(result), clipped, atol=1e-5, rtol=0)


def test_the_mean_alone_worked_by_hand():
    # Gray 0.2 and 0.4 in stripes take the mean of gray 0.6: 0.3 is added, the stripes stay.
    stripes = torch.tensor([0.2, 0.4]).repeat(2)[None, None, :, None].expand(1, 3, 4, 2)
    plain = torch.full((1, 3, 4, 2), 0.6)
    sides = from_light(stripes, stripes), from_light(plain, plain)
    visible, infrared = AmplitudeSwap(1.0, 0.0)(*sides, generator())
    torch.testing.assert_close(to_light(visible), stripes + 0.3)
    torch.testing.assert_close(to_light(infrared), torch.full((1, 3, 4, 2), 0.3))


def test_dark_images_become_bright_though_normalised_means_have_a_sign():
    dark, bright = torch.full((1, 3, 4, 4), 0.1), torch.full((1, 3, 4, 4), 0.9)
    sides = from_light(dark, dark), from_light(bright, bright)
    visible, infrared = AmplitudeSwap(1.0, 0.0)(*sides, generator())
    torch.testing.assert_close(to_light(visible), bright)
    torch.testing.assert_close(to_light(infrared), dark)


def test_unchosen_images_stay_and_the_generator_alone_decides():
    sides = images(1, 16), images(2, 16)
    step = AmplitudeSwap(0.5, 0.2)
    visible, infrared = step(*sides, generator(3))
    random = generator(3)
    for side, result in zip(sides, (visible, infrared), strict=True):
        chosen = torch.rand(16, generator=random) < 0.5
        assert 0 < chosen.sum() < 16
        assert torch.equal(result[~chosen], side[~chosen])
        assert not torch.isclose(result[chosen], side[chosen]).all()
    again = step(*sides, generator(3))
    assert torch.equal(visible, again[0])
    assert torch.equal(infrared, again[1])


def test_memory_format_stays():
    sides = [side.contiguous(memory_format=torch.channels_last) for side in (images(1), images(2))]
    for result in AmplitudeSwap(0.5, 0.2)(*sides, generator()):
        assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("option", [{"probability": 1.1}, {"size": -0.1}, {"size": 0.6}])
def test_options_have_ranges(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        parse_component(AUGMENTATION_PAIR_STEP, option, key="x", default="amplitude-swap")


def test_every_pair_step_is_built_from_its_defaults():
    for name in AUGMENTATION_PAIR_STEPS:
        step = parse_component(AUGMENTATION_PAIR_STEP, name, key="x").build()
        shapes = [side.shape for side in step(images(1), images(2), generator())]
        assert shapes == [images(1).shape] * 2


def test_visible_images_alone_have_nothing_to_take():
    words = ["--augmentation.pair_steps", "{amplitude-swap: {}}"]
    with pytest.raises(ConfigError, match="amplitude-swap needs both"):
        load_config("warm-start", overrides=words)
