"""A body becomes the shells of its garments: cut at hem and cuffs, pushed outwards, perhaps open.

Letters: V vertices, Q quads. Decimetres; x to the person's left, y up, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fprnet_lab.people.body import AXIS_Z, Body, smooth
from fprnet_lab.people.outfit import Outfit, Top

__all__ = ["Part", "Shell", "covered", "covered_legs", "dressed_legs", "tail_shell", "top_shells"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]


class Part(IntEnum):
    """What a triangle belongs to; ``TOP`` and ``TAIL`` plus 1 are the outer garment's."""

    BASE = 0  # legs with trousers and shoes, bare arms, throat
    HEAD = 1
    HANDS = 2
    HAIR = 3
    KNOT = 4  # a bun or a tail
    BRIM = 5
    BAG = 6
    SKIRT = 7
    TOP = 8
    OUTER = 9
    TAIL = 10
    OUTER_TAIL = 11
    HOOD = 12
    SCARF = 13


@dataclass(frozen=True)
class Shell:
    """Faces (Q, 4) of the template with positions of their own (V, 3)."""

    part: Part
    positions: Floats
    quads: Indices


def covered(body: Body, top: Top, *, opening: float) -> NDArray[np.bool_]:
    """Return which vertices a garment covers for certain, (V,)."""
    y = body.vertices[:, 1]
    trunk = (body.arm < 0.5) & (y > top.hem + 0.5) & (y < body.measures.neck - 1.1)
    trunk &= y > body.measures.crotch + 0.3
    if top.kind == "tank":
        trunk &= y < body.measures.neck - 1.8
    if opening:
        trunk &= body.vertices[:, 2] < -0.25
    sleeve = (body.arm >= 0.5) & (body.along < top.sleeve - 0.12) & (body.along > 0.12)
    return np.asarray(trunk | sleeve)


def covered_legs(body: Body, outfit: Outfit) -> NDArray[np.bool_]:
    """Return which vertices of the legs a closed skirt, dress or coat covers for certain, (V,)."""
    tails = [top.tail for top in outfit.tops if top.tail is not None and not top.opening]
    if outfit.bottom.tail is not None:
        tails.append(outfit.bottom.tail)
    y = body.vertices[:, 1]
    if not tails:
        return np.zeros(len(y), bool)
    high = body.measures.waist - 0.6
    return np.asarray((body.arm < 0.5) & (y > min(tails) + 0.9) & (y < high))


def _hung(body: Body, hem: float, loose: float, reach: float) -> Floats:
    """Return how far cloth hangs away from the trunk, (V,): from what sticks out above."""
    vertices, measures = body.vertices, body.measures
    y = vertices[:, 1]
    trunk = (body.arm < 0.5) & (y > hem - 0.3) & (y < measures.neck - 0.3)
    angle = np.arctan2(vertices[:, 0], vertices[:, 2] - AXIS_Z)
    radius = np.hypot(vertices[:, 0], vertices[:, 2] - AXIS_Z)
    rows = np.clip(((measures.neck - y) / 0.25).astype(int), 0, 39)
    sectors = ((angle + np.pi) / (2 * np.pi) * 24).astype(int) % 24
    furthest = np.zeros((40, 24), np.float32)
    np.maximum.at(furthest, (rows[trunk], sectors[trunk]), radius[trunk])
    beside = np.maximum(np.roll(furthest, 1, 1), np.roll(furthest, -1, 1)) * np.float32(0.97)
    furthest = np.maximum(furthest, beside)
    furthest[:5] = np.minimum(furthest[:5], 1.2)  # cloth does not hang from the shoulders' width
    for row in range(1, 40):
        furthest[row] = np.maximum(furthest[row], furthest[row - 1] * np.float32(0.985))
    furthest = gaussian_filter(furthest, 1.0, mode=("nearest", "wrap"))
    place = (angle + np.pi) / (2 * np.pi) * 24 - 0.5
    sector = np.floor(place).astype(int)
    share = (place - sector).astype(np.float32)
    hull = furthest[rows, sector % 24] * (1 - share) + furthest[rows, (sector + 1) % 24] * share
    ease = np.clip(loose * (hull * np.float32(0.99) - radius), 0, reach)
    fade = smooth(0, 1, (measures.neck - 0.6 - y) / 1.2) * np.clip(1 - body.arm * 2, 0, 1)
    return np.asarray(ease * fade * trunk, np.float32)


