"""Films: the truth lies where the people are, and the same film is the same."""

import csv
import json
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from fprnet.errors import DataError
from fprnet_lab.people.film import Film, filmed
from fprnet_lab.people.film_writer import write_film
from fprnet_lab.people.render import Setting

FILM = Film(camera=4, identities=(1, 2, 3, 4), seconds=1.5, rate=4, size=(216, 320))


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting(seed=5, worlds=(3,))


@pytest.fixture(scope="module")
def frames(setting):
    return list(filmed(setting, FILM))


def test_frames_come_at_the_rate(frames):
    assert [frame.time for frame in frames] == [0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert all(frame.pixels.shape == (216, 320, 3) for frame in frames)


def test_boxes_lie_in_the_frame_and_move_little_between_frames(frames):
    for frame in frames:
        for one in frame.seen:
            assert one.left >= 0
            assert one.left + one.width <= 320
            assert one.top >= 0
            assert one.top + one.height <= 216
            assert 0.3 <= one.visible <= 1
    followed = 0
    for before, after in pairwise(frames):
        places = {one.identity: one for one in before.seen}
        for one in after.seen:
            if one.identity in places and one.visible > 0.9:
                earlier = places[one.identity]
                # A step of 0.25 s is at most 5 decimetres: under half of a person's height.
                assert abs(one.left - earlier.left) < 0.6 * max(one.height, earlier.height)
                followed += 1
    assert followed > 4


def test_boxes_hold_what_differs_from_the_empty_place(setting, frames):
    empty = next(filmed(setting, Film(4, (), seconds=0.3, rate=4, size=(216, 320))))
    changed = np.abs(frames[0].pixels.astype(int) - empty.pixels).max(2) > 40
    inside = np.zeros_like(changed)
    for one in frames[0].seen:
        inside[one.top - 2 : one.top + one.height + 2, one.left - 2 : one.left + one.width + 2] = 1
    assert changed[inside].mean() > 3 * changed[~inside].mean()


def test_a_larger_box_is_a_nearer_person(frames):
    people = [one for frame in frames for one in frame.seen if one.visible > 0.97]
    people.sort(key=lambda one: one.distance)
    near, far = people[: len(people) // 3], people[-len(people) // 3 :]
    assert np.mean([one.height for one in near]) > np.mean([one.height for one in far])


def test_a_folder_with_truth(setting, tmp_path):
    root = tmp_path / "film"
    film = Film(6, (1, 2, 3), seconds=0.5, rate=4, size=(108, 160))
    assert write_film(root, setting, film) == 2
    with (root / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["frame"] for row in rows} <= {"1", "2"}
    with Image.open(root / "frames" / "000002.jpg") as image:
        assert image.size == (160, 108)
    assert json.loads((root / "film.json").read_text())["film"]["camera"] == 6
    with pytest.raises(DataError, match="film"):
        write_film(root, setting, film)


@pytest.mark.parametrize(
    "changes", [{"camera": 9}, {"seconds": 0.0}, {"rate": 1000.0}, {"size": (10, 10)}]
)
def test_films_out_of_range_are_named(changes):
    values = {"camera": 4, "identities": (1,)} | changes
    with pytest.raises(DataError):
        Film(**values)
