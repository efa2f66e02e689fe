"""A run's state becomes one file that is always complete, and comes back checked.

A checkpoint is a dictionary of plain values and tensors (``torch.load(weights_only=True)``):
``format``, ``config``, ``identities`` (the training people, in label order), ``model`` (weights),
``selection``, ``step``, and what only the training loop reads: ``optimizer``, ``scheduler``,
``random``, ``history``, ...
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fprnet.config import RunConfig, config_from_dict
from fprnet.errors import CheckpointError, ConfigError
from fprnet.files import replacing, sha256
from fprnet.models.builders import build_model
from fprnet.models.fprnet import Reidentifier

__all__ = [
    "FORMAT",
    "TrainedModel",
    "load_trained",
    "load_weights",
    "read_checkpoint",
    "sha256",
    "write_checkpoint",
]

FORMAT = 1
NEEDED = ("config", "identities", "model", "selection", "step")


@dataclass(frozen=True)
class TrainedModel:
    """A model with its weights, and what it was trained on.

    Attributes:
        model: In evaluation mode, on the CPU.
        config: Of the run.
        identities: The training people, in label order.
        selection: How this checkpoint was chosen: "validation", "last" or "test".
        step: Optimiser steps behind it.
        sha256: Of the file.
    """

    model: Reidentifier
    config: RunConfig
    identities: tuple[int, ...]
    selection: str
    step: int
    sha256: str


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; what stood there before is lost only when the new one is complete.

    Raises:
        CheckpointError: The disk is full or the folder cannot be written.
    """
    # In memory first: torch's own file writer cannot say that a disk is full.
    content = io.BytesIO()
    torch.save({"format": FORMAT, **state}, content)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be written ({error.strerror}); free some space and start "
            "the same command again: it continues from the last complete checkpoint"
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the dictionary of a checkpoint, with its tensors on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, no fprnet checkpoint, or of another format.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path} does not exist; 'fprnet train' writes checkpoints/best.pt in its --out folder"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of files that it then refuses
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler raise nearly anything
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint ({_reason(error)}): it is damaged or was not "
            "written by 'fprnet train'; give another file, or remove it to begin that run anew"
        ) from error
    if not isinstance(state, dict) or "format" not in state or "model" not in state:
        raise CheckpointError(
            f"{path} is no fprnet checkpoint (it has no format number); "
            "weights of a backbone are given as --model.weights FILE"
        )
    if state["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {state['format']} but this fprnet reads {FORMAT}; "
            "use the version of fprnet that wrote it"
        )
    absent = [name for name in NEEDED if name not in state]
    if absent:
        raise CheckpointError(
            f"{path} is an incomplete checkpoint: it has no {' and no '.join(absent)}; give another"
        )
    return state


def load_trained(path: Path) -> TrainedModel:
    """Build the model of a checkpoint and load its weights, strictly.

    Raises:
        CheckpointError: See ``read_checkpoint``; or the weights do not fit the config.
    """
    state = read_checkpoint(path)
    try:
        config = config_from_dict(state["config"])
    except ConfigError as error:
        raise CheckpointError(
            f"the config in {path} is not one of this fprnet ({error}); "
            "use the version of fprnet that wrote it"
        ) from error
    identities = tuple(state["identities"])
    model = build_model(config.model, identities=len(identities), weights=False)
    load_weights(model, state["model"], path)
    return TrainedModel(
        model=model.eval(),
        config=config,
        identities=identities,
        selection=state["selection"],
        step=state["step"],
        sha256=sha256(path),
    )


def load_weights(model: torch.nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights strictly; ``path`` is named when they do not fit.

    Raises:
        CheckpointError: A key is missing or too much, or a shape differs.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        faults = str(error).splitlines()
        raise CheckpointError(
            f"the weights in {path} do not fit this model ({faults[1].strip()} "
            f"and {max(0, len(faults) - 2)} more); was it written by another preset or scale?"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # torch's own words advise weights_only=False
        return "it is no file of plain values and tensors"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]
