"""A naked body's vertices become places on it: on which limb, how far along, how high.

Letter: V vertices. Decimetres; x to the person's left, y up, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.mesh import TemplateMesh
from fprnet_lab.people.outfit import Measures
from fprnet_lab.people.rasteriser import vertex_normals
from fprnet_lab.people.skinning import BONES

__all__ = ["AXIS_Z", "Body", "measure", "smooth", "study"]

Floats = NDArray[np.float32]
AXIS_Z = 0.15  # depth of the trunk's axis
ARM = tuple(f"{bone}_{side}" for bone in ("upperarm", "lowerarm", "hand") for side in "lr")
LEG = tuple(f"{bone}_{side}" for bone in ("thigh", "calf", "foot") for side in "lr")


@dataclass(frozen=True)
class Body:
    """A naked body with what the garments need to know of each vertex.

    Attributes:
        mesh: Template with faces and bone weights.
        measures: Heights that clothes are cut by.
        vertices: Positions (V, 3).
        joints: Heads of the bones, (20, 3).
        eyes: Left and right, (2, 3).
        normals: Unit normals, (V, 3).
        arm: Weight of the arms' bones, (V,).
        leg: Weight of the legs' bones, (V,).
        along: Place on the arm, from shoulder (0) to wrist (1), (V,).
        arm_axis: Nearest point of the left arm's axis, (V, 3).
        side: 1 on the left side, -1 on the right, (V,).
    """

    mesh: TemplateMesh
    measures: Measures
    vertices: Floats
    joints: Floats
    eyes: Floats
    normals: Floats
    arm: Floats
    leg: Floats
    along: Floats
    arm_axis: Floats
    side: Floats

    def joint(self, bone: str) -> Floats:
        """Return the head of a bone, (3,)."""
        return np.asarray(self.joints[BONES.index(bone)], np.float32)

    def left(self) -> Floats:
        """Return the vertices mirrored to the left side, (V, 3)."""
        mirrored = self.vertices.copy()
        mirrored[:, 0] *= self.side
        return mirrored


def smooth(start: float, stop: float, value: Floats) -> Floats:
    """Return 0 before ``start``, 1 after ``stop``, and a smooth step between."""
    t = np.clip((value - np.float32(start)) / np.float32(stop - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def measure(joints: Floats, waist_shift: float) -> Measures:
    """Read the heights that clothes are cut by from the joints."""

    def height(bone: str) -> float:
        return float(joints[BONES.index(bone), 1])

    return Measures(
        crotch=height("thigh_l") - 0.75,
        waist=height("spine_01") - 0.15 + waist_shift,
        knee=height("calf_l"),
        ankle=height("foot_l"),
        neck=height("neck_01"),
        chest=height("spine_03") + 0.9,
    )


def study(mesh: TemplateMesh, body: tuple[Floats, Floats, Floats], measures: Measures) -> Body:
    """Measure a naked body, given as vertices, joints and eyes."""
    vertices, joints, eyes = body
    arm, leg = mesh.limb_weight(ARM), mesh.limb_weight(LEG)
    side = np.where(vertices[:, 0] > 0, 1, -1).astype(np.float32)
    left = vertices * np.stack([side, np.ones_like(side), np.ones_like(side)], 1)
    shoulder, elbow, wrist = (
        joints[BONES.index(b)] for b in ("upperarm_l", "lowerarm_l", "hand_l")
    )
    upper, lower = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
    down_upper, down_lower = (elbow - shoulder) / upper, (wrist - elbow) / lower
    on_upper, on_lower = (left - shoulder) @ down_upper, (left - elbow) @ down_lower
    below = on_lower > 0
    along = np.where(below, upper + on_lower, np.minimum(on_upper, upper)) / (upper + lower)
    axis = np.where(
        below[:, None],
        elbow + down_lower * on_lower[:, None],
        shoulder + down_upper * np.clip(on_upper, -1, upper)[:, None],
    )
    quads = np.concatenate(list(mesh.faces.values()))
    return Body(
        mesh,
        measures,
        vertices,
        joints,
        eyes,
        vertex_normals(vertices, quads),
        arm,
        leg,
        along.astype(np.float32),
        axis.astype(np.float32),
        side,
    )
