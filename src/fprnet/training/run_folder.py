"""A run's folder: config, checkpoints, metrics, TensorBoard events and log, always in agreement."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch.utils.tensorboard import SummaryWriter

from fprnet.config import RunConfig, config_from_dict, to_yaml
from fprnet.errors import CheckpointError, ConfigError
from fprnet.files import remove_leftovers, replacing, write_text
from fprnet.models.checkpoint import read_checkpoint, write_checkpoint

__all__ = ["RunFolder"]

# What a run may change when it is continued: where and how it computes, not what.
FREE_KEYS = frozenset(
    {"data.root", "data.cache", "training.accelerator", "training.threads"}
    | {"training.checkpoint_every"}
)


class RunFolder:
    """The files of one run.

    Args:
        path: The folder; made if it does not exist.
        config: What is to be computed there.

    Raises:
        ConfigError: The folder holds a run of another config, or something that is no run.
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self._metrics = path / "metrics.jsonl"
        self._check(config)
        (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        remove_leftovers(path / "checkpoints")
        write_text(path / "config.yaml", to_yaml(config))

    def _check(self, config: RunConfig) -> None:
        file = self.path / "config.yaml"
        if not file.exists():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise ConfigError(
                    f"{self.path} is not empty and holds no run; give another folder with --out"
                )
            return
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
            there = config_from_dict(values)
        except (ConfigError, yaml.YAMLError, TypeError) as error:
            raise ConfigError(
                f"{file} is not the config of a run ({error}); give another folder with --out"
            ) from error
        old, new = _flat(dataclasses.asdict(there)), _flat(dataclasses.asdict(config))
        changed = [
            f"{key} {old.get(key)} (not {new.get(key)})"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key) and key not in FREE_KEYS
        ]
        if changed:
            raise ConfigError(
                f"{self.path} holds a run with {', '.join(changed)}; "
                "give the same values to continue it, or another folder with --out"
            )

    def read(self) -> dict[str, Any] | None:
        """Return the last checkpoint, or None where the run has not begun.

        Raises:
            CheckpointError: The checkpoint is damaged or of another format.
        """
        return read_checkpoint(self.last) if self.last.exists() else None

    def save(self, state: Mapping[str, Any], *, best: bool) -> None:
        """Write ``last.pt``, and the same as ``best.pt`` if asked.

        Raises:
            CheckpointError: The disk is full; the checkpoints from before are untouched.
        """
        write_checkpoint(self.last, state)
        if best:
            try:
                with replacing(self.best) as temporary:
                    shutil.copyfile(self.last, temporary)
            except OSError as error:
                raise CheckpointError(
                    f"checkpoint {self.best} cannot be written ({error.strerror}); "
                    "free some space and start the same command again"
                ) from error

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Make ``metrics.jsonl`` hold exactly these epochs, one JSON object each."""
        write_text(self._metrics, "".join(json.dumps(epoch) + "\n" for epoch in history))

    def tensorboard(self, *, first_step: int) -> SummaryWriter:
        """Open the TensorBoard events; those from ``first_step`` on are hidden, to be redone."""
        return SummaryWriter(str(self.path), purge_step=first_step)

    def log(self, line: str) -> None:
        """Append a line to ``log.txt``."""
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and key != "stripes":
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
