"""Augmentation against loops over images and pixels that follow the definitions."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fprnet.data import augmentation
from fprnet.data.augmentation import IMAGENET_MEAN, IMAGENET_STD, Parameters, apply, draw, normalise

SIZE = (24, 12)
EVERYTHING = {
    "padding": 3,
    "flip": 0.5,
    "erasing": 0.5,
    "grayscale": 0.3,
    "gray_projection": 0.4,
    "infrared_changes": 0.7,
    "channel_exchange": 0.3,
    "linear_enhancement": 0.4,
}


def random_images(count: int, size: tuple[int, int] = SIZE, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *size, 3), generator=generator, dtype=torch.uint8)


def drawn(modality: str, count: int, seed: int = 0, size=SIZE, **options) -> Parameters:
    return draw(modality, count, size, torch.Generator().manual_seed(seed), **options)


def nearest_rank(values: np.ndarray, percent: int) -> float:
    """The smallest value that at least ``percent`` % of the values do not exceed."""
    return sorted(values.ravel())[math.ceil(percent * values.size / 100) - 1]


def apply_by_definition(image: np.ndarray, p: Parameters, n: int) -> np.ndarray:
    """One image, one pixel after the other, in the order that the module promises."""
    height, width = p.size
    x = image.astype(np.float64)
    if p.curved[n]:
        gamma, gain, offset = p.curve[n].tolist()
        for i in range(height):
            for j in range(width):
                for c in range(3):
                    v = x[i, j, c] / 255
                    v = 1 - v if p.inverted[n] else v
                    x[i, j, c] = 255 * min(max(gain * v**gamma + offset, 0), 1)
    if p.grayed[n]:
        gray = np.zeros((height, width))
        for i in range(height):
            for j in range(width):
                gray[i, j] = sum(x[i, j, c] * float(p.weights[n, c]) for c in range(3))
        if p.stretched[n]:
            low, high = nearest_rank(gray, 1), nearest_rank(gray, 99)
            span, base = p.stretch[n].tolist()
            gray = np.clip((gray - low) / (high - low) * span + base, 0, 255)
        x = np.stack([gray] * 3, axis=-1)
    for (top, left, bottom, right), shares in zip(
        p.enhanced[n].tolist(), p.brightest[n].tolist(), strict=True
    ):
        if bottom > top:
            for c in range(3):
                part = x[top:bottom, left:right, c]
                part *= 255 * shares[c] / max(part.max(), 1)
    padded = np.zeros((height + 2 * p.padding, width + 2 * p.padding, 3))
    padded[p.padding : p.padding + height, p.padding : p.padding + width] = x
    top, left = p.corner[n].tolist()
    x = padded[top : top + height, left : left + width]
    if p.mirrored[n]:
        x = x[:, ::-1]
    x = (x / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    top, left, bottom, right = p.erased[n].tolist()
    x[top:bottom, left:right] = 0
    return x.transpose(2, 0, 1)


@pytest.mark.parametrize("modality", ["visible", "infrared"])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_definition(modality: str, seed: int) -> None:
    images = random_images(16, seed=seed)
    parameters = drawn(modality, 16, seed, **EVERYTHING)
    expected = [apply_by_definition(x.numpy(), parameters, n) for n, x in enumerate(images)]
    # 1e-3 of a standard deviation is 0.06 gray levels.
    np.testing.assert_allclose(apply(images, parameters), np.stack(expected), atol=1e-3)


def test_hand_worked_crop_mirror_and_padding() -> None:
    """Red counts 1, 2, 3, 4 in reading order; the crop is shifted one pixel right and down."""
    images = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    images[0, :, :, 0] = torch.tensor([[1, 2], [3, 4]])
    parameters = drawn("visible", 1, size=(2, 2), padding=1, flip=1.0)
    parameters = dataclasses.replace(parameters, corner=torch.tensor([[2, 2]]))
    red = apply(images, parameters)[0, 0] * IMAGENET_STD[0] + IMAGENET_MEAN[0]
    # Unmirrored the crop is [[4, black], [black, black]].
    torch.testing.assert_close(red * 255, torch.tensor([[0.0, 4.0], [0.0, 0.0]]), atol=1e-4, rtol=0)


def test_hand_worked_gray_projection() -> None:
    """Gray levels 0..199 twice: 1st percentile 1, 99th 197; stretched to 10 and 10 + 98."""
    ramp = torch.arange(200, dtype=torch.uint8).repeat(2).view(1, 20, 20, 1).expand(1, 20, 20, 3)
    parameters = drawn("visible", 1, size=(20, 20), gray_projection=1.0)
    parameters = dataclasses.replace(
        parameters,
        weights=torch.tensor([[0.0, 1.0, 0.0]]),
        stretch=torch.tensor([[98.0, 10.0]]),
    )
    green = apply(ramp, parameters)[0, 1] * IMAGENET_STD[1] + IMAGENET_MEAN[1]
    expected = (torch.arange(200.0).repeat(2).view(20, 20) - 1) / 196 * 98 + 10
    torch.testing.assert_close(green * 255, expected, atol=1e-3, rtol=0)


def test_hand_worked_infrared_curve() -> None:
    """v = 0.2 inverted is 0.8, squared 0.64, times 1.25 is 0.8, minus 0.1 is 0.7."""
    images = torch.full((1, 2, 2, 3), 51, dtype=torch.uint8)
    parameters = drawn("infrared", 1, size=(2, 2), infrared_changes=1.0)
    parameters = dataclasses.replace(
        parameters, inverted=torch.tensor([True]), curve=torch.tensor([[2.0, 1.25, -0.1]])
    )
    blue = apply(images, parameters)[0, 2] * IMAGENET_STD[2] + IMAGENET_MEAN[2]
    torch.testing.assert_close(blue, torch.full((2, 2), 0.7))


def test_nothing_is_changed_when_every_option_is_off() -> None:
    images = random_images(3)
    for modality in ("visible", "infrared"):
        torch.testing.assert_close(apply(images, drawn(modality, 3)), normalise(images))


def test_normalise_by_definition() -> None:
    images = random_images(2)
    expected = (images.numpy() / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(normalise(images), expected.transpose(0, 3, 1, 2), atol=1e-5)


def test_even_image_stays_even_under_the_projection() -> None:
    images = torch.full((4, *SIZE, 3), 77, dtype=torch.uint8)
    parameters = drawn("visible", 4, gray_projection=1.0)
    result = apply(images, parameters)
    red = (result[:, 0] * IMAGENET_STD[0] + IMAGENET_MEAN[0]) * 255
    expected = parameters.stretch[:, 1, None, None].expand(4, *SIZE)
    torch.testing.assert_close(red, expected, atol=1e-2, rtol=0)


def test_percentiles_of_a_large_image_are_close_to_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 288x144 a grid of 4,608 pixels is looked at; smooth images differ by a gray level."""
    row, column = np.mgrid[0:288, 0:144]
    gray = 127 + 80 * np.sin(row / 40) * np.cos(column / 25)
    noisy = gray + np.random.default_rng(0).normal(0, 5, gray.shape)
    values = torch.from_numpy(noisy)[None]
    low, high = augmentation._percentiles(values)
    assert low.item() == pytest.approx(nearest_rank(noisy, 1), abs=1.5)
    assert high.item() == pytest.approx(nearest_rank(noisy, 99), abs=1.5)
    monkeypatch.setattr(augmentation, "PERCENTILE_PIXELS", 288 * 144)
    low, high = augmentation._percentiles(values)
    assert (low.item(), high.item()) == (nearest_rank(noisy, 1), nearest_rank(noisy, 99))


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_slices_of_the_whole_batch_give_the_same_images(modality: str) -> None:
    images = random_images(8)
    parameters = drawn(modality, 8, **EVERYTHING)
    whole = apply(images, parameters)
    parts = [apply(images[rows], parameters[rows]) for rows in (slice(0, 4), slice(4, 8))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-5)
    assert len(parameters[2:5]) == 3


