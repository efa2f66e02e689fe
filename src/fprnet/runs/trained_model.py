"""A checkpoint of a run becomes a trained model.

Beside what every checkpoint has, it holds ``identities`` (the training people, in label order),
``selection``, and what only the training loop reads: ``optimizer``, ``scheduler``, ``random``,
``history``, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fprnet.config import RunConfig, config_to_embed
from fprnet.errors import CheckpointError
from fprnet.files import sha256
from fprnet.methods.network import build_network, untrained
from fprnet.models.weights import check_finite
from fprnet.runs.checkpoint_file import CheckpointKind, config_of

__all__ = ["REIDENTIFICATION", "TrainedModel", "load_trained", "load_weights"]

REIDENTIFICATION = CheckpointKind(
    name="reidentification",
    format=2,
    needed=("config", "identities", "model", "selection", "step"),
    command="fprnet train",
    other_weights="weights of a backbone are given as --model.weights FILE",
)


@dataclass(frozen=True)
class TrainedModel:
    """A model with its weights, and what it was trained on.

    Attributes:
        model: A `fprnet.methods.network.Network`, in evaluation mode, on the CPU.
        config: Config of the run.
        identities: The training people, in label order.
        selection: How this checkpoint was chosen: "validation", "last" or "test".
        step: Optimiser steps behind it.
        sha256: SHA-256 of the file, hexadecimal.
    """

    model: Any
    config: RunConfig
    identities: tuple[int, ...]
    selection: str
    step: int
    sha256: str


def load_trained(path: Path) -> TrainedModel:
    """Build the model of a checkpoint and load its weights, strictly.

    Raises:
        CheckpointError: The file is no checkpoint of a run, or its weights do not fit its config.
    """
    state = REIDENTIFICATION.read(path)
    config = config_of(state, path, config_to_embed)
    identities = tuple(state["identities"])
    model = build_network(untrained(config.model), len(identities))
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
        CheckpointError: A key is missing or too much, a shape differs, or a weight is NaN.
    """
    check_finite(weights, path)
    expected = model.state_dict()
    missing = [key for key in expected if key not in weights]
    unknown = [key for key in weights if key not in expected]
    shapes = [
        f"{key} {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape
    ]
    faults = [
        f"{len(keys)} {what}, e.g. {keys[0]}"
        for keys, what in (
            (missing, "missing"),
            (unknown, "unknown"),
            (shapes, "of another shape"),
        )
        if keys
    ]
    if faults:
        raise CheckpointError(
            f"the weights in {path} do not fit this model ({'; '.join(faults)}); were they written "
            "by another preset or scale?"
        )
    model.load_state_dict(weights)
