"""Places on a body become reflectances: the colour of every covered sample of an image.

Letter: N samples. Each part of a figure has its own rule; a rule reads where a sample lies on the
naked body (see ``figure.ATTRIBUTES``), so patterns, seams and edges stay sharp at any size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.body import AXIS_Z
from fprnet_lab.people.cloth import Cloth
from fprnet_lab.people.garments import Part
from fprnet_lab.people.outfit import Outfit, Top
from fprnet_lab.people.person import Person

__all__ = ["painted"]

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
FRAMES = np.array([0.02, 0.02, 0.02, 0.1], np.float32)  # of glasses
EYES = np.array([0.05, 0.045, 0.04, 0.12], np.float32)
LIPS = np.array([0.75, 0.5, 0.5, 0.95], np.float32)


def painted(
    person: Person,
    outfit: Outfit,
    parts: NDArray[np.int8],
    places: Floats,
    bag_centre: tuple[float, float, float] | None,
) -> Floats:
    """Return the reflectance of samples.

    Args:
        person: Whose.
        outfit: What is worn in this image.
        parts: Part of each sample, (N,).
        places: Attributes of each sample, (7, N).
        bag_centre: Centre of the bag at rest, or None.

    Returns:
        (N, 4): red, green, blue, near infrared; 0 to 1.
    """
    colour = np.empty((len(parts), 4), np.float32)
    order = np.argsort(parts, kind="stable")
    kinds, starts = np.unique(parts[order], return_index=True)
    stops = [*starts[1:].tolist(), len(parts)][: len(kinds)]
    painter = _Painter(person, outfit, bag_centre)
    for kind, start, stop in zip(kinds.tolist(), starts.tolist(), stops, strict=True):
        chosen = order[start:stop]
        colour[chosen] = painter.part(Part(kind), places[:, chosen])
    return colour


class _Painter:
    """The rules of one person in one outfit."""

    def __init__(
        self, person: Person, outfit: Outfit, bag_centre: tuple[float, float, float] | None
    ) -> None:
        self.outfit, self.measures = outfit, person.measures
        self.eyes = person.eyes
        self.bag_centre = bag_centre
        self.male, self.old = person.shape.male, person.shape.old
        self.skin = outfit.head.skin

    def part(self, part: Part, places: Floats) -> Floats:
        """Return the colours (N, 4) of samples of one part."""
        head, tops = self.outfit.head, self.outfit.tops
        if part == Part.BASE:
            return self._base(places)
        if part == Part.HEAD:
            return self._head(places)
        if part in (Part.TOP, Part.OUTER):
            return self._top(places, part - Part.TOP)
        if part in (Part.TAIL, Part.OUTER_TAIL):
            return self._tail(places, tops[part - Part.TAIL])
        if part == Part.SKIRT:
            across, down = _around(places)
            return self.outfit.bottom.cloth.at(across, down)
        if part == Part.BAG:
            return self._bag(places)
        if part == Part.SCARF and head.scarf is not None:
            across, down = _around(places)
            return head.scarf.at(across, down)
        flat = {
            Part.HANDS: self.skin,
            Part.HAIR: head.hair,
            Part.KNOT: head.hair,
            Part.BRIM: head.hat_cloth,
            Part.HOOD: tops[-1].cloth.ground * np.float32(0.9),
        }[part]
        return np.repeat(flat[None], places.shape[1], 0)

    def _base(self, places: Floats) -> Floats:
        x, y, z, arm = places[0], places[1], places[2], places[3]
        measures, bottom, shoes = self.measures, self.outfit.bottom, self.outfit.shoes
        colour = np.repeat(self.skin[None], places.shape[1], 0)
        trunk = arm < 0.5
        leg = y < measures.crotch + 0.1
        outward = np.abs(x) - np.interp(-y, [-measures.crotch, -measures.ankle], [1.0, 1.7])
        across = np.where(
            leg, np.arctan2(outward, z - 0.1) * 0.9, np.arctan2(x, z - AXIS_Z) * 1.35
        ).astype(np.float32)
        if bottom.kind not in ("skirt", "none"):
            worn = trunk & (y < measures.waist + 0.4) & (y > bottom.end)
            colour[worn] = bottom.cloth.at(across[worn], y[worn])
            if bottom.wear:
                thigh = (measures.crotch + measures.knee) / 2
                front = np.clip(z - 0.1, 0, 1) * np.exp(-(((y - thigh) / 2.2) ** 2))
                colour[worn] *= (1 + bottom.wear * 0.5 * front[worn])[:, None]
            seam = worn & (np.abs(z - 0.1) < 0.17) & leg & (outward > 0.25)
            if bottom.cloth.pattern == "side" and bottom.cloth.second is not None:
                colour[seam] = bottom.cloth.second
            if bottom.belt is not None:
                colour[worn & (y > measures.waist + 0.1)] = bottom.belt
            colour[worn & (y < bottom.end + 0.1)] *= np.float32(0.8)
        elif bottom.tights is not None:
            colour[trunk & (y < measures.waist)] = bottom.tights
        shoe = trunk & (y < measures.ankle + shoes.height)
        if bottom.tights is None:
            colour[trunk & (y < measures.ankle + shoes.height + 0.35) & (y < bottom.end)] = (
                shoes.sock
            )
        colour[shoe] = shoes.upper
        colour[shoe & (y < measures.ankle - 0.53)] = shoes.sole
        return colour

    def _top(self, places: Floats, layer: int) -> Floats:
        x, y, z, arm = places[0], places[1], places[2], places[3]
        along, measures, top = places[4], self.measures, self.outfit.tops[layer]
        trunk = arm < 0.5
        front = z > 0.12
        across, down = _around(places)
        sleeve = np.arctan2(z - 0.4, np.float32(1)) * 1.2 + y * 0.3
        across = np.where(trunk, across, sleeve).astype(np.float32)
        down = np.where(trunk, y, measures.neck - along * 5).astype(np.float32)
        colour = top.cloth.at(across, down)
        if top.sleeves is not None:
            colour[~trunk] = top.sleeves
        if top.cloth.print is not None and top.cloth.second is not None:
            _stamp(colour, top.cloth, places, trunk, front, measures.chest)
        if top.collar is not None:
            colour[trunk & (y > measures.neck - 0.35)] = top.collar * np.float32(0.92)
        if top.fastening is not None and not top.opening:
            line = trunk & front & (np.abs(x) < 0.06)
            if top.kind == "polo":
                line &= y > measures.neck - 1.3
            colour[line] = top.fastening
        colour[trunk & (y < top.hem + 0.08)] *= np.float32(0.7)
        colour[~trunk & (along > top.sleeve - 0.03)] *= np.float32(0.75)
        if top.opening:
            gap = np.clip(top.opening * (0.55 + (measures.neck - y) * 0.13), 0.12, 1.3)
            colour[trunk & front & (np.abs(x) < gap + 0.09)] *= np.float32(0.65)
        edge = measures.neck - 0.1 + 0.25 * (np.abs(x) > 0.3)
        depth = top.neckline * np.clip(1 - np.abs(x) / 0.75, 0, 1) * 1.3
        bare = trunk & (y > edge + 0.12 - np.where(front, depth, 0))
        colour[bare] = self.outfit.tops[0].cloth.ground if layer else self.skin
        self._straps(colour, places, trunk & ~bare)
        return colour

    def _straps(self, colour: Floats, places: Floats, worn: Flags) -> None:
        x, y, z = places[0], places[1], places[2]
        carried, measures = self.outfit.bag, self.measures
        if carried is None or self.bag_centre is None:
            return
        if carried.kind == "backpack":
            line = np.abs(np.abs(x) - 1) < carried.strap
            line &= (y > self.bag_centre[1] - 1.2) & ((z > 0.12) | (y > measures.neck - 0.9))
            colour[worn & line] = carried.cloth
        elif carried.kind == "shoulder bag":
            offset = (x * carried.side + 1) * 0.8 - (measures.neck - y - 0.3) * 0.42
            line = np.abs(offset) < carried.strap * 0.6
            line &= (y > measures.crotch + 0.6) & (y < measures.neck + 0.3)
            colour[worn & line] = carried.cloth

    def _tail(self, places: Floats, top: Top) -> Floats:
        across, down = _around(places)
        colour = top.cloth.at(across, down)
        if top.fastening is not None and not top.opening:
            colour[(np.abs(places[0]) < 0.06) & (places[2] > 0.12)] = top.fastening
        return colour

    def _bag(self, places: Floats) -> Floats:
        carried = self.outfit.bag
        if carried is None or self.bag_centre is None:
            raise AssertionError("a figure without a bag has no samples of one")
        colour = np.repeat(carried.cloth[None], places.shape[1], 0)
        up, half = places[1] - self.bag_centre[1], carried.half_size[1]
        if carried.kind == "backpack":
            pocket = (np.abs(up + half * 0.35) < half * 0.4) & (places[2] < self.bag_centre[2])
        else:
            pocket = up > half * 0.4
        colour[pocket] = carried.second
        colour[np.abs(up - half * 0.1) < 0.05] *= np.float32(0.6)
        return colour

    def _head(self, places: Floats) -> Floats:
        head, eye = self.outfit.head, self.eyes[0]
        colour = np.repeat(self.skin[None], places.shape[1], 0)
        across = np.abs(places[0]) / eye[0]  # 0 in the middle, 1 at the eye
        up, forward = places[1] - eye[1], places[2] - eye[2]
        x, scalp = np.abs(places[0]), places[5]
        face = forward > -0.35
        beside = (across - 1) * 0.29
        mouth = np.hypot(across * 0.29 / 0.26, (up + 0.78) / 0.085) < 1
        colour[face & (np.abs(across - 1) < 0.95) & (np.abs(up) < 0.2)] *= np.float32(0.85)
        colour[face & (across < 0.35) & (np.abs(up + 0.42) < 0.07)] *= np.float32(0.72)
        brow = np.hypot(beside / 0.26, (up - 0.26 - 0.04 * self.male) / 0.06) < 1
        colour[face & brow] = colour[face & brow] * 0.35 + head.hair * np.float32(0.65)
        colour[face & (np.hypot(beside / 0.2, up / 0.075) < 1)] = EYES
        colour[face & mouth] *= LIPS
        if head.glasses:
            ring = np.hypot(beside / 0.27, up / 0.2)
            frame = (ring < 1) & (ring > 0.78)
            frame |= (np.abs(up) < 0.05) & ((across > 1.7) | (across < 0.2))
            colour[face & frame] = FRAMES
        if head.beard:
            beard = (up < -0.55) & (up > -1.35) & (forward > -0.75) & ~mouth
            colour[beard] += np.float32(head.beard) * (head.hair - colour[beard])
        ear = (x > 0.68) & (up > -0.4) & (up < 0.18) & (forward > -1.15) & (forward < -0.65)
        hairy = (scalp > 0.25) & ~(ear & (head.length is None))
        if head.style == "bald":
            stubble = hairy & (up < 0.45)
            colour[stubble] = colour[stubble] * 0.6 + head.hair * np.float32(0.4)
        else:
            colour[hairy] = head.hair
        if head.hat == "cap":
            colour[up > 0.42 - 0.1 * (forward + 0.5)] = head.hat_cloth
        elif head.hat == "beanie":
            colour[(up > 0.36) | ((forward < -0.6) & (up > -0.15))] = head.hat_cloth
        elif head.hat == "hood":
            colour[(scalp > 0.05) | (forward < -0.45) | (up > 0.6)] = head.hat_cloth
        if head.mask is not None:
            colour[(up < -0.3) & (up > -1.15) & (forward > -0.6)] = head.mask
        top = self.outfit.tops[-1]
        if top.collar is not None:
            colour[places[1] < self.measures.neck + 0.25] = top.collar
        return colour


def _around(places: Floats) -> tuple[Floats, Floats]:
    """Return decimetres around the trunk from the front's middle, and the height, (N,)."""
    angle = np.arctan2(places[0], places[2] - np.float32(AXIS_Z))
    return angle * np.float32(1.35), places[1]


def _stamp(
    colour: Floats, cloth: Cloth, places: Floats, trunk: Flags, front: Flags, chest: float
) -> None:
    """Print a picture on the chest, and on the back where it has one, in place."""
    picture, ink = cloth.print, cloth.second
    if picture is None or ink is None:
        return
    x, up = places[0] - picture.offset[0], places[1] - chest - picture.offset[1]
    inside = trunk & (np.abs(x) < picture.half_width) & (np.abs(up) < picture.half_height)
    if not picture.on_back:
        inside &= front
    flip = np.where(front[inside], 1, -1)
    column = ((x[inside] * flip / picture.half_width + 1) * 15.99).astype(int).clip(0, 31)
    row = ((1 - up[inside] / picture.half_height) * 15.99).astype(int).clip(0, 31)
    share = picture.ink[row, column][:, None]
    colour[inside] += share * (ink - colour[inside])