def test_same_generator_state_draws_the_same_and_the_next_draw_differs() -> None:
    generator = torch.Generator().manual_seed(5)
    first = draw("visible", 4, SIZE, generator, **EVERYTHING)
    second = draw("visible", 4, SIZE, generator, **EVERYTHING)
    again = drawn("visible", 4, 5, **EVERYTHING)
    for field in dataclasses.fields(Parameters):
        value = getattr(first, field.name)
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(getattr(again, field.name)))
    assert not torch.equal(first.curve, second.curve)


def test_an_option_does_not_change_the_other_draws() -> None:
    with_it = drawn("visible", 64, padding=4, flip=0.5, gray_projection=0.8)
    without = drawn("visible", 64, padding=4, flip=0.5)
    assert torch.equal(with_it.corner, without.corner)
    assert torch.equal(with_it.mirrored, without.mirrored)


def test_first_drawn_change_to_gray_is_the_one_that_applies() -> None:
    order = ("gray_projection", "channel_exchange", "linear_enhancement", "grayscale")
    for first, name in enumerate(order):
        alone = drawn("visible", 16, **{name: 1.0})
        before_others = drawn("visible", 16, **dict.fromkeys(order[first:], 1.0))
        assert torch.equal(before_others.weights, alone.weights)
        assert torch.equal(before_others.stretched, alone.stretched)
        assert before_others.grayed.all()


