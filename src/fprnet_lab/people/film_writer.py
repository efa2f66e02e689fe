"""A film becomes a folder: ``frames/000001.jpg``, ``truth.csv``, ``gt/gt.txt`` and ``film.json``.

``gt.txt`` and ``seqinfo.ini`` are those of the MOT challenge (https://motchallenge.net), so that
trackers and their measures read the folder as it is.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fprnet.errors import DataError, UsageError
from fprnet.files import replacing, write_text
from fprnet_lab.people.film import Film, filmed
from fprnet_lab.people.render import Setting
from fprnet_lab.people.sensor import jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_START", "write_film"]

QUALITY = 88
HEAD = "frame,time,identity,left,top,width,height,visible,distance\n"


VIDEO = "film.mp4"
DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)


def write_film(
    root: Path,
    setting: Setting,
    film: Film,
    *,
    start: datetime = DEFAULT_START,
    video: bool = False,
) -> int:
    """Write a film and return its number of frames; ``film.json`` is written last.

    ``truth.csv`` has a line for everybody in a frame: number of the frame from 1, seconds,
    identity, box in pixels, share of the person that is seen, and distance in metres.

    Args:
        root: Folder to write.
        setting: Seeds of people and world.
        film: What it shows.
        start: Time of the first frame.
        video: Write ``film.mp4``, too; its metadata say when it begins.

    Raises:
        DataError: The folder is not empty, or cannot be written.
        UsageError: PyAV is needed and not installed.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} is not an empty folder; choose another one")
    lines, boxes = [HEAD], []
    count = 0
    try:
        (root / "frames").mkdir(parents=True, exist_ok=True)
        with _video(root / VIDEO, film, start) if video else _no_video() as add:
            for count, frame in enumerate(filmed(setting, film), 1):
                (root / "frames" / f"{count:06d}.jpg").write_bytes(jpeg(frame.pixels, QUALITY))
                add(frame.pixels)
                for one in frame.seen:
                    row = (count, frame.time, *dataclasses.astuple(one))
                    lines.append(",".join(f"{value:g}" for value in row) + "\n")
                    box = (count, one.identity, one.left, one.top, one.width, one.height, 1, 1)
                    boxes.append(",".join(map(str, box)) + f",{one.visible:g}\n")
        write_text(root / "truth.csv", "".join(lines))
        write_text(root / "gt" / "gt.txt", "".join(boxes))
        write_text(root / "seqinfo.ini", _sequence(root.name, film, count))
        about = {
            "generator": "people",
            "version": setting.version,
            "film": dataclasses.asdict(film),
            "setting": dataclasses.asdict(setting),
            "start": start.isoformat(),
        }
        write_text(root / "film.json", json.dumps(about, indent=1) + "\n")
    except OSError as error:
        raise DataError(f"cannot write {error.filename or root} ({error.strerror})") from error
    return count


def _sequence(name: str, film: Film, frames: int) -> str:
    return (
        f"[Sequence]\nname={name}\nimDir=frames\nframeRate={film.rate:g}\nseqLength={frames}\n"
        f"imWidth={film.size[1]}\nimHeight={film.size[0]}\nimExt=.jpg\n"
    )


@contextmanager
def _no_video() -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    yield lambda pixels: None


@contextmanager
def _video(
    path: Path, film: Film, start: datetime
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """Yield what adds a frame to an H.264 video, which is complete or not there."""
    try:
        import av
    except ImportError as error:
        raise UsageError("a video needs PyAV; install it: pip install 'fprnet[watch]'") from error
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        container.metadata["creation_time"] = start.isoformat()
        stream: Any = container.add_stream("libx264", rate=Fraction(film.rate).limit_denominator())
        stream.height, stream.width = (side - side % 2 for side in film.size)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20"}

        def add(pixels: NDArray[np.uint8]) -> None:
            picture = av.VideoFrame.from_ndarray(pixels[: stream.height, : stream.width].copy())
            container.mux(stream.encode(picture))

        yield add
        container.mux(stream.encode(None))
