"""A film becomes a folder: ``frames/000001.jpg``, ``truth.csv`` and ``film.json``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from fprnet.errors import DataError
from fprnet.files import write_text
from fprnet_lab.people.film import Film, filmed
from fprnet_lab.people.render import Setting
from fprnet_lab.people.sensor import jpeg

__all__ = ["write_film"]

QUALITY = 88
HEAD = "frame,time,identity,left,top,width,height,visible,distance\n"


def write_film(root: Path, setting: Setting, film: Film) -> int:
    """Write a film and return its number of frames; ``film.json`` is written last.

    ``truth.csv`` has a line for everybody in a frame: number of the frame from 1, seconds,
    identity, box in pixels, share of the person that is seen, and distance in metres.

    Raises:
        DataError: The folder is not empty, or cannot be written.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} is not an empty folder; choose another one")
    lines = [HEAD]
    count = 0
    try:
        (root / "frames").mkdir(parents=True, exist_ok=True)
        for count, frame in enumerate(filmed(setting, film), 1):
            (root / "frames" / f"{count:06d}.jpg").write_bytes(jpeg(frame.pixels, QUALITY))
            for one in frame.seen:
                row = (count, frame.time, *dataclasses.astuple(one))
                lines.append(",".join(f"{value:g}" for value in row) + "\n")
        write_text(root / "truth.csv", "".join(lines))
        about = {
            "generator": "people",
            "version": setting.version,
            "film": dataclasses.asdict(film),
            "setting": dataclasses.asdict(setting),
        }
        write_text(root / "film.json", json.dumps(about, indent=1) + "\n")
    except OSError as error:
        raise DataError(f"cannot write {error.filename or root} ({error.strerror})") from error
    return count
