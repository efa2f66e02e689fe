"""Light on the sensor becomes the picture: exposure, colours, contrast, blur, noise.

Letters: H and W pixels, C channels (3 by day, 1 in infrared).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter1d

__all__ = ["Sensor", "developed", "draw_sensor", "faultless", "jpeg"]

Floats = NDArray[np.float32]
Range = tuple[float, float]


@dataclass(frozen=True)
class Sensor:
    """Ranges from which each image of a camera draws.

    Attributes:
        brightness: Wanted mean of the picture, 0 to 1 as displayed.
        gamma: Gamma of the display curve.
        saturation: Factor of the colours.
        contrast: By day: share of an S-curve. In infrared: factor about the mean.
        black: Level that becomes black.
        haze: Share of scattered light.
        blur: Standard deviation at 128 pixels of height.
        resolution: Share of the pixels that the sensor had, for the images that were enlarged.
        enlarged: Chance that an image was enlarged.
        sharpened: Chance that an image was sharpened.
        noise: Standard deviation, 0 to 1.
        quality: Quality of the JPEG file.
        white: Factors of red, green and blue.
        cast: Deviation of the logarithm of each image's own factors.
        min_colour: By day, least median distance of the channels, 0 to 1; 0: the factors come
            before the saturation, and an image may be gray.
    """

    brightness: Range
    gamma: Range
    saturation: Range
    contrast: Range
    black: Range
    haze: Range
    blur: Range
    resolution: Range
    enlarged: float
    sharpened: float
    noise: Range
    quality: Range
    white: tuple[float, float, float]
    cast: float = 0.05
    min_colour: float = 10 / 255


WIDEST_VISIBLE = Sensor(
    brightness=(0.27, 0.58),
    gamma=(1.9, 2.4),
    saturation=(0.6, 1.08),
    contrast=(0.0, 0.85),
    black=(-0.01, 0.06),
    haze=(0.0, 0.025),
    blur=(0.15, 0.7),
    resolution=(0.45, 0.95),
    enlarged=0.4,
    sharpened=0.5,
    noise=(0.003, 0.02),
    quality=(55, 94),
    white=(1.0, 1.0, 1.0),
)
WIDEST_INFRARED = Sensor(
    brightness=(0.3, 0.88),
    gamma=(1.8, 2.5),
    saturation=(1.0, 1.0),
    contrast=(0.85, 1.5),
    black=(0.0, 0.02),
    haze=(0.0, 0.05),
    blur=(0.2, 1.0),
    resolution=(0.4, 0.95),
    enlarged=0.45,
    sharpened=0.45,
    noise=(0.003, 0.016),
    quality=(55, 94),
    white=(1.0, 1.0, 1.0),
)


def draw_sensor(
    rng: np.random.Generator, *, infrared: bool, version: int, spread: float = 0.6
) -> Sensor:
    """Draw a camera's sensor: parts of the widest ranges, ``spread`` of them wide."""
    widest = WIDEST_INFRARED if infrared else WIDEST_VISIBLE

    def part(whole: Range) -> Range:
        start = whole[0] + rng.random() * (1 - spread) * (whole[1] - whole[0])
        return start, start + spread * (whole[1] - whole[0])

    white = np.exp(rng.normal(0, 0.07 if version > 2 else 0.04, 3))
    return Sensor(
        brightness=part(widest.brightness),
        gamma=part(widest.gamma),
        saturation=part(widest.saturation),
        contrast=part(widest.contrast),
        black=part(widest.black),
        haze=part(widest.haze),
        blur=part(widest.blur),
        resolution=part(widest.resolution),
        enlarged=float(np.clip(widest.enlarged + rng.normal(0, 0.25), 0, 1)),
        sharpened=float(np.clip(widest.sharpened + rng.normal(0, 0.3), 0, 1)),
        noise=part(widest.noise),
        quality=part(widest.quality),
        white=(float(white[0]), float(white[1]), float(white[2])),
        cast=0.05 if version > 2 else 0.045,
        min_colour=10 / 255 if version > 2 else 0.0,
    )


def faultless(sensor: Sensor) -> Sensor:
    """Return a sensor of the same tones and colours, sharp and without noise."""
    return replace(
        sensor,
        blur=(0.0, 0.0),
        enlarged=0.0,
        sharpened=0.0,
        noise=(0.0, 0.0),
        quality=(95.0, 95.0),
    )