def test_draws_have_the_stated_ranges_and_frequencies() -> None:
    """4,000 images; a share p is met within 4 standard errors of sqrt(p (1 - p) / 4000)."""
    count = 4000
    visible = drawn("visible", count, padding=4, flip=0.5, erasing=0.25, gray_projection=0.8)
    infrared = drawn("infrared", count, infrared_changes=0.8)

    def share(chosen: Tensor, expected: float) -> None:
        error = 4 * math.sqrt(expected * (1 - expected) / count)
        assert chosen.double().mean().item() == pytest.approx(expected, abs=error)

    share(visible.mirrored, 0.5)
    share(visible.stretched, 0.8)
    share(visible.erased[:, 2] > 0, 0.25)
    share(infrared.curved, 0.8)
    share(infrared.inverted, 0.8 * 0.3)
    share((visible.corner == 0).all(dim=1), 1 / 81)  # 9 x 9 crops
    assert (visible.corner.min(), visible.corner.max()) == (0, 8)
    assert not visible.curved.any()
    assert not infrared.grayed.any()
    for column, (low, high) in (
        (visible.stretch[:, 0], (90, 200)),
        (visible.stretch[:, 1], (5, 60)),
        (infrared.curve[:, 0], (0.6, 1.6)),
        (infrared.curve[:, 1], (0.7, 1.3)),
        (infrared.curve[:, 2], (-0.1, 0.1)),
    ):
        assert low <= column.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < column.max() <= high
    weights = visible.weights[visible.stretched]
    assert weights.mean().item() == pytest.approx(0, abs=4 / math.sqrt(3 * count * 0.8))
    assert weights.std().item() == pytest.approx(1, abs=0.05)


def test_erased_rectangles_lie_inside_and_have_the_stated_area_and_aspect() -> None:
    height, width = 288, 144
    top, left, bottom, right = drawn("visible", 2000, size=(height, width), erasing=1.0).erased.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (bottom <= height).all()
    assert (right <= width).all()
    h, w = bottom - top, right - left
    area = h * w / (height * width)
    # Rounding moves each side by half a pixel.
    assert 0.018 < area.min() < 0.03
    assert 0.37 < area.max() < 0.405
    aspect = h / w
    assert 0.28 < aspect.min() < 0.4
    assert 3.1 < aspect.max() < 3.5


