"""Somebody in a pose before a camera becomes light and coverage of pixels, without background.

Letters: V vertices, H and W pixels, N covered samples, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people import lighting
from fprnet_lab.people.camera import Box, View, box_around, on_screen, projected, turned
from fprnet_lab.people.figure import WAVES, Figure
from fprnet_lab.people.folds import fold_library
from fprnet_lab.people.garments import Part
from fprnet_lab.people.lighting import Light
from fprnet_lab.people.paint import painted
from fprnet_lab.people.person import Look, Person
from fprnet_lab.people.pose import Action, rotations
from fprnet_lab.people.rasteriser import interpolated, rasterised, vertex_normals
from fprnet_lab.people.skinning import bone_matrices, skin
from fprnet_lab.people.thermal import thermal_outfit

__all__ = ["Band", "Layer", "Shot", "person_layer", "posed"]

Floats = NDArray[np.float32]
Band = Literal["visible", "infrared", "thermal", "reflectance"]
SAMPLES = 2  # along each side of a pixel
LUMINANCE = np.array([[0.2126], [0.7152], [0.0722]], np.float32)  # of linear light, ITU-R BT.709
CLOTH = (Part.BASE, Part.SKIRT, Part.TOP, Part.OUTER, Part.TAIL, Part.OUTER_TAIL, Part.SCARF)
_IS_CLOTH = np.isin(np.arange(len(Part)), CLOTH)


@dataclass(frozen=True)
class Layer:
    """Somebody without a background.

    Attributes:
        light: Light from the person, (H, W, C), already multiplied by ``alpha``.
        alpha: Share of each pixel that the person covers, (H, W, 1).
        box: Box of the crop.
    """

    light: Floats
    alpha: Floats
    box: Box


@dataclass(frozen=True)
class Shot:
    """What all layers of an image share.

    Attributes:
        size: Height and width in pixels.
        band: What the camera sees; "reflectance" keeps all four under an even light.
        light: Light of the image.
        fold_strength: Strength of the folds of cloth.
        without: What is left out, of ``ingredients.INGREDIENTS``.
    """

    size: tuple[int, int]
    band: Band
    light: Light
    fold_strength: float
    without: tuple[str, ...] = ()

    def seen(self, reflectance: Floats) -> Floats:
        """Return what the camera sees, (..., C), of red, green, blue and infrared, (..., 4)."""
        if self.band == "visible":
            return reflectance[..., :3]
        if self.band == "infrared" and "infrared-materials" in self.without:
            return np.asarray(reflectance[..., :3] @ LUMINANCE, np.float32)
        return reflectance[..., 3:]


def posed(
    person: Person, figure: Figure, action: Action, waves: Floats, time: float = 0.0
) -> Floats:
    """Return the positions (V, 3) of a figure in an action, facing the camera.

    Args:
        person: Whose.
        figure: Figure of the person.
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


def person_layer(
    person: Person,
    look: Look,
    action: Action,
    view: View,
    shot: Shot,
    rng: np.random.Generator,
    box: Box | None,
    time: float = 0.0,
) -> Layer:
    """Render somebody.

    Args:
        person: Who.
        look: Exceptions of the moment.
        action: What they do.
        view: Where the camera is.
        shot: What all layers of the image share.
        rng: Source of wrinkles, folds and, without a box, of the box.
        box: Box of the crop; without one it is drawn around the person.
        time: Seconds since the action began.
    """
    figure, outfit = person.figure(look), person.worn(look)
    wrinkled = "wrinkles" not in shot.without
    amplitude = (0.012 + 0.016 * outfit.tops[-1].loose) * wrinkled
    waves = (rng.normal(size=2 * WAVES) * amplitude).astype(np.float32)
    vertices = turned(posed(person, figure, action, waves, time), view)
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
    _fold(normal, places, parts, shot.fold_strength * wrinkled, rng)
    facing = np.maximum(_along(normal, towards), 0)
    worn = thermal_outfit(outfit) if shot.band == "thermal" else outfit
    colour = painted(person, worn, parts, places, figure.bag_centre)
    openness = lighting.closeness(coverage, 7 * shot.size[0] // 128 | 1)
    openness *= _floor_openness(places[1])
    falling: Floats
    if shot.band == "thermal":
        falling = (np.float32(0.85) + np.float32(0.15) * facing)[:, None]
    elif shot.band == "reflectance":
        falling = (openness * (np.float32(0.75) + np.float32(0.3) * normal[1]))[:, None]
    elif shot.band == "infrared":
        up = coverage.rows.astype(np.float32) / np.float32(rows) - np.float32(0.45)
        right = coverage.columns.astype(np.float32) / np.float32(columns) - np.float32(0.5)
        falling = lighting.infrared_irradiance(shot.light, normal, openness, facing, up, right)
    else:
        share = np.ones(len(facing), np.float32)
        if shot.light.sun > 0.25:
            sun = shot.light.towards_sun
            share = lighting.sunlit(vertices, figure.triangles, world, sun)
        falling = lighting.visible_irradiance(shot.light, normal, openness, share)
    if "shading" in shot.without and len(falling):
        falling = falling.mean(0, keepdims=True)
    leaving = (colour if shot.band == "reflectance" else shot.seen(colour)) * falling
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
