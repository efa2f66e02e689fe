"""Reflected light becomes the picture of one of six cameras, with the faults of its sensor.

Cameras 1, 2, 4 and 5 read red, green and blue, cameras 3 and 6 near infrared under their own lamp.

Shapes: H x W pixels; C = 4 channels (R, G, B, NIR).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from fprnet_lab.synthetic.canvas import Light
from fprnet_lab.synthetic.draws import bounded
from fprnet_lab.synthetic.textures import Array

__all__ = ["CAMERAS", "Camera", "expose", "lighting"]

_LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)


@dataclass(frozen=True)
class Camera:
    """One sensor, its place's light and how it hangs."""

    infrared: bool
    exposure: float  # brightness of a white surface that faces the camera, 1 is full scale
    cast: tuple[float, float, float]  # colour of the light; equal for infrared
    saturation: float  # 1 keeps the colours, 0 would be gray
    contrast: float  # 1 keeps the contrast around the middle
    sunlight: float  # share of light from the side: 0 overcast or coaxial, 1 low sun
    pitch: float  # downward look in radians
    background: float  # brightness of the place behind the person
    blur: float  # share of light that leaks to the neighbouring pixels
    noise: float  # deviation of the sensor's noise, 1 is full scale
    quality: tuple[int, int]  # JPEG quality, from and to
    coarse: tuple[float, float]  # factor of lost resolution, from and to


CAMERAS: dict[int, Camera] = {
    # Indoors, large bright room, warm light.
    1: Camera(
        infrared=False,
        exposure=1.0,
        cast=(1.05, 1.0, 0.9),
        saturation=0.95,
        contrast=1.0,
        sunlight=0.4,
        pitch=0.16,
        background=0.95,
        blur=0.12,
        noise=0.012,
        quality=(72, 94),
        coarse=(1.0, 1.0),
    ),
    # Indoors, dim corridor, bluish tubes.
    2: Camera(
        infrared=False,
        exposure=0.74,
        cast=(0.84, 0.97, 1.14),
        saturation=0.75,
        contrast=0.9,
        sunlight=0.3,
        pitch=0.2,
        background=0.9,
        blur=0.2,
        noise=0.02,
        quality=(66, 92),
        coarse=(1.0, 1.3),
    ),
    # The same corridor at night, seen by its own infrared lamp.
    3: Camera(
        infrared=True,
        exposure=0.95,
        cast=(1.0, 1.0, 1.0),
        saturation=0.0,
        contrast=0.8,
        sunlight=0.0,
        pitch=0.2,
        background=0.6,
        blur=0.15,
        noise=0.02,
        quality=(64, 92),
        coarse=(1.1, 1.6),
    ),
    # Outdoors, garden in sunlight.
    4: Camera(
        infrared=False,
        exposure=1.1,
        cast=(1.03, 1.01, 0.97),
        saturation=1.15,
        contrast=1.1,
        sunlight=0.8,
        pitch=0.1,
        background=0.95,
        blur=0.1,
        noise=0.012,
        quality=(72, 94),
        coarse=(1.0, 1.0),
    ),
    # Outdoors under trees, late and dull.
    5: Camera(
        infrared=False,
        exposure=0.7,
        cast=(0.98, 1.03, 0.94),
        saturation=0.65,
        contrast=0.85,
        sunlight=0.3,
        pitch=0.24,
        background=0.9,
        blur=0.28,
        noise=0.026,
        quality=(60, 88),
        coarse=(1.0, 1.4),
    ),
    # Outdoors at night, infrared lamp, a far dark background.
    6: Camera(
        infrared=True,
        exposure=0.9,
        cast=(1.0, 1.0, 1.0),
        saturation=0.0,
        contrast=0.92,
        sunlight=0.0,
        pitch=0.14,
        background=0.3,
        blur=0.2,
        noise=0.03,
        quality=(58, 88),
        coarse=(1.1, 1.8),
    ),
}


