"""Images: the same bytes for the same numbers, on any path; others for any other number."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from fprnet_lab.people import VERSIONS
from fprnet_lab.people.layouts import sysu_mm01
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.render import Setting, person_of, rendered
from fprnet_lab.people.scenery import _kept

SIZE = (64, 32)
# Means of the four quarters (top left, top right, bottom left, bottom right) by version and camera.
# Whoever changes them changes every set: raise GENERATOR_VERSION and print them anew.
QUARTERS = {
    (2, 1): [91.1, 78.71, 106.35, 122.08],
    (2, 6): [125.19, 139.98, 129.01, 152.49],
    (4, 1): [90.93, 78.42, 106.01, 121.74],
    (4, 6): [125.21, 139.91, 128.96, 152.5],
}
CODE = """
import hashlib
from fprnet_lab.people import kernels
from fprnet_lab.people.render import Setting, rendered
setting = Setting(5, (3,))
images = [rendered(setting, 2, camera, 1, (64, 32)).jpeg() for camera in (1, 3, 6)]
print(kernels.COMPILED, hashlib.sha256(b"".join(images)).hexdigest())
"""


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting(seed=5, worlds=(3,))


def quarters(pixels: np.ndarray) -> list[float]:
    top, bottom = pixels[:32].astype(float), pixels[32:].astype(float)
    return [half[:, part].mean() for half in (top, bottom) for part in (slice(16), slice(16, 32))]


@pytest.mark.parametrize(("version", "camera"), QUARTERS)
def test_pictures_are_those_of_their_version(version, camera):
    assert {version for version, _ in QUARTERS} == set(VERSIONS)
    found = quarters(rendered(Setting(5, (3,), version=version), 2, camera, 1, SIZE).pixels)
    expected = QUARTERS[version, camera]
    assert found == pytest.approx(expected, abs=0.5), [round(value, 2) for value in found]


def test_an_image_does_not_depend_on_what_was_rendered_before(setting):
    first = rendered(setting, 2, 4, 1, SIZE).jpeg()
    _kept.clear()
    person_of.cache_clear()
    for identity in (9, 8):
        rendered(setting, identity, 5, 3, SIZE)
    assert rendered(setting, 2, 4, 1, SIZE).jpeg() == first


def test_compiled_and_plain_forms_give_the_same_bytes():
    found = {}
    for plain in ("", "1"):
        environment = os.environ | {"FPRNET_PEOPLE_PLAIN": plain}
        done = subprocess.run(
            [sys.executable, "-c", CODE],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        compiled, digest = done.stdout.split()
        found[compiled] = digest
        if plain:
            assert done.stderr.count("numba") > 0  # said, and once
            assert len(done.stderr.splitlines()) == 1
    assert len(set(found.values())) == 1


def test_every_number_matters(setting):
    images = [
        rendered(setting, 2, 4, 1, SIZE),
        rendered(setting, 3, 4, 1, SIZE),
        rendered(setting, 2, 5, 1, SIZE),
        rendered(setting, 2, 4, 2, SIZE),
        rendered(Setting(6, (3,)), 2, 4, 1, SIZE),
        rendered(Setting(5, (4,)), 2, 4, 1, SIZE),
    ]
    assert len({hashlib.sha256(image.jpeg()).hexdigest() for image in images}) == len(images)


def test_more_people_or_cameras_change_no_image():
    few = PeopleOptions(identities=3, validation_identities=0, test_identities=2)
    more = PeopleOptions(identities=30, validation_identities=4, test_identities=2)
    fewer_cameras = PeopleOptions(identities=3, test_identities=2, cameras=(1, 3, 4))
    assert few.setting == more.setting == fewer_cameras.setting
    for identity in (1, 2, 3):
        everywhere = sysu_mm01.images_of(more, identity)
        assert sysu_mm01.images_of(few, identity) == everywhere
        here = sysu_mm01.images_of(fewer_cameras, identity)
        assert all(everywhere.get(camera, count) == count for camera, count in here.items())


def test_an_identity_looks_alike_at_any_size_and_in_any_world():
    small = person_of(Setting(5, (3,)), 2, "coarse")
    large = person_of(Setting(5, (3,)), 2, "fine")
    assert small.shape == large.shape
    assert small.gait == large.gait
    assert [top.kind for top in small.outfit.tops] == [top.kind for top in large.outfit.tops]
    assert np.array_equal(small.outfit.bottom.cloth.ground, large.outfit.bottom.cloth.ground)


def test_infrared_and_thermal_images_are_gray_and_those_by_day_are_not(setting):
    for camera in (3, 6, 8, 201):
        pixels = rendered(setting, 1, camera, 1, SIZE).pixels
        assert np.array_equal(pixels[:, :, 0], pixels[:, :, 2])
        assert pixels.std() > 4
    for camera in (1, 4, 7, 101):
        pixels = rendered(setting, 1, camera, 1, SIZE).pixels.astype(int)
        assert np.median(pixels.max(2) - pixels.min(2)) > 4


def test_time_moves_the_person_and_leaves_the_camera(setting):
    frames = [
        rendered(setting, 1, 104, 1, (96, 48), time=time).pixels.astype(float)
        for time in (0.0, 0.1, 0.2, 0.9)
    ]
    change = [np.abs(frame - frames[0]).mean() for frame in frames[1:]]
    assert 0.5 < change[0] < change[2]
    assert np.array_equal(rendered(setting, 1, 104, 1, (96, 48), time=0.9).pixels, frames[3])


def test_people_are_brighter_than_their_surroundings_in_a_thermal_image():
    contrasts = []
    for identity in range(1, 9):
        pixels = rendered(Setting(1, (2,)), identity, 8, 1, SIZE).pixels[:, :, 0].astype(float)
        middle = pixels[8:56, 12:20].mean()
        edge = np.concatenate([pixels[:, :3].ravel(), pixels[:, -3:].ravel()]).mean()
        contrasts.append(middle - edge)
    assert np.median(contrasts) > 20
