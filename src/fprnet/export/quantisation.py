"""A graph in float32 and images of training people become a graph in eight-bit integers."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from fprnet.embeddings.backend import Pixels
from fprnet.errors import UsageError

__all__ = ["CALIBRATION_IMAGES", "calibration_rows", "quantised", "require_nncf"]

CALIBRATION_IMAGES = 300  # of each modality; more hardly change the ranges


def require_nncf() -> Any:  # noqa: ANN401 - a module
    """Return the package that quantises.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import nncf
    except ImportError as error:
        raise UsageError("--int8 needs NNCF; run: pip install 'fprnet[export]'") from error
    logging.getLogger("nncf").setLevel(logging.WARNING)
    return nncf


def quantised(graph: openvino.Model, images: Pixels) -> openvino.Model:
    """Quantise a graph after training: ranges from images, biases corrected.

    Args:
        graph: In float32; takes one batch ``(B, H, W, 3)``.
        images: ``(N, H, W, 3)`` uint8 of people that the model was trained on.
    """
    nncf = require_nncf()
    data = nncf.Dataset([images[row : row + 1] for row in range(len(images))])
    result: openvino.Model = nncf.quantize(graph, data, subset_size=len(images))
    return result


def calibration_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose images to calibrate on, evenly over all that there are."""
    if len(rows) <= CALIBRATION_IMAGES:
        return rows
    places = np.linspace(0, len(rows) - 1, CALIBRATION_IMAGES).round().astype(np.int64)
    return rows[places]
