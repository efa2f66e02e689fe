"""Pyramid: sizes, and each order against its definition written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.models.pyramid import FeaturePyramid, Order

CHANNELS = {2: 3, 3: 4, 4: 5, 5: 6}


def stage_maps(height: int = 24, width: int = 12) -> dict[int, Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = {k: (-(-height // 2**i), -(-width // 2**i)) for i, k in enumerate(CHANNELS)}
    return {k: torch.randn(2, CHANNELS[k], *sizes[k], generator=generator) for k in CHANNELS}


def by_definition(pyramid: FeaturePyramid, stages: dict[int, Tensor]) -> dict[int, Tensor]:
    """Levels 5 to 2 as Eq. 1, the released code and docs/model.md say them."""
    state = pyramid.state_dict()

    def w1(k: int) -> Tensor:
        return F.conv2d(stages[k], state[f"lateral.{k}.weight"], state.get(f"lateral.{k}.bias"))

    def w2(k: int, x: Tensor) -> Tensor:
        return F.conv2d(x, state[f"smooth.{k}.weight"], state[f"smooth.{k}.bias"], padding=1)

    def up(x: Tensor, k: int) -> Tensor:
        return F.interpolate(x, stages[k].shape[-2:], mode="bilinear", align_corners=True)

    levels, merged = {5: w1(5)}, {5: w1(5)}
    for k in (4, 3, 2):
        if pyramid.order == "paper":
            levels[k] = w2(k, w1(k) + up(levels[k + 1], k))
        else:
            merged[k] = w1(k) + up(merged[k + 1], k)
            levels[k] = w2(k, merged[k]) if pyramid.order == "released" else merged[k]
    return levels


@pytest.mark.parametrize("order", ["released", "paper", "linear"])
@pytest.mark.parametrize("size", [(24, 12), (23, 13)])
def test_levels_are_their_definition(order: Order, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    pyramid = FeaturePyramid(CHANNELS, channels=7, order=order)
    stages = stage_maps(*size)
    levels = pyramid(stages)
    expected = by_definition(pyramid, stages)
    assert list(levels) == [5, 4, 3, 2]
    for k, level in levels.items():
        assert level.shape == (2, 7, *stages[k].shape[-2:])
        torch.testing.assert_close(level, expected[k])


def test_sizes_of_table_2() -> None:
    sizes = {2: (72, 36), 3: (36, 18), 4: (18, 9), 5: (9, 5)}
    channels = {2: 256, 3: 512, 4: 1024, 5: 2048}
    with torch.device("meta"):
        pyramid = FeaturePyramid(channels)
        levels = pyramid({k: torch.zeros(1, channels[k], *sizes[k]) for k in sizes})
    assert {k: tuple(level.shape) for k, level in levels.items()} == {
        k: (1, 256, *size) for k, size in sizes.items()
    }
    laterals = 256 * (256 + 512 + 1024 + 2048) + 4 * 256
    smoothings = 3 * (256 * 256 * 9 + 256)
    assert sum(p.numel() for p in pyramid.parameters()) == laterals + smoothings == 2_754_304


def test_linear_order_is_linear_and_has_no_bias() -> None:
    pyramid = FeaturePyramid({k: CHANNELS[k] for k in (3, 4, 5)}, channels=4, order="linear")
    first, second = stage_maps(), {k: 2 * torch.ones_like(v) for k, v in stage_maps().items()}
    levels = pyramid({k: 3 * first[k] + second[k] for k in first})
    apart = {k: 3 * level + pyramid(second)[k] for k, level in pyramid(first).items()}
    assert list(levels) == [5, 4, 3]
    torch.testing.assert_close(levels, apart)
    assert sum(p.numel() for p in pyramid.parameters()) == 4 * (4 + 5 + 6)


@pytest.mark.parametrize("order", ["released", "paper", "linear"])
@pytest.mark.parametrize("asked", [(2, 5), (4,), (3, 4), ()])
def test_asked_for_levels_are_those_of_the_whole_pyramid(
    order: Order, asked: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    pyramid = FeaturePyramid(CHANNELS, channels=7, order=order, levels=asked)
    levels = pyramid(stage_maps())
    expected = by_definition(pyramid, stage_maps())
    assert sorted(levels) == sorted(asked)
    torch.testing.assert_close(levels, {k: expected[k] for k in levels})
    if levels:
        sum(level.square().mean() for level in levels.values()).backward()
    for name, parameter in pyramid.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), name


def test_only_the_smoothing_that_nothing_uses_is_frozen() -> None:
    released = FeaturePyramid(CHANNELS, channels=2, order="released", levels=(2, 4, 5))
    frozen = [name for name, p in released.named_parameters() if not p.requires_grad]
    assert frozen == ["smooth.3.weight", "smooth.3.bias"]  # P(3): computed and never used
    paper = FeaturePyramid(CHANNELS, channels=2, order="paper", levels=(2, 4, 5))
    assert all(p.requires_grad for p in paper.parameters())  # Eq. 1 upsamples P'(3)


def test_missing_stages_and_unknown_levels_are_named() -> None:
    stages = stage_maps()
    del stages[4]
    with pytest.raises(ValueError, match="stage 4 is missing"):
        FeaturePyramid(CHANNELS)(stages)
    with pytest.raises(ValueError, match="level 6 is asked for"):
        FeaturePyramid(CHANNELS, levels=(5, 6))
