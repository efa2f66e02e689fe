"""What somebody wears, in numbers: garments, shoes, head, bag.

Lengths in decimetres, heights measured on the body at rest (y up), sleeves as a share of the arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fprnet_lab.people.cloth import Cloth
from fprnet_lab.people.materials import Reflectance

__all__ = [
    "Bottom",
    "BottomKind",
    "Carried",
    "Head",
    "Measures",
    "Outfit",
    "Shoes",
    "Top",
    "TopKind",
]

TopKind = Literal[
    "t-shirt", "polo", "shirt", "sweater", "jacket", "padded jacket", "coat", "tank", "dress"
]
BottomKind = Literal["jeans", "trousers", "leggings", "shorts", "skirt", "none"]
BagKind = Literal["backpack", "shoulder bag", "hand bag"]
HairStyle = Literal["bald", "short", "full", "medium", "long", "bun", "tail"]
Hat = Literal["cap", "beanie", "hood"]


@dataclass(frozen=True)
class Measures:
    """Heights on the body at rest, decimetres.

    Attributes:
        crotch: Where the legs part.
        waist: Where trousers end.
        knee: Height of the knee joint.
        ankle: Height of the ankle joint.
        neck: Height of the neck's base.
        chest: Middle of the chest.
    """

    crotch: float
    waist: float
    knee: float
    ankle: float
    neck: float
    chest: float


@dataclass(frozen=True)
class Top:
    """A garment of the upper body.

    Attributes:
        kind: Kind of garment.
        cloth: Its cloth.
        sleeve: Length as a share of the arm; 0 without sleeves.
        hem: Height of its lower edge.
        tail: Height down to which its skirt hangs (coats, dresses), or None.
        loose: Ease from close-fitting (0) to hanging (1).
        thickness: Thickness of the cloth.
        neckline: Depth of the neckline in the middle.
        collar: Reflectance of a collar, or None.
        hood: It has a hood, which lies on the back.
        opening: Half the gap in front; 0 where it is closed.
        fastening: Reflectance of the line of a zip or buttons, or None.
        sleeves: Reflectance of sleeves in another colour, or None.
        quilted: Distance of the seams of a padded jacket, or 0.
    """

    kind: TopKind
    cloth: Cloth
    sleeve: float
    hem: float
    tail: float | None
    loose: float
    thickness: float
    neckline: float
    collar: Reflectance | None
    hood: bool
    opening: float
    fastening: Reflectance | None
    sleeves: Reflectance | None
    quilted: float


@dataclass(frozen=True)
class Bottom:
    """A garment of the lower body.

    Attributes:
        kind: Kind of garment; "none" under a dress.
        cloth: Its cloth.
        end: Height of the trouser legs' lower edge.
        width: Radius of a trouser leg there.
        tail: Height down to which a skirt hangs, or None.
        flare: Width of a skirt against the body's.
        wear: How much lighter jeans are on the thighs, 0 to 1.
        tights: Reflectance of stockings, or None.
        belt: Reflectance of a belt, or None.
    """

    kind: BottomKind
    cloth: Cloth
    end: float
    width: float
    tail: float | None
    flare: float
    wear: float
    tights: Reflectance | None
    belt: Reflectance | None


@dataclass(frozen=True)
class Shoes:
    """Shoes or boots: upper, sole, sock, and how far above the ankle the upper reaches."""

    upper: Reflectance
    sole: Reflectance
    sock: Reflectance
    height: float


@dataclass(frozen=True)
class Head:
    """Skin, hair and what is worn on the head.

    Attributes:
        skin: Reflectance of skin.
        hair: Reflectance of hair.
        style: Kind of hair.
        volume: Thickness of the hair on the scalp.
        length: Where loose hair ends, measured from the neck; or None.
        fringe: How far the hair comes down the forehead.
        beard: Share of hair in the beard's colour, 0 to 1.
        glasses: Worn.
        hat: Kind of hat, or None.
        hat_cloth: Reflectance of the hat.
        brim: The cap's brim is seen (0 none, 1 in front, -1 turned back).
        mask: Reflectance of a mask over mouth and nose, or None.
        scarf: Cloth of a scarf, or None.
    """

    skin: Reflectance
    hair: Reflectance
    style: HairStyle
    volume: float
    length: float | None
    fringe: float
    beard: float
    glasses: bool
    hat: Hat | None
    hat_cloth: Reflectance
    brim: int
    mask: Reflectance | None
    scarf: Cloth | None


@dataclass(frozen=True)
class Carried:
    """A bag: kind, cloth, second colour, side (1 left, -1 right), half sizes and strap width."""

    kind: BagKind
    cloth: Reflectance
    second: Reflectance
    side: int
    half_size: tuple[float, float, float]
    strap: float
    lift: float


@dataclass(frozen=True)
class Outfit:
    """What somebody wears, the inner top first."""

    tops: tuple[Top, ...]
    bottom: Bottom
    shoes: Shoes
    head: Head
    bag: Carried | None
