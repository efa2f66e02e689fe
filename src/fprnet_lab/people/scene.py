"""Somebody in front of a camera becomes a picture.

Letters: H and W pixels, N covered samples, C channels: 3 by day, 1 in infrared. Everything that
belongs to the moment (pose, light, place, what is in the way) is drawn from the image's own random
numbers; who it is only decides body, clothes and gait.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fprnet_lab.people import lighting
from fprnet_lab.people.camera import Box, View, box_around, on_screen, projected, turned
from fprnet_lab.people.figure import WAVES, Figure
from fprnet_lab.people.folds import fold_library
from fprnet_lab.people.garments import Part
from fprnet_lab.people.lighting import Light
from fprnet_lab.people.mesh import Detail
from fprnet_lab.people.occluders import draw_occluder
from fprnet_lab.people.paint import painted
from fprnet_lab.people.person import Look, Person
from fprnet_lab.people.places import Canvas
from fprnet_lab.people.pose import Action, draw_action, rotations
from fprnet_lab.people.rasteriser import (
    interpolated,
    rasterised,
    vertex_normals,
)
from fprnet_lab.people.sensor import developed
from fprnet_lab.people.skinning import bone_matrices, skin
from fprnet_lab.people.worlds import Camera, canvas_of

__all__ = ["Layer", "picture", "posed"]

Floats = NDArray[np.float32]
SAMPLES = 2  # along each side of a pixel
CLOTH = (Part.BASE, Part.SKIRT, Part.TOP, Part.OUTER, Part.TAIL, Part.OUTER_TAIL, Part.SCARF)
_IS_CLOTH = np.isin(np.arange(len(Part)), CLOTH)


@dataclass(frozen=True)
class Layer:
    """Somebody without a background.

    Attributes:
        light: Light from the person, (H, W, C), already multiplied by ``alpha``.
        alpha: Share of each pixel that the person covers, (H, W, 1).
        box: Of the crop.
    """

    light: Floats
    alpha: Floats
    box: Box


@dataclass(frozen=True)
class _Shot:
    """What all layers of an image share."""

    size: tuple[int, int]
    infrared: bool
    thermal: bool
    light: Light
    fold_strength: float


def posed(person: Person, figure: Figure, action: Action, waves: Floats, time: float = 0.0) -> Floats:
    """Return the positions (V, 3) of a figure in an action, facing the camera.

    Args:
        person: Whose.
        figure: Of the person.
        action: What they do.
        waves: Strength of each wave of wrinkles, decimetres, (2 * WAVES,).
        time: Seconds since the action began.
    """
    matrices = bone_matrices(person.joints, rotations(person.gait, action, time))
    offset = np.zeros(len(figure.rest), np.float32)
    for strength, wave in zip(waves, figure.wrinkles, strict=True):
        offset += strength * wave
    rest = figure.rest + figure.outward * offset[:, None]
    moved = skin(rest, figure.bones, figure.weights, matrices)
    if figure.hanging is not None:
        vertices, hand = figure.hanging
        joint = person.joints[hand]
        place = (matrices[hand, :, :3] * joint).sum(1) + matrices[hand, :, 3]
        moved[vertices] = rest[vertices] + (place - joint).astype(np.float32)
    return moved


def picture(
    person: Person,
    camera: Camera,
    world_seed: int,
    rng: np.random.Generator,
    size: tuple[int, int],
    detail: Detail,
    other: Person | None,
    places: int = 3,
) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) uint8 of somebody in a camera.

    Args:
        person: Who is seen.
        camera: By which camera.
        world_seed: World of the camera.
        rng: The image's own random numbers.
        size: Height and width in pixels.
        detail: Of meshes and places.
        other: Somebody who may be in the way or behind.
        places: Number of the camera's views that are used.
    """
    canvas = canvas_of(world_seed, camera.number, int(rng.integers(places)), detail)
    view = _draw_view(rng, camera, canvas)
    light = lighting.draw_light(rng, outdoors=camera.outdoors, sunny=canvas.sunny)
    shot = _Shot(size, camera.infrared, camera.thermal, light, rng.uniform(0.15, 0.55))
    look = Look(bag=bool(rng.random() > 0.04), usual=bool(rng.random() > 0.04))
    layer = _layer(person, look, draw_action(rng), view, shot, rng, None)
    back = _background(canvas, camera, view, layer.box, light, size, rng)
    back = _grounded(back, layer.alpha)
    image = back * (1 - layer.alpha) + layer.light
    if rng.random() < camera.clutter:
        image = _obstructed(image, layer, other, view, shot, rng)
    total = float(layer.alpha.sum()) * image.shape[2]
    return developed(image, float(layer.light.sum()) / max(total, 1e-3), camera.sensor, rng)


