"""The reduced body: what its numbers do, and how it is split."""

from dataclasses import replace

import numpy as np
import pytest

from fprnet_lab.people.mesh import BodyShape, detail_of, subdivided, template_mesh
from fprnet_lab.people.skinning import BONES

MEAN = BodyShape(male=0.5, old=0.2, muscle=0.5, weight=0.5, height=0.5, ancestry=(0.3, 0.3, 0.4))


def size(shape: BodyShape, axis: int) -> float:
    vertices, _, _ = template_mesh("coarse").shaped(shape)
    used = np.unique(template_mesh("coarse").faces["tights"])
    return float(np.ptp(vertices[used, axis]))


@pytest.mark.parametrize("detail", ["coarse", "fine"])
def test_weights_sum_to_one_and_faces_have_vertices(detail):
    mesh = template_mesh(detail)
    vertices, joints, eyes = mesh.shaped(MEAN)
    assert mesh.weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert mesh.bones.max() < len(BONES)
    assert all(faces.max() < len(vertices) for faces in mesh.faces.values())
    assert joints.shape == (len(BONES), 3)
    assert eyes[0] == pytest.approx(eyes[1] * [-1, 1, 1], abs=1e-3)


def test_height_and_weight_do_what_they_say():
    assert size(replace(MEAN, height=0.9), 1) > size(MEAN, 1) + 0.5
    assert size(replace(MEAN, height=0.1), 1) < size(MEAN, 1) - 0.5
    waist = template_mesh("coarse").faces["tights"]
    depth = [
        np.ptp(template_mesh("coarse").shaped(replace(MEAN, weight=weight))[0][waist][..., 2])
        for weight in (0.1, 0.5, 0.9)
    ]
    assert depth[0] < depth[1] < depth[2]


def test_a_body_is_as_tall_as_people_are():
    for height, low, high in ((0.25, 13.8, 15.6), (0.5, 15.8, 17.4), (0.7, 18.5, 20.5)):
        vertices, _, _ = template_mesh("coarse").shaped(replace(MEAN, height=height))
        used = np.unique(np.concatenate([
            template_mesh("coarse").faces[part].ravel() for part in ("tights", "head")
        ]))  # fmt: skip
        assert low < np.ptp(vertices[used, 1]) < high  # decimetres


def test_a_quad_is_split_at_the_middles():
    quads, recipe = subdivided(np.array([[0, 1, 2, 3]], np.int32), 4)
    assert len(quads) == 4
    corners = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)
    new = corners[recipe].mean(1)
    assert sorted(map(tuple, new)) == [(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)]
    everything = np.concatenate([corners, new])
    for quad in quads:  # each part is a unit square that turns the same way
        x, y = everything[quad].T
        assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2 == pytest.approx(1)


def test_two_quads_share_the_middle_of_their_edge():
    _, recipe = subdivided(np.array([[0, 1, 2, 3], [1, 4, 5, 2]], np.int32), 6)
    assert len(recipe) == 7 + 2  # edges and centres


def test_large_images_get_the_fine_mesh():
    assert (detail_of(128), detail_of(288)) == ("coarse", "fine")
