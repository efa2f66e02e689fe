"""Worlds differ and stay the same; a file lays its own numbers over them."""

from dataclasses import replace

import pytest

from fprnet.errors import DataError
from fprnet_lab.people.render import Setting
from fprnet_lab.people.scenery import canvas_of
from fprnet_lab.people.site import Site, read_site
from fprnet_lab.people.worlds import CAMERAS, world


def test_a_world_is_the_same_every_time_and_unlike_others():
    first, again, other = world(4), world.__wrapped__(4), world(5)
    assert first.cameras == again.cameras
    assert first.population == again.population
    assert first.population != other.population
    assert all(first.cameras[n].sensor != other.cameras[n].sensor for n in CAMERAS)


def test_cameras_see_what_their_numbers_say():
    cameras = world(0).cameras
    assert [cameras[n].band for n in range(1, 7)] == [
        "visible", "visible", "infrared", "visible", "visible", "infrared",
    ]  # fmt: skip
    assert (cameras[7].band, cameras[8].band) == ("visible", "thermal")
    assert (cameras[103].band, cameras[203].band) == ("visible", "infrared")


def test_a_camera_of_the_night_looks_at_the_place_of_the_day():
    cameras = world(0).cameras
    for day, night in ((7, 8), (101, 201), (112, 212)):
        assert cameras[night].place == day
        assert cameras[night].height == cameras[day].height
        assert cameras[night].sensor != cameras[day].sensor
    site = world(0)
    assert canvas_of(site, cameras[7], 0, "coarse") is canvas_of(site, cameras[8], 0, "coarse")


TEXT = """
season: 0.1
cameras:
  1: {height: 3.2, distance: [4, 12], outdoors: true, crowd: 0}
  3: {brightness: [0.4, 0.6], quality: [60, 75], sharpened: 0}
"""


def test_a_file_describes_some_cameras_and_leaves_the_others(tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text(TEXT)
    setting = Setting(0, (7,), read_site(file))
    drawn, found = world(7), setting.world(7)
    assert found.population == replace(drawn.population, warmth=0.1)
    first, third = found.cameras[1], found.cameras[3]
    assert (first.height, first.distance) == ((32, 32), (40, 120))  # decimetres
    assert first.outdoors
    assert first.crowd == 0
    assert first.sensor == drawn.cameras[1].sensor
    assert (third.sensor.brightness, third.sensor.quality) == ((0.4, 0.6), (60, 75))
    assert third.sensor.noise == drawn.cameras[3].sensor.noise
    assert found.cameras[2] == drawn.cameras[2]


def test_an_empty_file_changes_nothing(tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text("{}")
    assert read_site(file) == Site(None, None, ())
    assert read_site(file).applied(world(1)).cameras == world(1).cameras


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("season: 2", ("season", "2", "0 to 1")),
        ("season: summer", ("season", "'summer'")),
        ("weather: 1", ("weather", "season, old, cameras")),
        ("cameras: {99: {}}", ("99",)),
        ("cameras: {one: {}}", ("'one'",)),
        ("cameras: [1]", ("cameras", "[1]")),
        ("cameras: {1: {hight: 3}}", ("camera 1", "hight", "height")),
        ("cameras: {1: {height: -1}}", ("height of camera 1", "-1")),
        ("cameras: {1: {outdoors: 1}}", ("outdoors", "true or false")),
        ("cameras: {1: {crowd: true}}", ("crowd", "True")),
        ("cameras: {1: {noise: 0.1}}", ("noise", "0.1", "[low, high]")),
        ("cameras: {1: {noise: [0.2, 0.1]}}", ("noise", "smaller")),
        ("cameras: {1: {quality: [50, 200]}}", ("quality", "200", "1 to 100")),
        ("cameras: {1: {height: .nan}}", ("height", "nan")),
        ("[", ("YAML",)),
        ("- 1", ("[1]",)),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, text, words):
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_site(file)
    message = str(caught.value)
    assert "\n" not in message
    assert "site.yaml" in message
    for word in words:
        assert word in message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml"):
        read_site(tmp_path / "none.yaml")
