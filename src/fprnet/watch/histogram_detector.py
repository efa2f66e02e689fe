"""OpenCV's pedestrian detector: frames to people, without a file of weights.

Histograms of oriented gradients and a linear support vector machine (Dalal and Triggs, CVPR 2005),
trained by OpenCV on the INRIA set. It misses many people and those below about 90 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from fprnet.errors import UsageError
from fprnet.ranges import Positive
from fprnet.watch.detections import Detections
from fprnet.watch.frames import Frame

__all__ = ["HistogramDetector"]

WINDOW = (128, 64)  # height and width that the detector looks at
MARGIN = 16  # pixels of the window around the person, on each side, as the INRIA set has them


class HistogramDetector:
    """Finds people of at least 96 pixels by their outline; enlarged frames have more of them.

    Args:
        enlarge: Factor by which frames are enlarged before, for smaller people; its square is what
            it costs.
        scale_step: Factor from one searched size to the next.
        stride: Pixels from one searched place to the next, a multiple of 8.
        confident: Score, a logistic function of the distance to the separating plane (0.5 is on
            it), from which on a box is believed to be a person.
    """

    def __init__(
        self,
        enlarge: Positive = 1.0,
        scale_step: Annotated[float, Field(gt=1.0, le=2.0)] = 1.05,
        stride: Annotated[int, Field(gt=0, multiple_of=8)] = 8,
        confident: Annotated[float, Field(ge=0, le=1)] = 0.6,
    ) -> None:
        try:
            import cv2

            machine = cv2.HOGDescriptor()
            machine.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
        except (ImportError, AttributeError) as error:
            raise UsageError(
                "the detector 'histograms' needs OpenCV 4; install it: pip install 'fprnet[watch]'"
            ) from error
        self._machine = machine
        self._enlarge, self._scale_step, self._stride = enlarge, scale_step, stride
        self.confident = confident

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return who is in each frame; see `Detector`."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> Detections:
        import cv2

        gray = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY)
        if self._enlarge != 1:
            gray = cv2.resize(gray, None, fx=self._enlarge, fy=self._enlarge)
        if gray.shape[0] < WINDOW[0] or gray.shape[1] < WINDOW[1]:
            return Detections.none()
        found, weights = self._machine.detectMultiScale(
            gray, winStride=(self._stride, self._stride), padding=(16, 16), scale=self._scale_step
        )
        if len(found) == 0:
            return Detections.none()
        windows = np.asarray(found, np.float32) / np.float32(self._enlarge)
        margin = windows[:, 2:3] * np.float32(MARGIN / WINDOW[1])
        boxes = np.concatenate([windows[:, :2] + margin, windows[:, 2:] - 2 * margin], axis=1)
        scores = 1 / (1 + np.exp(-2 * np.asarray(weights, np.float32).reshape(-1)))
        return Detections(boxes, scores.astype(np.float32))
