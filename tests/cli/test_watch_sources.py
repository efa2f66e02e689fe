"""Words of ``fprnet watch`` become sources with their cameras, locations and boxes."""

import argparse

import pytest

from fprnet.cli.watch_sources import add_sources, sources_of
from fprnet.watch.frigate.source import Frigate
from fprnet.watch.given_boxes import GivenBoxes
from fprnet.watch.options import WatchOptions
from fprnet.watch.sources import FrameFolder
from watch_cases import scene, write_boxes, write_frames


@pytest.fixture
def sources(tmp_path):
    write_frames(tmp_path / "frames", [scene(0)])
    write_boxes(tmp_path / "boxes.txt", 1)
    parser = argparse.ArgumentParser()
    add_sources(parser)
    parser.set_defaults(detector=None)

    def read(*words):
        return sources_of(parser.parse_args([*map(str, words)]), WatchOptions())

    return read


def test_frigates_among_recordings(sources, tmp_path):
    """A Frigate takes no camera and no boxes, but a location and a broker in its turn."""
    first, second = "frigate+http://u:s3cret@one:5000", "frigate+https://two:8971/nvr"
    words = (first, tmp_path / "frames", second, "--frame-rate", 5)
    words += ("--camera", "door", "--boxes", tmp_path / "boxes.txt")
    words += ("--location", "a", "--location", "b", "--location", "c")
    words += ("--frigate-mqtt", "mqtt://one", "--frigate-mqtt", "mqtts://two/nvr")
    watched = sources(*words, "--frigate-camera", "hall", "--frigate-camera", "yard=garden")
    assert [type(one.source) for one in watched] == [Frigate, FrameFolder, Frigate]
    assert [one.camera for one in watched] == [None, "door", None]
    assert [one.location for one in watched] == ["a", "b", "c"]
    assert [type(one.detector) for one in watched] == [type(None), GivenBoxes, type(None)]
    assert [watched[0].source.name, watched[2].source.name] == [
        "frigate+http://one:5000",
        "frigate+https://two:8971/nvr",
    ]


def test_what_is_said_once_is_for_all(sources):
    addresses = ("frigate+http://one", "frigate+http://two")
    watched = sources(*addresses, "--frigate-mqtt", "mqtt://here", "--location", "house")
    assert [(one.camera, one.location) for one in watched] == [(None, "house")] * 2
