"""Proportions, a walk and a direction become the joints of a person on the screen.

Body coordinates: lengths in statures (1 is the person's height), x to the right of a person seen
from the front, y up from the ground, z out of the chest. Screen coordinates: pixels, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.random import Generator

from fprnet_lab.synthetic.draws import bounded

__all__ = ["Body", "Projection", "Vector", "Walk", "draw_body", "joints"]

Vector = tuple[float, float, float]
SOLE = 0.035  # height of the ankle above the ground, in statures


@dataclass(frozen=True)
class Body:
    """What a person keeps from image to image: build, stance and gait."""

    stature: float  # height against the average, which the crop mostly takes away again
    leg: float  # height of the hip joint, in statures
    girth: float  # thickness of torso and limbs, 1 is average
    shoulders: float  # half width between the shoulder joints, in statures
    hips: float  # half width of the pelvis, in statures
    head: float  # size of the head, 1 is average
    stance: float  # lateral distance of the feet from the middle, in statures
    stride: float  # swing of the thighs in radians
    arm_swing: float  # swing of the arms in radians
    arm_gap: float  # angle of the arms away from the body in radians
    elbow: float  # bend of the elbows in radians
    lean: float  # forward lean of the torso in radians


@dataclass(frozen=True)
class Walk:
    """What changes from image to image: the moment of the gait."""

    phase: float  # moment of the stride in radians
    effort: float  # 0 stands, 1 walks as the body's gait says
    raised_hand: int  # side (-1, 1) of a hand at the ear, 0 for none


@dataclass(frozen=True)
class Projection:
    """A camera far away that looks down by ``pitch``; ``yaw`` turns the person.

    ``x`` and ``y`` are the pixels of the point on the ground between the feet, ``scale`` the
    pixels of one stature.
    """

    x: float
    y: float
    scale: float
    yaw: float
    pitch: float

    def __call__(self, point: Vector) -> Vector:
        """Return the screen's x and y and the nearness (in statures) of a body point."""
        x, y, z = point
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        right, near = x * c + z * s, z * c - x * s
        down = y * math.cos(self.pitch) - near * math.sin(self.pitch)
        return self.x + self.scale * right, self.y - self.scale * down, near

    def half_width(self, lateral: float, depth: float) -> float:
        """Return the half width in pixels of an upright elliptic cylinder's outline."""
        return self.scale * math.hypot(lateral * math.cos(self.yaw), depth * math.sin(self.yaw))


def draw_body(rng: Generator) -> Body:
    """Draw the build and gait of a person."""
    girth = bounded(rng, 1.0, 0.14, 0.78, 1.4)
    return Body(
        stature=bounded(rng, 1.0, 0.05, 0.86, 1.12),
        leg=float(rng.uniform(0.465, 0.53)),
        girth=girth,
        shoulders=float(rng.uniform(0.088, 0.118)),
        hips=float(rng.uniform(0.07, 0.088)) * (0.75 + 0.25 * girth),
        head=float(rng.uniform(0.92, 1.12)),
        stance=float(rng.uniform(0.028, 0.062)),
        stride=float(rng.uniform(0.25, 0.55)),
        arm_swing=float(rng.uniform(0.1, 0.6)),
        arm_gap=float(rng.uniform(0.06, 0.22)),
        elbow=float(rng.uniform(0.1, 0.7)),
        lean=float(rng.uniform(-0.03, 0.1)),
    )


def joints(body: Body, walk: Walk) -> dict[str, Vector]:
    """Return the body points by name; limbs end in ``-1`` and ``1`` for the two sides.

    Names: pelvis, neck, head, and per side hip, knee, ankle, toe, shoulder, elbow, wrist, hand.
    """
    thigh = (body.leg - SOLE) * 0.52
    shin = (body.leg - SOLE) - thigh
    legs: dict[int, tuple[Vector, Vector]] = {}
    for side in (-1, 1):
        phase = walk.phase + (math.pi if side > 0 else 0.0)
        swing = walk.effort * body.stride * math.sin(phase)
        bend = 0.06 + walk.effort * body.stride * 1.5 * max(0.0, math.cos(phase)) ** 2
        outwards = side * (body.stance - 0.55 * body.hips) * 0.5
        knee = (outwards, -thigh * math.cos(swing), thigh * math.sin(swing))
        low = swing - bend
        ankle = (
            2 * outwards,
            knee[1] - shin * math.cos(low),
            knee[2] + shin * math.sin(low),
        )
        legs[side] = (knee, ankle)
    pelvis_height = SOLE - min(ankle[1] for _, ankle in legs.values())
    pelvis = (0.0, pelvis_height, 0.0)
    torso = 0.835 - body.leg
    rise, forward = torso * math.cos(body.lean), torso * math.sin(body.lean)
    neck = (0.0, pelvis_height + rise, forward)
    found: dict[str, Vector] = {
        "pelvis": pelvis,
        "neck": neck,
        "head": (0.0, neck[1] + 0.092, forward * 1.2 + 0.008),
    }
    for side in (-1, 1):
        knee, ankle = legs[side]
        hip = (side * body.hips * 0.55, pelvis_height, 0.0)
        found[f"hip{side}"] = hip
        found[f"knee{side}"] = _add(hip, knee)
        found[f"ankle{side}"] = _add(hip, ankle)
        foot = _add(hip, ankle)
        lift = min(0.05, 0.6 * (foot[1] - SOLE))
        found[f"toe{side}"] = (foot[0] + side * 0.012, foot[1] - 0.018 - lift, foot[2] + 0.075)
        found |= _arm(body, walk, side, neck)
    return found


def _arm(body: Body, walk: Walk, side: int, neck: Vector) -> dict[str, Vector]:
    """Return shoulder, elbow, wrist and hand of one side; arms swing against their legs."""
    upper, fore = 0.158, 0.138
    shoulder = (side * (body.shoulders - 0.006), neck[1] - 0.042, neck[2])
    if walk.raised_hand == side:
        elbow = _add(shoulder, (side * 0.07, -0.13, 0.06))
        wrist = _add(elbow, (-side * 0.06, 0.115, 0.03))
        return _named(side, shoulder, elbow, wrist, _add(wrist, (-side * 0.01, 0.035, -0.01)))
    phase = walk.phase + (0.0 if side > 0 else math.pi)
    swing = walk.effort * body.arm_swing * math.sin(phase)
    gap = side * math.sin(body.arm_gap)
    elbow = _add(shoulder, (upper * gap, -upper * math.cos(swing), upper * math.sin(swing)))
    low = swing + body.elbow * (0.6 + 0.6 * max(0.0, math.sin(phase)) * walk.effort)
    step = (0.3 * fore * gap, -fore * math.cos(low), fore * math.sin(low))
    wrist = _add(elbow, step)
    hand = _add(wrist, (0.3 * step[0], 0.3 * step[1], 0.3 * step[2]))
    return _named(side, shoulder, elbow, wrist, hand)


def _named(side: int, *points: Vector) -> dict[str, Vector]:
    return {
        f"{n}{side}": p for n, p in zip(("shoulder", "elbow", "wrist", "hand"), points, strict=True)
    }


def _add(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]
