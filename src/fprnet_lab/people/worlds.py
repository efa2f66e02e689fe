"""A world seed becomes a site: its cameras, their places, the season, the population.

Two worlds differ in all of them; a model that is trained in one can be tested in another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fprnet_lab.people.layer import Band
from fprnet_lab.people.person import Population
from fprnet_lab.people.sensor import Sensor, draw_sensor

__all__ = ["CAMERAS", "Camera", "World", "world"]

_SITE, _CAMERA = 101, 102  # streams of random numbers of a world

# Cameras of SYSU-MM01: by day indoors and outdoors, in infrared a dark room and outdoors.
CAMERAS: dict[int, tuple[bool, bool]] = {  # number: outdoors, infrared
    1: (False, False),
    2: (False, False),
    3: (False, True),
    4: (True, False),
    5: (True, False),
    6: (True, True),
}


@dataclass(frozen=True)
class Camera:
    """A camera of a world.

    Attributes:
        number: In the world, from 1.
        outdoors: Under the sky.
        band: What it sees: "visible", "infrared" (by its lamp) or "thermal".
        height: Of the lens over the floor, decimetres, from and to.
        distance: To the people, decimetres, from and to.
        sensor: Ranges of exposure, noise and compression.
        clutter: Chance that something stands before the person.
        crowd: Mean number of other people in its places.
        roll: Standard deviation, degrees.
    """

    number: int
    outdoors: bool
    band: Band
    height: tuple[float, float]
    distance: tuple[float, float]
    sensor: Sensor
    clutter: float
    crowd: float
    roll: float


@dataclass(frozen=True)
class World:
    """A site.

    Attributes:
        seed: Of the site; it tells nothing about who is there.
        population: Who lives there, and in which season.
        cameras: By number.
    """

    seed: int
    population: Population
    cameras: dict[int, Camera]


@lru_cache(maxsize=256)
def world(seed: int) -> World:
    """Draw the world of a seed."""
    rng = np.random.default_rng([seed, _SITE])
    warmth = float(rng.uniform(0, 1))
    ancestry = rng.uniform(0.3, 1.6, 3)
    population = Population(
        warmth, (float(ancestry[0]), float(ancestry[1]), float(ancestry[2])), rng.uniform(0.15, 0.4)
    )
    cameras = {
        number: _draw_camera(seed, number, outdoors=outdoors, infrared=infrared)
        for number, (outdoors, infrared) in CAMERAS.items()
    }
    return World(seed, population, cameras)


def _draw_camera(seed: int, number: int, *, outdoors: bool, infrared: bool) -> Camera:
    rng = np.random.default_rng([seed, _CAMERA, number])
    height = rng.uniform(18, 46) if outdoors else rng.uniform(17, 30)
    near = rng.uniform(30, 50)
    return Camera(
        number,
        outdoors,
        "infrared" if infrared else "visible",
        (height * 0.85, height * 1.15),
        (near, near + rng.uniform(30, 80)),
        draw_sensor(rng, infrared=infrared),
        clutter=float(rng.uniform(0.08, 0.22)),
        crowd=float(rng.uniform(0, 3.5)),
        roll=float(rng.uniform(0, 2)),
    )
