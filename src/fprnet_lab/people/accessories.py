"""A head and a bag become surfaces: hair, hat, hood, scarf, and what is carried.

Letters: V vertices, Q quads. Decimetres; x to the person's left, y up, z forward.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.body import Body, smooth
from fprnet_lab.people.garments import Part, Shell
from fprnet_lab.people.outfit import Carried, Head, Top
from fprnet_lab.people.shapes import ellipsoid

__all__ = ["Shape", "bag", "hair_region", "haired", "hat_and_hair", "hood", "scarf"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
Shape = tuple[Part, Floats, Indices, dict[str, float]]  # part, vertices, quads, weights by bone


def hair_region(body: Body, head: Head) -> tuple[Floats, Floats]:
    """Return where hair grows, 0 to 1, and the height of the hairline over the eyes, each (V,)."""
    used = np.unique(body.mesh.faces["head"])
    up, forward = body.vertices[:, 1] - body.eyes[0, 1], body.vertices[:, 2] - body.eyes[0, 2]
    hairline = np.interp(
        -forward,
        [-0.4, 0.1, 0.5, 0.85, 1.05, 1.3],
        [0.62 - head.fringe, 0.5 - head.fringe / 2, 0.3, -0.05, -0.6, -0.8],
    ).astype(np.float32)
    scalp = np.zeros(len(body.vertices), np.float32)
    scalp[used] = smooth(-0.02, 0.12, up - hairline)[used]
    return scalp, hairline


def haired(body: Body, head: Head, scalp: Floats, rng: np.random.Generator) -> Floats:
    """Return positions (V, 3) with the hair's thickness on the scalp."""
    first, second = (rng.normal(size=(2, 3)) * 2.2).astype(np.float32)
    wave = np.ones(len(scalp), np.float32)
    if head.hat is None:
        lumps = np.sin((body.vertices * first).sum(1)) * np.sin((body.vertices * second).sum(1))
        wave += np.float32(0.35) * lumps
    volume = head.volume if head.hat is None else 0.12
    return body.vertices + body.normals * (scalp * wave * np.float32(volume))[:, None]


def hat_and_hair(body: Body, head: Head, rng: np.random.Generator) -> list[Shell | Shape]:
    """Return loose hair, a knot or tail, and a brim."""
    found: list[Shell | Shape] = []
    eye = body.eyes[0]
    if head.length is not None and head.hat != "hood":
        quads = body.mesh.faces["hair"]
        middle = body.vertices[quads].mean(1)
        face = (middle[:, 2] > eye[2] - 0.3) & (middle[:, 1] < eye[1] + 0.5)
        face &= np.abs(middle[:, 0]) < 0.78
        low = body.joint("neck_01")[1] + 0.5 + head.length
        kept = (body.vertices[quads, 1].max(1) > low) & ~face
        positions = body.vertices + body.normals * np.float32(rng.uniform(-0.02, 0.12))
        ragged = low + 0.12 * np.sin(body.vertices[:, 0] * 7 + 3 * body.vertices[:, 2])
        hair = np.unique(quads)
        positions[hair, 1] = np.maximum(positions[hair, 1], ragged[hair])
        found.append(Shell(Part.HAIR, positions.astype(np.float32), quads[kept]))
    height = rng.uniform(-0.3, 0.6)
    knot = (0.0, float(eye[1]) + height, float(eye[2]) - 1.75)
    if head.hat in (None, "cap") and head.style == "bun":
        found.append((Part.KNOT, *ellipsoid(knot, (0.33,) * 3, rings=8, sectors=10, power=2),
                      {"head": 1.0}))  # fmt: skip
    elif head.hat in (None, "cap") and head.style == "tail":
        length = rng.uniform(0.6, 1.4)
        centre = (0.0, knot[1] - length + 0.2, knot[2] - 0.1)
        shape = ellipsoid(centre, (0.22, length, 0.22), rings=10, sectors=10, power=2)
        found.append((Part.KNOT, *shape, {"head": 0.6, "neck_01": 0.4}))
    if head.brim:
        centre = (0.0, float(eye[1]) + 0.48, float(eye[2]) - 0.35 + head.brim * 0.75)
        shape = ellipsoid(centre, (0.7, 0.06, 0.68), rings=6, sectors=14, power=2)
        found.append((Part.BRIM, *shape, {"head": 1.0}))
    return found


def hood(body: Body, top: Top) -> Shape:
    """Return a hood that lies on the back."""
    back = _back(body, body.measures.neck - 0.4)
    centre = (0.0, body.measures.neck - 0.15, back + 0.12 - top.thickness * 0.5)
    shape = ellipsoid(centre, (0.95, 0.5, 0.42), rings=10, sectors=14, power=2.2)
    return (Part.HOOD, *shape, {"spine_03": 0.6, "neck_01": 0.4})


def scarf(body: Body) -> Shape:
    """Return a scarf around the neck."""
    neck = body.joint("neck_01")
    centre = (0.0, float(neck[1]) + 0.18, float(neck[2]) + 0.12)
    shape = ellipsoid(centre, (0.82, 0.4, 0.85), rings=10, sectors=18, power=2.6)
    return (Part.SCARF, *shape, {"neck_01": 0.7, "spine_03": 0.3})


def bag(
    body: Body, carried: Carried, thickness: float
) -> tuple[Shape, tuple[float, float, float], str | None]:
    """Return a bag, its centre at rest, and the bone of the hand that it hangs from, if one."""
    width, height, depth = carried.half_size
    measures = body.measures
    if carried.kind == "backpack":
        back = _back(body, measures.chest - 0.9) - thickness
        centre = (0.0, measures.chest - 0.15 + carried.lift, back - depth * 0.75)
        weights: dict[str, float] = {"spine_03": 0.7, "spine_02": 0.3}
        hand = None
    elif carried.kind == "shoulder bag":
        level = measures.crotch + 0.6 + carried.lift
        trunk = (body.arm < 0.5) & (np.abs(body.vertices[:, 1] - level) < 0.8)
        hip = float(np.abs(body.vertices[trunk, 0]).max())
        centre = (carried.side * (hip + width * 0.6 + thickness), level, 0.1)
        weights, hand = {"pelvis": 1.0}, None
    else:
        hand = "hand_l" if carried.side > 0 else "hand_r"
        wrist = body.joint(hand)
        centre = (
            float(wrist[0]) + carried.side * 0.3,
            float(wrist[1]) - 0.7 - height,
            float(wrist[2]) + 0.5,
        )
        weights = {hand: 1.0}
    shape = ellipsoid(centre, (width, height, depth))
    return (Part.BAG, *shape, weights), centre, hand


def _back(body: Body, height: float) -> float:
    """Return the depth of the back near a height."""
    near = (body.arm < 0.5) & (np.abs(body.vertices[:, 0]) < 0.8)
    near &= np.abs(body.vertices[:, 1] - height) < 1
    return float(body.vertices[near, 2].min())
