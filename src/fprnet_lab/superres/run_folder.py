"""A config and a path become the folder of a super-resolution training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeAlias

from fprnet.runs.checkpoint_file import CheckpointKind
from fprnet.runs.run_folder import RunFolder, RunKind
from fprnet_lab.superres.config import SuperresConfig, config_from_dict, to_yaml

__all__ = ["SUPERRES", "SuperresFolder", "superres_folder"]

SuperresFolder: TypeAlias = RunFolder[SuperresConfig]

SUPERRES = CheckpointKind(
    name="superres",
    format=2,
    needed=("config", "model", "step"),
    command="fprnet superres train",
    other_weights="give a file that 'fprnet superres train' wrote",
)


def superres_folder(path: Path, config: SuperresConfig) -> SuperresFolder:
    """Return the folder of a training; nothing is written yet.

    Raises:
        ConfigError: The folder holds a training of another config, or something else.
    """
    return RunFolder(path, config, RUN)


def _keys(config: SuperresConfig) -> dict[str, Any]:
    return dataclasses.asdict(config)


RUN = RunKind(
    noun="training of super-resolution",
    checkpoint=SUPERRES,
    to_yaml=to_yaml,
    from_dict=config_from_dict,
    keys=_keys,
    free=frozenset({"data", "accelerator", "threads"}),
)
