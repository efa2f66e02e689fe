"""Energy, shadows, and what each light does to a surface."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fprnet_lab.people import lighting
from fprnet_lab.people.camera import Box, View
from fprnet_lab.people.layer import Shot, person_layer
from fprnet_lab.people.person import Look, Person, Population, draw_person
from fprnet_lab.people.pose import draw_action
from fprnet_lab.people.rasteriser import rasterised

SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def person() -> Person:
    return draw_person((1, 2), Population())


def light(seed: int, *, sunny: bool = True) -> lighting.Light:
    return lighting.draw_light(np.random.default_rng(seed), outdoors=True, sunny=sunny)


def normals(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).T


@given(SEEDS)
def test_light_from_a_surface_never_exceeds_what_the_sources_give(seed):
    source = light(seed)
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(3, 50)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    openness, share = rng.random((2, 50)).astype(np.float32)
    falling = lighting.visible_irradiance(source, directions, openness, share)
    # The sky counts 1.1 times on a surface that lies open to it: 1 is its mean over a body.
    most = 1.1 * source.ambient * source.ambient_colour + source.sun * source.sun_colour
    assert (falling >= 0).all()
    assert (falling <= most + 1e-5).all()
    rows, columns = rng.uniform(-0.5, 0.5, (2, 50)).astype(np.float32)
    facing = rng.random(50).astype(np.float32)
    night = lighting.infrared_irradiance(source, directions, openness, facing, rows, columns)
    beam = np.exp(abs(source.lamp_tilt) / 2)
    assert (night >= 0).all()
    assert (night <= (source.lamp + source.night) * beam + 1e-5).all()


def test_a_person_sends_back_no_more_than_falls_in(person):
    view, box = View(20, 8, 60), Box(0, 0, 11, 20)
    figure = person.figure(Look())
    assert figure.attributes.shape[1] == 7
    source = light(3)
    shot = Shot((64, 32), "visible", source, 0.3)
    rng = np.random.default_rng(0)
    layer = person_layer(person, Look(), draw_action(rng), view, shot, rng, box)
    most = 1.1 * source.ambient * source.ambient_colour + source.sun * source.sun_colour
    assert (layer.light <= layer.alpha * most + 1e-5).all()
    assert layer.light[layer.alpha[:, :, 0] == 1].min() > 0


def test_a_surface_that_faces_the_sun_is_lightest():
    source = light(1)
    x, y, z = source.towards_sun
    found = lighting.visible_irradiance(
        source, normals((x, y, z), (-x, y, -z)), np.ones(2, np.float32), np.ones(2, np.float32)
    )
    assert (found[0] > found[1]).all()


def test_the_lamp_lights_what_faces_the_lens():
    source = light(1)
    facing = np.array([1, 0], np.float32)
    zero = np.zeros(2, np.float32)
    found = lighting.infrared_irradiance(
        source, normals((0, 0, 1), (0, 0, 1)), np.ones(2, np.float32), facing, zero, zero
    )
    lamp, night = source.lamp, source.night * 0.6
    assert found[:, 0] == pytest.approx([lamp + night, 0.35 * lamp + night], rel=1e-5)


def test_a_roof_throws_a_shadow_on_the_floor_below():
    def sheet(height: float, half: float) -> tuple[np.ndarray, np.ndarray]:
        steps = np.linspace(-half, half, 25)
        x, z = np.meshgrid(steps, steps)
        points = np.stack([x.ravel(), np.full(x.size, height), z.ravel()], 1).astype(np.float32)
        corner = (np.arange(24)[:, None] * 25 + np.arange(24)).ravel()
        quads = np.stack([corner, corner + 1, corner + 26, corner + 25], 1)
        return points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])

    floor, floor_faces = sheet(0, 2)
    roof, roof_faces = sheet(2, 0.8)
    vertices = np.concatenate([floor, roof])
    triangles = np.concatenate([floor_faces, roof_faces + len(floor)]).astype(np.int32)
    places = np.array([[0, 0, 0], [1.7, 0, 1.7], [0, 2, 0]], np.float32).T
    towards = np.array([0, 1, 1e-3], np.float32)
    share = lighting.sunlit(vertices, triangles, places, towards / np.linalg.norm(towards))
    assert share[0] < 0.2  # below the roof
    assert list(share[1:]) == [1, 1]  # beside it, and on it


def test_what_lies_behind_its_surroundings_is_darker():
    # A far square, whose upper half is hidden by a near one.
    points = np.array(
        [
            [0, 0, 9],
            [16, 0, 9],
            [16, 16, 9],
            [0, 16, 9],
            [0, 0, 5],
            [16, 0, 5],
            [16, 8, 5],
            [0, 8, 5],
        ],
        np.float32,
    )
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    coverage = rasterised(points, triangles, 16, 16)
    openness = lighting.closeness(coverage, 3)
    assert openness.max() <= 1
    by_row = [openness[coverage.rows == row].mean() for row in range(16)]
    assert by_row[2] == pytest.approx(1)
    assert by_row[8] < 0.8  # the far square beside the near one's edge
    assert by_row[14] == pytest.approx(1)