def lighting(camera: Camera, rng: Generator) -> Light:
    """Draw the light on the scene: from the lens for infrared, from above and aside else."""
    if camera.infrared:
        return Light(ambient=0.3, x=0.0, y=0.0, z=0.7)
    aside = bounded(rng, 0.0, 0.45, -1, 1) * camera.sunlight
    return Light(ambient=0.55, x=aside * 0.8, y=0.22, z=0.45)


def expose(pixels: Array, camera: Camera, rng: Generator) -> NDArray[np.uint8]:
    """Turn reflected light into a picture.

    Args:
        pixels: ``(4, H, W)`` float32 light.
        camera: The sensor.
        rng: The image's generator.

    Returns:
        ``(H, W, 3)`` uint8; an infrared picture has three equal channels.
    """
    _, height, width = pixels.shape
    light: Array
    if camera.infrared:
        light = pixels[3:] * _lamp(height, width, rng)
    else:
        light = _colour(pixels[:3], camera, rng)
    light = light * np.float32(camera.exposure * bounded(rng, 1.0, 0.1, 0.75, 1.3))
    contrast = camera.contrast * float(rng.uniform(0.88, 1.1))
    light = 0.42 + (light - 0.42) * contrast
    light = _blurred(light, camera.blur * float(rng.uniform(0.5, 1.5)))
    noise = camera.noise * float(rng.uniform(0.7, 1.4))
    factor = float(rng.uniform(*camera.coarse))
    light = _coarser(light, factor, noise, rng)
    picture = (light.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    if camera.infrared:
        picture = np.repeat(picture, 3, axis=0)
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


def _lamp(height: int, width: int, rng: Generator) -> Array:
    """Return ``(H, W)`` brightness of a lamp beside the lens: strongest near the middle."""
    x = np.linspace(-1, 1, width, dtype=np.float32) - np.float32(rng.normal(0, 0.2))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(rng.normal(-0.15, 0.3))
    fall = np.float32(rng.uniform(0.15, 0.4))
    return 1.05 - fall * (0.7 * x * x + y * y).clip(0, 1.6)


def _colour(light: Array, camera: Camera, rng: Generator) -> Array:
    """Apply the colour of the light, the sensor's saturation and a gradient over the picture."""
    cast = np.array(camera.cast, dtype=np.float32) * rng.normal(1.0, 0.035, 3).astype(np.float32)
    gray = np.tensordot(_LUMA, light, axes=1)
    saturation = np.float32(camera.saturation * rng.uniform(0.85, 1.15))
    slope = np.float32(rng.normal(0.0, 0.08))
    fall = 1 + slope * np.linspace(-1, 1, light.shape[2], dtype=np.float32)
    return (gray + (light - gray) * saturation) * cast[:, None, None] * fall


def _blurred(light: Array, share: float) -> Array:
    """Let a share of each pixel's light leak half to either neighbour, in both directions."""
    light[:, 1:-1] += (share / 2) * (light[:, 2:] - 2 * light[:, 1:-1] + light[:, :-2])
    light[:, :, 1:-1] += (share / 2) * (light[:, :, 2:] - 2 * light[:, :, 1:-1] + light[:, :, :-2])
    return light


def _coarser(light: Array, factor: float, noise: float, rng: Generator) -> Array:
    """Lose resolution by ``factor``, add the sensor's noise, and enlarge to the old size."""
    channels, height, width = light.shape
    small = (max(round(width / factor), 4), max(round(height / factor), 4))
    if factor > 1.05:
        light = np.stack([_resized(channel, small) for channel in light])
    shape = light.shape[1:]
    grain = noise * rng.standard_normal(shape, dtype=np.float32)
    if channels > 1:  # most noise is brightness, some of it colour
        grain = grain + 0.5 * noise * rng.standard_normal(light.shape, dtype=np.float32)
    light = light + grain * (0.6 + 0.6 * light.clip(0, 1))
    if factor > 1.05:
        light = np.stack([_resized(channel, (width, height)) for channel in light])
    return light


def _resized(channel: NDArray[Any], size: tuple[int, int]) -> Array:
    """Resize one channel ``(h, w)`` to ``size`` (width, height), bilinear and antialiased."""
    picture = Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
