"""Films: the truth lies where the people are, and the same film is the same."""

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
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


def test_the_truth_in_the_format_of_the_mot_challenge_and_a_video(setting, tmp_path):
    av = pytest.importorskip("av", reason="needs PyAV: pip install 'fprnet[watch]'")
    root = tmp_path / "film"
    film = Film(4, (1, 2), seconds=0.6, rate=5, size=(90, 160))
    start = datetime(2026, 5, 1, 8, tzinfo=UTC)
    write_film(root, setting, film, start=start, video=True)
    truth = list(csv.DictReader((root / "truth.csv").read_text().splitlines()))
    boxes = [line.split(",") for line in (root / "gt" / "gt.txt").read_text().splitlines()]
    names = ("frame", "identity", "left", "top", "width", "height", "visible")
    assert [[*row[:6], row[8]] for row in boxes] == [[row[name] for name in names] for row in truth]
    assert "frameRate=5\nseqLength=3" in (root / "seqinfo.ini").read_text()
    with av.open(str(root / "film.mp4")) as video:
        said = datetime.fromisoformat(video.metadata["creation_time"])
        pictures = [picture.to_ndarray(format="rgb24") for picture in video.decode(video=0)]
    assert said == start
    assert len(pictures) == 3
    with Image.open(root / "frames" / "000002.jpg") as image:
        assert np.abs(pictures[1].astype(int) - np.asarray(image)).mean() < 6


def test_frames_of_other_proportions_show_the_middle_with_people_where_they_stand(setting):
    """A film of 2:1 is the middle rows of the one of 3:2 (320 x 216), box by box."""
    whole = next(filmed(setting, FILM))
    wide = next(filmed(setting, replace(FILM, size=(160, 320))))
    seen = {one.identity: one for one in wide.seen}
    compared = 0
    for one in whole.seen:
        inside = one.top >= 28 and one.top + one.height <= 188
        if inside and one.identity in seen:
            other = seen[one.identity]
            assert (other.left, other.width) == pytest.approx((one.left, one.width), abs=2)
            assert (other.top, other.height) == pytest.approx((one.top - 28, one.height), abs=2)
            compared += 1
    assert compared


@pytest.mark.parametrize(
    "changes", [{"camera": 9}, {"seconds": 0.0}, {"rate": 1000.0}, {"size": (10, 10)}]
)
def test_films_out_of_range_are_named(changes):
    values = {"camera": 4, "identities": (1,)} | changes
    with pytest.raises(DataError):
        Film(**values)
