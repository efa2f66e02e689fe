"""Finished tracks reach the gallery, also when it is busy; nothing that was taken is lost."""

import numpy as np
import pytest

from fprnet.errors import FprnetError, GalleryError, GalleryLockedError
from fprnet.watch import recording
from fprnet.watch.recording import Recorder, Seen
from fprnet.watch.tracks import FinishedTrack, KeptCrop
from watch_cases import at, scene


class Embedder:
    """Gives the mean of each image, and remembers how many came at once."""

    def __init__(self):
        self.batches = []

    def embed(self, images, modality):
        self.batches.append((modality, len(images)))
        return np.array([[image.mean(), 1] for image in images], np.float32)


def seen(number, modality="visible", crops=2):
    kept = tuple(
        KeptCrop(scene(one)[20:95, 10:40], at(one), (10, 20, 30, 75), 0.9 - one / 10)
        for one in range(crops)
    )
    track = FinishedTrack(number, modality, at(0), at(9), (), kept, 10)
    return Seen(0, "door.mp4", "door", None, track)


@pytest.fixture
def stored(monkeypatch):
    """What would be in the gallery; ``stored.faults`` are raised first."""

    class Stored(list):
        def __init__(self):
            self.faults = []

    kept = Stored()

    def add(gallery, tracklet, **values):
        if kept.faults:
            raise kept.faults.pop(0)
        kept.append(tracklet)
        return tracklet

    monkeypatch.setattr(recording, "add_tracklet", add)
    return kept


class NoGallery:
    uri = "people.db"


def recorder(lines, done, embedder=None):
    return Recorder(
        NoGallery, embedder or Embedder(), lines.append, lambda source, given, one: done.append(one)
    )


def test_what_is_taken_is_stored_in_its_order(stored):
    done, embedder = [], Embedder()
    one = recorder([], done, embedder)
    for number in range(1, 8):
        one.put(seen(number, "infrared" if number % 2 else "visible"))
    one.close()
    assert sorted(tracklet.number for tracklet in stored) == list(range(1, 8))
    assert done == list(stored)
    assert sum(count for _, count in embedder.batches) == 14
    first = next(tracklet for tracklet in stored if tracklet.number == 1)
    assert (first.camera, first.source, first.modality) == ("door", "door.mp4", "infrared")
    from fprnet.data.images import decode_image

    for crop in first.crops:  # the embedding is that of the image which is kept
        pixels, _ = decode_image(crop.image)
        assert crop.embedding[0] == pytest.approx(pixels.mean())


def test_a_busy_gallery_is_asked_again_and_that_is_said_once(stored):
    stored.faults = [GalleryLockedError("people.db is busy")] * 2
    lines, done = [], []
    one = recorder(lines, done)
    one.put(seen(1))
    one.close()
    assert len(done) == 1
    assert len(lines) == 2
    assert "busy" in lines[0]
    assert "answers again" in lines[1]


def test_a_gallery_that_refuses_for_good_ends_it(stored):
    stored.faults = [GalleryError("people.db is read-only")]
    one = recorder([], [])
    one.put(seen(1))
    with pytest.raises(GalleryError, match="read-only"):
        one.close()
    with pytest.raises(GalleryError):
        one.put(seen(2))


def test_giving_up_says_what_is_lost(stored):
    stored.faults = [GalleryLockedError("people.db is busy")] * 1000
    one = recorder([], [])
    one.put(seen(7))
    one.give_up()
    with pytest.raises(FprnetError, match="tracklet 7 of door"):
        one.close()