def top_shells(body: Body, top: Top, layer: int, over: Top | None) -> list[Shell]:
    """Return a garment's shells: trunk with sleeves, and its tail where it is long.

    Args:
        body: Naked body.
        top: The garment.
        layer: 0 next to the skin, 1 over another.
        over: The garment over it, whose covered part is left out.
    """
    vertices, measures = body.vertices, body.measures
    y = vertices[:, 1]
    on_arm = body.arm >= 0.5
    trunk = ~on_arm & (y < measures.neck + 0.4)
    inside = np.asarray(np.where(on_arm, body.along < top.sleeve, trunk & (y > top.hem)))
    if top.kind == "tank":
        inside &= ~((np.abs(vertices[:, 0]) > 1.25) & (y > measures.neck - 1.2))
    quads = body.mesh.faces["tights"]
    kept = np.asarray(inside[quads].any(1) & (on_arm | trunk)[quads].all(1))
    if top.sleeve <= 0:
        kept = np.asarray(inside[quads].all(1))
    if over is not None:
        hidden = covered(body, over, opening=over.opening)
        kept &= ~hidden[quads].all(1)

    # Cut at the hem and at the cuffs: vertices beyond move onto the edge.
    cut = vertices.copy()
    beyond = trunk & (y < top.hem)
    cut[beyond, 1] = top.hem
    beyond = on_arm & (body.along > top.sleeve)
    length = np.linalg.norm(body.joint("upperarm_l") - body.joint("lowerarm_l")) + np.linalg.norm(
        body.joint("lowerarm_l") - body.joint("hand_l")
    )
    down = body.joint("lowerarm_l") - body.joint("upperarm_l")
    if top.sleeve > 0.5:
        down = body.joint("hand_l") - body.joint("lowerarm_l")
    back = ((body.along - top.sleeve) * length)[:, None] * down / np.linalg.norm(down)
    back[:, 0] *= body.side
    cut[beyond] -= np.clip(back, -0.6, 0.6)[beyond].astype(np.float32)

    angle = np.arctan2(vertices[:, 0], vertices[:, 2] - AXIS_Z)
    radial = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], 1).astype(np.float32)
    lift = np.float32(0.03 + 0.05 * layer)
    push = _hung(body, top.hem, top.loose, 0.8 + 0.3 * layer)
    shell = cut + radial * push[:, None]
    upper = smooth(measures.neck + 0.3, measures.neck - 0.5, y)
    shell += body.normals * ((top.thickness * (0.35 + 0.65 * upper) + lift) * trunk)[:, None]
    _widen_sleeves(body, top, shell, float(lift))
    if top.quilted:
        seam = np.abs(np.sin(np.pi * (y + np.where(on_arm, body.along * 5, 0)) / top.quilted))
        shell += body.normals * (0.07 * np.sqrt(seam))[:, None].astype(np.float32)
    if top.opening:
        quads, shell = _opened(body, top, quads, kept, shell)
        kept = np.ones(len(quads), bool)
    shells = [Shell(Part(Part.TOP + layer), shell, quads[kept])]
    if top.tail is not None:
        gap = top.thickness + 0.06 + lift
        flare = 1.0 if top.kind == "dress" else 0.92
        part = Part(Part.TAIL + layer)
        shells.append(tail_shell(body, part, top.tail, float(gap), flare, top.opening))
    return shells


def _widen_sleeves(body: Body, top: Top, shell: Floats, lift: float) -> None:
    """Push the sleeves outwards from the arm's axis, in place."""
    arm = body.arm >= 0.5
    away = body.left() - body.arm_axis
    distance = np.linalg.norm(away, axis=1) + np.float32(1e-6)
    wide = np.interp(body.along, [0, 0.5, 1], [0.6, 0.52, 0.42]) * (0.75 + 0.5 * top.loose)
    if top.sleeve < 0.6:
        wide = wide * 1.08
    ease = np.maximum(distance + top.thickness * 0.7 + lift, wide + lift) - distance
    ease = ease * arm * smooth(-0.15, 0.2, body.along)
    offset = away / distance[:, None] * ease[:, None].astype(np.float32)
    offset[:, 0] *= body.side
    shell += offset


