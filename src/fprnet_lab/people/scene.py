"""Somebody in front of a camera becomes a picture.

Letters: H and W pixels, C channels: 3 by day, 1 in infrared. Everything that belongs to the moment
(pose, light, place, what is in the way) is drawn from the image's own random numbers; who it is
only decides body, clothes and gait.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fprnet_lab.people import lighting
from fprnet_lab.people.camera import Box, View
from fprnet_lab.people.layer import Layer, Shot, person_layer
from fprnet_lab.people.occluders import draw_occluder
from fprnet_lab.people.person import Look, Person
from fprnet_lab.people.places import Canvas
from fprnet_lab.people.pose import draw_action, walked_by
from fprnet_lab.people.sensor import developed
from fprnet_lab.people.worlds import Camera

__all__ = ["picture"]

Floats = NDArray[np.float32]


def picture(
    person: Person,
    camera: Camera,
    canvas: Canvas,
    rng: np.random.Generator,
    size: tuple[int, int],
    other: Person | None,
    *,
    time: float = 0.0,
    noise: np.random.Generator | None = None,
    without: tuple[str, ...] = (),
) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) uint8 of somebody in a camera.

    The same random numbers at another time give the next image of the same walk: only the pose,
    the place and the noise differ.

    Args:
        person: Who is seen.
        camera: By which camera.
        canvas: Place that the camera looks at.
        rng: The image's own random numbers.
        size: Height and width in pixels.
        other: Somebody who may be in the way or behind.
        time: Seconds since the walk began.
        noise: Source of the sensor's noise, where it is not ``rng``.
        without: What is left out, of ``ingredients.INGREDIENTS``.
    """
    view = _draw_view(rng, camera, canvas)
    light = lighting.draw_light(rng, outdoors=camera.outdoors, sunny=canvas.sunny)
    shot = Shot(size, camera.band, light, rng.uniform(0.15, 0.55), without)
    look = Look(bag=bool(rng.random() > 0.04), usual=bool(rng.random() > 0.04))
    action = draw_action(rng)
    start, walked = view, walked_by(person.gait, action, view.yaw, time)
    view = _moved(view, walked[1], canvas)
    layer = person_layer(person, look, action, view, shot, rng, None, time)
    place = _Place(canvas, start.distance, walked[0])
    back = _background(place, view, layer.box, shot, rng)
    back = _grounded(back, layer.alpha)
    image = back * (1 - layer.alpha) + layer.light
    if rng.random() < camera.clutter:
        image = _obstructed(image, layer, other, view, shot, rng, time)
    total = float(layer.alpha.sum()) * image.shape[2]
    person_mean = float(layer.light.sum()) / max(total, 1e-3)
    return developed(image, person_mean, camera.sensor, rng, noise)


def _draw_view(rng: np.random.Generator, camera: Camera, canvas: Canvas) -> View:
    yaw = rng.uniform(-180, 180) if rng.random() < 0.5 else rng.choice([0, 180]) + rng.normal(0, 28)
    near, far = camera.distance
    distance = near * (far / near) ** rng.random()
    elevation = float(np.degrees(np.arctan2(canvas.geometry.height - 8.5, distance)))
    return View(float(yaw), elevation, float(distance), float(rng.normal(0, camera.roll)))


@dataclass(frozen=True)
class _Place:
    """Canvas, distance at which the walk began, and decimetres walked to the image's right."""

    canvas: Canvas
    begun: float
    sideways: float


def _moved(view: View, nearer: float, canvas: Canvas) -> View:
    """Return the view of somebody who came nearer by some decimetres."""
    if not nearer:
        return view
    distance = max(20.0, view.distance - nearer)
    elevation = float(np.degrees(np.arctan2(canvas.geometry.height - 8.5, distance)))
    return replace(view, distance=distance, elevation=elevation)


