"""Dyes and fibres become four reflectances: red, green, blue and near infrared.

A reflectance is a row ``(red, green, blue, infrared)`` of float32 from 0 to 1, linear in light.
Organic dyes are mostly transparent in near infrared, so cloth looks bright there whatever its
colour; carbon black, indigo in part, leather, rubber and coatings are the exceptions. The ranges
follow published spectra of textiles, skin, hair and leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BAGS",
    "BOTTOMS",
    "INNER_TOPS",
    "OUTER",
    "SHOES",
    "TOPS",
    "Fibre",
    "Reflectance",
    "contrasting",
    "denim",
    "dyed",
    "hair",
    "linear",
    "skin",
]

Reflectance = NDArray[np.float32]
Fibre = Literal["cotton", "denim", "leather", "nylon", "rubber", "wool"]

COLOURS: dict[str, tuple[int, int, int]] = {  # as a screen shows them, 0 to 255
    "black": (28, 28, 30),
    "charcoal": (55, 55, 58),
    "grey": (120, 120, 122),
    "light grey": (175, 175, 175),
    "white": (232, 232, 230),
    "navy": (30, 36, 66),
    "blue": (45, 80, 150),
    "light blue": (135, 170, 210),
    "teal": (30, 95, 100),
    "red": (165, 30, 35),
    "dark red": (95, 25, 32),
    "pink": (220, 140, 160),
    "orange": (215, 110, 40),
    "yellow": (225, 190, 50),
    "green": (45, 105, 60),
    "olive": (85, 85, 50),
    "khaki": (165, 145, 110),
    "beige": (205, 190, 160),
    "brown": (90, 62, 44),
    "purple": (90, 55, 120),
}
Frequencies = Mapping[str, float]  # of colours; they need not sum to 1
TOPS: Frequencies = {
    "black": 21, "charcoal": 8, "grey": 9, "light grey": 6, "white": 15, "navy": 9, "blue": 6,
    "light blue": 4, "teal": 1.5, "red": 4, "dark red": 3, "pink": 3, "orange": 1, "yellow": 2,
    "green": 3, "olive": 3, "khaki": 3, "beige": 4, "brown": 3, "purple": 1.5,
}  # fmt: skip
OUTER: Frequencies = {
    "black": 34, "charcoal": 10, "grey": 8, "navy": 14, "blue": 4, "teal": 1, "red": 3,
    "dark red": 2.5, "green": 2, "olive": 6, "khaki": 5, "beige": 4, "brown": 4, "white": 3,
    "light grey": 3, "purple": 1, "pink": 1.5, "yellow": 1.2, "orange": 1,
}  # fmt: skip
INNER_TOPS: Frequencies = {
    "white": 33, "black": 17, "grey": 14, "light grey": 10, "navy": 6, "blue": 5, "red": 4,
    "beige": 5, "pink": 3, "charcoal": 5,
}  # fmt: skip
BOTTOMS: Frequencies = {
    "black": 32, "charcoal": 12, "grey": 8, "navy": 9, "khaki": 7, "beige": 4, "brown": 4,
    "olive": 4, "white": 2, "light grey": 3,
}  # fmt: skip
SHOES: Frequencies = {
    "black": 38, "charcoal": 8, "white": 18, "grey": 8, "brown": 10, "navy": 4, "red": 2.5,
    "blue": 1.5, "pink": 1.5, "beige": 4,
}  # fmt: skip
BAGS: Frequencies = {
    "black": 38, "charcoal": 8, "navy": 10, "grey": 8, "brown": 10, "red": 5, "blue": 5,
    "green": 4, "beige": 6, "pink": 3, "yellow": 1.5, "teal": 2,
}  # fmt: skip
HAIR: dict[str, tuple[tuple[int, int, int], float]] = {  # on a screen, and near infrared
    "black": ((26, 23, 22), 0.24),
    "brown": ((58, 42, 32), 0.34),
    "light brown": ((110, 82, 58), 0.45),
    "blond": ((185, 155, 105), 0.55),
    "grey": ((130, 128, 126), 0.45),
    "white": ((205, 203, 200), 0.6),
    "red": ((120, 60, 38), 0.45),
}
SKIN: dict[str, tuple[tuple[int, int, int], float]] = {
    "dark": ((95, 65, 50), 0.45),
    "brown": ((140, 98, 74), 0.5),
    "medium": ((190, 145, 115), 0.56),
    "light": ((222, 182, 158), 0.6),
}

SKIN_BY_ANCESTRY = ((0.5, 0.35, 0.12, 0.03), (0.04, 0.16, 0.5, 0.3), (0.02, 0.08, 0.35, 0.55))


def linear(colour: tuple[int, int, int]) -> Reflectance:
    """Return the linear red, green and blue, 0 to 1, of a colour on a screen, 0 to 255."""
    return ((np.array(colour) / 255) ** 2.2).astype(np.float32)


def dyed(rng: np.random.Generator, colours: Frequencies, fibre: Fibre = "cotton") -> Reflectance:
    """Draw a dyed cloth."""
    names = list(colours)
    weights = np.array(list(colours.values()))
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    jitter = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.06, 3))
    visible = np.clip(linear(COLOURS[name]) * jitter, 0.008, 0.85)
    return _row(visible, _infrared(rng, float(visible.mean()), fibre))


def denim(rng: np.random.Generator) -> Reflectance:
    """Draw the cloth of jeans: indigo or black, washed out more or less."""
    if rng.random() < 0.78:
        visible = linear((58, 74, 104)) * np.exp(rng.normal(-0.1, 0.5)) * _tint(rng, 0.06)
    else:
        visible = linear((40, 42, 48)) * np.exp(rng.normal(0, 0.2)) * _tint(rng, 0.03)
    return _row(np.clip(visible, 0.01, 0.5), rng.uniform(0.38, 0.7))


def contrasting(
    rng: np.random.Generator, base: Reflectance, colours: Frequencies, vanish: float = 0.5
) -> Reflectance:
    """Draw the second colour of a pattern.

    Args:
        rng: Source of the draws.
        base: Reflectance of the ground, (4,).
        colours: Frequencies of colours.
        vanish: Chance that both are alike in near infrared; of the other patterns some fade
            there, and those printed with pigments stay.
    """
    for _ in range(20):
        other = dyed(rng, colours)
        lightness = abs(np.log(other[:3].mean() / base[:3].mean()))
        if lightness > 0.5 or np.abs(other[:3] - base[:3]).max() > 0.2:
            break
    infrared, fate = float(other[3]), rng.random()
    if fate < vanish:
        share = 0.0
    else:
        share = rng.uniform(0.25, 0.6) if fate < 0.8 else 1.0
        if rng.random() < 0.5:
            infrared = rng.uniform(0.06, 0.3)  # a pigment, often carbon black
    return _row(other[:3], base[3] + share * (infrared - base[3]))


def hair(rng: np.random.Generator, old: float, light: bool) -> Reflectance:
    """Draw hair.

    Args:
        rng: Source of the draws.
        old: From young to old adult, 0 to 1.
        light: Fair and red hair occur.
    """
    names = list(HAIR)
    if old > 0.5:
        chances = [0.25, 0.13, 0.0, 0.02, 0.4, 0.2, 0.0]
    elif light:
        chances = [0.3, 0.34, 0.15, 0.11, 0.06, 0.01, 0.03]
    else:
        chances = [0.76, 0.17, 0.02, 0.01, 0.035, 0.005, 0.0]
    colour, infrared = HAIR[names[rng.choice(len(names), p=chances)]]
    visible = linear(colour) * np.exp(rng.normal(0, 0.15))
    return _row(visible, np.clip(infrared + rng.uniform(-0.08, 0.1), 0.1, 0.8))


def skin(rng: np.random.Generator, ancestry: tuple[float, float, float]) -> Reflectance:
    """Draw skin; melanin hardly absorbs in near infrared, so all skin is bright there.

    Args:
        rng: Source of the draws.
        ancestry: Shares of the African, Asian and European targets; they shift the tone, and any
            tone occurs with any body.
    """
    names = list(SKIN)
    chances = np.array(SKIN_BY_ANCESTRY).T @ np.array(ancestry)
    colour, infrared = SKIN[names[rng.choice(len(names), p=chances / chances.sum())]]
    visible = linear(colour) * np.exp(rng.normal(0, 0.1)) * _tint(rng, 0.04)
    return _row(visible, infrared + rng.uniform(-0.06, 0.06))


def _infrared(rng: np.random.Generator, lightness: float, fibre: Fibre) -> float:
    if fibre == "denim":
        return float(rng.uniform(0.38, 0.68))
    if fibre == "leather":
        return float(rng.uniform(0.06, 0.5))
    if fibre == "rubber":
        return float(rng.uniform(0.08, 0.5) if lightness < 0.3 else rng.uniform(0.45, 0.85))
    if fibre == "nylon":
        return float(rng.uniform(0.1, 0.75) if rng.random() < 0.6 else rng.uniform(0.5, 0.85))
    if lightness < 0.04:
        return float(rng.uniform(0.05, 0.2) if rng.random() < 0.25 else rng.uniform(0.35, 0.75))
    if lightness > 0.5:
        return float(rng.uniform(0.7, 0.92))
    return float(rng.uniform(0.28, 0.5) if rng.random() < 0.2 else rng.uniform(0.5, 0.85))


def _tint(rng: np.random.Generator, spread: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(rng.normal(0, spread, 3)))


def _row(visible: NDArray[np.floating], infrared: float | np.floating) -> Reflectance:
    row: Reflectance = np.clip(np.append(visible, infrared), 0, 1).astype(np.float32)
    return row
