"""Stripe pooling against adaptive average pooling, with sizes that divide and that do not."""

import pytest
import torch

from fprnet.models.pooling import pool_stripes


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
