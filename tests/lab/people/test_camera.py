"""Projection by hand, boxes around people, and canvases whose floor lies where it should."""

import numpy as np
import pytest

from fprnet_lab.people.camera import Box, View, box_around, on_screen, projected, turned
from fprnet_lab.people.places import FAR, Geometry, Place, Slab, Wall, painted_canvas
from fprnet_lab.people.sites import draw_place
from fprnet_lab.people.surfaces import Surface

ZERO = np.zeros(3, np.float32)


def test_a_level_camera_at_ten_metres():
    points = np.array([[1, 2, 0], [1, 2, 50]], np.float32)
    found = projected(points, View(0, 0, 100), ZERO)
    # Halfway to the camera everything is twice as large.
    assert found == pytest.approx(np.array([[1, -2, 100], [2, -4, 50]]), abs=1e-4)


def test_from_above_the_head_is_nearer_than_the_feet():
    view = View(0, 30, 100)
    head, feet = projected(np.array([[0, 8, 0], [0, -8, 0]], np.float32), view, ZERO)
    assert head[2] == pytest.approx(100 - 8 * 0.5)
    assert feet[2] == pytest.approx(100 + 8 * 0.5)
    assert view.towards_camera == pytest.approx([0, 0.5, np.sqrt(0.75)])


def test_yaw_turns_the_face_to_the_right_of_the_image():
    nose = turned(np.array([[0, 0, 1]], np.float32), View(90, 0, 100))
    assert nose[0] == pytest.approx([1, 0, 0], abs=1e-6)


def test_boxes_hold_most_of_the_person():
    rng = np.random.default_rng(0)
    screen = np.array([[-2, -8.5, 80], [2.5, 8.5, 80]], np.float32)
    boxes = [box_around(screen, rng) for _ in range(300)]
    heights = np.array([box.height for box in boxes])
    assert heights.min() > 0.7 * 17
    assert heights.max() < 1.12 * 17
    whole = [box for box in boxes if box.height >= 17]
    assert len(whole) > 200
    assert all(box.width >= 0.85 * 4.5 for box in boxes)


def test_the_middle_of_a_box_is_the_middle_of_the_crop():
    points = np.array([[3, 4, 50], [3 - 5, 4 - 10, 50]], np.float32)
    found = on_screen(points, Box(3, 4, 10, 20), 128, 64)
    assert found[:, :2] == pytest.approx(np.array([[32, 64], [0, 0]]))


def flat(value: float) -> Surface:
    row = np.full(4, value, np.float32)
    return Surface("plain", row, row, grain=0.0)


def test_the_floor_of_a_place_lies_where_the_camera_sees_it():
    geometry = Geometry(30, 20, 100, (80, 120))
    place = Place(False, False, flat(0.5), slabs=[Slab((-500, 500), (0, 900), 0, flat(0.2))])
    canvas = painted_canvas(place, geometry, np.random.default_rng(0))
    for x, z in ((0, 60), (20, 80), (-30, 120)):
        column, row, depth = geometry.pixel(x, 0, z)
        found = np.exp(canvas.distance[int(row), int(column)] / 32)
        assert found == pytest.approx(depth, rel=0.05)  # one of 32 steps is 3 %
    assert canvas.distance[0, 60] == int(np.log(FAR) * 32)  # the sky


def test_a_wall_hides_what_is_behind_it():
    geometry = Geometry(30, 10, 100, (80, 120))
    place = Place(
        False,
        False,
        flat(0.5),
        slabs=[Slab((-500, 500), (0, 900), 0, flat(0.2))],
        walls=[
            Wall((-20, 90), (20, 90), 0, 25, flat(0.9)),
            Wall((-20, 150), (20, 150), 0, 25, flat(0.1)),
        ],
    )
    canvas = painted_canvas(place, geometry, np.random.default_rng(0))
    column, row, depth = geometry.pixel(0, 20, 90)
    assert canvas.reflectance[int(row), int(column), 0] > 230
    assert np.exp(canvas.distance[int(row), int(column)] / 32) == pytest.approx(depth, rel=0.05)


@pytest.mark.parametrize("seed", range(12))
def test_places_are_full_of_things_and_never_black(seed):
    rng = np.random.default_rng(seed)
    place = draw_place(rng, outdoors=seed % 2 == 0, warmth=seed / 12)
    canvas = painted_canvas(place, Geometry(22, 15, 120, (90, 140)), rng)
    value = (canvas.reflectance / 255) ** 2
    assert canvas.reflectance.shape == (90, 140, 4)
    assert 0.02 < value[:, :, :3].mean() < 0.8
    assert value[:, :, 3].std() > 0.005
