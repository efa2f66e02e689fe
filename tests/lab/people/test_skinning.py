"""Bones turn vertices: cases worked by hand, and the compiled form against the plain one."""

import numpy as np
import pytest

from fprnet_lab.people import skinning
from fprnet_lab.people.skinning import BONES, PARENTS, bone_matrices, rotation_x, rotation_z, skin


def joints(**heads: tuple[float, float, float]) -> np.ndarray:
    found = np.zeros((len(BONES), 3), np.float32)
    for bone, head in heads.items():
        found[BONES.index(bone)] = head
    return found


def one_bone(bone: str) -> tuple[np.ndarray, np.ndarray]:
    bones = np.zeros((1, 4), np.uint8)
    bones[0, 0] = BONES.index(bone)
    return bones, np.array([[1, 0, 0, 0]], np.float32)


def test_a_parent_stands_before_its_children():
    for bone, parent in PARENTS.items():
        assert parent is None or BONES.index(parent) < BONES.index(bone)


def test_nothing_moves_without_rotations():
    heads = np.random.default_rng(0).normal(size=(len(BONES), 3)).astype(np.float32)
    matrices = bone_matrices(heads, {})
    assert matrices[:, :, :3] == pytest.approx(np.broadcast_to(np.eye(3), (len(BONES), 3, 3)))
    assert matrices[:, :, 3] == pytest.approx(0)


def test_a_lower_leg_bends_about_the_knee():
    # The knee is at height -4; the foot 3 below it swings backwards by a quarter turn.
    matrices = bone_matrices(joints(calf_l=(1, -4, 0)), {"calf_l": rotation_x(90)})
    bones, weights = one_bone("calf_l")
    moved = skin(np.array([[1, -7, 0]], np.float32), bones, weights, matrices)
    assert moved[0] == pytest.approx([1, -4, -3], abs=1e-5)


def test_a_child_follows_its_parents():
    # Hip at 0, knee at -4. The thigh swings forward by a quarter, the knee bends back by one:
    # the lower leg, 3 long, hangs straight down from the lifted knee at (0, 0, 4).
    turns = {"thigh_l": rotation_x(-90), "calf_l": rotation_x(90)}
    matrices = bone_matrices(joints(thigh_l=(0, 0, 0), calf_l=(0, -4, 0)), turns)
    bones, weights = one_bone("calf_l")
    moved = skin(np.array([[0, -7, 0]], np.float32), bones, weights, matrices)
    assert moved[0] == pytest.approx([0, -3, 4], abs=1e-5)


def test_two_bones_share_a_vertex_by_their_weights():
    # Pelvis stays, the head turns (2, 0, 0) to (0, 2, 0): a quarter of the way is (1.5, 0.5, 0).
    matrices = bone_matrices(joints(), {"head": rotation_z(90)})
    bones = np.array([[BONES.index("pelvis"), BONES.index("head"), 0, 0]], np.uint8)
    weights = np.array([[0.75, 0.25, 0, 0]], np.float32)
    moved = skin(np.array([[2, 0, 0]], np.float32), bones, weights, matrices)
    assert moved[0] == pytest.approx([1.5, 0.5, 0], abs=1e-6)


def test_the_compiled_form_gives_the_same_bits():
    rng = np.random.default_rng(1)
    rest = rng.normal(size=(200, 3)).astype(np.float32)
    bones = rng.integers(0, len(BONES), (200, 4)).astype(np.uint8)
    weights = rng.random((200, 4)).astype(np.float32)
    weights[::3, 2:] = 0
    matrices = rng.normal(size=(len(BONES), 3, 4)).astype(np.float32)
    fast, plain = np.empty_like(rest), np.empty_like(rest)
    skinning._skin(rest, bones, weights, matrices, fast)
    skinning._skin_arrays(rest, bones, weights, matrices, plain)
    assert np.array_equal(fast, plain)
