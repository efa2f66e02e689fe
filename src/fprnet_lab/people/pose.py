"""A gait, an action and a time become the rotations of the bones.

Degrees and seconds. The body at rest stands with its arms held out by some 35 degrees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.skinning import rotation_x, rotation_y, rotation_z

__all__ = ["Action", "Gait", "draw_action", "draw_gait", "rotations", "walked_by"]

ArmUse = Literal["none", "phone", "pockets", "folded", "waving", "carrying"]
REST_ARM = 35  # between the arm at rest and a hanging one
REST_ELBOW = 38  # bend of the elbow at rest
LEG = 8.5  # length of a leg, decimetres


@dataclass(frozen=True)
class Gait:
    """How somebody walks and holds himself, the same in all images.

    Attributes:
        stride: Swing of the thighs.
        arms: Swing of the arms.
        elbow: Bend of the elbows.
        arms_out: Distance of the arms from the trunk.
        lean: Angle of the trunk forwards.
        slouch: Bend of the spine.
        head: Angle of the head forwards.
        toes_out: Angle by which the feet point outwards.
        width: Distance of the legs; negative is narrow.
        cadence: Double steps a second.
        bounce: Rise and fall, decimetres.
    """

    stride: float
    arms: float
    elbow: float
    arms_out: float
    lean: float
    slouch: float
    head: float
    toes_out: float
    width: float
    cadence: float
    bounce: float


@dataclass(frozen=True)
class Action:
    """What somebody does at a moment.

    Attributes:
        walking: 1 walks, 0 stands; between, slows down.
        phase: Phase of the double step at time 0, 0 to 1.
        arm_use: What the arms do beside swinging.
        side: The arm that does it: 1 left, -1 right.
        head_turn: Angle of the head to the left.
        head_down: Angle of the head downwards.
        trunk: Small turns of pelvis, spine and chest.
        legs: Small turns of the thighs outwards, left and right.
        stretch: Factors of the swings of legs and arms.
    """

    walking: float
    phase: float
    arm_use: ArmUse
    side: int
    head_turn: float
    head_down: float
    trunk: tuple[float, float, float]
    legs: tuple[float, float]
    stretch: tuple[float, float]


def draw_gait(rng: np.random.Generator, old: float) -> Gait:
    """Draw somebody's gait; ``old`` is 0 to 1."""
    return Gait(
        stride=rng.uniform(16, 29) * (1 - 0.25 * old),
        arms=rng.uniform(6, 28) * (1 - 0.3 * old),
        elbow=rng.uniform(8, 38),
        arms_out=rng.uniform(2, 12),
        lean=rng.normal(3, 3),
        slouch=rng.normal(6 + 8 * old, 6),
        head=rng.normal(6, 6),
        toes_out=rng.uniform(-2, 12),
        width=rng.normal(-4.5, 1),
        cadence=rng.uniform(0.8, 1.05) * (1 - 0.15 * old),
        bounce=rng.uniform(0.1, 0.35),
    )


def draw_action(rng: np.random.Generator) -> Action:
    """Draw what somebody does in an image: mostly walking."""
    uses: list[ArmUse] = ["none", "phone", "pockets", "folded", "waving", "carrying"]
    return Action(
        walking=1.0 if rng.random() < 0.82 else float(rng.random() < 0.3) * rng.random(),
        phase=rng.random(),
        arm_use=uses[rng.choice(6, p=[0.76, 0.09, 0.08, 0.03, 0.02, 0.02])],
        side=int(rng.choice([-1, 1])),
        head_turn=rng.normal(0, 16),
        head_down=rng.normal(0, 5) + (18 if rng.random() < 0.12 else 0),
        trunk=(rng.normal(0, 1.5), rng.normal(0, 2), rng.normal(0, 3)),
        legs=(rng.normal(0, 0.8), rng.normal(0, 0.8)),
        stretch=(rng.uniform(0.8, 1.1), rng.uniform(0.6, 1.2)),
    )


