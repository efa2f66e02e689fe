"""An address becomes a source of frames: a video file, a folder of frames, a stream, a camera."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.data.image_formats import SUFFIXES
from fprnet.data.images import read_image
from fprnet.errors import DataError, ImageFileError, UsageError
from fprnet.watch.frames import Frame, Say, Source
from fprnet.watch.timeline import Clock, Sampler, Timeline, later
from fprnet.watch.video import decoded, opened, pixels_of, require_av, without_password

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["Device", "FrameFolder", "SourceOptions", "Stream", "VideoFile", "open_source"]

LONGEST_WAIT = 30.0  # seconds between two attempts to reach a camera
DEFAULT_STEP = 0.04  # seconds between frames of a video that says nothing at all about time
GUESSED = (
    "{} does not say when it was recorded: by the time of its file it began at {}; --start or "
    "--time-from say it better"
)
# What reads a camera that is plugged in, by platform.
CAPTURE = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


@dataclass(frozen=True)
class SourceOptions:
    """How sources are watched.

    Attributes:
        rate: Frames a second that are looked at; of slower videos all are.
        start: When a recording begins, in UTC; None: as its name, its metadata or its file says.
        frame_rate: Frames a second of a folder of frames; None: as its ``seqinfo.ini`` says.
        timeout: Seconds without a frame after which a stream counts as stalled.
    """

    rate: float = 5.0
    start: datetime | None = None
    frame_rate: float | None = None
    timeout: float = 10.0


def open_source(address: str, options: SourceOptions) -> Source:
    """Return what an address names.

    Args:
        address: Video file; folder of images; ``rtsp://``, ``http://`` or another URL of a stream;
            ``usb:0`` or ``/dev/video0`` of a camera that is plugged in.
        options: How it is watched.

    Raises:
        UsageError: It names nothing that can be watched, or PyAV is missing.
        DataError: The recording is damaged.
    """
    if re.match(r"[a-z][a-z0-9+.-]*://", address):
        require_av()
        return Stream(address, options)
    device = re.fullmatch(r"(?:usb:|/dev/video)(\d+)", address)
    if device is not None:
        require_av()
        return Device(int(device.group(1)), options)
    path = Path(address)
    if path.is_dir():
        return FrameFolder(path, options)
    if path.is_file():
        require_av()
        return VideoFile(path, options)
    raise UsageError(
        f"{address} is no video file, folder of frames, usb:N or URL; correct the path"
    )


class VideoFile:
    """A recording, read as fast as frames are taken."""

    is_live = False

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self.name = str(path)
        self._path, self._options = path, options
        self._is_stopped = threading.Event()
        with opened(self.name, timeout=options.timeout, options={}) as container:
            stream = container.streams.video[0]
            self.seconds = None if container.duration is None else container.duration / 1e6
            rate = stream.average_rate or stream.guessed_rate
            self._step = 1 / float(rate) if rate else DEFAULT_STEP
            said = options.start or _recorded(container.metadata)
            self._is_guessed = said is None
            self._start = said or _written(path) - timedelta(seconds=self.seconds or 0)

    def frames(self, say: Say) -> Iterator[Frame]:
        """Yield the wanted frames; see `Source`."""
        if self._is_guessed:
            say(GUESSED.format(self.name, self._start.isoformat(" ", "seconds")))
        timeline, sampler = Timeline(self._start, self._step), Sampler(self._options.rate)
        joints = _Joints(self.name, say)
        with opened(self.name, timeout=self._options.timeout, options={}) as container:
            container.streams.video[0].thread_type = "AUTO"
            for picture, number in decoded(container, self.name, say):
                if self._is_stopped.is_set():
                    return
                time, fault = timeline.place(picture.time)
                joints.tear(fault)
                joints.size(picture.width, picture.height)
                if sampler.wants((time - self._start).total_seconds()):
                    yield Frame(pixels_of(picture), time, number, is_cut=joints.passed())

    def stop(self) -> None:
        """End the frames soon."""
        self._is_stopped.set()


class FrameFolder:
    """A folder of images, in the order of their names."""

    is_live = False

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self.name = str(path)
        self._options = options
        self._files = sorted(
            (file for file in path.iterdir() if file.suffix.lower() in SUFFIXES), key=_natural
        )
        if not self._files:
            raise DataError(f"{path} holds no images; give a folder of frames")
        rate = options.frame_rate or _rate_of(path)
        if rate is None:
            raise UsageError(
                f"{path} does not say how many frames a second it has; give --frame-rate N"
            )
        self._step = 1 / rate
        self.seconds: float | None = len(self._files) * self._step
        self._start = options.start or _written(self._files[0])
        later(self._start, self.seconds)  # its end is a time, too
        self._is_stopped = threading.Event()

    def frames(self, say: Say) -> Iterator[Frame]:
        """Yield the wanted frames; see `Source`."""
        if self._options.start is None:
            say(GUESSED.format(self.name, self._start.isoformat(" ", "seconds")))
        sampler, joints = Sampler(self._options.rate), _Joints(self.name, say)
        for index, file in enumerate(self._files):
            if self._is_stopped.is_set():
                return
            seconds = index * self._step
            if not sampler.wants(seconds):
                continue
            try:
                pixels = read_image(file)
            except ImageFileError as error:
                say(f"{error}; going on")
                continue
            joints.size(pixels.shape[1], pixels.shape[0])
            time = later(self._start, seconds)
            yield Frame(pixels, time, index + 1, is_cut=joints.passed())

    def stop(self) -> None:
        """End the frames soon."""
        self._is_stopped.set()


class Stream:
    """A camera that sends; whenever it breaks off, it is called again, ever more patiently."""

    is_live = True
    seconds: float | None = None

    def __init__(
        self, address: str, options: SourceOptions, *, format: str | None = None, name: str = ""
    ) -> None:
        self.name = name or without_password(address)
        self._address, self._options, self._format = address, options, format
        self._is_stopped = threading.Event()

    def frames(self, say: Say) -> Iterator[Frame]:
        """Yield the wanted frames until it is stopped; see `Source`."""
        sampler, joints, clock = Sampler(self._options.rate), _Joints(self.name, say), Clock()
        wait, number, is_out = 1.0, 0, False
        while not self._is_stopped.is_set():
            try:
                for pictures_number, (picture, _) in enumerate(self._pictures(say)):
                    if self._is_stopped.is_set():
                        return
                    if pictures_number == 0 and (number or is_out):
                        joints.tear("it is back" if is_out else "connected anew")
                    wait, is_out = 1.0, False
                    number += 1
                    time, fault = clock.place()
                    joints.tear(fault)
                    joints.size(picture.width, picture.height)
                    if sampler.wants(time.timestamp()):
                        yield Frame(pixels_of(picture), time, number, is_cut=joints.passed())
                reason = f"{self.name} ended"
            except DataError as error:
                reason = str(error)
            if not is_out:
                say(f"{reason}; calling it again until it answers")
                is_out = True
            self._is_stopped.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def stop(self) -> None:
        """End the frames soon."""
        self._is_stopped.set()

    def _pictures(self, say: Say) -> Iterator[tuple[VideoFrame, int]]:
        options = {"rtsp_transport": "tcp"} if self._address.startswith("rtsp") else {}
        timeout = self._options.timeout
        with opened(self._address, timeout=timeout, options=options, format=self._format) as one:
            one.streams.video[0].thread_type = "SLICE"  # others hold frames back
            yield from decoded(one, self.name, say)


class Device(Stream):
    """A camera that is plugged into this machine.

    Args:
        number: Which camera that is plugged in, from 0.
        options: How it is watched.
    """

    def __init__(self, number: int, options: SourceOptions) -> None:
        capture = CAPTURE.get(sys.platform, "v4l2")
        address = f"/dev/video{number}" if capture == "v4l2" else str(number)
        super().__init__(address, options, format=capture, name=f"usb:{number}")


class _Joints:
    """Remembers, and says, what tears a video apart until the next frame that is taken."""

    def __init__(self, name: str, say: Say) -> None:
        self._name, self._say = name, say
        self._size: tuple[int, int] | None = None
        self._is_torn = False

    def tear(self, reason: str) -> None:
        """Note a tear; "" is none."""
        if reason:
            self._say(f"{self._name}: {reason}; going on")
            self._is_torn = True

    def size(self, width: int, height: int) -> None:
        """Note the size of a frame."""
        if self._size not in (None, (width, height)):
            self.tear(f"frames are {width} x {height} pixels now")
        self._size = (width, height)

    def passed(self) -> bool:
        """Return whether the frame is torn from the one before, and forget it."""
        was_torn, self._is_torn = self._is_torn, False
        return was_torn


def _recorded(metadata: dict[str, str]) -> datetime | None:
    """Return when a recording began, as its metadata say; None where they do not."""
    try:
        said = datetime.fromisoformat(metadata.get("creation_time", ""))
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, tz=UTC)


def _natural(path: Path) -> list[str]:
    """Return a key that sorts ``2.jpg`` before ``10.jpg``."""
    return [part.zfill(20) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _rate_of(folder: Path) -> float | None:
    """Return the frame rate that ``seqinfo.ini`` in or above a folder says, as MOT data sets do."""
    for file in (folder / "seqinfo.ini", folder.parent / "seqinfo.ini"):
        if file.is_file():
            sequence = ConfigParser()
            try:
                sequence.read(file, encoding="utf-8")
                rate = sequence.getfloat("Sequence", "frameRate")
            except (IniError, ValueError, UnicodeDecodeError) as error:
                raise DataError(f"{file} has no frameRate; give --frame-rate N") from error
            if rate > 0:
                return rate
    return None
