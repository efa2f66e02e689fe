"""What Frigate says: its messages and its list become events, its configuration sizes of frames.

Messages are those of its MQTT topic ``PREFIX/events``, the list is that of ``GET /api/events``
(Frigate 0.14 to 0.17, https://docs.frigate.video/integrations/mqtt and /integrations/api).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fprnet.errors import DataError
from fprnet.tracklets import PathPoint

__all__ = [
    "EventMessage",
    "FrigateEvent",
    "ListedEvent",
    "Size",
    "read_list",
    "read_message",
    "read_sizes",
]

PERSON = "person"
NUMBER_BYTES = 6  # of the hash of an id: what a database's whole numbers surely hold

Size = tuple[int, int]
"""Width and height in pixels of the frames in which Frigate detects."""

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
Seconds = Annotated[float, Field(ge=0, lt=2.0**37)]  # since 1970, before the year 6325
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class FrigateEvent:
    """Somebody whom Frigate follows, or has followed.

    Attributes:
        id: Frigate's own, unique.
        camera: Frigate's name of the camera.
        start: Time of the first box, in UTC.
        end: Time of the last box so far; of one in the list, a few seconds later.
        is_over: Whether Frigate has lost the person.
        has_snapshot: Whether Frigate keeps a picture.
        place: Where the person was at ``end``; None where that is not said.
        snapshot: Where the person is in the picture and when that was taken; None without one.
    """

    id: str
    camera: str
    start: datetime
    end: datetime
    is_over: bool
    has_snapshot: bool
    place: PathPoint | None
    snapshot: PathPoint | None

    @property
    def number(self) -> int:
        """The same for the same event: 48 bits of the SHA-256 of its id."""
        return int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:NUMBER_BYTES], "big")


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class _Snapshot(_Said):
    frame_time: Seconds
    box: Corners  # left, top, right, bottom in pixels of the detect frame


class _State(_Said):
    id: Word
    camera: Word
    label: str
    start_time: Seconds
    frame_time: Seconds
    box: Corners
    false_positive: bool = False
    has_snapshot: bool = False
    snapshot: _Snapshot | None = None


class EventMessage(_Said):
    """A message of the topic; its boxes are in pixels of a frame whose size it does not say."""

    type: Literal["new", "update", "end"]
    after: _State

    @property
    def is_person(self) -> bool:
        """Whether it is about a person, as Frigate believes."""
        return self.after.label == PERSON and not self.after.false_positive

    def event(self, size: Size) -> FrigateEvent:
        """Return it with boxes relative to the frame.

        Args:
            size: Height and width of the frames in which the camera's people are detected.
        """
        state, shot = self.after, self.after.snapshot
        return FrigateEvent(
            state.id,
            state.camera,
            start=_time(min(state.start_time, state.frame_time)),
            end=_time(state.frame_time),
            is_over=self.type == "end",
            has_snapshot=state.has_snapshot,
            place=_point(state.frame_time, state.box, size),
            snapshot=None if shot is None else _point(shot.frame_time, shot.box, size),
        )


class _ListedBox(_Said):
    box: Corners | None = None  # left, top, width, height, as shares of the frame


class ListedEvent(_Said):
    """An event that is over, in Frigate's list."""

    id: Word
    camera: Word
    label: str
    start_time: Seconds
    end_time: Seconds
    has_snapshot: bool
    data: _ListedBox

    @property
    def is_person(self) -> bool:
        """Whether it is about a person."""
        return self.label == PERSON

    def event(self) -> FrigateEvent:
        """Return it; when its picture was taken is not said: the middle stands for it."""
        start, end = _time(self.start_time), _time(max(self.start_time, self.end_time))
        box = self.data.box
        return FrigateEvent(
            self.id,
            self.camera,
            start,
            end,
            is_over=True,
            has_snapshot=self.has_snapshot,
            place=None,
            snapshot=None if box is None else PathPoint(start + (end - start) / 2, *box),
        )


class _Detect(_Said):
    width: int | None = None
    height: int | None = None


class _Camera(_Said):
    detect: _Detect


class _Config(_Said):
    cameras: dict[str, _Camera]


_LIST = TypeAdapter(list[dict[str, Any]])


def read_sizes(content: bytes) -> dict[str, Size]:
    """Read name -> size of the frames in which people are detected, of each camera.

    Raises:
        DataError: It is no configuration of Frigate's.
    """
    try:
        cameras = _Config.model_validate_json(content).cameras
    except ValidationError as error:
        raise DataError(f"a configuration is not as Frigate has it ({_fault(error)})") from error
    sizes = {name: (one.detect.width or 0, one.detect.height or 0) for name, one in cameras.items()}
    return {name: size for name, size in sizes.items() if min(size) > 0}


def read_message(payload: bytes) -> EventMessage:
    """Read a message of the topic.

    Raises:
        DataError: It is none of Frigate's.
    """
    try:
        return EventMessage.model_validate_json(payload)
    except ValidationError as error:
        raise DataError(f"a message is not as Frigate writes it ({_fault(error)})") from error


def read_list(content: bytes) -> list[ListedEvent | None]:
    """Read the list of events that are over; None stands for one that is not as Frigate writes it.

    Raises:
        DataError: It is no list.
    """
    try:
        entries = _LIST.validate_json(content)
    except ValidationError as error:
        raise DataError(f"a list is not as Frigate writes it ({_fault(error)})") from error
    return [_listed(entry) for entry in entries]


def _listed(entry: dict[str, Any]) -> ListedEvent | None:
    try:
        return ListedEvent.model_validate(entry)
    except ValidationError:
        return None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _point(seconds: float, corners: Corners, size: Size) -> PathPoint:
    left, top, right, bottom = corners
    width, height = size
    return PathPoint(
        _time(seconds),
        left / width,
        top / height,
        (right - left) / width,
        (bottom - top) / height,
    )


def _fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}"
