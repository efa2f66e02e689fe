"""A model becomes graph files: one for each modality, with what it is inside.

What reads them is `fprnet.embeddings.exported_graphs`.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from fprnet.data.records import Modality
from fprnet.embeddings.exported_graphs import KEY, SUFFIXES
from fprnet.embeddings.inference_graph import InferenceGraph
from fprnet.embeddings.openvino_backend import converted
from fprnet.errors import UsageError
from fprnet.models.reidentifier import Reidentifier

__all__ = ["Format", "require_onnx", "save_openvino", "write_graph_file"]

Format = Literal["onnx", "openvino"]


def write_graph_file(
    model: Reidentifier,
    size: tuple[int, int],
    modality: Modality,
    format: Format,
    folder: Path,
    metadata: Mapping[str, Any],
    projection: NDArray[np.float32] | None = None,
) -> None:
    """Write the float32 graph of one modality into a folder, named after the modality.

    Args:
        model: In evaluation mode.
        size: H, W of its input, pixels.
        modality: Modality of the images.
        format: ONNX is one file, OpenVINO two (``.xml`` and ``.bin``).
        folder: Is there.
        metadata: As JSON holds it.
        projection: ``(D, d)``, for a second output of compact embeddings; None for none.

    Raises:
        UsageError: A package that writes ONNX is not installed.
    """
    file = folder / f"{modality}{SUFFIXES[format]}"
    if format == "onnx":
        _save_onnx(InferenceGraph(model, modality, projection), size, file, metadata)
    else:
        save_openvino(converted(model, size, modality, projection), file, metadata)


def save_openvino(graph: openvino.Model, file: Path, metadata: Mapping[str, Any]) -> None:
    """Write a graph as ``.xml`` and ``.bin``; weights keep their precision."""
    graph.set_rt_info(json.dumps(metadata), [KEY])
    openvino.save_model(graph, file, compress_to_fp16=False)


def require_onnx() -> None:
    """Check that what writes ONNX is there.

    Raises:
        UsageError: It is not.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"ONNX files need {error.name}; run: pip install 'fprnet[export]'"
        ) from error


def _save_onnx(
    graph: InferenceGraph, size: tuple[int, int], file: Path, metadata: Mapping[str, Any]
) -> None:
    require_onnx()
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = log.level
    log.setLevel(logging.ERROR)  # it warns that torchvision, which nobody needs, is not installed
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)  # of torch about itself
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            program = torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                input_names=["images"],
                output_names=["embeddings"] + ["compact"] * (graph.projection is not None),
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                verbose=False,
            )
    finally:
        log.setLevel(before)
    assert program is not None
    program.model.metadata_props[KEY] = json.dumps(metadata)
    program.save(file, external_data=False)
