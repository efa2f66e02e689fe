"""A world seed becomes a site: its cameras, their places, the season, the population.

Two worlds differ in all of them; a model that is trained in one can be tested in another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from fprnet_lab.people import GENERATOR_VERSION
from fprnet_lab.people.layer import Band
from fprnet_lab.people.person import Population
from fprnet_lab.people.sensor import Sensor, draw_sensor

__all__ = ["CAMERAS", "DAY", "NIGHT", "Camera", "Mount", "World", "world"]

_SITE, _CAMERA = 101, 102  # streams of random numbers of a world

DOUBLE = 12  # cameras that see the visible by day and infrared at night: LLCM has 9, HITSZ-VCM 12
DAY, NIGHT = 100, 200  # their numbers begin after these


@dataclass(frozen=True)
class Mount:
    """Where a camera hangs: outdoors or not, what it sees, and the camera whose place it shares."""

    outdoors: bool
    band: Band
    place: int


# 1 to 6 are those of SYSU-MM01, 7 and 8 the pair of RegDB.
CAMERAS: dict[int, Mount] = {
    1: Mount(False, "visible", 1),
    2: Mount(False, "visible", 2),
    3: Mount(False, "infrared", 3),
    4: Mount(True, "visible", 4),
    5: Mount(True, "visible", 5),
    6: Mount(True, "infrared", 6),
    7: Mount(True, "visible", 7),
    8: Mount(True, "thermal", 7),
    **{DAY + n: Mount(n % 2 == 0, "visible", DAY + n) for n in range(1, DOUBLE + 1)},
    **{NIGHT + n: Mount(n % 2 == 0, "infrared", DAY + n) for n in range(1, DOUBLE + 1)},
}


@dataclass(frozen=True)
class Camera:
    """A camera of a world.

    Attributes:
        number: In the world, see ``CAMERAS``.
        place: Number of the camera whose places it sees, mostly its own.
        outdoors: Under the sky.
        band: What it sees: "visible", "infrared" (by its lamp) or "thermal".
        height: Height of the lens over the floor, decimetres, from and to.
        distance: To the people, decimetres, from and to.
        sensor: Ranges of exposure, noise and compression.
        clutter: Chance that something stands before the person.
        crowd: Mean number of other people in its places.
        roll: Standard deviation, degrees.
    """

    number: int
    place: int
    outdoors: bool
    band: Band
    height: tuple[float, float]
    distance: tuple[float, float]
    sensor: Sensor
    clutter: float
    crowd: float
    roll: float


@dataclass(frozen=True, eq=False)  # a world is the same only as itself: cameras have no hash
class World:
    """A site.

    Attributes:
        seed: Seed of the site; it tells nothing about who is there.
        population: Who lives there, and in which season.
        cameras: By number.
    """

    seed: int
    population: Population
    cameras: dict[int, Camera]


@lru_cache(maxsize=256)
def world(seed: int, version: int = GENERATOR_VERSION) -> World:
    """Draw the world of a seed, as a version of the generator does."""
    rng = np.random.default_rng([seed, _SITE])
    warmth = float(rng.uniform(0, 1))
    african, asian, european = map(float, rng.uniform(0.3, 1.6, 3))
    heights = (0.47, 0.1) if version > 2 else (0.5, 0.2)
    old = rng.uniform(0.15, 0.4)
    population = Population(warmth, (african, asian, european), old, heights)
    cameras = {
        number: _draw_camera(seed, number, mount, version) for number, mount in CAMERAS.items()
    }
    return World(seed, population, cameras)


def _draw_camera(seed: int, number: int, mount: Mount, version: int) -> Camera:
    if mount.place != number:
        beside = _draw_camera(seed, mount.place, CAMERAS[mount.place], version)
        alone = _draw_camera(seed, number, replace(mount, place=number), version)
        return replace(alone, place=beside.place, height=beside.height, distance=beside.distance)
    rng = np.random.default_rng([seed, _CAMERA, number])
    height = rng.uniform(18, 46) if mount.outdoors else rng.uniform(17, 30)
    near = rng.uniform(30, 50)
    return Camera(
        number,
        number,
        mount.outdoors,
        mount.band,
        (height * 0.85, height * 1.15),
        (near, near + rng.uniform(30, 80)),
        draw_sensor(rng, infrared=mount.band != "visible", version=version),
        clutter=float(rng.uniform(0.08, 0.22)),
        crowd=float(rng.uniform(0, 3.5)),
        roll=float(rng.uniform(0, 2)),
    )
