"""An outfit becomes the same outfit in warmth: what a thermal camera sees of it.

Warmth is from 0 (the cold sky) to 1 (bare skin) and stands in all four channels of a reflectance;
patterns and colours are gone, thick cloth hides the body's heat.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fprnet_lab.people.cloth import plain
from fprnet_lab.people.materials import Reflectance
from fprnet_lab.people.outfit import Outfit, Top

__all__ = ["thermal_outfit"]

SKIN, HAIR, HAT, SHOES, SOCKS, BAG, MASK = 0.92, 0.62, 0.55, 0.38, 0.55, 0.28, 0.7
LEGS = {"leggings": 0.7, "shorts": 0.6, "skirt": 0.5, "none": 0.6}
TROUSERS = 0.58


def thermal_outfit(outfit: Outfit) -> Outfit:
    """Return an outfit whose reflectances are warmth, 0 to 1."""
    head, shoes, bottom, bag = outfit.head, outfit.shoes, outfit.bottom, outfit.bag
    legs = LEGS.get(bottom.kind, TROUSERS - 0.08 * max(0.0, bottom.width - 0.6))
    return Outfit(
        tops=tuple(_top(top) for top in outfit.tops),
        bottom=replace(
            bottom,
            cloth=plain(_warm(legs)),
            wear=0.0,
            tights=None if bottom.tights is None else _warm(0.74),
            belt=None,
        ),
        shoes=replace(shoes, upper=_warm(SHOES), sole=_warm(SHOES * 0.8), sock=_warm(SOCKS)),
        head=replace(
            head,
            skin=_warm(SKIN),
            hair=_warm(HAIR),
            hat_cloth=_warm(HAT),
            mask=None if head.mask is None else _warm(MASK),
            scarf=None if head.scarf is None else plain(_warm(0.48)),
        ),
        bag=None if bag is None else replace(bag, cloth=_warm(BAG), second=_warm(BAG * 0.9)),
    )


def _top(top: Top) -> Top:
    # Close and thin cloth takes the skin's warmth; its dye hardly matters.
    warmth = float(np.clip(0.8 - 1.1 * top.thickness - 0.18 * top.loose, 0.3, 0.78))
    dull = _warm(warmth * 0.96)
    return replace(
        top,
        cloth=plain(_warm(warmth)),
        collar=None if top.collar is None else dull,
        fastening=None if top.fastening is None else dull,
        sleeves=None,
    )


def _warm(warmth: float) -> Reflectance:
    return np.full(4, warmth, np.float32)
