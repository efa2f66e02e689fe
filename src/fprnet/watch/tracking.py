"""Detections from frame to frame become tracks: ByteTrack, as the library ``trackers`` has it.

Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022.
It follows boxes by their motion and overlap; it takes no embeddings. Shapes: n boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import UsageError
from fprnet.ranges import Positive, PositiveInt, Probability
from fprnet.watch.detections import Detections

__all__ = ["NOBODY", "BoxTracker"]

NOBODY = -1
LIBRARY_RATE = 30.0  # frames a second in which the library counts patience


class BoxTracker:
    """Follows people through the frames of one camera.

    Args:
        confident: Score from which on a box alone begins a track; surer boxes are matched first.
        patience: Seconds without a box after which a track is over.
        min_frames: Frames in a row before a track counts.
        min_overlap: Intersection over union of a box with where its track is expected.
    """

    def __init__(
        self,
        confident: Probability,
        patience: Positive = 1.0,
        min_frames: PositiveInt = 2,
        min_overlap: Probability = 0.1,
    ) -> None:
        try:
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise UsageError(
                "watching needs the library trackers; install it: pip install 'fprnet[watch]'"
            ) from error
        self._make: Callable[[], Any] = lambda: ByteTrackTracker(
            lost_track_buffer=max(1, round(patience * LIBRARY_RATE)),
            frame_rate=LIBRARY_RATE,
            track_activation_threshold=confident,
            high_conf_det_threshold=confident,
            minimum_consecutive_frames=min_frames,
            minimum_iou_threshold=min_overlap,
        )
        self.patience = patience
        self._tracker: Any = self._make()
        self._first = 0  # number of the tracker's first track
        self._next = 0

    def update(self, found: Detections, time: datetime) -> NDArray[np.int64]:
        """Return the number of the track ``(n,)`` of each box, -1 of those that have none yet.

        Args:
            found: In the next frame.
            time: When the frame was taken, later than the one before.
        """
        from supervision import Detections as TheirDetections

        corners = np.concatenate(
            [found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]], axis=1
        )
        theirs = TheirDetections(
            xyxy=corners,
            confidence=found.scores,
            data={"index": np.arange(len(found.scores))},
        )
        followed = self._tracker.update(theirs, timestamp=time.timestamp())
        numbers = np.full(len(found.scores), NOBODY, np.int64)
        if len(followed):
            ids = np.asarray(followed.tracker_id, np.int64)
            numbers[followed.data["index"]] = np.where(ids >= 0, ids + self._first, NOBODY)
            self._next = max(self._next, int(numbers.max()) + 1)
        return numbers

    def restart(self) -> None:
        """Forget everybody: what comes next has nothing to do with what came before."""
        self._tracker = self._make()
        self._first = self._next