def rotations(gait: Gait, action: Action, time: float = 0.0) -> dict[str, NDArray[np.float64]]:
    """Return the rotation (3, 3) of each bone against its parent.

    Args:
        gait: Gait of the person.
        action: Action of the moment.
        time: Seconds since the action began.
    """
    phase = 2 * math.pi * (action.phase + gait.cadence * time)
    swing = gait.stride * action.stretch[0] * action.walking + 2 * (1 - action.walking)
    arms = gait.arms * action.stretch[1] * action.walking + 2 * (1 - action.walking)
    twist, bend, turn = action.trunk
    sine = math.sin(phase)
    found = {
        "pelvis": rotation_y(swing * 0.25 * sine) @ rotation_z(twist),
        "spine_01": rotation_x(gait.lean * 0.5 + gait.slouch * 0.3 + bend),
        "spine_02": rotation_y(-swing * 0.25 * sine) @ rotation_x(gait.slouch * 0.4),
        "spine_03": rotation_y(-swing * 0.2 * sine + turn) @ rotation_x(gait.slouch * 0.3),
        "neck_01": rotation_x(gait.head * 0.5) @ rotation_y(action.head_turn * 0.4),
        "head": rotation_x(gait.head * 0.5 + action.head_down) @ rotation_y(action.head_turn * 0.6),
    }
    for index, (side, sign) in enumerate((("l", 1), ("r", -1))):
        own_phase = phase if sign == 1 else phase + math.pi
        _leg(found, gait, action, side, sign, own_phase, swing, action.legs[index])
        _arm(found, gait, action, side, sign, own_phase, arms)
    return found


def walked_by(gait: Gait, action: Action, yaw: float, time: float) -> tuple[float, float]:
    """Return the way that somebody has walked: to the image's right, and towards the camera.

    Args:
        gait: Gait of the person.
        action: Action of the moment.
        yaw: Direction of walking: 0 towards the camera, 90 to the image's right.
        time: Seconds since the action began.

    Returns:
        Decimetres.
    """
    step = 2 * LEG * math.sin(math.radians(gait.stride * action.stretch[0]))
    way = 2 * step * gait.cadence * action.walking * time
    return way * math.sin(math.radians(yaw)), way * math.cos(math.radians(yaw))


def _leg(
    found: dict[str, NDArray[np.float64]],
    gait: Gait,
    action: Action,
    side: str,
    sign: int,
    phase: float,
    swing: float,
    spread: float,
) -> None:
    thigh = 4 + swing * math.sin(phase)
    lifted = max(0.0, math.cos(phase)) ** 1.5 * min(1.0, swing / 22) * action.walking
    toes = gait.toes_out
    found[f"thigh_{side}"] = (
        rotation_x(-thigh)
        @ rotation_z(sign * (gait.width + spread))
        @ rotation_y(sign * toes * 0.7)
    )
    found[f"calf_{side}"] = rotation_x(6 + 46 * lifted)
    heel, toe = max(0.0, math.sin(phase)), max(0.0, -math.sin(phase))
    roll = (15 * toe - 8 * heel) * action.walking
    found[f"foot_{side}"] = rotation_x(roll) @ rotation_y(sign * toes * 0.3)


def _arm(
    found: dict[str, NDArray[np.float64]],
    gait: Gait,
    action: Action,
    side: str,
    sign: int,
    phase: float,
    arms: float,
) -> None:
    swing = -arms * math.sin(phase)
    bend, out, inward = gait.elbow + max(0.0, swing) * 0.6 - REST_ELBOW, gait.arms_out, 2.0
    acting = sign == action.side
    wobble = 6 * math.sin(phase)
    if action.arm_use == "phone" and acting:
        swing, bend, out = 32 + wobble, 62 + wobble, -2
    elif action.arm_use == "waving" and acting:
        swing, bend, out = 60 + 2 * wobble, 95, 0
    elif action.arm_use == "pockets":
        swing, bend, out = -10, 10, 15
    elif action.arm_use == "folded":
        swing, bend, out, inward = 22, 68, -2, 12.0
    elif action.arm_use == "carrying":
        swing, bend, out, inward = 18, 52, 4, 6.0
    found[f"upperarm_{side}"] = rotation_x(-swing) @ rotation_z(-sign * (REST_ARM - out))
    found[f"lowerarm_{side}"] = rotation_z(-sign * inward) @ rotation_x(-bend)
