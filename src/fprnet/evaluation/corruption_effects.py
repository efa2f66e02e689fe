"""Single corruptions: an image, a severity and random numbers become another image.

Images are ``(H, W, 3)`` float64 from 0 to 1; results are clipped by the caller. The strengths at
severities 1 to 5 stand beside each effect; see `fprnet.evaluation.corruptions` for their sources.
Shapes: images of H x W pixels.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

__all__ = ["CORRUPTIONS", "SEVERITIES", "Effect"]

Picture = NDArray[np.float64]
Effect = Callable[[Picture, int, Generator], Picture]

SEVERITIES = (1, 2, 3, 4, 5)
PUBLISHED_SIDE = 224  # pixels of the square images that lengths are published for
GRAY = np.array([0.299, 0.587, 0.114])


def gaussian_noise(image: Picture, severity: int, random: Generator) -> Picture:
    """Add normal noise, as in low light."""
    return image + random.normal(0, (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1], image.shape)


def shot_noise(image: Picture, severity: int, random: Generator) -> Picture:
    """Count photons: Poisson noise."""
    photons = (60, 25, 12, 5, 3)[severity - 1]
    return random.poisson(image * photons) / photons


def impulse_noise(image: Picture, severity: int, random: Generator) -> Picture:
    """Set a share of the values to black or white."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    hit = random.random(image.shape) < share
    return np.where(hit, random.integers(0, 2, image.shape).astype(np.float64), image)


def speckle_noise(image: Picture, severity: int, random: Generator) -> Picture:
    """Multiply by normal noise."""
    return image * (1 + random.normal(0, (0.15, 0.2, 0.35, 0.45, 0.6)[severity - 1], image.shape))


def gaussian_blur(image: Picture, severity: int, _random: Generator) -> Picture:
    """Blur by a normal distribution."""
    return _smooth(image, _length(image, (1, 2, 3, 4, 6)[severity - 1]))


def glass_blur(image: Picture, severity: int, random: Generator) -> Picture:
    """Look through frosted glass: pixels change places with neighbours."""
    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[
        severity - 1
    ]
    softness, reach = _length(image, sigma), max(1, round(_length(image, reach)))
    result = _smooth(image, softness)
    rows, columns = np.indices(image.shape[:2])
    for _ in range(times):
        down, right = random.integers(-reach, reach + 1, (2, *image.shape[:2]))
        at_row = (rows + down).clip(0, image.shape[0] - 1)
        result = result[at_row, (columns + right).clip(0, image.shape[1] - 1)]
    return _smooth(result, softness)


def defocus_blur(image: Picture, severity: int, _random: Generator) -> Picture:
    """Blur by a disk, as a lens out of focus."""
    published, edge = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    radius = _length(image, published)
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1)
    return _filtered(image, ndimage.gaussian_filter(disk, edge))


def motion_blur(image: Picture, severity: int, random: Generator) -> Picture:
    """Smear along a line of random direction."""
    length, spread = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    radius, sigma = _length(image, length), _length(image, spread)
    angle = random.uniform(-np.pi / 4, np.pi / 4)
    reach = max(1, int(np.ceil(radius)))
    steps = np.arange(0, radius + 0.25, 0.25)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    rows = np.rint(reach + steps * np.sin(angle)).astype(int)
    columns = np.rint(reach + steps * np.cos(angle)).astype(int)
    np.add.at(kernel, (rows, columns), np.exp(-(steps**2) / (2 * sigma**2)))
    return _filtered(image, kernel)


def zoom_blur(image: Picture, severity: int, _random: Generator) -> Picture:
    """Average over growing enlargements, as when the camera moves forward."""
    end, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    factors = np.arange(1, end, step)
    enlarged = [_zoomed(image, factor) for factor in factors]
    mean: Picture = (image + np.sum(enlarged, axis=0)) / (len(factors) + 1)
    return mean


def fog(image: Picture, severity: int, random: Generator) -> Picture:
    """Add a fractal cloud."""
    amount, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[severity - 1]
    cloud = _fractal(image.shape[:2], decay, random)
    largest = image.max()
    foggy: Picture = (image + amount * cloud[..., None]) * largest / (largest + amount)
    return foggy


def frost(image: Picture, severity: int, random: Generator) -> Picture:
    """Mix with crystals of ice, drawn as ridges of a fractal."""
    own, ice = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    ridges = 1 - np.abs(2 * _fractal(image.shape[:2], 1.5, random) - 1)
    colour = np.array([0.85, 0.92, 1.0])
    frosted: Picture = own * image + ice * (ridges**3)[..., None] * colour
    return frosted


