"""Words of a command line become the options of watching, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fprnet.errors import ConfigError
from fprnet.filling import faults_text, fill
from fprnet.ranges import NonNegative, Positive, PositiveInt, Probability
from fprnet.watch.detections import Detector
from fprnet.watch.following import Follower
from fprnet.watch.light import Light
from fprnet.watch.quality import QualityLimits
from fprnet.watch.tracking import BoxTracker
from fprnet.watch.tracks import CropChoice, CropChooser

__all__ = ["LightOptions", "TrackerOptions", "WatchOptions", "parse_options"]


@dataclass(frozen=True)
class TrackerOptions:
    """How people are followed; see `fprnet.watch.tracking.BoxTracker`."""

    patience: Positive = 1.0
    min_frames: PositiveInt = 2
    min_overlap: Probability = 0.1


@dataclass(frozen=True)
class LightOptions:
    """When a frame is infrared; see `fprnet.watch.light.Light`."""

    infrared: NonNegative = 6.0
    visible: NonNegative = 9.0
    seconds: NonNegative = 1.0


@dataclass(frozen=True)
class WatchOptions:
    """All options but those of sources and detector.

    Attributes:
        tracker: How people are followed.
        light: When a frame is infrared.
        quality: What crops need.
        choice: Which crops are kept.
        batch: Frames that are looked at at once.
        queue: Frames of each source that may wait.
    """

    tracker: TrackerOptions = field(default_factory=TrackerOptions)
    light: LightOptions = field(default_factory=LightOptions)
    quality: QualityLimits = field(default_factory=QualityLimits)
    choice: CropChoice = field(default_factory=CropChoice)
    batch: PositiveInt = 4
    queue: PositiveInt = 16

    def follower(self, detector: Detector) -> Follower:
        """Return what follows people in one camera."""
        tracker = BoxTracker(
            detector.confident,
            self.tracker.patience,
            self.tracker.min_frames,
            self.tracker.min_overlap,
        )
        light = Light(self.light.infrared, self.light.visible, self.light.seconds)
        return Follower(tracker, light, self.chooser())

    def light_of_pictures(self) -> Light:
        """Return what knows the light of a camera of which few pictures come: each one counts."""
        return Light(self.light.infrared, self.light.visible, seconds=0)

    def chooser(self) -> CropChooser:
        """Return what chooses the crops of one source."""
        return CropChooser(self.quality, self.choice)


def parse_options(values: Mapping[str, Any]) -> WatchOptions:
    """Return the options of nested values, as :func:`fprnet.config.layers.nested` gives them.

    Raises:
        ConfigError: A key is unknown or a value is out of its range: all faults in one message.
    """
    options, faults = fill(WatchOptions, values)
    if faults:
        raise ConfigError(faults_text(faults).removeprefix("config: "))
    assert isinstance(options, WatchOptions)
    return options
