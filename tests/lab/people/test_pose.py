"""A walk repeats with its step, standing people stand, and a way is as long as its steps."""

from dataclasses import replace

import numpy as np
import pytest

from fprnet_lab.people.pose import draw_action, draw_gait, rotations, walked_by

GAIT = draw_gait(np.random.default_rng(0), 0.2)
ACTION = replace(draw_action(np.random.default_rng(1)), walking=1.0, arm_use="none")


def test_a_double_step_later_the_pose_is_the_same():
    first = rotations(GAIT, ACTION, 0.3)
    later = rotations(GAIT, ACTION, 0.3 + 1 / GAIT.cadence)
    assert first.keys() == later.keys()
    for bone, turn in first.items():
        assert turn == pytest.approx(later[bone], abs=1e-9), bone


def test_half_a_double_step_later_the_legs_have_changed_sides():
    calm = replace(ACTION, legs=(0.0, 0.0))
    first, later = (rotations(GAIT, calm, time) for time in (0.0, 0.5 / GAIT.cadence))
    mirror = np.diag([-1, 1, 1])
    for bone in ("thigh", "calf", "upperarm"):
        assert first[f"{bone}_l"] == pytest.approx(mirror @ later[f"{bone}_r"] @ mirror, abs=1e-9)


def test_rotations_turn_and_nothing_else():
    for seed in range(30):
        action = draw_action(np.random.default_rng(seed))
        for turn in rotations(GAIT, action, 0.1).values():
            assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-9)
            assert np.linalg.det(turn) == pytest.approx(1)


def test_who_stands_goes_nowhere():
    assert walked_by(GAIT, replace(ACTION, walking=0.0), 30, 10) == (0, 0)


def test_the_way_goes_where_the_person_faces():
    right, near = walked_by(GAIT, ACTION, 0, 2)
    assert right == pytest.approx(0)
    assert 4 < near < 30  # decimetres in two seconds
    assert walked_by(GAIT, ACTION, 90, 2)[0] == pytest.approx(near)
    assert walked_by(GAIT, ACTION, 180, 2)[1] == pytest.approx(-near)
    assert walked_by(GAIT, ACTION, 0, 4)[1] == pytest.approx(2 * near)
