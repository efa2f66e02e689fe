"""Light that falls on a person becomes light that leaves it: sun and sky, lamps, an infrared lamp.

Letters: N samples, V vertices, T triangles. Every surface is matt: it sends back reflectance times
irradiance, so never more than falls in. Irradiances are relative, about 1 in the open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter, uniform_filter

from fprnet_lab.people.rasteriser import FAR, Coverage, depth_map

__all__ = [
    "Light",
    "closeness",
    "draw_light",
    "infrared_irradiance",
    "sunlit",
    "visible_irradiance",
]

Floats = NDArray[np.float32]
_SHADOW_CELLS = 6.5  # a decimetre of the shadow map
_SHADOW_BIAS = 0.45  # decimetres
_SHADOW_LEFT = 0.12  # share of the sun that reaches a shadow


@dataclass(frozen=True)
class Light:
    """The light of an image.

    Attributes:
        sun: Irradiance of a surface that faces the sun, or the strongest lamp indoors.
        towards_sun: Unit vector, (3,); y up, z towards the camera.
        ambient: Irradiance of sky or room.
        sun_colour: Red, green, blue.
        ambient_colour: Red, green, blue.
        lamp: Irradiance of the infrared lamp beside the lens.
        night: Ambient infrared light beside the lamp.
        lamp_fall: How fast the lamp's beam falls off from its middle.
        lamp_tilt: The beam's middle above (negative) or below the person's.
    """

    sun: float
    towards_sun: Floats
    ambient: float
    sun_colour: Floats
    ambient_colour: Floats
    lamp: float
    night: float
    lamp_fall: float
    lamp_tilt: float


def draw_light(rng: np.random.Generator, *, outdoors: bool, sunny: bool) -> Light:
    """Draw the light of an image."""
    if outdoors and sunny and rng.random() < 0.75:
        sun, ambient = rng.uniform(0.6, 1.6), rng.uniform(0.45, 0.9)
    else:
        sun, ambient = rng.uniform(0, 0.5), rng.uniform(0.75, 1.1)
    azimuth = rng.uniform(-math.pi, math.pi)
    height = math.radians(rng.uniform(25, 75))
    flat = math.cos(height)
    towards = np.array([math.sin(azimuth) * flat, math.sin(height), math.cos(azimuth) * flat])
    warm = rng.uniform(0.8, 1.0)
    dark = rng.random() < 0.75
    return Light(
        sun,
        towards.astype(np.float32),
        ambient,
        np.array([1.06, 1.0, warm], np.float32),
        np.array([0.95, 1.0, 1.1] if outdoors else [1.0, 1.0, 1.0], np.float32),
        lamp=rng.uniform(0.5, 1.2),
        night=rng.uniform(0.03, 0.25) if dark else rng.uniform(0.25, 0.7),
        lamp_fall=rng.uniform(0, 0.8),
        lamp_tilt=rng.normal(0, 0.25),
    )


def closeness(coverage: Coverage, blur: int) -> Floats:
    """Return how open each covered sample is, 0 to 1, (N,): less where nearer surfaces are around.

    Args:
        coverage: Coverage of the image.
        blur: Width of the neighbourhood, in every second sample.
    """
    sparse = coverage.depth[::2, ::2]
    inside = sparse < FAR
    near = uniform_filter(np.where(inside, sparse, np.float32(0)), blur, mode="nearest")
    share = uniform_filter(inside.astype(np.float32), blur, mode="nearest")
    mean = near / np.maximum(share, np.float32(1e-3))
    rows, columns = coverage.rows, coverage.columns
    behind = coverage.depth[rows, columns] - mean[rows >> 1, columns >> 1]
    behind = np.clip(behind, 0, 2)
    return np.asarray(np.exp(behind * np.float32(-0.55)), np.float32)


def sunlit(
    vertices: Floats, triangles: NDArray[np.int32], places: Floats, towards: Floats
) -> Floats:
    """Return the share of the sun that reaches places (3, N) on a body, by a shadow map, (N,).

    Args:
        vertices: Vertices of the body, (V, 3).
        triangles: Triangles of the body, (T, 3).
        places: On its surface, (3, N).
        towards: Unit vector to the sun, (3,).
    """
    right = np.cross([0, 1, 0], towards)
    right = (right / np.linalg.norm(right)).astype(np.float32)
    up = np.cross(towards, right).astype(np.float32)

    def along(points: Floats, axis: Floats) -> Floats:
        return np.asarray(
            (points[0] * axis[0] + points[1] * axis[1]) + points[2] * axis[2], np.float32
        )

    body = np.ascontiguousarray(vertices.T)
    x, y, depth = along(body, right), along(body, up), -along(body, towards)
    left, bottom, cells = x.min(), y.min(), np.float32(_SHADOW_CELLS)
    height = int((y.max() - bottom) * cells) + 2
    width = int((x.max() - left) * cells) + 2
    screen = np.stack([(x - left) * cells, (y - bottom) * cells, depth], 1)
    nearest = minimum_filter(depth_map(screen, triangles, height, width), 2, mode="nearest")
    column = ((along(places, right) - left) * cells).astype(np.int64).clip(0, width - 1)
    row = ((along(places, up) - bottom) * cells).astype(np.int64).clip(0, height - 1)
    shadowed = nearest[row, column] < -along(places, towards) - np.float32(_SHADOW_BIAS)
    return np.where(shadowed, np.float32(_SHADOW_LEFT), np.float32(1))


def visible_irradiance(
    light: Light, normals: Floats, openness: Floats, sun_share: Floats
) -> Floats:
    """Return red, green and blue irradiance of samples, (N, 3).

    Args:
        light: Light of the image.
        normals: Unit normals towards the camera, (3, N).
        openness: Result of ``closeness``, (N,).
        sun_share: Share of the sun that arrives, (N,).
    """
    towards = light.towards_sun
    facing = (normals[0] * towards[0] + normals[1] * towards[1]) + normals[2] * towards[2]
    direct = np.float32(light.sun) * np.maximum(facing, 0) * sun_share
    sky = np.float32(light.ambient) * openness * (np.float32(0.81) + np.float32(0.29) * normals[1])
    return np.asarray(
        sky[:, None] * light.ambient_colour + direct[:, None] * light.sun_colour, np.float32
    )


def infrared_irradiance(
    light: Light, normals: Floats, openness: Floats, facing: Floats, rows: Floats, columns: Floats
) -> Floats:
    """Return the infrared irradiance of samples, (N, 1).

    Args:
        light: Light of the image.
        normals: Unit normals towards the camera, (3, N).
        openness: Result of ``closeness``, (N,).
        facing: Cosine between normal and lens, (N,).
        rows: Place in the image, -0.5 top to 0.5 bottom, (N,).
        columns: Place in the image, -0.5 left to 0.5 right, (N,).
    """
    beam = np.exp(-light.lamp_fall * (rows**2 + 0.3 * columns**2) + light.lamp_tilt * rows)
    lamp = light.lamp * (0.35 + 0.65 * facing) * (0.7 + 0.3 * openness)
    night = light.night * openness * (0.6 + 0.4 * normals[1])
    return np.asarray((lamp + night) * beam, np.float32)[:, None]