def _background(
    place: _Place, view: View, box: Box, shot: Shot, rng: np.random.Generator
) -> Floats:
    """Cut the place out of its canvas where the person stands, and light it, (H, W, C)."""
    canvas, light, size = place.canvas, shot.light, shot.size
    geometry = canvas.geometry
    rows, columns = geometry.size
    scale = geometry.focal / view.distance  # pixels of the canvas to a decimetre
    ahead = view.distance * np.cos(np.radians(view.elevation))
    half = columns / 2 / geometry.focal * place.begun * 0.85
    right = float(rng.uniform(-half, half)) + place.sideways
    column, row, _ = geometry.pixel(right, 8.5, float(ahead))
    row += rng.normal(0, 0.02) * rows
    width, height = min(box.width * scale, columns - 1), min(box.height * scale, rows - 1)
    left = float(np.clip(column + box.x * scale - width / 2, 0, columns - width))
    top = float(np.clip(row + box.y * scale - height / 2, 0, rows - height))
    window = (left, top, left + width, top + height)
    pixels = (size[1], size[0])
    # The mode only says that there are four channels.
    image = Image.fromarray(canvas.reflectance, "CMYK")
    if image.size != (columns, rows):
        raise AssertionError("a canvas has its geometry's size")
    cut = image.resize(pixels, Image.Resampling.BILINEAR, box=window)
    value = np.asarray(cut).astype(np.float32) / np.float32(255)
    value = value * value
    if "places" in shot.without:
        value = _even(value)
    if rng.random() < 0.5:
        value = value[:, ::-1]
        flipped = True
    else:
        flipped = False
    tint = np.exp(rng.normal(0, 0.03, 4) + rng.normal(0, 0.12)).astype(np.float32)
    gradient = rng.normal(0, 0.18, 2)
    x = np.exp(np.float32(gradient[0]) * np.linspace(-1, 1, size[1], dtype=np.float32))
    y = np.exp(np.float32(gradient[1]) * np.linspace(-1, 1, size[0], dtype=np.float32))
    fall = (y[:, None] * x)[:, :, None]
    if shot.band == "thermal":
        warmth = shot.seen(value) * 0.1 + np.float32(rng.uniform(0.12, 0.4))
        return np.asarray(warmth * fall, np.float32)
    if shot.band == "visible":
        bright = light.ambient * 0.9 + light.sun * rng.choice([0.2, 0.6])
        colours = light.ambient_colour * (1 + 0 * light.sun_colour)
        return np.asarray(
            shot.seen(value) * tint[:3] * np.float32(bright) * colours * fall, np.float32
        )
    far = Image.fromarray(canvas.distance).resize(pixels, Image.Resampling.BILINEAR, box=window)
    distance = np.exp(np.asarray(far).astype(np.float32) / np.float32(32))
    if flipped:
        distance = distance[:, ::-1]
    if "places" in shot.without:
        distance = _even(distance)
    power = rng.uniform(0.5, 2.2)
    lamp = np.minimum((np.float32(view.distance) / distance) ** np.float32(power), 2.0)
    level = rng.uniform(0.1, 0.75)
    bright = light.night * 0.8 + light.lamp * level * lamp
    return np.asarray(shot.seen(value) * tint[3] * bright[:, :, None] * fall, np.float32)


def _even(values: Floats) -> Floats:
    """Return the mean over rows and columns everywhere, the same shape."""
    return np.broadcast_to(values.mean((0, 1)), values.shape)


def _grounded(back: Floats, alpha: Floats) -> Floats:
    """Darken the floor around the feet."""
    height, width = alpha.shape[:2]
    covered = np.flatnonzero(alpha[:, :, 0].max(1) > 0.3)
    if not len(covered):
        return back
    foot = int(covered[-1])
    band = alpha[max(0, foot - height // 10) : foot + 1, :, 0]
    column = float((band.sum(0) * np.arange(width)).sum() / max(1e-3, float(band.sum())))
    y = (np.arange(height, dtype=np.float32) - (foot - height / 64)) * np.float32(21 / height)
    x = (np.arange(width, dtype=np.float32) - np.float32(column)) * np.float32(8 / height)
    spot = np.exp(-y * y)[:, None] * np.exp(-x * x)
    return np.asarray(back * (1 - np.float32(0.5) * spot)[:, :, None], np.float32)


def _obstructed(
    image: Floats,
    layer: Layer,
    other: Person | None,
    view: View,
    shot: Shot,
    rng: np.random.Generator,
    time: float,
) -> Floats:
    """Put somebody else beside or before the person, or a thing before both."""
    if other is not None and rng.random() < 0.6:
        beside = replace(view, yaw=float(rng.uniform(-180, 180)))
        side = float(rng.choice([-1, 1]) * rng.uniform(0.36, 0.75)) * layer.box.width
        box = replace(layer.box, x=side, y=layer.box.y + rng.normal(0, 0.04) * layer.box.height)
        size = rng.uniform(0.85, 1.2)
        box = replace(box, width=box.width * size, height=box.height * size)
        second = person_layer(other, Look(), draw_action(rng), beside, shot, rng, box, time)
        if rng.random() < 0.45:
            return image * (1 - second.alpha) + second.light
        behind = image * (1 - second.alpha) + second.light
        return np.asarray(image * layer.alpha + behind * (1 - layer.alpha), np.float32)
    thing, alpha = draw_occluder(rng, shot.size)
    bright = float(image.mean()) / 0.2
    return np.asarray(
        image * (1 - alpha) + shot.seen(thing) * np.float32(bright) * alpha, np.float32
    )
