"""Images are decoded in processes of their own, which are killed when they take too long.

The structure of a file is checked before (`fprnet.data.image_headers`), but decoders are old C
code: whatever hangs, crashes or eats memory nevertheless ends a process that holds nothing else.

Shapes: H x W pixels of the network's input.
"""

from __future__ import annotations

import contextlib
import json
import queue
import struct
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.images import ImageFacts, decode_image
from fprnet.data.pixels import DepthRange
from fprnet.errors import ImageFileError

__all__ = ["Decoders"]

PATIENCE = 15.0  # seconds; 25 million pixels take about one
MEMORY = (1_000_000_000, 24)  # bytes of address space of a process: at least, and for each pixel
HEAD = struct.Struct("<QQ")  # bytes of the JSON object, and of what follows it


class Decoders:
    """Some processes that decode; one that had to be killed is started again.

    Args:
        number: Processes; as many callers are served at a time, others wait.
        size: (H, W) to resize to.
        max_pixels: Width times height of an image.
        depth_range: Which values of 16-bit images become black and white.
        patience: Seconds for one image.
    """

    def __init__(
        self,
        number: int,
        size: tuple[int, int],
        max_pixels: int,
        *,
        depth_range: DepthRange = "own",
        patience: float = PATIENCE,
    ) -> None:
        self._depth_range = depth_range
        self._size = size
        self._max_pixels = max_pixels
        self._patience = patience
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._number = number
        for _ in range(number):
            self._idle.put(_start(max_pixels))

    def decode(self, content: bytes, name: str) -> tuple[NDArray[np.uint8], ImageFacts]:
        """Do as `fprnet.data.images.decode_image`, with the size and the limit of this pool.

        Args:
            content: Bytes of the file.
            name: What a complaint calls it.

        Returns:
            ``(H, W, 3)`` uint8, and what the file holds.

        Raises:
            ImageFileError: The image cannot be used.
        """
        process = self._idle.get()
        is_broken = threading.Event()

        def give_up() -> None:
            is_broken.set()
            process.kill()

        timer = threading.Timer(self._patience, give_up)
        timer.start()
        try:
            return self._ask(process, content, name)
        except (OSError, EOFError) as error:  # killed, or crashed
            is_broken.set()
            raise ImageFileError(
                f"{name} could not be decoded in {self._patience:g} seconds and the memory for an "
                "image; save it anew as PNG",
                "damaged",
            ) from error
        finally:
            timer.cancel()
            timer.join()
            if is_broken.is_set():
                process.kill()
                _end(process)
                process = _start(self._max_pixels)
            self._idle.put(process)

    def close(self) -> None:
        """End the processes, after what they are at."""
        for _ in range(self._number):
            _end(self._idle.get())

    def _ask(
        self, process: subprocess.Popen[bytes], content: bytes, name: str
    ) -> tuple[NDArray[np.uint8], ImageFacts]:
        assert process.stdin is not None
        assert process.stdout is not None
        question = {
            "name": name,
            "size": self._size,
            "max_pixels": self._max_pixels,
            "depth_range": self._depth_range,
        }
        _write(process.stdin, question, content)
        answer, pixels = _read(process.stdout)
        if "error" in answer:
            raise ImageFileError(answer["error"], answer["reason"])
        picture = np.frombuffer(pixels, dtype=np.uint8).reshape(*self._size, 3)
        return picture, ImageFacts(**answer)


def _start(max_pixels: int) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for the service, which ends the process when it has finished.
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(max_pixels)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a process end at the end of its input."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it was killed with some input unread
        process.stdin.close()
    process.stdout.close()
    process.wait()


def _write(stream: IO[bytes], about: dict[str, Any], content: bytes | memoryview) -> None:
    head = json.dumps(about).encode()
    stream.write(HEAD.pack(len(head), len(content)))
    stream.write(head)
    stream.write(content)
    stream.flush()


def _read(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read what `_write` has written.

    Raises:
        EOFError: The other side has ended.
    """
    lengths = HEAD.unpack(_exactly(stream, HEAD.size))
    head, content = (_exactly(stream, length) for length in lengths)
    about: dict[str, Any] = json.loads(head)
    return about, content


def _exactly(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def _limit_memory(max_pixels: int) -> None:
    """Let an image that needs far more memory than its pixels fail, on systems that can."""
    if sys.platform == "win32":
        return
    import resource

    least, for_each_pixel = MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (least + for_each_pixel * max_pixels, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _decode_until_end(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer one question after the other."""
    while True:
        try:
            question, content = _read(source)
        except EOFError:
            return
        question["size"] = tuple(question["size"])
        try:
            pixels, facts = decode_image(content, **question)
        except ImageFileError as error:
            _write(sink, {"error": str(error), "reason": error.reason}, b"")
        else:
            _write(sink, asdict(facts), np.ascontiguousarray(pixels).data.cast("B"))


if __name__ == "__main__":
    _limit_memory(int(sys.argv[1]))
    _decode_until_end(sys.stdin.buffer, sys.stdout.buffer)
