"""Graphs that 'fprnet export' wrote, ONNX or OpenVINO, become a backend.

A graph is one file per modality (two of OpenVINO's: ``.xml`` and ``.bin``) that carries what it is
as JSON, in ONNX under the key "fprnet" of ``metadata_props``, in OpenVINO under "fprnet" of the
runtime information.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fprnet.config import config_of_graphs
from fprnet.config.schema import RunConfig
from fprnet.data.records import MODALITIES, Modality
from fprnet.embeddings.backend import Backend, Choice, Runtime
from fprnet.errors import CheckpointError, UsageError
from fprnet.plain_text import parse_json

__all__ = [
    "EXPORTED_PROJECTION",
    "FORMAT",
    "KEY",
    "SUFFIXES",
    "ExportedGraphs",
    "holds_graphs",
    "open_graphs",
]

FORMAT = 1
KEY = "fprnet"
EXPORTED_PROJECTION = "projection.safetensors"  # beside the graphs of a calibrated model
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


@dataclass(frozen=True)
class ExportedGraphs:
    """Both graphs of a model.

    Attributes:
        backend: Runs them.
        config: Config of the run that made the model.
        about: What a features file says about the model.
        metadata: Modality -> what its file says.
    """

    backend: Backend
    config: RunConfig
    about: dict[str, Any]
    metadata: Mapping[Modality, Mapping[str, Any]]


def holds_graphs(path: Path) -> bool:
    """Whether a path is the folder of an export, or a graph in it."""
    if path.suffix in SUFFIXES.values():
        return True
    return path.is_dir() and any(
        (path / f"{modality}{suffix}").is_file()
        for modality in MODALITIES
        for suffix in SUFFIXES.values()
    )


def open_graphs(
    path: Path,
    *,
    runtime: Runtime = "auto",
    precision: Choice = "auto",
    threads: int | None = None,
) -> ExportedGraphs:
    """Read the graphs of both modalities, wherever they came from.

    Args:
        path: The folder, or one of the two graphs in it.
        runtime: "auto" or "openvino", which reads both formats.
        precision: Precision of the convolutions; eight-bit graphs take "auto" only.
        threads: None takes `fprnet.embeddings.backend.worker_threads`.

    Raises:
        CheckpointError: A graph is missing, damaged, not from 'fprnet export', or of another model.
        UsageError: The runtime is PyTorch, or a precision was asked of eight-bit graphs.
    """
    import openvino
    import torch

    from fprnet.embeddings.backend import choose_precision
    from fprnet.embeddings.openvino_backend import (
        Compile,
        GraphSource,
        OpenVinoBackend,
        has_bfloat16,
    )

    if runtime == "pytorch":
        raise UsageError(f"{path} is an exported graph, which openvino runs; use runtime openvino")
    core = openvino.Core()
    files = _files(path)
    graphs = {modality: _read(core, file) for modality, file in files.items()}
    metadata = {modality: _metadata(graphs[modality], files[modality]) for modality in MODALITIES}
    visible, infrared = metadata.values()
    if visible["model"] != infrared["model"]:
        raise CheckpointError(
            f"{files['visible']} and {files['infrared']} are of different models; export again"
        )
    for modality, found in metadata.items():
        if found["modality"] != modality:
            raise CheckpointError(
                f"{files[modality]} is the graph of {found['modality']} images; export again"
            )
    eight_bits = visible["weights"] == "int8"
    if eight_bits and precision not in ("auto", "reference"):
        raise UsageError(f"{path} computes in eight bits, not in {precision}; leave precision out")
    chosen = choose_precision(precision, torch.device("cpu"), bfloat16_instructions=has_bfloat16())

    def open_graph(modality: Modality) -> Compile:
        return lambda properties: core.compile_model(graphs[modality], "CPU", properties)

    backend = OpenVinoBackend(
        GraphSource(open_graph, int(visible["embedding_size"])),
        precision="int8" if eight_bits else chosen,
        threads=threads,
    )
    about = {**visible["model"], "exported": visible["weights"]}
    return ExportedGraphs(backend, config_of_graphs(visible["config"]), about, metadata)


def _files(path: Path) -> dict[Modality, Path]:
    if path.is_dir():
        found = {s for m in MODALITIES for s in SUFFIXES.values() if (path / f"{m}{s}").is_file()}
        if len(found) > 1:
            raise UsageError(
                f"{path} holds an ONNX and an OpenVINO export; name one, {path}/visible.onnx"
            )
        folder, suffix = path, found.pop()
    else:
        folder, suffix = path.parent, path.suffix
        if path.stem not in MODALITIES:
            raise CheckpointError(
                f"{path} is not named visible{suffix} or infrared{suffix}, as 'fprnet export' does"
            )
    files = {modality: folder / f"{modality}{suffix}" for modality in MODALITIES}
    for modality, file in files.items():
        if not file.is_file():
            raise CheckpointError(
                f"{file}, the graph of {modality} images, does not exist; "
                "keep both graphs of an export in one folder"
            )
    return files


def _read(core: Any, file: Path) -> Any:  # noqa: ANN401 - OpenVINO's Core and Model
    try:
        return core.read_model(file)
    except RuntimeError as error:
        raise CheckpointError(
            f"{file} cannot be read as a graph; write it again with 'fprnet export'"
        ) from error


def _metadata(graph: Any, file: Path) -> dict[str, Any]:  # noqa: ANN401 - OpenVINO's Model
    for place in ([KEY], ["framework", KEY]):
        if graph.has_rt_info(place):
            try:
                metadata = parse_json(graph.get_rt_info(place).astype(str))
            except ValueError as error:
                raise CheckpointError(
                    f"{file} describes its model in no JSON text ({error}); export the model again"
                ) from error
            if not isinstance(metadata, dict):
                break
            if metadata.get("format") == FORMAT:
                return dict(metadata)
            raise CheckpointError(
                f"{file} has format {metadata.get('format')} but this version reads {FORMAT}; "
                "export the model again"
            )
    raise CheckpointError(f"{file} says nothing about its model; write it with 'fprnet export'")
