"""Events and pictures become tracks: what is cut, which crops stay, by which light."""

import numpy as np
import pytest

from fprnet.watch.frigate.events import read_message
from fprnet.watch.frigate.following import EventFollower
from fprnet.watch.light import Light
from fprnet.watch.quality import QualityLimits
from fprnet.watch.tracks import CropChoice, CropChooser
from frigate_cases import HEIGHT, WIDTH, message
from watch_cases import at, box_at, scene


def event(kind, *args, **values):
    return read_message(message(kind, *args, **values)).event((WIDTH, HEIGHT))


@pytest.fixture
def chooser():
    return CropChooser(QualityLimits(), CropChoice())


@pytest.fixture
def follower(chooser):
    return EventFollower(chooser, lambda: Light(seconds=0))


def test_the_box_of_the_picture_is_cut(follower):
    """The person stands elsewhere now: the box is that of the picture's moment."""
    one = event("end", "a", 0, 3, shot=1)
    assert follower.see(one)
    follower.look(one, scene(1))
    camera, track = follower.end("a")
    x, y, width, height = box_at(1)
    (crop,) = track.crops
    assert (camera, crop.time, crop.box) == ("door", at(1), box_at(1))
    assert (crop.pixels == scene(1)[y : y + height, x : x + width]).all()
    assert (track.start, track.end, track.modality) == (at(0), at(3), "visible")
    (point,) = track.path
    assert (point.time, round(point.x * WIDTH), round(point.height * HEIGHT)) == (at(3), 70, 75)


def test_a_picture_of_another_size_than_frigates_frames(follower):
    """Three times as wide and twice as high: the box grows with it."""
    one = event("end", "a", 0, 1)
    follower.see(one)
    large = np.kron(scene(1), np.ones((2, 3, 1), np.uint8))
    follower.look(one, large)
    (crop,) = follower.end("a")[1].crops
    assert crop.box == (90, 40, 90, 150)
    assert (crop.pixels == large[40:190, 90:180]).all()


def test_one_crop_of_each_better_picture(follower):
    for now, shot, is_wanted in ((0, 0, True), (1, 0, False), (2, 2, True), (4, 4, True)):
        one = event("update", "a", 0, now, shot=shot)
        assert follower.see(one) == is_wanted
        if is_wanted:
            follower.look(one, scene(shot))
    assert follower.starts == {"a": at(0)}
    _, track = follower.end("a")
    assert sorted(crop.time for crop in track.crops) == [at(0), at(2), at(4)]
    assert [point.time for point in track.path] == [at(0), at(1), at(2), at(4)]
    assert follower.starts == {}


def test_a_second_picture_of_a_moment_takes_the_place_of_the_first(follower):
    """The clean copy is surely of the box's frame; the picture before may not have been."""
    for kind, pixels in (("update", scene(2)), ("end", scene(1))):
        one = event(kind, "a", 0, 1)
        follower.see(one)
        follower.look(one, pixels)
    (crop,) = follower.end("a")[1].crops
    assert (crop.pixels == scene(1)[20:95, 30:60]).all()


def test_each_camera_has_its_light_and_an_event_one(follower, chooser):
    for id, camera, shots in (("a", "door", "dnd"), ("b", "yard", "nn")):
        for number, light in enumerate(shots):
            one = event("update", id, 0, number, camera=camera)
            follower.see(one)
            follower.look(one, scene(number, gray=light == "n"))
    day, night = (follower.end(id)[1] for id in "ab")
    assert (day.modality, len(day.crops)) == ("visible", 2)
    assert (night.modality, len(night.crops)) == ("infrared", 2)
    assert all((crop.pixels == crop.pixels[..., :1]).all() for crop in night.crops)
    assert chooser.rejected == {"other light": 1}


def test_a_crop_that_is_not_good_enough_is_counted(follower, chooser):
    one = event("end", "a", 0, 1)
    follower.see(one)
    follower.look(one, np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    assert follower.end("a")[1].crops == ()
    assert chooser.rejected == {"blurred": 1}
