"""A Frigate's events with their pictures become finished tracks.

Shapes: a picture is H x W pixels with channels R, G, B.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from fprnet.watch.frigate.events import FrigateEvent
from fprnet.watch.light import Light, to_gray
from fprnet.watch.quality import measure_quality
from fprnet.watch.tracks import CropChooser, FinishedTrack, OpenTrack

__all__ = ["EventFollower"]


@dataclass
class _OpenEvent:
    """Somebody whom Frigate follows, and the time of the last picture that was wanted."""

    camera: str
    track: OpenTrack
    pictured: datetime | None = None


class EventFollower:
    """Keeps what Frigate says of everybody whom it follows.

    Of other people in a picture nothing is known: no crop counts as occluded.

    Args:
        chooser: Keeps the best crops.
        light: Makes what knows by which light a camera sees. Each picture counts alone, as there
            are few.
    """

    def __init__(self, chooser: CropChooser, light: Callable[[], Light]) -> None:
        self._chooser, self._make_light = chooser, light
        self._lights: dict[str, Light] = {}
        self._open: dict[str, _OpenEvent] = {}

    @property
    def starts(self) -> Mapping[str, datetime]:
        """Id -> time of the first box of each event that is not over."""
        return {id: one.track.start for id, one in self._open.items()}

    def see(self, event: FrigateEvent) -> bool:
        """Take where somebody is now; return whether there is a picture that was not wanted yet."""
        one = self._open.get(event.id)
        if one is None:
            track = OpenTrack(event.number, "visible", event.start, event.end)
            one = self._open[event.id] = _OpenEvent(event.camera, track)
        if event.place is not None:
            one.track.move(event.place)
        if event.snapshot is None or event.snapshot.time == one.pictured:
            return False
        one.pictured = event.snapshot.time
        return True

    def look(self, event: FrigateEvent, pixels: NDArray[np.uint8]) -> None:
        """Keep the person in an event's picture, where that is among the best of the event.

        Args:
            event: Seen, with a snapshot.
            pixels: ``(H, W, 3)`` of any size: boxes are relative.
        """
        shot = event.snapshot
        assert shot is not None, "an event without a picture has nothing to look at"
        track = self._open[event.id].track
        light = self._lights.setdefault(event.camera, self._make_light())
        modality = light.see(pixels, shot.time)
        if modality == "infrared":
            pixels = to_gray(pixels)
        track.crops = [crop for crop in track.crops if crop.time != shot.time]
        if not track.crops:
            track.modality = modality
        elif track.modality != modality:
            self._chooser.rejected["other light"] += 1
            return
        height, width = pixels.shape[:2]
        box = (shot.x * width, shot.y * height, shot.width * width, shot.height * height)
        ((whole, quality),) = measure_quality(pixels, np.array([box], np.float32))
        self._chooser.offer(track, pixels, shot.time, whole, quality)

    def end(self, id: str) -> tuple[str, FinishedTrack]:
        """Return Frigate's name of the camera and the track of an event, and forget the event."""
        one = self._open.pop(id)
        return one.camera, one.track.finished()