def snow(image: Picture, severity: int, random: Generator) -> Picture:
    """Whiten, and add flakes smeared by their fall."""
    mean, spread, zoom, threshold, radius, sigma, own = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[severity - 1]
    layer = _zoomed(
        random.normal(mean, spread, (*image.shape[:2], 1)), max(1, _length(image, zoom))
    )
    flakes = np.where(layer < threshold, 0, layer).clip(0, 1)
    angle = random.uniform(np.pi / 4, 3 * np.pi / 4)
    flakes = _smeared(flakes[..., 0], _length(image, radius), _length(image, sigma), angle)
    white = np.maximum(image, (image @ GRAY)[..., None] * 1.5 + 0.5)
    mixed: Picture = own * image + (1 - own) * white
    mixed += (flakes + np.rot90(flakes, 2))[..., None]
    return mixed


def rain(image: Picture, severity: int, random: Generator) -> Picture:
    """Add bright streaks, and darken the sky behind them."""
    share, published, bright = (
        (0.004, 10, 0.5),
        (0.006, 14, 0.55),
        (0.01, 18, 0.6),
        (0.014, 22, 0.65),
        (0.02, 28, 0.7),
    )[severity - 1]
    drops = (random.random(image.shape[:2]) < share).astype(np.float64)
    length = _length(image, published)
    angle = np.pi / 2 + random.uniform(-0.3, 0.3)
    streaks = _smeared(drops, length, 2 * length, angle) * max(length, 1)
    wet: Picture = image * (1 - 0.05 * severity) + bright * np.clip(streaks, 0, 1)[..., None]
    return wet


def spatter(image: Picture, severity: int, random: Generator) -> Picture:
    """Splash water (severities 1 to 3) or mud (4 and 5) on the lens."""
    mean, spread, sigma, threshold, strength, mud = (
        (0.65, 0.3, 4, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.5, False),
        (0.65, 0.3, 1, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 1.5, True),
    )[severity - 1]
    layer = random.normal(mean, spread, image.shape[:2])
    # Scaled to its published spread, so that the threshold cuts the same share at any size.
    smooth = ndimage.gaussian_filter(layer, _length(image, sigma))
    published = spread / (2 * np.sqrt(np.pi) * sigma)
    smooth = mean + (smooth - smooth.mean()) * published / max(float(smooth.std()), 1e-9)
    cover = ndimage.gaussian_filter(np.where(smooth < threshold, 0.0, smooth), 0.5)
    cover = (strength * cover).clip(0, 1)[..., None]
    colour = np.array([63, 42, 20]) / 255 if mud else np.array([175, 238, 238]) / 255
    splashed: Picture = image * (1 - cover) + colour * cover if mud else image + colour * cover / 2
    return splashed


def brightness(image: Picture, severity: int, _random: Generator) -> Picture:
    """Raise the value of HSV."""
    more = 0.1 * severity
    value = image.max(axis=2, keepdims=True)
    raised = (value + more).clip(0, 1)
    lighter: Picture = np.where(value > 0, image * raised / np.maximum(value, 1e-9), raised)
    return lighter


def saturate(image: Picture, severity: int, _random: Generator) -> Picture:
    """Change the saturation of HSV."""
    factor, more = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))[severity - 1]
    value = image.max(axis=2, keepdims=True)
    spread = value - image.min(axis=2, keepdims=True)
    own = spread / np.maximum(value, 1e-9)
    wanted = np.where(own > 0, own * factor + more, 0).clip(0, 1)
    changed: Picture = value - (value - image) * wanted / np.maximum(own, 1e-9)
    return changed


def contrast(image: Picture, severity: int, _random: Generator) -> Picture:
    """Shrink the distance to the mean."""
    mean = image.mean(axis=(0, 1), keepdims=True)
    flat: Picture = (image - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1] + mean
    return flat


