"""A body's measures and a season become an outfit: everyday clothes, mostly plain, mostly dark."""

from __future__ import annotations

import numpy as np

from fprnet_lab.people import materials
from fprnet_lab.people.cloth import draw_cloth, plain
from fprnet_lab.people.materials import BAGS, BOTTOMS, INNER_TOPS, OUTER, SHOES, TOPS
from fprnet_lab.people.mesh import BodyShape
from fprnet_lab.people.outfit import (
    BagKind,
    Bottom,
    BottomKind,
    Carried,
    HairStyle,
    Hat,
    Head,
    Measures,
    Outfit,
    Shoes,
    Top,
    TopKind,
)

__all__ = ["draw_outfit"]

# Chances by kind in the warm and in the cold season; women's dresses are drawn apart.
INNER: dict[TopKind, tuple[float, float]] = {
    "t-shirt": (0.56, 0.14), "polo": (0.13, 0.04), "shirt": (0.19, 0.22), "sweater": (0.07, 0.6),
    "tank": (0.05, 0.0),
}  # fmt: skip
OUTER_CHANCE = (0.1, 0.78)  # that a jacket or coat is worn over it
OUTER_KINDS: dict[TopKind, tuple[float, float]] = {
    "jacket": (0.7, 0.42), "shirt": (0.25, 0.02), "padded jacket": (0.0, 0.3), "coat": (0.05, 0.26),
}  # fmt: skip
BOTTOM_KINDS: dict[BottomKind, tuple[float, float, float, float]] = {  # women, then men
    "jeans": (0.3, 0.42, 0.34, 0.44),
    "trousers": (0.22, 0.3, 0.34, 0.53),
    "leggings": (0.12, 0.2, 0.01, 0.02),
    "shorts": (0.15, 0.0, 0.31, 0.01),
    "skirt": (0.21, 0.08, 0.0, 0.0),
}
HAIR_VOLUMES: dict[HairStyle, tuple[float, float]] = {
    "bald": (0, 0.001), "short": (0.08, 0.25), "full": (0.25, 0.5), "medium": (0.15, 0.25),
    "long": (0.15, 0.25), "bun": (0.08, 0.16), "tail": (0.08, 0.16),
}  # fmt: skip
LOOSENESS: dict[TopKind, float] = {
    "t-shirt": 0.5, "polo": 0.45, "shirt": 0.5, "sweater": 0.55, "jacket": 0.75,
    "padded jacket": 0.9, "coat": 0.7, "tank": 0.25, "dress": 0.3,
}  # fmt: skip
THICKNESS: dict[TopKind, float] = {
    "sweater": 0.15,
    "jacket": 0.2,
    "padded jacket": 0.38,
    "coat": 0.24,
}


def draw_outfit(
    rng: np.random.Generator, measures: Measures, *, shape: BodyShape, warmth: float
) -> Outfit:
    """Draw everyday clothes.

    Args:
        rng: Source of the draws.
        measures: Measures of the body.
        shape: Shape of the body; sex and age choose the wardrobe, ancestry shifts skin and hair.
        warmth: Season, from winter (0) to summer (1).
    """
    male = shape.male > 0.5
    dress = not male and rng.random() < 0.04 + 0.13 * warmth
    outer = rng.random() < _mix(OUTER_CHANCE[::-1], warmth)
    inner = _draw_top(rng, measures, "dress" if dress else _pick(rng, INNER, warmth), outer)
    tops = [inner]
    if outer:
        kind = _pick(rng, OUTER_KINDS, warmth)
        tops.append(_draw_top(rng, measures, kind, True, over=inner))
    bottom = _draw_bottom(rng, measures, male=male, warmth=warmth, under_dress=dress)
    return Outfit(
        tuple(tops),
        bottom,
        _draw_shoes(rng, warmth, skirt=bottom.kind in ("skirt", "none", "shorts")),
        _draw_head(rng, tops[-1], shape, warmth),
        _draw_bag(rng, male=male),
    )


def _mix(cold_warm: tuple[float, float], warmth: float) -> float:
    return cold_warm[0] + (cold_warm[1] - cold_warm[0]) * warmth


def _pick(
    rng: np.random.Generator, table: dict[TopKind, tuple[float, float]], warmth: float
) -> TopKind:
    kinds = list(table)
    chances = np.array([_mix((cold, warm), warmth) for warm, cold in table.values()])
    return kinds[rng.choice(len(kinds), p=chances / chances.sum())]


