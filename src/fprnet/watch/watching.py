"""Several sources become tracklets in one gallery: readers, one analysis, one recorder.

Each source is read in a thread of its own; frames wait in an inbox of bounded size; this thread
detects and follows; the recorder's thread embeds and stores.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from fprnet.embeddings.embedder import Embedder
from fprnet.errors import FprnetError
from fprnet.events.dispatcher import Alarm
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.tracklets import TrackletRecord
from fprnet.watch.detections import Detections, Detector
from fprnet.watch.following import Follower
from fprnet.watch.frames import Frame, Say, Source
from fprnet.watch.inbox import Inbox
from fprnet.watch.options import WatchOptions
from fprnet.watch.recording import Recorder, Seen

__all__ = ["Counts", "Watched", "watch"]

IDLE = 0.2  # seconds after which tracks are looked at though no frame comes


@dataclass(frozen=True, eq=False)
class Watched:
    """A source and what is known of it.

    Attributes:
        source: What is watched.
        camera: Name of the camera.
        location: Of the camera; None is its name.
        detector: Of this source alone, e.g. boxes given for it; None takes the shared one.
    """

    source: Source
    camera: str
    location: str | None = None
    detector: Detector | None = None


@dataclass
class Counts:
    """What became of a source.

    Attributes:
        source: Its address, without a password.
        camera: Name of the camera.
        frames: Frames that were looked at.
        dropped: Frames that came and were not looked at, because there was no time.
        boxes: People found in frames.
        tracks: People who were followed.
        tracklets: Tracks that are in the gallery now.
        already: Those of them that were there before.
        without_crop: Tracks of which no crop was good enough.
        rejected: Crops that were not good enough, by reason.
        fault: Why it ended early; "" where it did not.
    """

    source: str
    camera: str
    frames: int = 0
    dropped: int = 0
    boxes: int = 0
    tracks: int = 0
    tracklets: int = 0
    already: int = 0
    without_crop: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    fault: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self) | {"rejected": dict(self.rejected)}


class _Reader(threading.Thread):
    """Reads one source into the inbox."""

    def __init__(self, number: int, watched: Watched, inbox: Inbox, say: Say) -> None:
        super().__init__(name=f"reader {number}", daemon=True)
        self._number, self._source, self._inbox, self._say = number, watched.source, inbox, say
        self.fault = ""
        self.error: BaseException | None = None

    def run(self) -> None:
        """Read until the source ends or nobody takes frames any more."""
        try:
            for frame in self._source.frames(self._say):
                if not self._inbox.put(self._number, frame, wait=not self._source.is_live):
                    break
        except FprnetError as error:
            self.fault = str(error)
            self._say(f"{error}; the rest goes on")
        except BaseException as error:
            self.error = error
        finally:
            self._inbox.end(self._number)


def watch(
    watched: Sequence[Watched],
    gallery: Gallery,
    embedder: Embedder,
    detector: Detector,
    options: WatchOptions,
    *,
    say: Say,
    done: Callable[[TrackletRecord], None],
    seen: Callable[[int, Frame], None] = lambda source, frame: None,
    stop: threading.Event | None = None,
    alarm: Alarm | None = None,
) -> list[Counts]:
    """Watch all sources until they end.

    Args:
        watched: What is watched; of one camera there may be several recordings.
        gallery: Writable.
        embedder: Of the gallery's model.
        detector: Shared by all sources that have none of their own.
        options: Of following and choosing.
        say: Takes lines for the log, from any thread.
        done: Takes each tracklet when it is in the gallery, from the recorder's thread.
        seen: Takes each frame that was looked at with the number of its source.
        stop: Ends all sources when it is set; who is being followed then is added, too.
        alarm: Makes events of tracklets that show somebody on the watch list.

    Returns:
        What became of each source.

    Raises:
        FprnetError: The gallery refuses for good. What was said to be done is in it.
    """
    counts = [Counts(one.source.name, one.camera) for one in watched]
    inbox = Inbox(len(watched), options.queue)
    followers = [options.follower(one.detector or detector) for one in watched]
    stop = stop or threading.Event()

    def kept(source: int, record: TrackletRecord) -> None:
        counts[source].tracklets += 1
        counts[source].already += not record.new
        done(record)

    recorder = Recorder(gallery, embedder, say, kept, alarm=alarm)
    readers = [_Reader(number, one, inbox, say) for number, one in enumerate(watched)]
    for reader in readers:
        reader.start()
    analysis = _Analysis(watched, followers, detector, recorder, counts)
    try:
        ended: set[int] = set()
        while len(ended) < len(watched):
            if stop.is_set():
                _stop(watched, inbox)
            taken = inbox.take(options.batch, IDLE)
            recorder.check()
            analysis.look(taken)
            for source, frame in taken:
                seen(source, frame)
            for number, one in enumerate(watched):
                if number in ended:
                    continue
                if inbox.has_ended(number):
                    ended.add(number)
                    analysis.end(number)
                elif one.source.is_live:
                    analysis.idle(number)
    except BaseException:
        recorder.give_up()
        raise
    finally:
        _stop(watched, inbox)
        for reader in readers:
            reader.join(timeout=1)  # one that hangs in a camera ends with the process
        if stop.is_set():
            recorder.give_up()
        recorder.close()
    for number, reader in enumerate(readers):
        if reader.error is not None:
            raise reader.error
        counts[number].fault = reader.fault
        counts[number].dropped = inbox.dropped[number]
        counts[number].rejected = followers[number].rejected
    return counts


def _stop(watched: Sequence[Watched], inbox: Inbox) -> None:
    for one in watched:
        one.source.stop()
    inbox.close()


class _Analysis:
    """Detects and follows in frames of all sources."""

    def __init__(
        self,
        watched: Sequence[Watched],
        followers: Sequence[Follower],
        detector: Detector,
        recorder: Recorder,
        counts: Sequence[Counts],
    ) -> None:
        self._watched, self._followers = watched, followers
        self._detector, self._recorder, self._counts = detector, recorder, counts

    def look(self, frames: Sequence[tuple[int, Frame]]) -> None:
        """Look at frames, in their order within each source."""
        shared = [frame for source, frame in frames if self._watched[source].detector is None]
        found = iter(self._detector.detect(shared) if shared else [])
        for source, frame in frames:
            own = self._watched[source].detector
            detections: Detections = next(found) if own is None else own.detect([frame])[0]
            self._counts[source].frames += 1
            self._counts[source].boxes += len(detections.scores)
            self._pass_on(source, self._followers[source].see(frame, detections))

    def end(self, source: int) -> None:
        """End the tracks of a source of which no more frames come."""
        self._pass_on(source, self._followers[source].end())

    def idle(self, source: int) -> None:
        """End the tracks of a live source that has been silent for too long."""
        self._pass_on(source, self._followers[source].idle(datetime.now(UTC)))

    def _pass_on(self, source: int, tracks: Sequence[Any]) -> None:
        watched, counts = self._watched[source], self._counts[source]
        for track in tracks:
            counts.tracks += 1
            if not track.crops:
                counts.without_crop += 1
                continue
            self._recorder.put(
                Seen(source, watched.source.name, watched.camera, watched.location, track)
            )
