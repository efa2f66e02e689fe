"""Finished tracks become tracklets in a gallery: their best crops are encoded, embedded, kept.

Shapes: a crop is h x w pixels; D numbers per embedding.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fprnet.data.records import MODALITIES
from fprnet.embeddings.embedder import Embedder
from fprnet.errors import FprnetError, GalleryLockedError, GalleryUnavailableError
from fprnet.events.dispatcher import Alarm
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.tracklets import TrackletRecord, add_tracklet
from fprnet.tracklets import Tracklet, TrackletCrop
from fprnet.watch.frames import Say
from fprnet.watch.tracks import FinishedTrack, KeptCrop

__all__ = ["Done", "Recorder", "Seen"]

JPEG_QUALITY = 95
LONGEST_WAIT = 30.0  # seconds between two attempts to reach a gallery

Done = Callable[[int, Tracklet, TrackletRecord], None]
"""Takes the number of the source, a tracklet, and what the gallery has of it now."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A track that is over, with crops, and where it was seen.

    Attributes:
        source: Number of the source.
        address: Address of the source, without a password.
        camera: Its name.
        location: Where the camera hangs; None takes the camera's name.
        track: What was seen.
    """

    source: int
    address: str
    camera: str
    location: str | None
    track: FinishedTrack


class Recorder:
    """Embeds tracks and adds them to a gallery, in a thread of its own.

    What it has taken is in the gallery when :meth:`close` returns. A gallery that does not answer
    is asked again until it does: meanwhile tracks wait here, then whoever brings the next ones
    waits, and at last frames of live sources are dropped.

    Args:
        gallery: Writable.
        embedder: Model of the gallery's model.
        say: Takes lines for the log.
        done: Called, in that thread, with every tracklet that is in the gallery.
        alarm: Knows the watch list, and makes events; None without one.
        room: Tracks that may wait.
    """

    def __init__(
        self,
        gallery: Gallery,
        embedder: Embedder,
        say: Say,
        done: Done,
        *,
        alarm: Alarm | None = None,
        room: int = 64,
    ) -> None:
        self._gallery, self._embedder, self._say, self._done = gallery, embedder, say, done
        self._alarm = alarm
        self._waiting: queue.Queue[Seen | None] = queue.Queue(room)
        self._given_up = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, seen: Seen) -> None:
        """Take a track; waits for room.

        Raises:
            FprnetError: Something that no waiting mends has happened to the gallery.
        """
        while True:
            self.check()
            try:
                self._waiting.put(seen, timeout=0.5)
            except queue.Full:
                continue
            return

    def check(self) -> None:
        """Raise what has ended the thread, if it has ended."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait until all that was taken is in the gallery."""
        while self._thread.is_alive():
            try:
                self._waiting.put(None, timeout=0.5)
            except queue.Full:
                continue
            break
        self._thread.join()
        self.check()

    def give_up(self) -> None:
        """Stop asking a gallery that does not answer; :meth:`close` says what is lost then."""
        self._given_up.set()

    def _run(self) -> None:
        try:
            while (seen := self._next()) is not None:
                for one, tracklet in self._tracklets(seen):
                    self._add(one, tracklet)
                if self._is_last:
                    return
        except BaseException as error:
            self._error = error

    def _next(self) -> list[Seen] | None:
        """Return the tracks that wait; None at the end."""
        first = self._waiting.get()
        taken = [first]
        while taken[-1] is not None and not self._waiting.empty():
            taken.append(self._waiting.get_nowait())
        self._is_last = taken[-1] is None
        seen = [one for one in taken if one is not None]
        return seen or None

    def _tracklets(self, seen: Sequence[Seen]) -> list[tuple[Seen, Tracklet]]:
        """Embed the crops of all tracks, a batch for each modality."""
        made: list[tuple[Seen, Tracklet]] = []
        for modality in MODALITIES:
            some = [one for one in seen if one.track.modality == modality]
            images = [[_encoded(crop) for crop in one.track.crops] for one in some]
            pixels = [decoded for of in images for _, decoded in of]
            if not pixels:
                continue
            vectors = iter(self._embedder.embed(pixels, modality))
            for one, encoded in zip(some, images, strict=True):
                crops = tuple(
                    TrackletCrop(content, crop.time, crop.box, next(vectors), crop.quality)
                    for crop, (content, _) in zip(one.track.crops, encoded, strict=True)
                )
                made.append((one, _tracklet(one, crops)))
        return sorted(made, key=lambda pair: (pair[0].source, pair[0].track.number))

    def _add(self, seen: Seen, tracklet: Tracklet) -> None:
        wait, is_said = 0.5, False
        while True:
            try:
                record = self._stored(tracklet, seen.location)
            except (GalleryLockedError, GalleryUnavailableError) as error:
                if self._given_up.is_set():
                    raise FprnetError(
                        f"{error}; tracklet {tracklet.number} of {tracklet.source} and "
                        f"{self._waiting.qsize()} after it are not in the gallery"
                    ) from error
                if not is_said:
                    self._say(f"{error}; asking again until it answers")
                    is_said = True
                self._given_up.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            if is_said:
                self._say(f"gallery {self._gallery.uri} answers again")
            self._done(seen.source, tracklet, record)
            return

    def _stored(self, tracklet: Tracklet, location: str | None) -> TrackletRecord:
        if self._alarm is None:
            return add_tracklet(self._gallery, tracklet, location=location)
        matches = self._alarm.matches(tracklet)
        record = add_tracklet(
            self._gallery,
            tracklet,
            location=location,
            also=self._alarm.writer(self._gallery, matches),
        )
        self._alarm.added(matches)
        return record


def _tracklet(seen: Seen, crops: tuple[TrackletCrop, ...]) -> Tracklet:
    track = seen.track
    return Tracklet(
        camera=seen.camera,
        modality=track.modality,
        start=track.start,
        end=track.end,
        path=track.path,
        crops=crops,
        source=seen.address,
        number=track.number,
    )


def _encoded(crop: KeptCrop) -> tuple[bytes, NDArray[np.uint8]]:
    """Return a crop as a JPEG file, and its pixels as whoever reads the file sees them."""
    file = io.BytesIO()
    Image.fromarray(crop.pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    with Image.open(file) as kept:
        return file.getvalue(), np.asarray(kept.convert("RGB"))
