"""Frames of one camera with their detections become finished tracks: path and crops of each."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from fprnet.data.records import Modality
from fprnet.tracklets import PathPoint
from fprnet.watch.detections import Detections
from fprnet.watch.frames import Frame
from fprnet.watch.light import Light, to_gray
from fprnet.watch.quality import measure_quality
from fprnet.watch.tracking import NOBODY, BoxTracker
from fprnet.watch.tracks import CropChooser, FinishedTrack, OpenTrack

__all__ = ["Follower"]


class Follower:
    """Follows everybody in one camera.

    Args:
        tracker: Follows people in that camera alone.
        light: Says for that camera alone whether it sees infrared.
        chooser: Keeps the best crops.
    """

    def __init__(self, tracker: BoxTracker, light: Light, chooser: CropChooser) -> None:
        self._tracker, self._light, self._chooser = tracker, light, chooser
        self._open: dict[int, OpenTrack] = {}
        self._finished: list[FinishedTrack] = []
        self._modality: Modality | None = None
        self._count = 0

    @property
    def rejected(self) -> Counter[str]:
        """Crops that were not good enough, by reason."""
        return self._chooser.rejected

    def see(self, frame: Frame, found: Detections) -> list[FinishedTrack]:
        """Follow everybody into the next frame.

        Returns:
            Tracks that are over now, in the order in which they began.
        """
        modality = self._light.see(frame.pixels, frame.time)
        if frame.is_cut or (self._modality is not None and modality != self._modality):
            self._end_all()
        self._modality = modality
        numbers = self._tracker.update(found, frame.time)
        pixels = to_gray(frame.pixels) if modality == "infrared" else frame.pixels
        height, width = pixels.shape[:2]
        measured = measure_quality(pixels, found.boxes)
        for number, box, (whole, quality) in zip(
            numbers.tolist(), found.boxes.tolist(), measured, strict=True
        ):
            if number == NOBODY:
                continue
            track = self._track(number, frame.time)
            left, top, box_width, box_height = box
            track.move(
                PathPoint(
                    frame.time, left / width, top / height, box_width / width, box_height / height
                )
            )
            self._chooser.offer(track, pixels, frame.time, whole, quality)
        self._end_lost(frame.time)
        return self._taken()

    def end(self) -> list[FinishedTrack]:
        """Return the tracks that are not over yet: no more frames come."""
        self._end_all()
        return self._taken()

    def idle(self, now: datetime) -> list[FinishedTrack]:
        """Return the tracks that are over because nothing has come for too long."""
        self._end_lost(now)
        return self._taken()

    def _track(self, number: int, time: datetime) -> OpenTrack:
        track = self._open.get(number)
        if track is not None and (
            (time - track.start).total_seconds() > self._chooser.choice.max_seconds
        ):
            self._finished.append(self._open.pop(number).finished())
            track = None
        if track is None:
            assert self._modality is not None
            self._count += 1
            track = OpenTrack(self._count, self._modality, time, time)
            self._open[number] = track
        return track

    def _end_lost(self, now: datetime) -> None:
        for number, track in list(self._open.items()):
            if (now - track.end).total_seconds() > self._tracker.patience:
                self._finished.append(self._open.pop(number).finished())

    def _end_all(self) -> None:
        self._finished += [track.finished() for track in self._open.values()]
        self._open.clear()
        self._tracker.restart()

    def _taken(self) -> list[FinishedTrack]:
        finished, self._finished = self._finished, []
        return sorted(finished, key=lambda track: track.number)