def elastic(image: Picture, severity: int, random: Generator) -> Picture:
    """Stretch and shift pieces of the image."""
    side = np.sqrt(image.shape[0] * image.shape[1])
    alpha, sigma, shift = (
        (2, 0.7, 0.1),
        (2, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    )[severity - 1]
    corners = random.uniform(-shift * side / 3, shift * side / 3, 2)
    field = random.uniform(-1, 1, (2, *image.shape[:2]))
    moves = [
        ndimage.gaussian_filter(part, sigma * side, mode="reflect", truncate=3) * alpha * side
        for part in field
    ]
    rows, columns = np.indices(image.shape[:2])
    grid = [rows + moves[0] + corners[0], columns + moves[1] + corners[1]]
    return np.stack(
        [ndimage.map_coordinates(image[..., c], grid, order=1, mode="reflect") for c in range(3)],
        axis=2,
    )


def pixelate(image: Picture, severity: int, _random: Generator) -> Picture:
    """Shrink and enlarge again, in blocks."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = image.shape[:2]
    picture = _picture(image)
    small = picture.resize(
        (max(1, int(width * share)), max(1, int(height * share))), Image.Resampling.BOX
    )
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST)) / 255


def jpeg(image: Picture, severity: int, _random: Generator) -> Picture:
    """Compress with little quality."""
    buffer = io.BytesIO()
    _picture(image).save(buffer, "JPEG", quality=(25, 18, 15, 10, 7)[severity - 1])
    with Image.open(buffer) as opened:
        return np.asarray(opened.convert("RGB")) / 255


def occlusion(image: Picture, severity: int, random: Generator) -> Picture:
    """Put a plain rectangle before the person: 10 to 50 % of the image, of random shape."""
    height, width = image.shape[:2]
    area = 0.1 * severity
    rows = max(1, round(height * random.uniform(max(area, 0.3), 1)))
    columns = max(1, min(width, round(area * height * width / rows)))
    top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
    covered = image.copy()
    covered[top : top + rows, left : left + columns] = random.random(3)
    return covered


CORRUPTIONS: dict[str, Effect] = {
    "gaussian-noise": gaussian_noise,
    "shot-noise": shot_noise,
    "impulse-noise": impulse_noise,
    "speckle-noise": speckle_noise,
    "gaussian-blur": gaussian_blur,
    "glass-blur": glass_blur,
    "defocus-blur": defocus_blur,
    "motion-blur": motion_blur,
    "zoom-blur": zoom_blur,
    "fog": fog,
    "frost": frost,
    "snow": snow,
    "rain": rain,
    "spatter": spatter,
    "brightness": brightness,
    "saturate": saturate,
    "contrast": contrast,
    "elastic": elastic,
    "pixelate": pixelate,
    "jpeg": jpeg,
    "occlusion": occlusion,
}
"""Name -> function of (image, severity, generator); all but occlusion are drawn by "mixed"."""


def _length(image: Picture, published: float) -> float:
    """Return a published length in pixels of this image."""
    return float(published * np.sqrt(image.shape[0] * image.shape[1]) / PUBLISHED_SIDE)


def _smooth(image: Picture, sigma: float) -> Picture:
    smooth: Picture = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    return smooth


def _filtered(image: Picture, kernel: Picture) -> Picture:
    kernel = kernel / kernel.sum()
    channels = [ndimage.convolve(image[..., c], kernel, mode="reflect") for c in range(3)]
    return np.stack(channels, axis=2)


def _smeared(layer: Picture, radius: float, sigma: float, angle: float) -> Picture:
    """Smear one channel along a line, brightest at its beginning."""
    steps = np.arange(0, max(radius, 1))
    weights = np.exp(-(steps**2) / (2 * max(sigma, 0.5) ** 2))
    result = np.zeros_like(layer)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        shift = (round(step * np.sin(angle)), round(step * np.cos(angle)))
        result += weight * np.roll(layer, shift, axis=(0, 1))
    return result


def _zoomed(image: Picture, factor: float) -> Picture:
    """Enlarge the middle of an image to its whole size, linearly."""
    height, width = image.shape[:2]
    rows = (np.arange(height) - (height - 1) / 2) / factor + (height - 1) / 2
    columns = (np.arange(width) - (width - 1) / 2) / factor + (width - 1) / 2
    grid = np.meshgrid(rows, columns, indexing="ij")
    channels = range(image.shape[2])
    return np.stack(
        [ndimage.map_coordinates(image[..., c], grid, order=1, mode="nearest") for c in channels],
        axis=2,
    )


def _fractal(shape: tuple[int, ...], decay: float, random: Generator) -> Picture:
    """Return a fractal surface from 0 to 1: noise of doubling scales, which weigh more and more."""
    height, width = shape
    total = np.zeros(shape)
    scale, weight = 1, 1.0
    while scale < max(height, width):
        coarse = random.random((height // scale + 2, width // scale + 2))
        rows, columns = np.indices(shape) / scale
        total += weight * ndimage.map_coordinates(coarse, [rows, columns], order=1)
        scale, weight = 2 * scale, weight * decay
    total -= total.min()
    scaled: Picture = total / max(float(total.max()), 1e-9)
    return scaled


def _picture(image: Picture) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
