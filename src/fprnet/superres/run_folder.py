"""The folder of a super-resolution training: config, checkpoints, metrics, always in agreement."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from fprnet.errors import ConfigError, TrainingError
from fprnet.files import remove_leftovers, replacing, write_text
from fprnet.superres.checkpoint import read_checkpoint, write_checkpoint
from fprnet.superres.config import SuperresConfig, config_from_dict, to_yaml

__all__ = ["SuperresFolder"]

# What may change when a training is continued: where and how it computes, not what.
FREE_KEYS = frozenset({"data", "accelerator", "threads"})


class SuperresFolder:
    """The files of one training. Making this object writes nothing but looks at the config.

    Args:
        path: The folder; it need not exist.
        config: What is to be computed there.

    Raises:
        ConfigError: The folder holds a training of another config, or something else.
    """

    def __init__(self, path: Path, config: SuperresConfig) -> None:
        self.path = path
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self._metrics = path / "metrics.jsonl"
        self._config = config
        self._check()

    def _check(self) -> None:
        file = self.path / "config.yaml"
        if not file.exists():
            if self.path.exists() and (
                not self.path.is_dir() or any(f.name[0] != "." for f in self.path.iterdir())
            ):
                raise ConfigError(
                    f"{self.path} is not empty and holds no training of super-resolution; give "
                    "another folder with --out"
                )
            return
        try:
            there = config_from_dict(yaml.safe_load(file.read_text(encoding="utf-8")))
        except (ConfigError, yaml.YAMLError, TypeError, OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{file} is not of a training of super-resolution ({error}); give another folder "
                "with --out"
            ) from error
        old, new = dataclasses.asdict(there), dataclasses.asdict(self._config)
        changed = [
            f"{key} {old[key]} (not {new[key]})"
            for key in old
            if old[key] != new[key] and key not in FREE_KEYS
        ]
        if changed:
            raise ConfigError(
                f"{self.path} holds a training with {', '.join(changed)}; give the same values to "
                "continue it, or another folder with --out"
            )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for one process.

        Raises:
            TrainingError: Another process trains there, or the folder cannot be written.
        """
        try:
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("a")
        except OSError as error:
            raise TrainingError(
                f"{self.path} cannot be written ({error.strerror}); give another --out"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TrainingError(
                    f"another process is training in {self.path}; wait for it, or give another "
                    "folder with --out"
                ) from error
            write_text(self.path / "config.yaml", to_yaml(self._config))
            remove_leftovers(self.path)
            remove_leftovers(self.path / "checkpoints")
            yield

    def read(self) -> dict[str, Any] | None:
        """Return the last checkpoint, or None where there is none yet.

        Raises:
            CheckpointError: It is damaged or of another format.
        """
        return read_checkpoint(self.last) if self.last.exists() else None

    def save(self, state: Mapping[str, Any], *, best: bool) -> None:
        """Write ``last.pt``, the same as ``best.pt`` if asked, and ``metrics.jsonl``.

        Raises:
            CheckpointError: The disk is full.
        """
        write_checkpoint(self.last, state)
        if best:
            with replacing(self.best) as temporary:
                shutil.copyfile(self.last, temporary)
        self.write_history(state["history"])

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Make ``metrics.jsonl`` hold exactly these records, one JSON object each."""
        write_text(self._metrics, "".join(json.dumps(record) + "\n" for record in history))
