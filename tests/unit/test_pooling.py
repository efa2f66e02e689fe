"""Pooling against adaptive average pooling and against generalised means by hand."""

import pytest
import torch

from fprnet.models.pooling import GeneralisedMean, pool_stripes


@pytest.mark.parametrize(
    ("height", "stripes"), [(3, 1), (6, 2), (12, 6), (9, 1), (9, 2), (18, 2), (36, 6), (5, 5)]
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_is_adaptive_average_pooling(
    height: int, stripes: int, layout: torch.memory_format
) -> None:
    maps = torch.randn(2, 3, height, 4).contiguous(memory_format=layout)
    adaptive = torch.nn.functional.adaptive_avg_pool2d(maps, (stripes, 1))
    expected = [adaptive[:, :, stripe, 0] for stripe in range(stripes)]
    torch.testing.assert_close(pool_stripes(maps, stripes), torch.cat(expected, dim=1))


@pytest.mark.parametrize("stripes", [1, 4])
def test_bfloat16_maps_give_float32_means(stripes: int) -> None:
    maps = torch.randn(2, 3, 9, 4, dtype=torch.bfloat16)
    pooled = pool_stripes(maps, stripes)
    assert pooled.dtype == torch.float32
    rounding = 0.0 if stripes == 1 else 2**-8  # adaptive pooling answers in bfloat16
    expected = pool_stripes(maps.float(), stripes)
    torch.testing.assert_close(pooled, expected, rtol=rounding, atol=max(1e-6, rounding))


def test_no_images_give_no_rows() -> None:
    assert pool_stripes(torch.zeros(0, 3, 4, 2), 2).shape == (0, 6)
    assert pool_stripes(torch.zeros(0, 3, 5, 2), 2).shape == (0, 6)


def test_more_stripes_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="6 stripes do not fit into a map of 3 rows"):
        pool_stripes(torch.zeros(1, 1, 3, 2), 6)


def test_generalised_mean_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 0.0]], [[5.0, 5.0], [5.0, 5.0]]]])
    pooled = GeneralisedMean(3.0)(maps)
    assert pooled.tolist()[0] == pytest.approx([((1 + 8 + 27 + 0) / 4) ** (1 / 3), 5.0], rel=1e-5)
    torch.testing.assert_close(GeneralisedMean(1.0)(maps), maps.mean(dim=(2, 3)))


def test_generalised_mean_of_any_power_is_finite_and_float32() -> None:
    maps = (100 * torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))).bfloat16()
    maps[0, 0] = 0.0  # a dead channel
    for power in (1.0, 3.0, 60.0, 1000.0):
        leaf = maps.clone().requires_grad_()
        gem = GeneralisedMean(power)
        pooled = gem(leaf)
        assert pooled.dtype == torch.float32
        assert (pooled <= maps.amax(dim=(2, 3)).float() * 1.001 + 1e-5).all()
        assert (pooled >= maps.float().mean(dim=(2, 3)) * 0.999).all()
        pooled.sum().backward()
        assert leaf.grad.isfinite().all()
        assert gem.change.grad.isfinite()


def test_generalised_mean_learns_its_power() -> None:
    gem, maps = GeneralisedMean(3.0), torch.rand(4, 2, 3, 3)
    gem(maps).sum().backward()
    assert gem.change.grad > 0  # a larger power is nearer to the maximum
    with torch.no_grad():
        gem.change.fill_(-5.0)
    assert gem.power.item() == 1
    assert gem(torch.zeros(0, 3, 4, 2)).shape == (0, 3)
