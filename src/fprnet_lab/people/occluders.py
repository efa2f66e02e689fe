"""Things that stand between lens and person: posts, rails, tables, plants, frames.

Letters: H and W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.surfaces import draw_object, foliage

__all__ = ["draw_occluder"]

Floats = NDArray[np.float32]


def draw_occluder(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Draw a thing in the way.

    Returns:
        Reflectances (H, W, 4) and the share of each pixel that it covers (H, W, 1).
    """
    height, width = size
    alpha = np.zeros((height, width), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    kind = rng.random()
    surface = draw_object(rng)
    if kind < 0.3:  # a post
        left, wide = rng.uniform(-0.1, 0.95) * width, rng.uniform(0.05, 0.28) * width
        alpha[:, max(0, int(left)) : max(0, int(left + wide))] = 1
    elif kind < 0.65:  # a table, a wall, a car
        alpha[int(rng.uniform(0.62, 0.95) * height) :] = 1
        if rng.random() < 0.5:
            side = int(rng.uniform(0.4, 0.9) * width)
            if rng.random() < 0.5:
                alpha[:, side:] = 0
            else:
                alpha[:, : width - side] = 0
    elif kind < 0.8:  # rails
        top, gap = rng.uniform(0.45, 0.8) * height, rng.uniform(0.06, 0.14) * height
        thick = max(1.0, 0.012 * height)
        alpha[(y > top) & (((y - top) % gap) < thick)] = 1
    else:  # a plant
        surface = foliage(rng, 1.0)
        scale = 40 / height
        _, leafy = surface.at((x * scale).ravel(), (y * scale).ravel())
        slope = rng.normal(0, 1)
        edge = rng.uniform(0.6, 0.95) * height + slope * (x - width / 2) * 0.5
        alpha[(y > edge)] = 1
        if leafy is not None:
            alpha *= leafy.reshape(height, width)
    scale = 18 / height
    colour, _ = surface.at((x * scale).ravel(), (y * scale).ravel())
    return colour.reshape(height, width, 4), alpha[:, :, None]