def test_channel_exchange_copies_one_channel_or_luma() -> None:
    images = random_images(200)
    result = apply(images, drawn("visible", 200, channel_exchange=1.0))
    levels = result * torch.tensor(IMAGENET_STD)[:, None, None]
    levels = 255 * (levels + torch.tensor(IMAGENET_MEAN)[:, None, None])
    torch.testing.assert_close(levels[:, 0], levels[:, 1], rtol=0, atol=1e-2)
    red, green, blue = images.float().unbind(dim=-1)
    sources = torch.stack([red, green, blue, 0.299 * red + 0.587 * green + 0.114 * blue])
    matches = (sources - levels[:, 0]).abs().amax(dim=(2, 3)) < 0.01  # (4, 200)
    assert (matches.sum(dim=0) == 1).all()
    assert (matches.sum(dim=1) > 30).all()  # 50 expected of each, standard error 6


def test_grayscale_is_what_pillow_calls_gray() -> None:
    from PIL import Image

    images = random_images(1)
    gray = np.asarray(Image.fromarray(images[0].numpy()).convert("L"), dtype=np.float64)
    result = apply(images, drawn("visible", 1, grayscale=1.0))[0, 1]
    level = 255 * (result * IMAGENET_STD[1] + IMAGENET_MEAN[1])
    np.testing.assert_allclose(level, gray, atol=1.0)  # Pillow keeps whole gray levels


def test_linear_enhancement_mixes_with_weights_of_sum_one() -> None:
    parameters = drawn("visible", 500, linear_enhancement=1.0)
    assert (parameters.weights >= 0).all()
    torch.testing.assert_close(parameters.weights.sum(dim=1), torch.ones(500))
    assert (parameters.enhanced[:, 0, 2] > 0).all()
    assert ((parameters.brightest >= 0) & (parameters.brightest <= 1)).all()
    # Beta(0.3, 0.3): mean 1/2, variance ab / ((a + b)^2 (a + b + 1)) = 1 / 6.4.
    assert parameters.brightest.mean().item() == pytest.approx(0.5, abs=0.02)
    assert parameters.brightest.var().item() == pytest.approx(1 / 6.4, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_result_has_the_asked_type_and_layout(
    dtype: torch.dtype, layout: torch.memory_format
) -> None:
    images = random_images(3)
    parameters = drawn("visible", 3, **EVERYTHING)
    for result in (
        apply(images, parameters, dtype=dtype, memory_format=layout),
        normalise(images, dtype=dtype, memory_format=layout),
    ):
        assert result.shape == (3, 3, *SIZE)
        assert result.dtype == dtype
        assert result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_works_on_the_device_of_the_images(modality: str) -> None:
    """Tensors on "meta" hold no numbers, and most operations refuse to mix them with the CPU's."""
    images = torch.empty((16, *SIZE, 3), dtype=torch.uint8, device="meta")
    parameters = drawn(modality, 16, **EVERYTHING)
    assert apply(images, parameters).device.type == "meta"
    assert normalise(images).device.type == "meta"


def test_input_is_left_alone() -> None:
    images = random_images(6)
    before = images.clone()
    for modality in ("visible", "infrared"):
        apply(images, drawn(modality, 6, **EVERYTHING))
    normalise(images)
    assert torch.equal(images, before)


def test_wrong_images_name_both_shapes() -> None:
    parameters = drawn("visible", 4)
    with pytest.raises(ValueError, match=r"uint8 \(3, 24, 12, 3\) but .* uint8 \(4, 24, 12, 3\)"):
        apply(random_images(3), parameters)
    with pytest.raises(ValueError, match=r"torch.float32"):
        apply(random_images(4).float(), parameters)
    with pytest.raises(ValueError, match=r"uint8 \(N, H, W, 3\) is needed"):
        normalise(torch.zeros(2, 3, 24, 12, dtype=torch.uint8))
