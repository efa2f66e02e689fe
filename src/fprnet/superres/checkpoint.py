"""The state of a super-resolution training becomes one file, always complete, and comes back.

A checkpoint is a dictionary of plain values and tensors: ``format``, ``kind`` ("superres"),
``config``, ``model``, ``step``, and for resuming ``optimizer``, ``scheduler``, ``random``,
``history``, ``best``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fprnet.errors import CheckpointError
from fprnet.files import replacing

__all__ = ["FORMAT", "is_checkpoint", "load_tensors", "read_checkpoint", "write_checkpoint"]

FORMAT = 1
KIND = "superres"
NEEDED = ("config", "model", "step")


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; what stood there before is lost only when the new one is complete.

    Raises:
        CheckpointError: The disk is full or the folder cannot be written.
    """
    # In memory first: torch's own file writer cannot say that a disk is full.
    content = io.BytesIO()
    torch.save({"format": FORMAT, "kind": KIND, **state}, content)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be written ({error.strerror}); free some space and start "
            "the same command again"
        ) from error


def load_tensors(path: Path) -> dict[str, Any]:
    """Return the dictionary of a file of ``torch.save``, tensors on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, or holds more than plain values and tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; 'fprnet superres train' writes best.pt")
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler raise nearly anything
        raise CheckpointError(
            f"{path} is damaged or no file of plain values and tensors; give another file"
        ) from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds no weights by name; give another file")
    return values


def is_checkpoint(values: Mapping[str, Any]) -> bool:
    """Return whether a dictionary is what ``write_checkpoint`` writes."""
    return values.get("kind") == KIND


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the dictionary of a checkpoint.

    Raises:
        CheckpointError: The file is missing, damaged, something else, or of another format.
    """
    state = load_tensors(path)
    if not is_checkpoint(state) or any(name not in state for name in NEEDED):
        raise CheckpointError(f"{path} was not written by 'fprnet superres train'; give another")
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {state.get('format')} but this fprnet reads {FORMAT}; use the "
            "version of fprnet that wrote it"
        )
    return state
