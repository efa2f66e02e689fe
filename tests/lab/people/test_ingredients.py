"""What is left out is gone, the rest is as it was, and the set says so."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fprnet.errors import DataError
from fprnet_lab.people import layer, scene
from fprnet_lab.people.camera import Box, View
from fprnet_lab.people.card import card_of, read_options
from fprnet_lab.people.ingredients import INGREDIENTS
from fprnet_lab.people.layer import Shot, person_layer
from fprnet_lab.people.lighting import draw_light
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.person import Look, Population, draw_person
from fprnet_lab.people.pose import draw_action
from fprnet_lab.people.render import Setting, rendered
from fprnet_lab.people.scenery import canvas_of
from fprnet_lab.people.sensor import developed, faultless
from fprnet_lab.people.site import Site

SIZE = (64, 32)
WORLD = Setting(5, (3,)).world(3)


def shot(band: str, *without: str) -> Shot:
    light = draw_light(np.random.default_rng(3), outdoors=True, sunny=True)
    return Shot(SIZE, band, light, 0.5, without)


def someone(band: str, *without: str, moment: int = 0):
    """Return the layer of the same person in the same pose; the moment draws wrinkles and folds."""
    person = draw_person((7,), Population())
    action = draw_action(np.random.default_rng(1))
    rng = np.random.default_rng(moment)
    view, box = View(20, 8, 60), Box(0, 0, 11, 20)
    return person_layer(person, Look(), action, view, shot(band, *without), rng, box)


def test_infrared_without_its_materials_is_the_luminance_of_the_colour():
    reflectances = np.array([[1, 0, 0, 0.9], [0, 1, 0, 0.1], [0, 0, 1, 0], [0.5, 0.5, 0.5, 1]])
    reflectances = reflectances.astype(np.float32)
    grey = shot("infrared", "infrared-materials").seen(reflectances)
    assert grey[:, 0] == pytest.approx([0.2126, 0.7152, 0.0722, 0.5])
    assert np.array_equal(shot("infrared").seen(reflectances), reflectances[:, 3:])
    assert np.array_equal(
        shot("visible", "infrared-materials").seen(reflectances), reflectances[:, :3]
    )
    assert np.array_equal(
        shot("thermal", "infrared-materials").seen(reflectances), reflectances[:, 3:]
    )


@pytest.mark.parametrize("band", ["visible", "infrared", "thermal"])
def test_without_shading_one_colour_has_one_brightness(band, monkeypatch):
    monkeypatch.setattr(layer, "painted", lambda *rest: np.full((len(rest[2]), 4), 0.5, np.float32))
    flat, lit = someone(band, "shading"), someone(band)
    inside = flat.alpha[:, :, 0] == 1
    assert np.ptp(flat.light[inside], axis=0).max() < 1e-6
    assert np.ptp(lit.light[inside], axis=0).min() > 0.02
    assert flat.light[inside].mean() == pytest.approx(lit.light[inside].mean(), rel=0.1)


def test_without_wrinkles_cloth_looks_the_same_at_every_moment():
    first, second = (someone("visible", "wrinkles", moment=moment) for moment in (0, 1))
    assert np.array_equal(first.light, second.light)
    first, second = (someone("visible", moment=moment) for moment in (0, 1))
    assert not np.array_equal(first.light, second.light)


def test_without_faults_the_sensor_shows_an_edge_as_it_is():
    sensor = WORLD.cameras[3].sensor
    light = np.full((*SIZE, 1), 0.1, np.float32)
    light[:, 16:] = 0.3
    rng = np.random.default_rng(0)  # of an image that nobody moves in
    clean = developed(light, 0.2, faultless(sensor), rng)
    assert len(np.unique(clean)) == 2
    assert len(np.unique(developed(light, 0.2, sensor, np.random.default_rng(0)))) > 10
    assert faultless(sensor).brightness == sensor.brightness


def test_cameras_lose_what_is_theirs_and_keep_the_rest():
    setting = Setting(5, (3,), without=("occluders", "sensor"))
    for number, camera in setting.world(3).cameras.items():
        before = WORLD.cameras[number]
        assert camera == replace(before, clutter=0.0, sensor=faultless(before.sensor))
    assert Setting(5, (3,), without=("places",)).world(3).cameras == WORLD.cameras


@pytest.mark.parametrize("camera", [1, 6])
def test_without_places_the_background_is_one_colour_under_a_gradient(camera):
    eye = WORLD.cameras[camera]
    place = scene._Place(canvas_of(WORLD, eye, 0, "small"), 60.0, 0.0)

    def background(*without: str) -> np.ndarray:
        rng = np.random.default_rng(2)
        return scene._background(
            place, View(0, 8, 60), Box(0, 0, 11, 20), shot(eye.band, *without), rng
        )

    even, full = background("places"), background()
    for channel in np.moveaxis(even, 2, 0):  # a column times a row
        assert np.linalg.matrix_rank(channel, tol=1e-4) == 1
    assert np.linalg.matrix_rank(full[:, :, 0], tol=1e-4) > 5
    assert even.mean() == pytest.approx(full.mean(), rel=0.2)


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_every_ingredient_is_in_the_pictures(ingredient):
    crowded = Site(None, None, tuple((camera, (("clutter", 1.0),)) for camera in (1, 3)))
    images = {
        (camera, without): rendered(Setting(5, (3,), crowded, without=without), 2, camera, 1, SIZE)
        for camera in (1, 3)
        for without in ((), (ingredient,))
    }
    changed = [
        camera
        for camera in (1, 3)
        if images[camera, ()].jpeg() != images[camera, (ingredient,)].jpeg()
    ]
    assert changed == ([3] if ingredient == "infrared-materials" else [1, 3])


def test_a_set_says_what_it_lacks(fprnet, tmp_path):
    words = ("--identities", 1, "--validation-identities", 1, "--test-identities", 1,
             "--images-per-camera", 1, "--size", "48x24", "--workers", 1)  # fmt: skip
    root = tmp_path / "less"
    made = fprnet("data", "generate", root, *words, "--without", "places,sensor")
    assert made.status == 0, made.err
    assert read_options(root)[1].without == ("places", "sensor")
    card = card_of(root)
    assert "--without places,sensor" in card.command()
    assert "without     places, sensor" in card.text()
    whole = tmp_path / "whole"
    assert fprnet("data", "generate", whole, *words).status == 0
    about = json.loads((whole / "exp" / "generator.json").read_text())
    assert "without" not in about["options"]  # as before it could be said
    assert read_options(whole)[1].without == ()
    name = "cam1/0001/0001.jpg"
    with Image.open(root / name) as less, Image.open(whole / name) as full:
        assert less.tobytes() != full.tobytes()


@pytest.mark.parametrize("without", [("light",), ("places", "places"), ("",)])
def test_what_nobody_can_leave_out_is_named(without):
    with pytest.raises(DataError, match=r"infrared-materials, sensor, .* each once"):
        PeopleOptions(without=without)


def test_the_command_line_refuses_it_in_one_line(fprnet, tmp_path):
    result = fprnet("data", "generate", tmp_path / "x", "--without", "light")
    assert result.status == 2
    assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()
