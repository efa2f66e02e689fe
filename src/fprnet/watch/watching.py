"""Several sources become tracklets in one gallery: readers, one analysis, one recorder.

Each source is read in a thread of its own. Frames wait in an inbox of bounded size, and this thread
detects and follows; tracks of a source that has followed people itself go on to the recorder, whose
thread embeds and stores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from fprnet.embeddings.embedder import Embedder
from fprnet.errors import FprnetError
from fprnet.events.dispatcher import Alarm
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.times import milliseconds
from fprnet.gallery.tracklets import TrackletRecord
from fprnet.tracklets import Tracklet
from fprnet.watch.counts import Counts
from fprnet.watch.detections import Detections, Detector
from fprnet.watch.following import Follower
from fprnet.watch.frames import Frame, Say, Source
from fprnet.watch.inbox import Inbox
from fprnet.watch.options import WatchOptions
from fprnet.watch.recording import Recorder, Seen
from fprnet.watch.tracks import FinishedTrack, TrackSource

__all__ = ["Watched", "watch"]

IDLE = 0.2  # seconds after which tracks are looked at though no frame comes
LAST_FRAME = 1.0  # seconds for a reader to end; one that hangs in a camera ends with the process
LAST_TRACKS = 15.0  # seconds for one that has still tracks to give, and a request to wait for


@dataclass(frozen=True, eq=False)
class Watched:
    """A source and what is known of it.

    Attributes:
        source: What is watched.
        camera: Name of the camera; None where the source names that of each track.
        location: Where the camera hangs; None takes the camera's name.
        detector: Detector of this source alone, e.g. boxes given for it; None takes the shared one.
    """

    source: Source | TrackSource
    camera: str | None
    location: str | None = None
    detector: Detector | None = None


class _Reader(threading.Thread):
    """Reads one source, and says when it has ended.

    Args:
        number: Place of the source among all sources, from 0.
        read: Reads until the source ends or nobody takes more of it.
        patience: Seconds for it to end when nothing more is wanted.
        inbox: Told of the end.
        say: Told of a fault.
    """

    def __init__(
        self, number: int, read: Callable[[], None], patience: float, inbox: Inbox, say: Say
    ) -> None:
        super().__init__(name=f"reader {number}", daemon=True)
        self._number, self._read, self._inbox, self._say = number, read, inbox, say
        self.patience = patience
        self.fault = ""
        self.error: BaseException | None = None

    def run(self) -> None:
        """Read it all."""
        try:
            self._read()
        except FprnetError as error:
            self.fault = str(error)
            self._say(f"{error}; the rest goes on")
        except BaseException as error:
            self.error = error
        finally:
            self._inbox.end(self._number)


def _pass_frames(source: Source, number: int, inbox: Inbox, say: Say) -> None:
    for frame in source.frames(say):
        if not inbox.put(number, frame, wait=not source.is_live):
            return


def _pass_tracks(
    source: TrackSource, say: Say, counts: Counts, take: Callable[[str, FinishedTrack], None]
) -> None:
    for camera, track in source.tracks(say, counts):
        take(camera, track)


def watch(
    watched: Sequence[Watched],
    gallery: Gallery,
    embedder: Embedder,
    detector: Detector | None,
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
        embedder: Model of the gallery's model.
        detector: Shared by all sources of frames that have none of their own; None: there is none.
        options: How people are followed and crops chosen.
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
    stop = stop or threading.Event()

    def kept(source: int, tracklet: Tracklet, record: TrackletRecord) -> None:
        counts[source].tracklets += 1
        counts[source].already += not record.new
        given = tracklet.camera, milliseconds(tracklet.start)
        counts[source].differing += given != (record.camera, milliseconds(record.start))
        done(record)

    recorder = Recorder(gallery, embedder, say, kept, alarm=alarm)

    def take(source: int, camera: str, track: FinishedTrack) -> None:
        one = watched[source]
        recorder.put(Seen(source, one.source.name, camera, one.location, track))

    readers: list[_Reader] = []
    followed: dict[int, _Followed] = {}
    for number, one in enumerate(watched):
        if isinstance(one.source, TrackSource):
            read = partial(_pass_tracks, one.source, say, counts[number], partial(take, number))
            readers.append(_Reader(number, read, LAST_TRACKS, inbox, say))
            continue
        own = one.detector or detector
        assert own is not None, f"{one.source.name} has no detector"
        assert one.camera is not None, f"{one.source.name} has no camera"
        followed[number] = _Followed(one.camera, own, options.follower(own))
        read = partial(_pass_frames, one.source, number, inbox, say)
        readers.append(_Reader(number, read, LAST_FRAME, inbox, say))
    for reader in readers:
        reader.start()
    analysis = _Analysis(followed, take, counts)
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
            reader.join(reader.patience)
        if stop.is_set():
            recorder.give_up()
        recorder.close()
    for number, reader in enumerate(readers):
        if reader.error is not None:
            raise reader.error
        counts[number].fault = reader.fault
        counts[number].dropped = inbox.dropped[number]
    for number, following in followed.items():
        counts[number].rejected = following.follower.rejected
    return counts


def _stop(watched: Sequence[Watched], inbox: Inbox) -> None:
    for one in watched:
        one.source.stop()
    inbox.close()


@dataclass(frozen=True, eq=False)
class _Followed:
    """A camera in whose frames people are detected and followed."""

    camera: str
    detector: Detector
    follower: Follower


class _Analysis:
    """Detects and follows in frames of all sources that give frames."""

    def __init__(
        self,
        followed: Mapping[int, _Followed],
        take: Callable[[int, str, FinishedTrack], None],
        counts: Sequence[Counts],
    ) -> None:
        self._followed, self._take, self._counts = followed, take, counts

    def look(self, frames: Sequence[tuple[int, Frame]]) -> None:
        """Look at frames, in their order within each source."""
        for (source, frame), detections in zip(frames, self._detected(frames), strict=True):
            self._counts[source].frames += 1
            self._counts[source].boxes += len(detections.scores)
            self._pass_on(source, self._followed[source].follower.see(frame, detections))

    def end(self, source: int) -> None:
        """End the tracks of a source of which no more frames come."""
        if source in self._followed:
            self._pass_on(source, self._followed[source].follower.end())

    def idle(self, source: int) -> None:
        """End the tracks of a live source that has been silent for too long."""
        if source in self._followed:
            self._pass_on(source, self._followed[source].follower.idle(datetime.now(UTC)))

    def _detected(self, frames: Sequence[tuple[int, Frame]]) -> list[Detections]:
        """Return who is in each frame; a detector that sources share is asked once."""
        of_detector: dict[int, list[int]] = {}
        for index, (source, _) in enumerate(frames):
            of_detector.setdefault(id(self._followed[source].detector), []).append(index)
        found: dict[int, Detections] = {}
        for indices in of_detector.values():
            detector = self._followed[frames[indices[0]][0]].detector
            some = detector.detect([frames[index][1] for index in indices])
            found.update(zip(indices, some, strict=True))
        return [found[index] for index in range(len(frames))]

    def _pass_on(self, source: int, tracks: Sequence[FinishedTrack]) -> None:
        for track in tracks:
            self._counts[source].tracks += 1
            if track.crops:
                self._take(source, self._followed[source].camera, track)
            else:
                self._counts[source].without_crop += 1
