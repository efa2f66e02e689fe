"""A camera of a world and a number become a canvas: the place, and the people who pass there."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.camera import Box, View
from fprnet_lab.people.layer import Shot, person_layer
from fprnet_lab.people.lighting import draw_light
from fprnet_lab.people.mesh import Detail
from fprnet_lab.people.person import Look, Person, Population, draw_person
from fprnet_lab.people.places import Canvas, Geometry, painted_canvas
from fprnet_lab.people.pose import draw_action
from fprnet_lab.people.sites import draw_place
from fprnet_lab.people.worlds import Camera, World

__all__ = ["canvas_of", "passer_by"]

_PLACE, _PASSER_BY = 103, 104  # streams of random numbers
PASSERS_BY = 12  # for each season, the same in all worlds; no identity of a set is one of them
SEASONS = 3
CANVAS: dict[Detail, tuple[int, int, float]] = {  # rows, columns and focal length in pixels
    "small": (216, 320, 270.0),
    "coarse": (432, 640, 540.0),
    "fine": (605, 896, 756.0),
}
MAX_CROWD = 7
# Of canvases: 3,800 small, 950 coarse (the six cameras of 150 worlds) or 470 fine ones.
MAX_KEPT_BYTES = 1280 * 2**20
_kept: OrderedDict[tuple[World, int, int, Detail, bool], Canvas] = OrderedDict()


@lru_cache(maxsize=PASSERS_BY * SEASONS)
def _passer_by(season: int, number: int, detail: Detail) -> Person:
    population = Population(warmth=(season + 0.5) / SEASONS)
    return draw_person((_PASSER_BY, season, number), population, detail)


def passer_by(warmth: float, rng: np.random.Generator, detail: Detail) -> Person:
    """Draw somebody who is dressed for a season and belongs to no set."""
    season = min(int(warmth * SEASONS), SEASONS - 1)
    return _passer_by(season, int(rng.integers(PASSERS_BY)), detail)


def canvas_of(
    site: World, camera: Camera, number: int, detail: Detail, *, crowded: bool = True
) -> Canvas:
    """Return a view of a camera; those that were asked for last are kept.

    Args:
        site: World of the camera.
        camera: Whose view.
        number: Number of the view, from 0.
        detail: Detail of the canvas and of the people on it.
        crowded: With the people who pass there; a film has its own.
    """
    key = (site, camera.place, number, detail, crowded)
    if key in _kept:
        _kept.move_to_end(key)
    else:
        _kept[key] = _painted(site, site.cameras[camera.place], number, detail, crowded)
        while sum(canvas.nbytes for canvas in _kept.values()) > MAX_KEPT_BYTES and len(_kept) > 1:
            _kept.popitem(last=False)
    return _kept[key]


def _painted(site: World, camera: Camera, number: int, detail: Detail, crowded: bool) -> Canvas:
    rng = np.random.default_rng([site.seed, _PLACE, camera.number, number])
    warmth = site.population.warmth
    scenery = draw_place(rng, outdoors=camera.outdoors, warmth=warmth)
    rows, columns, focal = CANVAS[detail]
    height = min(rng.uniform(*camera.height), scenery.ceiling - 2)
    middle = sum(camera.distance) / 2
    pitch = float(np.degrees(np.arctan2(height - 9, middle))) + rng.normal(0, 2)
    geometry = Geometry(height, pitch, focal * rng.uniform(0.8, 1.2), (rows, columns))
    canvas = painted_canvas(scenery, geometry, rng)
    if not crowded:
        return canvas
    for _ in range(min(int(rng.poisson(camera.crowd)), MAX_CROWD)):
        _add_passer_by(canvas, passer_by(warmth, rng, detail), rng)
    return canvas


def _add_passer_by(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paint somebody into a canvas, where nothing nearer is in the way."""
    geometry = canvas.geometry
    rows, columns = geometry.size
    ahead = rng.uniform(45, 200)
    half = columns / 2 / geometry.focal * ahead
    column, row, depth = geometry.pixel(float(rng.uniform(-half, half)), 8.5, float(ahead))
    elevation = float(np.degrees(np.arctan2(geometry.height - 8.5, ahead)))
    view = View(float(rng.uniform(-180, 180)), elevation, float(depth))
    scale = geometry.focal / depth
    box = Box(0.0, 0.0, 15.0, 21.0)
    size = max(8, int(box.height * scale)), max(6, int(box.width * scale))
    shot = Shot(size, "reflectance", draw_light(rng, outdoors=False, sunny=False), 0.3)
    layer = person_layer(person, Look(), draw_action(rng), view, shot, rng, box)
    top, left = int(row - size[0] / 2), int(column - size[1] / 2)
    first_row, first_column = max(0, -top), max(0, -left)
    last_row, last_column = min(size[0], rows - top), min(size[1], columns - left)
    if last_row <= first_row or last_column <= first_column:
        return
    cut = slice(first_row, last_row), slice(first_column, last_column)
    place = (
        slice(top + first_row, top + last_row),
        slice(left + first_column, left + last_column),
    )
    free = canvas.distance[place] >= np.uint8(np.log(depth) * 32)
    alpha = layer.alpha[cut] * free[:, :, None]
    old = (canvas.reflectance[place].astype(np.float32) / np.float32(255)) ** 2
    mixed = old * (1 - alpha) + layer.light[cut] * free[:, :, None]
    canvas.reflectance[place] = _coded(mixed)
    canvas.distance[place] = np.where(
        alpha[:, :, 0] > 0.5, np.uint8(np.log(depth) * 32), canvas.distance[place]
    )


def _coded(reflectance: NDArray[np.float32]) -> NDArray[np.uint8]:
    value = np.sqrt(np.clip(reflectance, 0, 1)) * np.float32(255) + np.float32(0.5)
    return np.asarray(value, np.uint8)
