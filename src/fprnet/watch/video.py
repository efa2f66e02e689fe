"""A container that PyAV can open becomes decoded pictures; what is damaged is left out.

Shapes: a frame is H x W pixels with channels R, G, B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fprnet.data.pixels import fit_image
from fprnet.errors import DataError, UsageError
from fprnet.watch.frames import Say

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

__all__ = ["decoded", "opened", "pixels_of", "require_av", "without_password"]

DEEP_GRAY = re.compile(r"gray(9|1[0-6])(le|be)")  # pixel formats of infrared sensors
TEXTS = ("tty",)  # what FFmpeg calls any text file, which it would draw as a terminal does
MAX_DAMAGED = 1000  # packets in a row; more is no video any more


@contextmanager
def opened(
    address: str, *, timeout: float, options: dict[str, str], format: str | None = None
) -> Iterator[InputContainer]:
    """Open a video for reading.

    Args:
        address: File, device or URL.
        timeout: Seconds to wait for it to open and for every read.
        options: Options of FFmpeg's demuxer.
        format: Name of the demuxer; None: recognised.

    Raises:
        UsageError: There is no protocol of the address's name.
        DataError: It does not open, or has no video.
    """
    import av

    name = without_password(address)
    try:
        container = av.open(address, options=options, timeout=timeout, format=format)
    except av.error.ProtocolNotFoundError as error:
        raise UsageError(
            f"{name} has a protocol that is unknown; write e.g. rtsp:// or http://"
        ) from error
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{name} cannot be opened as a video ({_reason(error)})") from error
    with container:
        if container.format.name in TEXTS:
            raise DataError(f"{name} is a text and no video; give another file")
        if not container.streams.video:
            raise DataError(f"{name} has no video stream; give another file or address")
        yield container


def decoded(container: InputContainer, name: str, say: Say) -> Iterator[tuple[VideoFrame, int]]:
    """Yield the pictures of a container with their numbers, counted from 1.

    Damaged packets are left out, but counted; each run of them is one line.

    Raises:
        DataError: Reading fails before the end, or nothing but damaged packets comes.
    """
    import av

    stream = container.streams.video[0]
    stream.codec_context.options = {"err_detect": "explode"}  # what is damaged is not made up
    number, damaged = 0, 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            raise DataError(f"{name} broke off after {number} frames ({_reason(error)})") from (
                error
            )
        if packet is None:
            break
        reason = "lost data"
        try:
            pictures: list[VideoFrame | None] = [
                one for one in packet.decode() if isinstance(one, av.VideoFrame)
            ]
        except av.FFmpegError as error:
            pictures, reason = [None], _reason(error)
        for picture in pictures:
            number += 1
            if picture is not None and not picture.is_corrupt:
                damaged = 0
                yield picture, number
                continue
            damaged += 1
            if damaged == 1:
                say(f"{name}: frame {number} is damaged ({reason}); going on")
            if damaged >= MAX_DAMAGED:
                raise DataError(f"{name} has {damaged} damaged frames in a row; copy it again")


def pixels_of(picture: VideoFrame) -> NDArray[np.uint8]:
    """Return a picture as ``(H, W, 3)`` uint8, upright."""
    if DEEP_GRAY.fullmatch(picture.format.name):
        pixels = fit_image(Image.fromarray(picture.to_ndarray(format="gray16le")))
    else:
        pixels = np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
    turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def without_password(address: str) -> str:
    """Return an address as it may be said aloud: without user and password."""
    return re.sub(r"(://)[^/?#]*@", r"\1", address)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split())[:200] or type(error).__name__


def require_av() -> None:
    """Refuse to go on without PyAV.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UsageError("watching needs PyAV; install it: pip install 'fprnet[watch]'") from error