def developed(
    light: Floats,
    person_mean: float,
    sensor: Sensor,
    rng: np.random.Generator,
    noise_source: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """Return the picture of a camera.

    Args:
        light: Linear light on the sensor, (H, W, C).
        person_mean: Mean light of the person's pixels, which the exposure follows in infrared.
        sensor: Sensor of the camera.
        rng: Source of the image's draws.
        noise_source: Source of the noise; without one, ``rng``.

    Returns:
        (H, W, 3) uint8; the three channels are alike in infrared.
    """
    infrared = light.shape[2] == 1
    wanted = rng.uniform(*sensor.brightness) ** 2.2
    mean = float(light.mean())
    if infrared:
        exposure = wanted / (0.75 * person_mean + 0.25 * mean + 1e-6)
        exposure = min(exposure, 2.2 / max(1e-3, _level(light, 0.95)))
        image = light * np.float32(exposure)
    else:
        exposure = wanted / (0.65 * mean + 0.35 * person_mean + 1e-6)
        exposure = min(exposure, 2.6 / max(1e-3, _level(light, 0.97)))
        white = np.exp(rng.normal(0, sensor.cast, 3)) * sensor.white
        late = sensor.min_colour > 0  # no camera's grey is quite grey
        image = light * (np.float32(exposure) if late else (exposure * white).astype(np.float32))
        grey = image.mean(2, keepdims=True)
        image = np.maximum(grey + (image - grey) * np.float32(rng.uniform(*sensor.saturation)), 0)
        if late:
            image *= white.astype(np.float32)
    haze = np.float32(rng.uniform(*sensor.haze))
    image = image * (1 - haze) + haze * np.float32(0.5 if infrared else 1)
    if rng.random() < 0.5:
        image = 1 - np.exp(image * np.float32(-1.25))
    image = np.clip(image, 0, 1) ** np.float32(1 / rng.uniform(*sensor.gamma))
    contrast = np.float32(rng.uniform(*sensor.contrast))
    if infrared:
        middle = image.mean()
        image = np.clip((image - middle) * contrast + middle, 0, 1)
    else:
        image = image + contrast * (image * image * (3 - 2 * image) - image)
    black = np.float32(rng.uniform(*sensor.black))
    image = np.clip((image - black) / (1 - black), 0, 1)
    image = _resolved(image, sensor, rng)
    if not infrared and sensor.min_colour:
        rows = image[::2, ::2]
        missing = sensor.min_colour - float(np.median(rows.max(2) - rows.min(2)))
        image[:, :, int(rows.mean((0, 1)).argmax())] += np.float32(max(0.0, missing))
    noise = (noise_source or rng).standard_normal(image.shape, np.float32)
    if rng.random() < 0.6:
        noise = gaussian_filter(noise, (0.7, 0.7, 0)) * np.float32(1.8)
    image = np.clip(image + noise * np.float32(rng.uniform(*sensor.noise)), 0, 1)
    picture = (image * 255 + np.float32(0.5)).astype(np.uint8)
    return np.repeat(picture, 3, 2) if infrared else picture


def _level(light: Floats, share: float) -> float:
    """Return the light that a share of the values does not pass; every third pixel is looked at."""
    values = light[::3, ::3].ravel()
    place = int(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def _resolved(image: Floats, sensor: Sensor, rng: np.random.Generator) -> Floats:
    """Blur, lose pixels, sharpen: what lens, distance and the camera's software do."""
    height, width, _ = image.shape
    scale = height / 128
    blur = rng.uniform(*sensor.blur) * scale
    image = gaussian_filter(image, (blur, blur, 0))
    if rng.random() < 0.12:  # somebody moves while the shutter is open
        image = uniform_filter1d(image, int(rng.integers(2, 3 + int(3 * scale))), axis=1)
    share = rng.uniform(*sensor.resolution) / max(1.0, scale**0.5)
    if rng.random() < sensor.enlarged:
        fewer = (max(8, int(width * share)), max(16, int(height * share)))
        image = _resized(_resized(image, fewer), (width, height))
    strength = np.float32(rng.uniform(0.3, 0.9))
    if rng.random() < sensor.sharpened:
        soft = gaussian_filter(image, (1.2, 1.2, 0))
        image = image + (image - soft) * strength
    return image


def _resized(image: Floats, size: tuple[int, int]) -> Floats:
    result = np.empty((size[1], size[0], image.shape[2]), np.float32)
    for channel in range(image.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(image[:, :, channel]))
        result[:, :, channel] = np.asarray(plane.resize(size, Image.Resampling.BICUBIC))
    return result


def jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Return the JPEG file of a picture (H, W, 3)."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=quality)
    return content.getvalue()
