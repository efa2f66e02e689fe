"""Boxes that somebody else has found become detections: a file as the MOT challenge has them.

One line a box: ``frame, identity, left, top, width, height, confidence, ...``; frames are counted
from 1 (https://motchallenge.net/instructions). The identity is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fprnet.errors import DataError
from fprnet.watch.detections import LARGEST, Detections
from fprnet.watch.frames import Frame

__all__ = ["GivenBoxes"]

COLUMNS = 6  # that a line needs


class GivenBoxes:
    """The boxes of a file, by the number of the frame; of one video only.

    Args:
        file: In the format of the MOT challenge.
        confident: Confidence from which on a box is believed to be a person; a file whose
            confidences are all -1 or lacking believes all.

    Raises:
        DataError: It cannot be read, or is of another format.
    """

    def __init__(self, file: Path, confident: float = 0.5) -> None:
        self.confident = confident
        rows: dict[int, list[list[float]]] = {}
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror}); correct the path") from (
                error
            )
        except UnicodeDecodeError as error:
            raise DataError(f"{file} is no text; give boxes in the MOT format") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                values = [float(value) for value in line.split(",")]
            except ValueError:
                values = []
            in_range = all(abs(value) <= LARGEST for value in values)
            if len(values) < COLUMNS or not in_range or values[0] < 1:
                raise DataError(
                    f"{file}, line {number}: {line[:60]!r} is no box; write "
                    "frame,identity,left,top,width,height,confidence with frames from 1"
                )
            score = values[6] if len(values) > COLUMNS else -1.0
            rows.setdefault(int(values[0]), []).append([*values[2:6], score])
        self._rows = {frame: np.array(of, np.float32) for frame, of in rows.items()}

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the boxes of each frame; see `Detector`."""
        return [self._of(frame.number) for frame in frames]

    def _of(self, number: int) -> Detections:
        rows = self._rows.get(number)
        if rows is None:
            return Detections.none()
        scores = np.where(rows[:, 4] < 0, np.float32(1), np.minimum(rows[:, 4], 1))
        return Detections(rows[:, :4], scores)
