"""Rotations of the bones become positions of the vertices: forward kinematics, linear blending.

Letters: V vertices, B bones. Lengths in decimetres, angles in degrees; x to the person's left,
y up, z forward.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.kernels import jit

__all__ = [
    "BONES",
    "JOINT_COUNT",
    "PARENTS",
    "bone_matrices",
    "rotation_x",
    "rotation_y",
    "rotation_z",
    "skin",
]

Floats = NDArray[np.float32]

PARENTS: dict[str, str | None] = {
    "pelvis": None,
    "spine_01": "pelvis",
    "spine_02": "spine_01",
    "spine_03": "spine_02",
    "neck_01": "spine_03",
    "head": "neck_01",
    "clavicle_l": "spine_03",
    "clavicle_r": "spine_03",
    "upperarm_l": "clavicle_l",
    "upperarm_r": "clavicle_r",
    "lowerarm_l": "upperarm_l",
    "lowerarm_r": "upperarm_r",
    "hand_l": "lowerarm_l",
    "hand_r": "lowerarm_r",
    "thigh_l": "pelvis",
    "thigh_r": "pelvis",
    "calf_l": "thigh_l",
    "calf_r": "thigh_r",
    "foot_l": "calf_l",
    "foot_r": "calf_r",
}
BONES = tuple(PARENTS)  # a parent stands before its children
_INDEX = {bone: index for index, bone in enumerate(BONES)}
JOINT_COUNT = len(BONES) + 2  # the heads of the bones, then the left and the right eye


def rotation_x(degrees: float) -> NDArray[np.float64]:
    """Return the rotation about x: forward of y to z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(degrees: float) -> NDArray[np.float64]:
    """Return the rotation about y: forward of z to x."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(degrees: float) -> NDArray[np.float64]:
    """Return the rotation about z: forward of x to y."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def bone_matrices(joints: Floats, rotations: Mapping[str, NDArray[np.float64]]) -> Floats:
    """Return what each bone does to a point at rest.

    Args:
        joints: Heads of the bones at rest, (B, 3).
        rotations: Rotation ``(3, 3)`` of each bone against its parent; absent bones do not turn.

    Returns:
        ``(B, 3, 4)``: rotation and translation in the frame of the whole body.
    """
    matrices = np.empty((len(BONES), 3, 4))
    heads = joints.astype(np.float64)
    for index, bone in enumerate(BONES):
        head = heads[index]
        turn = rotations.get(bone)
        parent = PARENTS[bone]
        if parent is None:
            whole = np.eye(3) if turn is None else turn
            moved = head
        else:
            above = matrices[_INDEX[parent]]
            whole = above[:, :3] if turn is None else above[:, :3] @ turn
            moved = above[:, :3] @ head + above[:, 3]
        matrices[index, :, :3] = whole
        matrices[index, :, 3] = moved - whole @ head
    return matrices.astype(np.float32)


def skin(rest: Floats, bones: NDArray[np.uint8], weights: Floats, matrices: Floats) -> Floats:
    """Move vertices with the weighted sum of their bones' matrices.

    Args:
        rest: Positions at rest, (V, 3).
        bones: Four bones of each vertex, (V, 4).
        weights: Their weights, which sum to 1, (V, 4).
        matrices: Result of ``bone_matrices``, (B, 3, 4).

    Returns:
        Positions (V, 3).
    """
    moved = np.empty_like(rest)
    _skin(rest, bones, weights, matrices, moved)
    return moved


def _skin_arrays(
    rest: Floats, bones: NDArray[np.uint8], weights: Floats, matrices: Floats, moved: Floats
) -> None:
    blended = weights[:, 0, None, None] * matrices[bones[:, 0]]
    for slot in range(1, 4):
        blended += weights[:, slot, None, None] * matrices[bones[:, slot]]
    x, y, z = rest.T
    for axis in range(3):
        row = blended[:, axis]
        moved[:, axis] = ((row[:, 0] * x + row[:, 1] * y) + row[:, 2] * z) + row[:, 3]


@jit(_skin_arrays)
def _skin(
    rest: Floats, bones: NDArray[np.uint8], weights: Floats, matrices: Floats, moved: Floats
) -> None:
    m = np.empty((3, 4), np.float32)
    for v in range(rest.shape[0]):
        for i in range(3):
            for j in range(4):
                m[i, j] = weights[v, 0] * matrices[bones[v, 0], i, j]
        for slot in range(1, 4):
            w = weights[v, slot]
            if w > 0:
                b = bones[v, slot]
                for i in range(3):
                    for j in range(4):
                        m[i, j] += w * matrices[b, i, j]
        for i in range(3):
            moved[v, i] = (
                (m[i, 0] * rest[v, 0] + m[i, 1] * rest[v, 1]) + m[i, 2] * rest[v, 2]
            ) + m[i, 3]