def _draw_top(
    rng: np.random.Generator,
    measures: Measures,
    kind: TopKind,
    layered: bool,
    over: Top | None = None,
) -> Top:
    outer = over is not None
    long = kind in ("sweater", "jacket", "padded jacket", "coat")
    long = (
        long or (kind == "shirt" and rng.random() < 0.7) or (kind == "dress" and rng.random() < 0.4)
    )
    sleeve = 0.0 if kind == "tank" else rng.uniform(0.2, 0.45)
    if long:
        sleeve = rng.uniform(0.9, 1.03) if rng.random() < 0.88 else rng.uniform(0.5, 0.75)
    if outer and kind != "shirt":
        sleeve = rng.uniform(0.93, 1.06)
    hem = measures.crotch + rng.uniform(-0.3, 1.0)
    if kind in ("coat", "dress"):
        hem = measures.crotch - 0.1
    elif kind == "padded jacket":
        hem = measures.crotch + rng.uniform(-0.6, 0.8)
    elif kind in ("shirt", "polo", "t-shirt") and not outer and rng.random() < 0.22:
        hem = measures.waist + 0.15  # tucked in
    tail = None
    if kind == "coat":
        tail = measures.knee + rng.uniform(-1.6, 2.2)
    elif kind == "dress":
        tail = measures.knee + rng.uniform(-2.6, 1.8)
    loose = LOOSENESS[kind] * rng.uniform(0.5, 1.4)
    thickness = THICKNESS.get(kind, 0.07) * rng.uniform(0.7, 1.3)
    if over is not None:
        thickness += over.thickness * 0.6
        loose = max(loose, over.loose)
    fibre: materials.Fibre = "cotton"
    if outer:
        fibre = "nylon" if rng.random() < 0.45 else ("leather" if rng.random() < 0.12 else "wool")
    colours = OUTER if outer else (INNER_TOPS if layered else TOPS)
    ground = materials.dyed(rng, colours, fibre)
    if kind == "jacket" and rng.random() < 0.14:
        ground = materials.denim(rng)
    cloth = draw_cloth(rng, ground)
    if outer and (cloth.pattern in ("print", "flowers") or rng.random() < 0.5):
        cloth = plain(ground)
    opening = 0.0
    if outer and rng.random() < (0.85 if kind == "shirt" else 0.52):
        opening = rng.uniform(0.2, 0.85)
    collared = kind in ("polo", "shirt", "jacket", "coat", "padded jacket") and rng.random() < 0.75
    collar = None
    if collared:
        collar = ground if rng.random() < 0.75 else materials.contrasting(rng, ground, TOPS)
    fastening = None
    if kind in ("jacket", "padded jacket", "coat", "shirt", "polo"):
        fastening = (ground * np.float32(0.6)) if rng.random() < 0.7 else materials.dyed(rng, TOPS)
    low = rng.random() < 0.3
    return Top(
        kind=kind,
        cloth=cloth,
        sleeve=sleeve,
        hem=hem,
        tail=tail,
        loose=min(loose, 1.0),
        thickness=thickness,
        neckline=rng.uniform(0.3, 0.95) if low else rng.uniform(0.05, 0.25),
        collar=collar,
        hood=kind in ("sweater", "jacket", "padded jacket") and rng.random() < 0.38,
        opening=opening,
        fastening=fastening,
        sleeves=materials.contrasting(rng, ground, TOPS) if rng.random() < 0.06 else None,
        quilted=rng.uniform(0.45, 1.1) if kind == "padded jacket" and rng.random() < 0.8 else 0.0,
    )


def _draw_bottom(
    rng: np.random.Generator, measures: Measures, *, male: bool, warmth: float, under_dress: bool
) -> Bottom:
    kinds: list[BottomKind] = list(BOTTOM_KINDS)
    warm = np.array([row[2 if male else 0] for row in BOTTOM_KINDS.values()])
    cold = np.array([row[3 if male else 1] for row in BOTTOM_KINDS.values()])
    chances = cold + (warm - cold) * warmth
    kind = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
    if under_dress:
        kind = "none"
    wear = 0.0
    if kind == "jeans":
        cloth, wear = plain(materials.denim(rng)), rng.uniform(0, 0.9)
    elif kind == "skirt":
        cloth = draw_cloth(rng, materials.dyed(rng, BOTTOMS if rng.random() < 0.6 else TOPS))
    else:
        cloth = draw_cloth(rng, materials.dyed(rng, BOTTOMS), bottom=True, colours=TOPS)
    if cloth.pattern in ("print", "block"):
        cloth = plain(cloth.ground)
    end, width = measures.ankle - 0.15, 0.3
    if kind in ("jeans", "trousers"):
        width = rng.uniform(0.56, 0.86) if rng.random() < 0.85 else rng.uniform(0.9, 1.25)
        if rng.random() < 0.12:
            end = measures.ankle + rng.uniform(0.3, 1.2)
    elif kind == "leggings" and rng.random() < 0.3:
        end = measures.ankle + rng.uniform(0.3, 1.5)
    elif kind == "shorts":
        end, width = measures.knee + rng.uniform(-0.3, 1.7), rng.uniform(0.95, 1.35)
    tail = None
    tights = None
    if kind in ("skirt", "none"):
        end = measures.crotch - 0.2
        if rng.random() < 0.15 + 0.75 * (1 - warmth):
            shade = (25, 25, 28) if rng.random() < 0.8 else (110, 80, 65)
            tights = np.append(materials.linear(shade), rng.uniform(0.2, 0.6)).astype(np.float32)
    if kind == "skirt":
        short = rng.random() < 0.65
        tail = measures.knee + (rng.uniform(-0.3, 2.2) if short else rng.uniform(-2.6, -0.3))
    belt = None
    if rng.random() < 0.4 and kind in ("jeans", "trousers"):
        belt = np.append(materials.linear((30, 25, 22)), rng.uniform(0.1, 0.5)).astype(np.float32)
    flare = rng.uniform(0.92, 1.1) if rng.random() < 0.6 else rng.uniform(1.1, 1.35)
    return Bottom(kind, cloth, end, width, tail, flare, wear, tights, belt)


