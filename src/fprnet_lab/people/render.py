"""Seed, identity, camera and number become one image, whatever else the set holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people import GENERATOR_VERSION
from fprnet_lab.people.ingredients import reduced
from fprnet_lab.people.kernels import say_once_how_slow
from fprnet_lab.people.mesh import Detail, detail_of
from fprnet_lab.people.person import Person, draw_person
from fprnet_lab.people.scene import picture
from fprnet_lab.people.scenery import canvas_of, passer_by
from fprnet_lab.people.sensor import jpeg
from fprnet_lab.people.site import Site
from fprnet_lab.people.worlds import World, world

__all__ = ["Image", "Setting", "person_of", "rendered"]

_WHO, _IMAGE, _HOME, _NOISE = 11, 12, 13, 14  # streams of random numbers of a set


@dataclass(frozen=True)
class Setting:
    """Where all images of a set come from.

    Attributes:
        seed: Seed of people and moments.
        worlds: Seeds of the sites; each image is taken at one of them.
        site: What a file says about cameras and season, or None.
        version: Version of the generator, one of ``VERSIONS``.
        without: What is left out of the pictures, of ``INGREDIENTS``.
    """

    seed: int
    worlds: tuple[int, ...]
    site: Site | None = None
    version: int = GENERATOR_VERSION
    without: tuple[str, ...] = ()

    def world(self, seed: int) -> World:
        """Return a world as the site's file and what is left out change it."""
        return _world(seed, self.site, self.version, self.without)

    def home(self, identity: int) -> World:
        """Return the world whose population and season an identity is of."""
        rng = np.random.default_rng([self.seed, _HOME, identity])
        return self.world(self.worlds[int(rng.integers(len(self.worlds)))])


@lru_cache(maxsize=256)
def _world(seed: int, site: Site | None, version: int, without: tuple[str, ...]) -> World:
    drawn = world(seed, version)
    if site is not None:
        drawn = site.applied(drawn)
    return reduced(drawn, without) if without else drawn


@dataclass(frozen=True)
class Image:
    """An image and how it is compressed.

    Attributes:
        pixels: (H, W, 3) uint8.
        quality: Quality of a JPEG file.
    """

    pixels: NDArray[np.uint8]
    quality: int

    def jpeg(self) -> bytes:
        """Return the JPEG file."""
        return jpeg(self.pixels, self.quality)


@lru_cache(maxsize=4)
def person_of(setting: Setting, identity: int, detail: Detail) -> Person:
    """Draw an identity of a set."""
    population = setting.home(identity).population
    return draw_person((setting.seed, _WHO, identity), population, detail)


def rendered(
    setting: Setting,
    identity: int,
    camera: int,
    number: int,
    size: tuple[int, int],
    *,
    time: float = 0.0,
) -> Image:
    """Render an image; its bytes depend on these arguments alone.

    Args:
        setting: Where all images of the set come from.
        identity: Who is seen.
        camera: By which camera.
        number: Number of the image, or of the walk, of this identity in this camera.
        size: Height and width in pixels.
        time: Seconds since the walk began.
    """
    say_once_how_slow()
    seed, worlds = setting.seed, setting.worlds
    rng = np.random.default_rng([seed, _IMAGE, identity, camera, number])
    place = setting.world(worlds[int(rng.integers(len(worlds)))])
    detail = detail_of(size[0])
    person = person_of(setting, identity, detail)
    dressed_for = place if setting.version > 2 else setting.home(identity)
    other = passer_by(dressed_for.population.warmth, rng, detail)
    # Many worlds have many places already.
    places = 3 if len(worlds) == 1 else 2 if len(worlds) <= 8 else 1
    eye = place.cameras[camera]
    canvas = canvas_of(place, eye, int(rng.integers(places)), detail)
    noise = None
    if time:
        moment = round(time * 1000)
        noise = np.random.default_rng([seed, _NOISE, identity, camera, number, moment])
    pixels = picture(
        person, eye, canvas, rng, size, other, time=time, noise=noise, without=setting.without
    )
    low, high = eye.sensor.quality
    return Image(pixels, int(rng.integers(int(low), int(high) + 1)))
