"""A graph in float32 and images of training people become a graph in eight-bit integers."""

from __future__ import annotations

import logging
import sys
from contextlib import redirect_stdout
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

    Convolutions become eight-bit with what leads to them, which is nearly all of the work. What
    follows the last one stays as it is: pooling, normalisation and the head cost little time and
    much accuracy, and OpenVINO cannot run the products of a collapsed pyramid in eight bits.

    Args:
        graph: In float32; takes one batch ``(B, H, W, 3)``.
        images: ``(N, H, W, 3)`` uint8 of people that the model was trained on.
    """
    nncf = require_nncf()
    data = nncf.Dataset([images[row : row + 1] for row in range(len(images))])
    left_out = nncf.IgnoredScope(names=_after_last_convolution(graph))
    with redirect_stdout(sys.stderr):  # its progress bars
        result: openvino.Model = nncf.quantize(
            graph, data, subset_size=len(images), ignored_scope=left_out
        )
    return result


def calibration_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose images to calibrate on, evenly over all that there are."""
    if len(rows) <= CALIBRATION_IMAGES:
        return rows
    places = np.linspace(0, len(rows) - 1, CALIBRATION_IMAGES).round().astype(np.int64)
    return rows[places]


def _after_last_convolution(graph: openvino.Model) -> list[str]:
    """Return the names of the operations that no convolution depends on."""
    leading: set[str] = set()
    after = []
    for node in reversed(graph.get_ordered_ops()):  # an operation after all that use its result
        name, kind = node.get_friendly_name(), node.get_type_name()
        users = (use.get_node() for value in node.outputs() for use in value.get_target_inputs())
        if kind == "Convolution" or any(user.get_friendly_name() in leading for user in users):
            leading.add(name)
        elif kind not in ("Parameter", "Constant", "Result"):
            after.append(name)
    return after