def _draw_view(rng: np.random.Generator, camera: Camera, canvas: Canvas) -> View:
    yaw = rng.uniform(-180, 180) if rng.random() < 0.5 else rng.choice([0, 180]) + rng.normal(0, 28)
    near, far = camera.distance
    distance = near * (far / near) ** rng.random()
    elevation = float(np.degrees(np.arctan2(canvas.geometry.height - 8.5, distance)))
    return View(float(yaw), elevation, float(distance), float(rng.normal(0, camera.roll)))


def _layer(
    person: Person,
    look: Look,
    action: Action,
    view: View,
    shot: _Shot,
    rng: np.random.Generator,
    box: Box | None,
) -> Layer:
    figure, outfit = person.figure(look), person.worn(look)
    amplitude = 0.016 + 0.02 * outfit.tops[-1].loose
    waves = (rng.normal(size=2 * WAVES) * amplitude).astype(np.float32)
    vertices = turned(posed(person, figure, action, waves), view)
    normals = vertex_normals(vertices, figure.quads)
    axes = np.ascontiguousarray(vertices.T)
    centre = (axes.min(1) + axes.max(1)) / 2
    screen = projected(vertices, view, centre)
    if box is None:
        box = box_around(screen, rng)
    rows, columns = shot.size[0] * SAMPLES, shot.size[1] * SAMPLES
    points = on_screen(screen, box, rows, columns)
    coverage = rasterised(points, figure.triangles, rows, columns)
    values = np.concatenate([figure.attributes, normals, vertices], 1)
    values = interpolated(values, figure.triangles, coverage)
    places, normal, world = values[:7], values[7:10], values[10:]
    parts = figure.parts[coverage.triangles]
    towards = view.towards_camera
    _unit(normal)
    normal *= np.where(_along(normal, towards) < 0, np.float32(-1), np.float32(1))
    _fold(normal, places, parts, shot.fold_strength, rng)
    facing = np.maximum(_along(normal, towards), 0)
    colour = painted(person, outfit, parts, places, figure.bag_centre)
    openness = lighting.closeness(coverage, 7 * shot.size[0] // 128 | 1)
    openness *= _floor_openness(places[1])
    if shot.infrared:
        up = coverage.rows.astype(np.float32) / rows - np.float32(0.45)
        right = coverage.columns.astype(np.float32) / columns - np.float32(0.5)
        falling = lighting.infrared_irradiance(shot.light, normal, openness, facing, up, right)
        leaving = colour[:, 3:] * falling
    else:
        share = np.ones(len(facing), np.float32)
        if shot.light.sun > 0.25:
            sun = shot.light.towards_sun
            share = lighting.sunlit(vertices, figure.triangles, world, sun)
        leaving = colour[:, :3] * lighting.visible_irradiance(shot.light, normal, openness, share)
    samples = np.zeros((rows, columns, leaving.shape[1] + 1), np.float32)
    samples[coverage.rows, coverage.columns, :-1] = leaving
    samples[coverage.rows, coverage.columns, -1] = 1
    pixels = (
        (samples[::2, ::2] + samples[1::2, ::2]) + (samples[::2, 1::2] + samples[1::2, 1::2])
    ) * np.float32(0.25)
    return Layer(pixels[:, :, :-1], pixels[:, :, -1:], box)


def _floor_openness(height: Floats) -> Floats:
    """Less light comes to the legs: floor and legs are in the way."""
    share = np.clip((height + np.float32(8.2)) / 9, 0, 1)
    return np.asarray(0.62 + 0.38 * np.sqrt(share), np.float32)


def _fold(
    normal: Floats,
    places: Floats,
    parts: NDArray[np.int8],
    strength: float,
    rng: np.random.Generator,
) -> None:
    """Turn the normals of cloth by the slopes of folds, in place."""
    library = fold_library()
    folds = library[rng.integers(len(library))]
    shift = rng.integers(0, 128, 2)
    scale = rng.uniform(9, 18)  # points of the field to a decimetre
    cloth = np.flatnonzero(_IS_CLOTH[parts])
    x, y, z, along = places[0, cloth], places[1, cloth], places[2, cloth], places[4, cloth]
    around = np.arctan2(x, z - np.float32(0.15))
    mask = folds.across.shape[0] - 1
    column = (around * np.float32(1.35 * scale) + along * np.float32(40)).astype(np.int32)
    row = (y * np.float32(scale)).astype(np.int32)
    place = (((row + shift[1]) & mask) * (mask + 1)) + ((column + shift[0]) & mask)
    k = np.float32(strength)
    across, down = k * folds.across.ravel()[place], k * folds.down.ravel()[place]
    nx, ny, nz = normal[0, cloth], normal[1, cloth], normal[2, cloth]
    # Tangents: level around the body, and upwards on it.
    level = np.sqrt(nx * nx + nz * nz) + np.float32(1e-3)
    sideways = across / level
    turned_normal = np.stack([nx + sideways * nz, ny + down * level, nz - sideways * nx])
    _unit(turned_normal)
    normal[:, cloth] = turned_normal


def _unit(vectors: Floats) -> None:
    """Divide vectors (3, N) by their lengths, in place."""
    x, y, z = vectors
    vectors /= np.sqrt((x * x + y * y) + z * z) + np.float32(1e-9)


def _along(vectors: Floats, axis: Floats) -> Floats:
    """Return the products of vectors (3, N) with an axis (3,), (N,)."""
    return np.asarray((vectors[0] * axis[0] + vectors[1] * axis[1]) + vectors[2] * axis[2])


def _background(
    canvas: Canvas,
    camera: Camera,
    view: View,
    box: Box,
    light: Light,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Floats:
    """Cut the place out of its canvas where the person stands, and light it, (H, W, C)."""
    geometry = canvas.geometry
    rows, columns = geometry.size
    scale = geometry.focal / view.distance  # pixels of the canvas to a decimetre
    ahead = view.distance * np.cos(np.radians(view.elevation))
    half = columns / 2 / geometry.focal * view.distance * 0.85
    column, row, _ = geometry.pixel(float(rng.uniform(-half, half)), 8.5, float(ahead))
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
    if not camera.infrared:
        bright = light.ambient * 0.9 + light.sun * rng.choice([0.2, 0.6])
        colours = light.ambient_colour * (1 + 0 * light.sun_colour)
        return np.asarray(
            value[:, :, :3] * tint[:3] * np.float32(bright) * colours * fall, np.float32
        )
    far = Image.fromarray(canvas.distance).resize(pixels, Image.Resampling.BILINEAR, box=window)
    distance = np.exp(np.asarray(far).astype(np.float32) / np.float32(32))
    if flipped:
        distance = distance[:, ::-1]
    power = rng.uniform(0.5, 2.2)
    lamp = np.minimum((np.float32(view.distance) / distance) ** np.float32(power), 2.0)
    level = rng.uniform(0.1, 0.75)
    bright = light.night * 0.8 + light.lamp * level * lamp
    return np.asarray(value[:, :, 3:] * tint[3] * bright[:, :, None] * fall, np.float32)


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
    shot: _Shot,
    rng: np.random.Generator,
) -> Floats:
    """Put somebody else beside or before the person, or a thing before both."""
    if other is not None and rng.random() < 0.6:
        beside = replace(view, yaw=float(rng.uniform(-180, 180)))
        side = float(rng.choice([-1, 1]) * rng.uniform(0.36, 0.75)) * layer.box.width
        box = replace(layer.box, x=side, y=layer.box.y + rng.normal(0, 0.04) * layer.box.height)
        size = rng.uniform(0.85, 1.2)
        box = replace(box, width=box.width * size, height=box.height * size)
        second = _layer(other, Look(), draw_action(rng), beside, shot, rng, box)
        if rng.random() < 0.45:
            return image * (1 - second.alpha) + second.light
        behind = image * (1 - second.alpha) + second.light
        return np.asarray(image * layer.alpha + behind * (1 - layer.alpha), np.float32)
    thing, alpha = draw_occluder(rng, shot.size, image.shape[2])
    bright = float(image.mean()) / 0.2
    return np.asarray(image * (1 - alpha) + thing * np.float32(bright) * alpha, np.float32)
