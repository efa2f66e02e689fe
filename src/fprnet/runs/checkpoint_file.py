"""A training's state becomes one file that is always complete, and comes back checked.

A checkpoint is a dictionary of plain values and tensors (``torch.load(weights_only=True)``):
``format``, ``kind``, ``config``, ``model`` (weights), ``step``, and what else its kind needs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from fprnet.errors import CheckpointError, ConfigError
from fprnet.files import replacing
from fprnet.plugin_files import source_of_file
from fprnet.tensor_files import load_tensors, reason_of

__all__ = ["CODE", "CheckpointKind", "config_of", "kept_code", "read_tensors"]

Config = TypeVar("Config")
CODE = "code"
"""Folder of a run beside its checkpoints: the single files of somebody else's code."""


@dataclass(frozen=True)
class CheckpointKind:
    """One sort of checkpoint, and how to write and read it.

    Attributes:
        name: Stands in the file as ``kind``.
        format: Number of the file's layout.
        needed: Keys that every such file has.
        command: Which writes such files.
        other_weights: What to do with a file of plain weights, for the message that refuses it.
    """

    name: str
    format: int
    needed: tuple[str, ...]
    command: str
    other_weights: str

    def write(self, path: Path, state: Mapping[str, Any]) -> None:
        """Write a checkpoint; what stood there before is lost only when the new one is complete.

        Raises:
            CheckpointError: The disk is full or the folder cannot be written.
        """
        # In memory first: torch's own file writer cannot say that a disk is full.
        content = io.BytesIO()
        torch.save({"format": self.format, "kind": self.name, **state}, content)
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(content.getbuffer())
        except OSError as error:
            raise CheckpointError(
                f"checkpoint {path} cannot be written ({error.strerror}); free some space and "
                "start the same command again: it continues from the last complete checkpoint"
            ) from error

    def wrote(self, values: Mapping[str, Any]) -> bool:
        """Return whether the values of a file say that they are a checkpoint of this kind."""
        return values.get("kind") == self.name

    def read(self, path: Path) -> dict[str, Any]:
        """Return the dictionary of a checkpoint, with its tensors on the CPU.

        A file that does not say its kind is judged by its keys.

        Raises:
            CheckpointError: The file is missing, damaged, no checkpoint of this kind, or of another
                format.
        """
        if not path.is_file():
            raise CheckpointError(
                f"{path} does not exist; '{self.command}' writes checkpoints/best.pt in its --out "
                "folder"
            )
        state = read_tensors(path)
        if "format" not in state or "model" not in state:
            raise CheckpointError(
                f"{path} is no fprnet checkpoint (it has no format number); {self.other_weights}"
            )
        if state.get("kind", self.name) != self.name:
            raise CheckpointError(
                f"{path} is a checkpoint of another kind, {state['kind']}; "
                f"give one that '{self.command}' wrote"
            )
        if state["format"] != self.format:
            raise CheckpointError(
                f"{path} has checkpoint format {state['format']} but this fprnet reads "
                f"{self.format}; use the version of fprnet that wrote it"
            )
        absent = [name for name in self.needed if name not in state]
        if absent:
            raise CheckpointError(
                f"{path} is an incomplete checkpoint: it has no {' and no '.join(absent)}; "
                "give another"
            )
        return state


def read_tensors(path: Path) -> dict[str, Any]:
    """Return the dictionary of a file of ``torch.save``, tensors on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, or holds more than plain values and tensors.
    """
    try:
        values = load_tensors(path)
    except Exception as error:  # a damaged file makes the unpickler raise nearly anything
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint ({reason_of(error, path)}): it is damaged or "
            "of another program; give another file, or remove it to begin its run anew"
        ) from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds no weights by name; give another file")
    return values


def config_of(
    state: Mapping[str, Any], path: Path, from_dict: Callable[[Mapping[str, Any]], Config]
) -> Config:
    """Return the config in a checkpoint; ``path`` is named if it cannot be understood.

    Where it is refused for the sake of somebody else's code of which the run's folder has a copy,
    the message names that.

    Raises:
        CheckpointError: ``from_dict`` refuses it.
    """
    try:
        if not isinstance(state["config"], Mapping):
            raise ConfigError("it holds no keys")
        return from_dict(state["config"])
    except ConfigError as error:
        refusal = str(error).removeprefix("config: ")
        raise CheckpointError(
            f"{path} holds a config that cannot be used here: {refusal}"
            f"{kept_code(path.parent.parent, refusal)}"
        ) from error


def kept_code(run: Path, refusal: str) -> str:
    """Return "; a copy of it is ..." where a run's folder keeps code that a refusal names by hash.

    Args:
        run: The folder.
        refusal: What was said about a config.
    """
    files = sorted((run / CODE).glob("*.py"))
    kept = [file for file in files if source_of_file(file).partition(" ")[2] in refusal]
    return "".join(f"; a copy of it is {file}" for file in kept)
