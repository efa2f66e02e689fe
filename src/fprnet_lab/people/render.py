"""Seed, identity, camera and number become one image, whatever else the set holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.kernels import say_once_how_slow
from fprnet_lab.people.mesh import Detail, detail_of
from fprnet_lab.people.person import Person, draw_person
from fprnet_lab.people.scene import picture
from fprnet_lab.people.scenery import canvas_of, passer_by
from fprnet_lab.people.sensor import jpeg
from fprnet_lab.people.worlds import world

__all__ = ["Image", "home_world", "person_of", "rendered"]

_WHO, _IMAGE, _HOME = 11, 12, 13  # streams of random numbers of a set


@dataclass(frozen=True)
class Image:
    """An image and how it is compressed.

    Attributes:
        pixels: (H, W, 3) uint8.
        quality: Of a JPEG file.
    """

    pixels: NDArray[np.uint8]
    quality: int

    def jpeg(self) -> bytes:
        """Return the JPEG file."""
        return jpeg(self.pixels, self.quality)


def home_world(seed: int, worlds: tuple[int, ...], identity: int) -> int:
    """Return the world whose population and season an identity is of."""
    return worlds[int(np.random.default_rng([seed, _HOME, identity]).integers(len(worlds)))]


@lru_cache(maxsize=4)
def person_of(seed: int, worlds: tuple[int, ...], identity: int, detail: Detail) -> Person:
    """Draw an identity of a set."""
    population = world(home_world(seed, worlds, identity)).population
    return draw_person((seed, _WHO, identity), population, detail)


def rendered(
    seed: int,
    worlds: tuple[int, ...],
    identity: int,
    camera: int,
    number: int,
    size: tuple[int, int],
) -> Image:
    """Render an image; its bytes depend on these arguments alone.

    Args:
        seed: Seed of the set.
        worlds: Seeds of the worlds; the image is taken at one of them.
        identity: Who is seen.
        camera: By which camera.
        number: Number of the image of this identity in this camera.
        size: Height and width in pixels.
    """
    say_once_how_slow()
    rng = np.random.default_rng([seed, _IMAGE, identity, camera, number])
    site = world(worlds[int(rng.integers(len(worlds)))])
    detail = detail_of(size[0])
    person = person_of(seed, worlds, identity, detail)
    warmth = world(home_world(seed, worlds, identity)).population.warmth
    other = passer_by(warmth, rng, detail)
    # Many worlds have many places already.
    places = 3 if len(worlds) == 1 else 2 if len(worlds) <= 8 else 1
    eye = site.cameras[camera]
    canvas = canvas_of(site, eye, int(rng.integers(places)), detail)
    pixels = picture(person, eye, canvas, rng, size, other)
    low, high = eye.sensor.quality
    return Image(pixels, int(rng.integers(int(low), int(high) + 1)))
