"""Pooled levels without maps are those of the plain pyramid: values and all gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.config import load_config
from fprnet.methods.network import untrained
from fprnet.models.pyramid import FeaturePyramid, Order
from fprnet.models.reidentifier import Reidentifier
from fprnet.models.weight_maps import pooling_functionals

CHANNELS = {2: 3, 3: 4, 4: 5, 5: 6}
ORDERS: tuple[Order, ...] = ("released", "paper", "linear")


def stage_maps(height: int, width: int, dtype: torch.dtype) -> dict[int, Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = {}
    for i, (k, channels) in enumerate(CHANNELS.items()):
        size = (-(-height // 2**i), -(-width // 2**i))
        values = torch.randn(2, channels, *size, generator=generator, dtype=torch.float64)
        maps[k] = values.to(dtype).requires_grad_()
    return maps


def pyramid(order: Order, levels: object, dtype: torch.dtype) -> FeaturePyramid:
    torch.manual_seed(0)
    made = FeaturePyramid(CHANNELS, channels=7, order=order, levels=levels).to(dtype)
    for parameter in made.parameters():  # biases too
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


def values_and_gradients(
    made: FeaturePyramid, maps: dict[int, Tensor], stripes: dict[int, int]
) -> tuple[dict[int, Tensor], list[Tensor | None]]:
    levels = made.pool(maps, stripes)
    # Another weight for every number, so that no two of them can be confused.
    total = torch.stack(
        [(v * torch.arange(1.0, v.numel() + 1).view_as(v).sin()).sum() for v in levels.values()]
    ).sum()
    learning = [parameter for parameter in made.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(total, [*maps.values(), *learning], allow_unused=True)
    return levels, list(gradients)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("size", "dtype", "tolerance"),
    [
        ((24, 12), torch.float64, 1e-12),
        ((23, 13), torch.float64, 1e-12),
        ((1, 1), torch.float64, 1e-12),
        ((23, 13), torch.float32, 1e-4),
    ],
)
@pytest.mark.parametrize(
    "stripes",
    [
        {5: 1, 4: 1, 3: 1, 2: 1},
        {5: 1, 4: 1, 2: 1},  # visible, as released
        {5: 1, 4: 2, 3: 5},  # 5 stripes of 12 rows: they overlap
        {4: 1},
        {5: 1},
    ],
)
def test_values_and_gradients_are_those_of_the_plain_pyramid(
    order: Order,
    size: tuple[int, int],
    stripes: dict[int, int],
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    if size[0] < 20:
        stripes = dict.fromkeys(stripes, 1)
    made, maps = pyramid(order, stripes, dtype), stage_maps(*size, dtype)
    levels, gradients = values_and_gradients(made, maps, stripes)
    made.collapsed = False
    expected, expected_gradients = values_and_gradients(made, maps, stripes)
    assert list(levels) == list(expected) == sorted(stripes, reverse=True)
    for k, level in levels.items():
        assert level.dtype == dtype
        torch.testing.assert_close(level, expected[k], rtol=tolerance, atol=tolerance)
    for got, wanted in zip(gradients, expected_gradients, strict=True):
        assert (got is None) == (wanted is None)
        if got is not None:
            torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_format_does_not_matter(channels_last: bool) -> None:
    made, maps = pyramid("released", None, torch.float64), stage_maps(24, 12, torch.float64)
    stripes = dict.fromkeys(CHANNELS, 1)
    expected, _ = values_and_gradients(made, maps, stripes)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    other = {k: m.detach().contiguous(memory_format=memory_format) for k, m in maps.items()}
    for k, level in made.pool(other, stripes).items():
        torch.testing.assert_close(level, expected[k], rtol=1e-12, atol=1e-12)


def test_weights_of_the_mean_of_a_convolved_map_by_hand() -> None:
    _, level = pooling_functionals("released", ((5, 2, 2), (4, 3, 2)), ((4, 1),))
    # 3 x 2 pixels, each 1/6 of the mean. The middle tap sees them all; the top left one sees the
    # pixel above and left of each, so never the last row and the last column.
    assert level.taps == 9
    np.testing.assert_allclose(6 * level.weights[4], [[1, 1], [1, 1], [1, 1]])
    np.testing.assert_allclose(6 * level.weights[0], [[1, 0], [1, 0], [0, 0]])
    np.testing.assert_allclose(6 * level.weights[5], [[0, 1], [0, 1], [0, 1]])  # right neighbour


def test_weights_of_the_mean_of_an_upsampled_map_by_hand() -> None:
    coarse, fine = pooling_functionals("linear", ((5, 2, 1), (4, 3, 1)), ((4, 1),))
    # Rows 0, 1/2, 1 of two pixels: each of them gives 1 + 1/2 of its value to three pixels.
    np.testing.assert_allclose(coarse.weights[0].ravel(), [0.5, 0.5])
    np.testing.assert_allclose(fine.weights[0].ravel(), [1 / 3] * 3)
    assert (coarse.stripes, fine.stripes) == (0, 1)


@pytest.mark.parametrize("order", ORDERS)
def test_no_level_is_no_work(order: Order) -> None:
    maps = stage_maps(24, 12, torch.float32)
    assert pyramid(order, (), torch.float32).pool(maps, {}) == {}


def test_each_size_is_prepared_once() -> None:
    made = pyramid("paper", None, torch.float32)
    made.pool(stage_maps(24, 12, torch.float32), {2: 1})
    before = pooling_functionals.cache_info().misses
    made.pool(stage_maps(24, 12, torch.float32), {2: 1})
    assert pooling_functionals.cache_info().misses == before


def test_weights_made_in_inference_serve_training() -> None:
    made, maps = pyramid("linear", None, torch.float32), stage_maps(31, 17, torch.float32)
    with torch.inference_mode():
        made.pool(maps, {3: 1})
    made.pool(maps, {3: 1})[3].sum().backward()
    assert maps[3].grad is not None


def test_wrong_levels_and_stripes_are_named() -> None:
    made, maps = pyramid("linear", (4, 5), torch.float32), stage_maps(24, 12, torch.float32)
    with pytest.raises(ValueError, match="level 3 is pooled but the levels are"):
        made.pool(maps, {3: 1})
    with pytest.raises(ValueError, match="13 stripes do not fit into a map of 6 rows"):
        made.pool(maps, {4: 13})
    del maps[5]
    with pytest.raises(ValueError, match="stage 5 is missing"):
        made.pool(maps, {4: 1})


def test_a_traced_size_does_not_reach_other_calls() -> None:
    made = pyramid("linear", (4, 5), torch.float32)
    maps = {k: m.detach() for k, m in stage_maps(40, 20, torch.float32).items()}

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.made = made

        def forward(self, c4: Tensor, c5: Tensor, c3: Tensor, c2: Tensor) -> Tensor:
            return self.made.pool({2: c2, 3: c3, 4: c4, 5: c5}, {4: 2})[4]

    words = (maps[4], maps[5], maps[3], maps[2])
    exported = torch.export.export(Pooled(), words).module()
    torch.testing.assert_close(exported(*words), made.pool(maps, {4: 2})[4])


def tiny(preset: str) -> tuple[Reidentifier, object]:
    narrow = ["--model.backbone.width", "8", "--model.pyramid.channels", "16"]
    config = load_config(preset, scale="tiny", overrides=narrow)
    torch.manual_seed(0)
    return untrained(config.model).build(6), config.loss.build()


def plainly(model: Reidentifier) -> Reidentifier:
    for module in model.modules():
        if isinstance(module, FeaturePyramid):
            module.collapsed = False
    return model


@pytest.mark.parametrize("preset", ["released", "paper", "fprnet"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_trained_models_do_not_part(preset: str, dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(2, 6, 3, 91, 35, generator=generator, dtype=torch.float64).to(dtype)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    losses: list[list[float]] = []
    for prepare in (lambda model: model, plainly):
        model, objective = tiny(preset)
        model = prepare(model).to(dtype)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.003, momentum=0.9)
        losses.append([])
        for _ in range(3):
            loss = objective(model(*images, labels, labels)).total  # type: ignore[operator]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    assert losses[0][0] != losses[0][-1]


@pytest.mark.parametrize("preset", ["released", "paper", "fprnet"])
def test_bfloat16_stays_near_float32(preset: str) -> None:
    model, objective = tiny(preset)
    model = model.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(2, 16, 3, 96, 48, generator=generator)
    images = images.flatten(0, 1).contiguous(memory_format=torch.channels_last).chunk(2)
    labels = torch.arange(16) % 6
    with torch.inference_mode():
        stages = model.streams(*images)
        exact = model._pool(stages, levels=True)
        with torch.autocast("cpu", torch.bfloat16):
            low = {k: p.map_parts(lambda rows: rows.bfloat16()) for k, p in stages.items()}
            rounded = model._pool(low, levels=True)
        for name, pair in exact.items():
            got = rounded[name]
            assert got.joint.dtype == torch.float32
            for rows, wanted in ((got.visible, pair.visible), (got.infrared, pair.infrared)):
                if len(rows):
                    assert F.cosine_similarity(rows, wanted).min() > 0.9999, name
        loss = objective(model(*images, labels, labels)).total  # type: ignore[operator]
        with torch.autocast("cpu", torch.bfloat16):
            near = objective(model(*images, labels, labels)).total  # type: ignore[operator]
    assert near.item() == pytest.approx(loss.item(), rel=0.02)
