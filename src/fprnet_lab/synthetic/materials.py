"""A seed becomes materials: a colour as people wear it, and a near-infrared reflectance beside it.

The near-infrared reflectance of a dye does not follow from its colour (black cotton may shine, a
white print may vanish), so it is drawn independently. That is what makes the task cross-modal.

Shapes: a material is ``(4,)`` float32: R, G, B, NIR reflectance in [0, 1].
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.random import Generator

from fprnet_lab.synthetic.textures import Array

__all__ = ["cloth", "cloth_pair", "contrasting", "hair_material", "leather", "skin_material"]

KEEPS_CONTRAST = 0.8  # chance that a pattern can be seen in near infrared at all
_GAP = (0.35, 0.65)  # that contrast, in reflectance

_NEUTRALS = (0.06, 0.1, 0.16, 0.35, 0.55, 0.8, 0.92)
_SKIN = (
    (0.94, 0.77, 0.66),
    (0.87, 0.67, 0.52),
    (0.72, 0.51, 0.37),
    (0.5, 0.34, 0.24),
    (0.34, 0.22, 0.16),
)
_HAIR = (
    (0.05, 0.045, 0.045), (0.05, 0.045, 0.045), (0.13, 0.085, 0.06), (0.24, 0.15, 0.09),
    (0.4, 0.2, 0.1), (0.72, 0.55, 0.3), (0.62, 0.61, 0.6),
)  # fmt: skip


def material(red: float, green: float, blue: float, infrared: float) -> Array:
    """Return the four reflectances as one material."""
    return np.array((red, green, blue, infrared), dtype=np.float32).clip(0.02, 0.98)


def cloth(rng: Generator) -> Array:
    """Draw a cloth: neutral, denim-like or coloured, with any near-infrared reflectance."""
    kind = rng.random()
    if kind < 0.36:
        level = float(rng.choice(_NEUTRALS)) * float(rng.uniform(0.85, 1.1))
        tint = rng.uniform(-0.025, 0.025, 3)
        red, green, blue = (level + float(t) for t in tint)
    elif kind < 0.48:
        red, green, blue = colorsys.hsv_to_rgb(
            rng.uniform(0.56, 0.66), rng.uniform(0.35, 0.75), rng.uniform(0.2, 0.65)
        )
    elif kind < 0.6:
        red, green, blue = colorsys.hsv_to_rgb(
            rng.uniform(0.05, 0.13), rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.8)
        )
    else:
        red, green, blue = colorsys.hsv_to_rgb(
            rng.uniform(0, 1), rng.uniform(0.45, 0.95), rng.uniform(0.25, 0.95)
        )
    return material(red, green, blue, rng.uniform(0.2, 0.95))


def cloth_pair(rng: Generator) -> tuple[Array, Array]:
    """Draw the two cloths of one pattern.

    They differ in near infrared with probability 0.8, and either is the lighter one as often.
    """
    base = cloth(rng)
    other = _another_colour(rng, base)
    if rng.random() < KEEPS_CONTRAST:
        gap = rng.uniform(*_GAP)
        darker = rng.uniform(0.05, 0.95 - gap)
        pair = (darker, darker + gap)
        base[3], other[3] = pair if rng.random() < 0.5 else pair[::-1]
    return base, other


def contrasting(rng: Generator, base: Array) -> Array:
    """Draw the ink of a print on ``base``.

    In near infrared it stands out with probability 0.8, lighter or darker as there is room.
    """
    ink = _another_colour(rng, base)
    if rng.random() < KEEPS_CONTRAST:
        gap = rng.uniform(*_GAP) * rng.choice([-1, 1])
        ink[3] = base[3] + gap if 0.05 <= base[3] + gap <= 0.95 else base[3] - gap
        ink[3] = ink[3].clip(0.04, 0.96)
    return ink


def _another_colour(rng: Generator, base: Array) -> Array:
    """Draw a cloth that stands out from ``base`` in colour and equals it in near infrared."""
    other = cloth(rng)
    for _ in range(20):
        if np.abs(base[:3] - other[:3]).sum() > 0.6:
            break
        other = cloth(rng)
    other[3] = base[3]
    return other


def leather(rng: Generator) -> Array:
    """Draw a material of shoes, belts and bags: mostly dark, any near-infrared reflectance."""
    found = cloth(rng)
    if rng.random() < 0.6:
        found[:3] *= rng.uniform(0.2, 0.6)
    return found


def skin_material(rng: Generator) -> Array:
    """Draw a skin; in near infrared all skins are bright."""
    red, green, blue = _SKIN[int(rng.integers(len(_SKIN)))]
    shift = float(rng.uniform(-0.04, 0.04))
    return material(red + shift, green + shift, blue + shift, rng.uniform(0.55, 0.75))


def hair_material(rng: Generator) -> Array:
    """Draw a hair; its near-infrared reflectance is any, as that of dyed and natural hair is."""
    red, green, blue = _HAIR[int(rng.integers(len(_HAIR)))]
    return material(red, green, blue, rng.uniform(0.1, 0.65))
