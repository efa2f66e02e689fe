"""Ingredients of the pictures that can be left out, to measure what each of them teaches."""

from __future__ import annotations

from dataclasses import replace

from fprnet_lab.people.sensor import faultless
from fprnet_lab.people.worlds import Camera, World

__all__ = ["INGREDIENTS", "reduced"]

INGREDIENTS = (
    "wrinkles",  # and folds of cloth
    "shading",  # instead: people are lit evenly, as if cut out of paper
    "infrared-materials",  # instead: infrared reflectance is the luminance of the colour
    "sensor",  # blur, lost pixels, sharpening, noise, coarse JPEG; tones and colours stay
    "occluders",  # things and people in the way
    "places",  # instead: one even colour behind a person, the place's mean
)


def reduced(drawn: World, without: tuple[str, ...]) -> World:
    """Return a world whose cameras have no faulty sensor or nothing in the way."""

    def changed(camera: Camera) -> Camera:
        if "sensor" in without:
            camera = replace(camera, sensor=faultless(camera.sensor))
        return replace(camera, clutter=0.0) if "occluders" in without else camera

    return replace(drawn, cameras={n: changed(camera) for n, camera in drawn.cameras.items()})
