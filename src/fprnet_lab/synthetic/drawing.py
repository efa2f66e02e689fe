"""A seed, an identity, a camera and a frame number become one picture, and nothing else does.

Shapes: H x W pixels.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fprnet.data.sysu_mm01 import CAMERA_LOCATION
from fprnet_lab.synthetic.appearance import Appearance, draw_appearance
from fprnet_lab.synthetic.cameras import CAMERAS, Camera, expose, lighting
from fprnet_lab.synthetic.canvas import Canvas, Light
from fprnet_lab.synthetic.draws import bounded
from fprnet_lab.synthetic.painter import paint_person
from fprnet_lab.synthetic.scenes import place, view_of_place
from fprnet_lab.synthetic.skeleton import Projection, Walk
from fprnet_lab.synthetic.textures import Array, plain

__all__ = ["draw", "paint"]

OCCLUDED = 0.15  # share of images with another pedestrian, a wall or a pole in the way
PASSERS_BY = 40  # other pedestrians of a world, no identity of the set
_FLAT = Light(ambient=1.0, x=0.0, y=0.0, z=0.0)
_IDENTITY, _IMAGE, _PASSER_BY = 1, 2, 4  # streams of random numbers; places use 3


def draw(
    seed: int, identity: int, camera: int, frame: int, size: tuple[int, int] = (128, 64)
) -> NDArray[np.uint8]:
    """Draw one picture.

    Args:
        seed: The world.
        identity: The person, 1 or more.
        camera: 1 to 6; 3 and 6 are infrared.
        frame: Number of the image of this identity in this camera, 1 or more.
        size: Height and width in pixels.

    Returns:
        ``(H, W, 3)`` uint8; infrared pictures have three equal channels.

    Raises:
        KeyError: The camera is not 1 to 6.
    """
    rng = np.random.default_rng([seed, _IMAGE, identity, camera, frame])
    return expose(paint(rng, seed, identity, camera, size), CAMERAS[camera], rng)


def paint(rng: Generator, seed: int, identity: int, camera: int, size: tuple[int, int]) -> Array:
    """Paint the light that reaches a camera, before its sensor adds its faults.

    Args:
        rng: The image's generator.
        seed: The world.
        identity: The person.
        camera: 1 to 6: place, light and pitch.
        size: Height and width in pixels.

    Returns:
        ``(4, H, W)`` float32: red, green, blue, near infrared.
    """
    height, width = size
    sensor = CAMERAS[camera]
    background = view_of_place(
        place(seed, CAMERA_LOCATION[camera], height, width), height, width, rng
    )
    background *= np.float32(sensor.background * rng.uniform(0.85, 1.1))
    canvas, light = Canvas(background), lighting(sensor, rng)
    who = _person(seed, _IDENTITY, identity, _detail(height))
    view = _stand(rng, who, sensor, height, width)
    hidden = rng.random()
    if hidden < 0.5 * OCCLUDED:
        _with_passer_by(rng, canvas, seed, who, view, sensor, light)
        return canvas.pixels
    paint_person(canvas, who, _moment(rng), view, light)
    if hidden < OCCLUDED:
        _obstacle(rng, canvas, sensor)
    return canvas.pixels


def _detail(height: int) -> int:
    """Return how many texels of a texture become one: about one texel a pixel remains."""
    return 1 if height > 200 else 2 if height > 80 else 4


@lru_cache(maxsize=128)
def _person(seed: int, stream: int, number: int, detail: int) -> Appearance:
    return draw_appearance(np.random.default_rng([seed, stream, number]), detail)


def _moment(rng: Generator) -> Walk:
    """Draw a moment of the walk; every fifth person stands."""
    effort = float(rng.uniform(0.75, 1.1)) if rng.random() < 0.8 else float(rng.uniform(0, 0.15))
    raised = int(rng.choice([-1, 1])) if rng.random() < 0.06 else 0
    return Walk(float(rng.uniform(0, 2 * math.pi)), effort, raised)


def _stand(rng: Generator, who: Appearance, sensor: Camera, height: int, width: int) -> Projection:
    """Draw where the person is in its crop, as a detector's boxes jitter, and its direction."""
    loose = bounded(rng, 0.84, 0.03, 0.77, 0.91)
    scale = height * loose * who.body.stature**0.5
    foot = height * bounded(rng, 0.94, 0.016, 0.9, 0.99)
    if rng.random() < 0.06:  # a box that cuts the feet off
        foot += height * float(rng.uniform(0.06, 0.16))
        scale *= 1.08
    return Projection(
        x=width * bounded(rng, 0.5, 0.04, 0.4, 0.6),
        y=foot,
        scale=scale,
        yaw=_direction(rng),
        pitch=sensor.pitch + float(rng.normal(0, 0.03)),
    )


def _direction(rng: Generator) -> float:
    """Draw where a person walks: mostly towards the camera or away from it, else anywhere."""
    if rng.random() < 0.3:
        return float(rng.uniform(-math.pi, math.pi))
    return float(rng.choice([0.0, math.pi]) + rng.normal(0.0, 0.6))


def _with_passer_by(
    rng: Generator,
    canvas: Canvas,
    seed: int,
    who: Appearance,
    view: Projection,
    sensor: Camera,
    light: Light,
) -> None:
    """Paint the person and another one beside it, who is nearer or farther."""
    number = int(rng.integers(PASSERS_BY))
    other = _person(seed, _PASSER_BY, number, _detail(canvas.height))
    beside = _stand(rng, other, sensor, canvas.height, canvas.width)
    aside = float(rng.choice([-1, 1]) * rng.uniform(0.3, 0.5)) * canvas.width
    nearer = rng.random() < 0.5
    beside = Projection(
        view.x + aside,
        beside.y + (0.02 if nearer else -0.02) * canvas.height,
        beside.scale * (1.04 if nearer else 0.95),
        beside.yaw,
        beside.pitch,
    )
    pairs = [(other, beside), (who, view)]
    for person, its_view in reversed(pairs) if nearer else pairs:
        paint_person(canvas, person, _moment(rng), its_view, light)


def _obstacle(rng: Generator, canvas: Canvas, sensor: Camera) -> None:
    """Paint a low wall or a pole before the person."""
    height, width = canvas.height, canvas.width
    tone = rng.uniform(0.15, 0.6) + rng.uniform(-0.1, 0.1, 4)
    material = (tone * sensor.background).astype(np.float32)
    if rng.random() < 0.5:
        x, half = width * rng.uniform(0.2, 0.8), width * rng.uniform(0.04, 0.09)
        pole = Light(ambient=0.6, x=0.2, y=0.0, z=0.5)
        canvas.capsule((x, -half - 2), (x, height + half + 2), (half, half), plain(material), pole)
        return
    top = height * rng.uniform(0.62, 0.82)
    shade = Light(ambient=1.0, x=0.0, y=0.3, z=0.0)
    canvas.superellipse(
        (width / 2, top + height), (2.0 * width, height), plain(material), shade, exponent=16.0
    )