def _draw_shoes(rng: np.random.Generator, warmth: float, *, skirt: bool) -> Shoes:
    upper = materials.dyed(rng, SHOES, "rubber" if rng.random() < 0.6 else "leather")
    if rng.random() < 0.45:
        sole = np.append(materials.linear((215, 215, 212)), 0.8)
    else:
        sole = np.append(materials.linear((30, 30, 30)), rng.uniform(0.1, 0.4))
    boots = rng.random() < (0.06 + 0.2 * (1 - warmth)) * (1.6 if skirt else 0.6)
    height = rng.uniform(0.8, 3.0) if boots else rng.uniform(-0.15, 0.3)
    sock = materials.dyed(rng, INNER_TOPS)
    return Shoes(upper, sole.astype(np.float32), sock, height)


def _draw_head(rng: np.random.Generator, top: Top, shape: BodyShape, warmth: float) -> Head:
    male, old = shape.male > 0.5, shape.old
    styles: list[HairStyle]
    if male:
        styles, chances = ["bald", "short", "full", "medium"], [0.09, 0.63, 0.25, 0.03]
    else:
        styles = ["short", "medium", "long", "bun", "tail"]
        chances = [0.12, 0.26, 0.36, 0.1, 0.16]
    style = styles[rng.choice(len(styles), p=chances)]
    length = None
    if style == "medium":
        length = rng.uniform(-1.0, -0.2)
    elif style == "long":
        length = rng.uniform(-3.4, -1.2)
    hat: Hat | None = None
    if rng.random() < 0.08 + 0.02 * warmth:
        hat = "cap"
    elif rng.random() < 0.13 * (1 - warmth):
        hat = "beanie"
    elif top.hood and rng.random() < 0.12:
        hat = "hood"
    hat_cloth = top.cloth.ground if hat == "hood" else materials.dyed(rng, TOPS)
    mask = None
    if rng.random() < 0.06:
        mask = np.array(
            [[0.75, 0.8, 0.85, 0.8], [0.8, 0.8, 0.8, 0.85], [0.02, 0.02, 0.02, 0.4]], np.float32
        )[rng.integers(3)]
    scarf = (
        draw_cloth(rng, materials.dyed(rng, TOPS, "wool"))
        if rng.random() < 0.14 * (1 - warmth)
        else None
    )
    if scarf is not None and scarf.pattern in ("print", "block"):
        scarf = plain(scarf.ground)
    return Head(
        skin=materials.skin(rng, shape.ancestry),
        hair=materials.hair(rng, old, light=rng.random() < shape.ancestry[2] * 1.2),
        style=style,
        volume=rng.uniform(*HAIR_VOLUMES[style]),
        length=length,
        fringe=rng.uniform(-0.12, 0.1) + (0.18 if male and old > 0.5 else 0.0),
        beard=rng.uniform(0.25, 0.7) if male and rng.random() < 0.25 else 0.0,
        glasses=bool(rng.random() < 0.2),
        hat=hat,
        hat_cloth=hat_cloth,
        brim=int(rng.choice([1, 1, 1, 0, -1])) if hat == "cap" else 0,
        mask=mask,
        scarf=scarf,
    )


def _draw_bag(rng: np.random.Generator, *, male: bool) -> Carried | None:
    kinds: list[BagKind] = ["backpack", "shoulder bag", "hand bag"]
    share = rng.random()
    if share > 0.48:
        return None
    kind = kinds[rng.choice(3, p=[0.62, 0.22, 0.16] if male else [0.42, 0.36, 0.22])]
    cloth = materials.dyed(rng, BAGS, "nylon" if rng.random() < 0.7 else "leather")
    second = materials.contrasting(rng, cloth, TOPS, 0.3) if rng.random() < 0.4 else cloth
    sizes = {
        "backpack": ((0.95, 1.5), (1.5, 2.3), (0.45, 0.9)),
        "shoulder bag": ((0.25, 0.5), (0.7, 1.3), (0.9, 1.5)),
        "hand bag": ((0.25, 0.5), (0.8, 1.6), (0.8, 1.5)),
    }[kind]
    return Carried(
        kind,
        cloth,
        second,
        int(rng.choice([-1, 1])),
        (rng.uniform(*sizes[0]), rng.uniform(*sizes[1]), rng.uniform(*sizes[2])),
        rng.uniform(0.12, 0.28),
        rng.uniform(-0.3, 0.3),
    )