def _opened(
    body: Body, top: Top, quads: Indices, kept: NDArray[np.bool_], shell: Floats
) -> tuple[Indices, Floats]:
    """Cut a shell open in front and draw its edges apart."""
    vertices = body.vertices
    gap = np.clip(top.opening * (0.55 + (body.measures.neck - vertices[:, 1]) * 0.13), 0.12, 1.3)
    front = (vertices[:, 2] > AXIS_Z) & (body.arm < 0.5)
    middle = front & (np.abs(vertices[:, 0]) < gap)
    opened = shell.copy()
    sign = np.where(vertices[:, 0] >= 0, 1, -1)
    opened[middle, 0] = (sign * gap)[middle]
    opened[middle, 2] += 0.04
    low, high = vertices[quads, 0].min(1), vertices[quads, 0].max(1)
    between = front[quads].all(1) & (middle[quads].all(1) | ((low < -1e-3) & (high > 1e-3)))
    return quads[kept & ~between], opened


def tail_shell(
    body: Body,
    part: Part,
    end: float,
    gap: float,
    flare: float,
    opening: float,
) -> Shell:
    """Return the hanging part of a skirt, dress or coat.

    Args:
        body: Naked body.
        part: What it belongs to.
        end: Height of its lower edge.
        gap: Distance from the helper surface.
        flare: Width at the lower edge against the helper surface's.
        opening: Half the gap in front at the neck; 0 where it is closed.
    """
    quads = body.mesh.faces["skirt"]
    vertices = body.vertices
    y = vertices[:, 1]
    kept = (y[quads] > end).any(1)
    positions = vertices + body.normals * np.float32(gap)
    used = np.unique(quads)
    top = y[used].max()
    positions[:, 1] = np.maximum(positions[:, 1], end)
    share = np.clip((top - y) / max(top - end, 0.5), 0, 1).astype(np.float32)
    factor = 1 + (np.float32(flare) - 1) * share
    positions[:, 0] *= factor
    positions[:, 2] = AXIS_Z + (positions[:, 2] - AXIS_Z) * factor
    if opening:
        front = vertices[:, 2] > AXIS_Z
        gap_width = np.clip(opening * (0.55 + (body.measures.neck - y) * 0.13), 0.12, 1.6)
        middle = front & (np.abs(vertices[:, 0]) < gap_width)
        positions[middle, 0] = (np.where(vertices[:, 0] >= 0, 1, -1) * gap_width)[middle]
        low, high = vertices[quads, 0].min(1), vertices[quads, 0].max(1)
        between = front[quads].all(1) & (middle[quads].all(1) | ((low < -1e-3) & (high > 1e-3)))
        kept &= ~between
    return Shell(part, positions.astype(np.float32), quads[kept])


def dressed_legs(body: Body, outfit: Outfit) -> Floats:
    """Return the positions of the base layer: trouser legs and shoes."""
    measures, bottom, shoes = body.measures, outfit.bottom, outfit.shoes
    vertices, normals = body.vertices, body.normals
    positions = vertices.copy()
    y = vertices[:, 1]
    hip, knee, foot = (body.joint(bone) for bone in ("thigh_l", "calf_l", "foot_l"))
    heights = [-hip[1], -knee[1], -foot[1]]
    axis_x = np.interp(-y, heights, [hip[0], knee[0], foot[0]])
    axis_z = np.interp(-y, heights, [hip[2], knee[2] - 0.1, foot[2] - 0.1])
    dx, dz = body.left()[:, 0] - axis_x, vertices[:, 2] - axis_z
    radius = np.hypot(dx, dz) + 1e-6
    on_leg = (y < measures.crotch + 0.1) & (body.arm < 0.5) & (body.leg > 0.4)
    if bottom.kind in ("jeans", "trousers", "shorts"):
        at_knee = max(0.72, bottom.width * 0.85)
        if bottom.kind == "shorts":
            wide = np.interp(y, [bottom.end, measures.crotch], [bottom.width, 1.05])
        else:
            wide = np.where(
                y > measures.knee,
                np.interp(y, [measures.knee, measures.crotch], [at_knee, 1.0]),
                np.interp(y, [measures.ankle, measures.knee], [bottom.width, at_knee]),
            )
        ease = np.maximum(radius + 0.06, np.minimum(wide, radius + 0.5)) - radius
        worn = smooth(-0.06, 0.06, y - bottom.end) * smooth(0.1, -0.9, y - measures.crotch)
        between_legs = 1 - smooth(-0.1, -0.9, dx.astype(np.float32)) * 0.75
        ease = ease * worn * on_leg * between_legs
        positions[:, 0] += dx / radius * ease * body.side
        positions[:, 2] += dz / radius * ease
    shoe = (y < measures.ankle + shoes.height) & (body.arm < 0.5)
    positions[shoe] += normals[shoe] * np.float32(0.1)
    positions[shoe & (y < measures.ankle - 0.4), 1] -= 0.07
    return positions
