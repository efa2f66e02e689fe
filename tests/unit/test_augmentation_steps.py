"""Further random changes of a normalised batch, step by step and in the training set."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fprnet.data.augmentation_steps import AUGMENTATION_STEPS, RandomResolution
from fprnet.errors import ConfigError
from fprnet.filling import parse_component
from fprnet.kinds import AUGMENTATION_STEP


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 6, height: int = 12, width: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, height, width, generator=generator(9))


def factor_of(step: RandomResolution, count: int, seed: int) -> float:
    random = generator(seed)
    torch.rand(count, generator=random)  # which images
    return step.lowest + (1 - step.lowest) * float(torch.rand(1, generator=random))


def test_an_edge_worked_by_hand():
    # 4 rows become 2: the triangle of antialiasing weighs them 3, 3, 1, 0 around the first row's
    # centre, so an edge of 1, 1, 0, 0 becomes 6/7, 1/7. Enlarged again it is blended 3:1 and 1:3.
    step = RandomResolution(probability=1.0, lowest=0.5)
    seed = next(seed for seed in range(10_000) if factor_of(step, 1, seed) < 0.51)
    edge = torch.tensor([1.0, 1.0, 0.0, 0.0])[:, None].expand(1, 3, 4, 4).contiguous()
    high, low = 6 / 7, 1 / 7
    rows = torch.tensor([high, (3 * high + low) / 4, (high + 3 * low) / 4, low])
    for memory_format in (torch.contiguous_format, torch.channels_last):
        batch = edge.contiguous(memory_format=memory_format)
        coarse = step(batch, "visible", generator(seed))
        torch.testing.assert_close(coarse, rows[:, None].expand(1, 3, 4, 4))


@given(probability=st.floats(0, 1), lowest=st.floats(0.01, 1), seed=st.integers(0, 2**32))
def test_shape_and_unchosen_images_stay(probability, lowest, seed):
    batch = images()
    before = batch.clone()
    step = RandomResolution(probability, lowest)
    result = step(batch, "infrared", generator(seed))
    assert result.shape == batch.shape
    assert torch.equal(batch, before)
    chosen = torch.rand(len(batch), generator=generator(seed)) < probability
    assert torch.equal(result[~chosen], batch[~chosen])
    assert torch.equal(result, step(batch, "infrared", generator(seed)))  # of the generator alone


def test_probability_0_and_1_and_factor_1():
    batch = images()
    assert torch.equal(RandomResolution(0.0)(batch, "visible", generator()), batch)
    assert not torch.equal(RandomResolution(1.0)(batch, "visible", generator()), batch)
    torch.testing.assert_close(RandomResolution(1.0, 1.0)(batch, "visible", generator()), batch)


def test_detail_is_lost_and_the_mean_stays():
    batch = images(count=64, height=48, width=24)
    coarse = RandomResolution(1.0, 0.4)(batch, "visible", generator(3))
    assert coarse.std() < 0.9 * batch.std()
    torch.testing.assert_close(coarse.mean(), batch.mean(), atol=0.01, rtol=0)


def test_images_of_one_pixel():
    batch = images(count=2, height=1, width=1)
    torch.testing.assert_close(RandomResolution(1.0, 0.01)(batch, "visible", generator()), batch)


@pytest.mark.parametrize("option", [{"probability": 1.1}, {"lowest": 0}, {"lowest": 1.1}])
def test_options_have_ranges(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        parse_component(
            AUGMENTATION_STEP, option, key="augmentation.steps.x", default="random-resolution"
        )


def test_every_step_is_built_from_its_defaults():
    for name in AUGMENTATION_STEPS:
        step = parse_component(AUGMENTATION_STEP, name, key="augmentation.steps.x").build()
        assert step(images(), "visible", generator()).shape == images().shape
