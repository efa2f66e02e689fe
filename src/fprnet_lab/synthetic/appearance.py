"""A seed becomes an identity: build, head, clothes and bags, all that stays from image to image.

Shapes: materials ``(4,)``, textures ``(4, V, A)``, see ``textures``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from fprnet_lab.synthetic.draws import pick
from fprnet_lab.synthetic.materials import (
    cloth,
    cloth_pair,
    contrasting,
    hair_material,
    leather,
    skin_material,
)
from fprnet_lab.synthetic.skeleton import Body, draw_body
from fprnet_lab.synthetic.textures import (
    ANGLE,
    ROW,
    Array,
    Texture,
    inside,
    mix,
    pattern,
    plain,
    smooth_noise,
    weave,
)

__all__ = ["Appearance", "Bag", "Bottom", "Head", "Shoes", "Top", "draw_appearance"]

Sleeves = Literal["none", "short", "long"]
Cut = Literal["shirt", "jacket", "coat", "hoodie"]
HairStyle = Literal["bald", "short", "bob", "long", "ponytail", "bun", "afro"]
Hat = Literal["none", "cap", "beanie", "brim"]


@dataclass(frozen=True)
class Head:
    """Head, hair and hat."""

    face: Texture  # skin, eyes, glasses, beard and the hair's edge, around the head
    hair: HairStyle
    hair_texture: Texture
    hair_volume: float  # 0 flat to 1 full
    hat: Hat
    hat_texture: Texture
    scarf: Texture | None


@dataclass(frozen=True)
class Top:
    """What is worn above the waist; a coat reaches below it."""

    cut: Cut
    texture: Texture  # from the collar to the hem
    sleeves: Sleeves
    sleeve: Texture  # from shoulder to wrist, around the arm
    hem: float  # height of the hem below the hip joint, in statures
    looseness: float  # room between body and cloth, in statures
    hood: Texture | None


@dataclass(frozen=True)
class Bottom:
    """Trousers, shorts or a skirt."""

    kind: Literal["trousers", "shorts", "skirt"]
    texture: Texture  # of one leg from hip to ankle, or of the skirt from waist to hem
    length: float  # share of the leg that is covered
    looseness: float  # room between leg and cloth, in statures
    flare: float  # widening of a skirt, or of the trousers' legs, towards the hem


@dataclass(frozen=True)
class Shoes:
    """Shoes, or boots that reach up the shin."""

    upper: Texture
    sole: Texture
    boot: float  # share of the shin that a boot covers, 0 for a shoe
    size: float  # thickness, 1 is average


@dataclass(frozen=True)
class Bag:
    """A bag and the side (-1, 1) it is worn on; a sling's strap is part of the top's texture."""

    kind: Literal["none", "backpack", "sling", "tote"]
    texture: Texture
    strap: Texture
    side: int
    size: float  # 1 is average


@dataclass(frozen=True)
class Appearance:
    """One identity."""

    body: Body
    skin: Texture
    head: Head
    top: Top
    bottom: Bottom
    shoes: Shoes
    bag: Bag


def draw_appearance(rng: Generator, detail: int = 1) -> Appearance:
    """Draw an identity.

    Args:
        rng: The identity's own generator.
        detail: Texels of the full texture that become one, in each direction: 1, 2 or 4. It
            changes the sharpness of the textures alone, never what is drawn.
    """
    skin = skin_material(rng)
    body = draw_body(rng)
    bag = _draw_bag(rng, detail)
    head = _draw_head(rng, skin, detail)
    top = _draw_top(rng, bag, detail)
    bottom = _draw_bottom(rng, detail)
    return Appearance(body, plain(skin), head, top, bottom, _draw_shoes(rng), bag)


def _draw_bag(rng: Generator, detail: int) -> Bag:
    kind = pick(rng, none=0.34, backpack=0.26, sling=0.2, tote=0.2)
    base, other = cloth_pair(rng)
    front = inside(0.45, 0.8, -0.8, 0.8) * 0.7 + inside(0.16, 0.2, -4, 4)
    texels = mix(base, other, front.clip(0, 1)) * weave(rng)
    return Bag(
        kind=kind,  # type: ignore[arg-type]
        texture=Texture(texels).reduced(detail),
        strap=plain(other if rng.random() < 0.5 else base),
        side=int(rng.choice([-1, 1])),
        size=float(rng.uniform(0.8, 1.2)),
    )


def _draw_head(rng: Generator, skin: Array, detail: int) -> Head:
    colour = hair_material(rng)
    style = pick(
        rng, bald=0.08, short=0.36, bob=0.12, long=0.16, ponytail=0.12, bun=0.08, afro=0.08
    )
    hat = pick(rng, none=0.64, cap=0.14, beanie=0.12, brim=0.1)
    beard = style in ("bald", "short", "afro") and rng.random() < 0.4
    glasses = pick(rng, none=0.76, clear=0.14, dark=0.1)
    base, other = cloth_pair(rng)
    texels = _face(rng, skin, colour, style, beard, glasses)
    stripe = inside(0.6, 0.85, -4, 4) if rng.random() < 0.4 else inside(0.35, 0.75, -0.5, 0.5)
    return Head(
        face=Texture(texels).reduced(detail),
        hair=style,  # type: ignore[arg-type]
        hair_texture=Texture(mix(colour, colour, ROW * ANGLE) * _locks(rng)).reduced(detail),
        hair_volume=float(rng.uniform(0, 1)),
        hat=hat,  # type: ignore[arg-type]
        hat_texture=Texture(mix(base, other, stripe)).reduced(detail),
        scarf=plain(cloth(rng)) if rng.random() < 0.09 else None,
    )


def _locks(rng: Generator) -> Array:
    """Return ``(V, A)`` brightness factors of strands of hair, with a shine on top."""
    strands = np.sin(23 * ANGLE + 3 * np.sin(5 * ANGLE)) * 0.09
    shine = 0.25 * np.exp(-(((ROW - 0.25) / 0.12) ** 2))
    locks: Array = (1 + strands + shine + rng.uniform(-0.05, 0.05)).astype(np.float32)
    return locks


def _face(rng: Generator, skin: Array, hair: Array, style: str, beard: bool, glasses: str) -> Array:
    """Return the texels of a head from the top of the skull to the chin; the nose is at angle 0."""
    away = np.abs(ANGLE)
    texels = mix(skin, skin * 0.72, inside(0.74, 0.775, -0.3, 0.3))  # mouth
    texels = mix(texels, skin * 0.82, inside(0.5, 0.68, -0.1, 0.02) * 0.6)  # nose
    for side in (-1, 1):
        eye = inside(0.5, 0.54, side * 0.42 - 0.17, side * 0.42 + 0.17)
        texels = mix(texels, np.float32(0.1) + 0 * skin, eye)
        brow = inside(0.43, 0.46, side * 0.42 - 0.24, side * 0.42 + 0.24)
        texels = mix(texels, hair * 0.8, brow * 0.8)
    if beard:
        jaw = (ROW > 0.66) & (away < 1.5) & ~((ROW < 0.79) & (ROW > 0.73) & (away < 0.25))
        texels = mix(texels, hair, jaw * rng.uniform(0.6, 1))
    if style != "bald":
        fringe = rng.uniform(0.2, 0.4)
        line = np.interp(
            away, [0, 0.5, 0.9, 1.35, 1.7, 2.3, np.pi], [0, 0.02, 0.14, 0.3, 0.32, 0.58, 0.6]
        )
        texels = mix(texels, hair, (fringe + line > ROW).astype(np.float32))
    ears = inside(0.46, 0.66, 1.45, 1.75) + inside(0.46, 0.66, -1.75, -1.45)
    if style in ("bald", "short", "ponytail", "bun"):
        texels = mix(texels, skin * 0.86, ears)
    if glasses != "none":
        frame = np.float32(0.06 if glasses == "dark" else 0.25) + 0 * skin
        lenses = inside(0.47, 0.58, -0.78, -0.08) + inside(0.47, 0.58, 0.08, 0.78)
        bridge = inside(0.48, 0.51, -1.6, 1.6)
        texels = mix(
            texels, frame, (lenses * (1 if glasses == "dark" else 0.5) + bridge).clip(0, 1)
        )
    return texels


def _any_pattern(rng: Generator) -> Array:
    """Draw a pattern, most often one that looks alike from all sides."""
    kind = pick(
        rng,
        stripes=0.28,
        bands=0.2,
        checks=0.16,
        panels=0.12,
        dots=0.1,
        diagonals=0.06,
        pinstripes=0.04,
        blotches=0.04,
    )
    return pattern(kind, rng)


def _draw_top(rng: Generator, bag: Bag, detail: int) -> Top:
    cut = pick(rng, shirt=0.58, jacket=0.14, coat=0.14, hoodie=0.14)
    warm = cut != "shirt"
    sleeves = "long" if warm else pick(rng, none=0.08, short=0.52, long=0.4)
    base, other = cloth_pair(rng)
    patterned = rng.random() < (0.85 if warm else 0.95)
    share = _any_pattern(rng)
    texels = mix(base, other, share if patterned else 0 * share)
    sleeve = texels if patterned and rng.random() < 0.85 else mix(base, base, share)
    if not patterned and rng.random() < 0.22:
        sleeve = mix(other, other, share)  # sleeves of another colour
    texels = _print(rng, texels, base)
    if cut == "shirt":
        texels = _collar(rng, texels, other)
    if cut in ("jacket", "coat"):
        texels = _open_front(rng, texels)
    if rng.random() < 0.18:
        belt = 0.62 if cut == "coat" else 0.9
        texels = mix(texels, leather(rng), inside(belt, belt + 0.05, -4, 4))
    if rng.random() < 0.2:
        sleeve = mix(sleeve, other, inside(0.86, 1.1, -4, 4))  # cuffs
    texels = _straps(texels, bag)
    folds = weave(rng)
    return Top(
        cut=cut,  # type: ignore[arg-type]
        texture=Texture((texels * folds).clip(0, 1)).reduced(detail),
        sleeves=sleeves,  # type: ignore[arg-type]
        sleeve=Texture((sleeve * folds).clip(0, 1)).reduced(detail),
        hem=float(rng.uniform(0.12, 0.26) if cut == "coat" else rng.uniform(-0.01, 0.055)),
        looseness=float(rng.uniform(0.006, 0.022) if warm else rng.uniform(0.0, 0.014)),
        hood=plain(base * 0.9) if cut == "hoodie" else None,
    )


def _print(rng: Generator, texels: Array, base: Array) -> Array:
    """Add a logo on the chest, a number on the back, or nothing."""
    ink = contrasting(rng, base)
    if rng.random() < 0.3:
        half, top = rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.4)
        height = rng.uniform(0.08, 0.28)
        if rng.random() < 0.5:
            shape = inside(top, top + height, -half, half)
        else:
            middle = top + height / 2
            reach = ((ROW - middle) / (height / 2)) ** 2 + (ANGLE / half) ** 2
            shape = ((1 - reach) * 3).clip(0, 1)
        texels = mix(texels, ink, shape)
    if rng.random() < 0.18:
        left = np.pi - rng.uniform(0.4, 0.8)
        width = inside(0.25, rng.uniform(0.45, 0.65), left, 4) + inside(0.25, 0.55, -4, -left)
        texels = mix(texels, ink, width.clip(0, 1))
    return texels


def _collar(rng: Generator, texels: Array, other: Array) -> Array:
    """Add a collar and perhaps a row of buttons."""
    if rng.random() < 0.45:
        texels = mix(texels, other, inside(-1, 0.06, -4, 4))
    if rng.random() < 0.3:
        texels = mix(texels, other, inside(0, 2, -0.07, 0.07))
    return texels


def _open_front(rng: Generator, texels: Array) -> Array:
    """Open a jacket over a shirt of its own, or close it with a zip."""
    if rng.random() < 0.35:
        return mix(texels, cloth(rng), inside(0, 2, -0.08, 0.08))
    base, other = cloth_pair(rng)
    shirt = mix(base, other, _any_pattern(rng) * (rng.random() < 0.35))
    wide, narrow = rng.uniform(0.35, 0.8), rng.uniform(0.15, 0.5)
    half = wide + (narrow - wide) * ROW
    edge = ((half - np.abs(ANGLE)) / 0.06).clip(0, 1)
    lapel = ((half + 0.28 - np.abs(ANGLE)) / 0.06).clip(0, 1) * (ROW < 0.45)
    return mix(mix(texels, texels * 0.7, lapel), shirt, edge)


def _straps(texels: Array, bag: Bag) -> Array:
    """Add the straps of a backpack or a sling, which lie on the cloth."""
    strap = bag.strap.texels.reshape(4)
    if bag.kind == "backpack":
        bands = inside(0, 0.55, 0.42, 0.66) + inside(0, 0.55, -0.66, -0.42)
        return mix(texels, strap, bands)
    if bag.kind == "sling":
        # From the shoulder on the other side, over chest and back, to the hip with the bag.
        height = 0.5 - 0.5 * bag.side * np.sin(ANGLE)
        return mix(texels, strap, ((0.035 - np.abs(0.95 - 0.9 * height - ROW)) * 60).clip(0, 1))
    return texels


def _draw_bottom(rng: Generator, detail: int) -> Bottom:
    kind = pick(rng, trousers=0.66, shorts=0.16, skirt=0.18)
    base, other = cloth_pair(rng)
    texels = mix(base, base, ROW * ANGLE)
    if kind == "skirt" and rng.random() < 0.65:
        texels = mix(base, other, _any_pattern(rng))
    elif rng.random() < 0.3:
        texels = mix(
            base, other, pattern(str(rng.choice(["checks", "bands", "stripes", "pinstripes"])), rng)
        )
    elif rng.random() < 0.2:  # a stripe down the outer side, or a patch of worn denim
        side = inside(-1, 2, 1.2, 1.95) + inside(-1, 2, -1.95, -1.2)
        worn = (smooth_noise(rng, 8, 4) * 0.3 + 0.3).clip(0, 0.6)
        texels = mix(base, other, side if rng.random() < 0.7 else worn)
    pleats = int(rng.choice([0, 0, 12, 18])) if kind == "skirt" else 0
    length = {"trousers": (0.86, 1.0), "shorts": (0.3, 0.58), "skirt": (0.3, 0.9)}[kind]
    return Bottom(
        kind=kind,  # type: ignore[arg-type]
        texture=Texture((texels * weave(rng, pleats=pleats)).clip(0, 1)).reduced(detail),
        length=float(rng.uniform(*length)),
        looseness=float(rng.uniform(0.002, 0.018)),
        flare=float(rng.uniform(-0.12, 0.3)),
    )


def _draw_shoes(rng: Generator) -> Shoes:
    upper = leather(rng)
    sole = cloth(rng) if rng.random() < 0.6 else upper * 0.6
    boot = float(rng.uniform(0.3, 0.8)) if rng.random() < 0.3 else 0.0
    return Shoes(plain(upper), plain(sole), boot, float(rng.uniform(0.85, 1.2)))
