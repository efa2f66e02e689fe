"""A word or a file becomes the detector that all sources share.

``--detector histograms``, ``--detector person.onnx``, ``--detector package.module:Name``; options
are the detector's own signature: ``--detector.confident 0.7``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fprnet.components import CLASS_PATH
from fprnet.filling import parse_component
from fprnet.kinds import DETECTOR
from fprnet.watch.detections import Detector
from fprnet.watch.histogram_detector import HistogramDetector
from fprnet.watch.network_detector import NetworkDetector

__all__ = ["DEFAULT_DETECTOR", "DETECTORS", "open_detector"]

DETECTORS: dict[str, Callable[..., Detector]] = {
    "histograms": HistogramDetector,
    "network": NetworkDetector,
}
"""Detectors by the name that ``--detector`` takes."""

DEFAULT_DETECTOR = "histograms"
NETWORKS = (".onnx", ".xml")


def open_detector(values: str | Mapping[str, Any]) -> Detector:
    """Return a detector.

    Args:
        values: Name of a component, path of a network's file, or ``class_path`` with options; see
            :func:`fprnet.config.layers.nested`.

    Raises:
        ConfigError: There is no such detector, or an option of it is wrong.
        DataError: The file is none of a detector.
        UsageError: What it needs is not installed.
    """
    given = {CLASS_PATH: values} if isinstance(values, str) else dict(values)
    name = str(given.setdefault(CLASS_PATH, DEFAULT_DETECTOR))
    if name.endswith(NETWORKS):
        given[CLASS_PATH], given["file"] = "network", name
    component = parse_component(
        DETECTOR, given, key="detector", default=DEFAULT_DETECTOR, of_config=False
    )
    detector: Detector = component.build()
    return detector
