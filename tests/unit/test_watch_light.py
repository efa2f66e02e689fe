"""Day and night are seen: infrared of any colours is infrared, a gray day is a day."""

import io

import numpy as np
import pytest
from PIL import Image

from fprnet.watch.light import Light, colour_variety, to_gray
from watch_cases import at, scene


def as_jpeg(pixels, quality=70):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def smooth_scene(seed=0):
    """A dark room with a lamp, gray: what an infrared camera sees."""
    rows, columns = np.mgrid[:360, :640]
    lamp = 200 * np.exp(-((rows - 150) ** 2 + (columns - 300) ** 2) / 2e4)
    noise = np.random.default_rng(seed).normal(0, 3, (360, 640))
    blocks = np.kron(np.random.default_rng(1).integers(0, 60, (9, 16)), np.ones((40, 40)))
    return np.clip(lamp + noise + blocks + 10, 0, 255)[..., None]


FALSE_COLOURS = {
    "gray": lambda gray: np.repeat(gray, 3, 2),
    "green night": lambda gray: gray * np.array([0.25, 1.0, 0.35]),
    "pink": lambda gray: gray * np.array([1.0, 0.7, 0.85]),
    "purple ramp": lambda gray: 255 * (gray / 255) ** np.array([0.8, 1.4, 0.9]),
}


@pytest.mark.parametrize("name", FALSE_COLOURS)
def test_infrared_is_seen_in_any_false_colours(name):
    pixels = as_jpeg(FALSE_COLOURS[name](smooth_scene()).round().astype(np.uint8))
    assert Light().see(pixels, at(0)) == "infrared"


def test_a_gray_street_with_one_coat_is_visible():
    pixels = np.repeat(smooth_scene(), 3, 2)
    pixels[200:300, 100:140] = [120, 40, 40]  # 4000 of 230400 pixels: 1.7 %
    assert Light().see(as_jpeg(pixels.astype(np.uint8)), at(0)) == "visible"


def test_a_pink_day_is_visible():
    """By day without its filter a camera has a cast of pink, but things keep their colours."""
    day = scene(1.0, size=(120, 160)).astype(float)
    cast = np.clip(day * [1.2, 0.75, 1.0] + [25, 0, 15], 0, 255).astype(np.uint8)
    assert Light().see(as_jpeg(cast), at(0)) == "visible"


def test_variety_is_the_slow_definition():
    pixels = np.random.default_rng(2).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    flat = pixels.reshape(-1, 3).astype(float)
    lightness = flat @ [0.299, 0.587, 0.114]
    distances = np.zeros(len(flat))
    for number in range(32):
        inside = [i for i in range(len(flat)) if min(int(lightness[i] / 8), 31) == number]
        for channel in range(3):
            if not inside:
                continue
            x, y = lightness[inside], flat[inside, channel]
            x, y = x - x.mean(), y - y.mean()
            slope = (x * y).sum() / max((x**2).sum(), 1e-6)
            for index, distance in zip(inside, abs(y - slope * x), strict=True):
                distances[index] = max(distances[index], distance)
    assert colour_variety(pixels) == pytest.approx(np.quantile(distances, 0.99), rel=1e-3)


def test_dusk_needs_a_second_and_does_not_flicker():
    day, night = scene(0.0), scene(0.0, gray=True)
    light = Light(seconds=1.0)
    shown = [
        (0, day), (1, day), (1.2, night), (1.4, day), (1.6, night), (2.4, night), (2.7, night),
        (3, day), (3.5, day), (4.1, day),
    ]  # fmt: skip
    seen = [light.see(pixels, at(seconds)) for seconds, pixels in shown]
    assert seen == ["visible"] * 6 + ["infrared"] * 3 + ["visible"]


def test_false_colours_become_gray():
    green = np.zeros((4, 4, 3), np.uint8)
    green[..., 1] = 200
    gray = to_gray(green)
    assert (gray == 117).all()  # 200 * 0.587
    same = np.full((4, 4, 3), 9, np.uint8)
    assert to_gray(same) is same
