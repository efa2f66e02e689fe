"""A run's folder: config, checkpoints, metrics, TensorBoard events and log, always in agreement."""

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
from torch.utils.tensorboard import SummaryWriter

from fprnet.config import RunConfig, config_from_dict, to_yaml
from fprnet.errors import CheckpointError, ConfigError, TrainingError
from fprnet.files import remove_leftovers, replacing, write_text
from fprnet.models.checkpoint import read_checkpoint, write_checkpoint

__all__ = ["RunFolder"]

# What a run may change when it is continued: where and how it computes, not what.
FREE_KEYS = frozenset(
    {"data.root", "data.cache", "training.accelerator", "training.threads"}
    | {"training.checkpoint_every"}
)


class RunFolder:
    """The files of one run. Making this object reads and writes nothing but looks at the config.

    Args:
        path: The folder; it need not exist.
        config: What is to be computed there.

    Raises:
        ConfigError: The folder holds a run of another config, or something that is no run.
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self._metrics = path / "metrics.jsonl"
        self._config = config
        self._check()

    def _check(self) -> None:
        file = self.path / "config.yaml"
        if not file.exists():
            # A hidden file may be what a killed process or the lock left.
            if self.path.exists() and (
                not self.path.is_dir() or any(f.name[0] != "." for f in self.path.iterdir())
            ):
                raise ConfigError(
                    f"{self.path} is not empty and holds no run; give another folder with --out"
                )
            return
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
            if not isinstance(values, dict):
                raise ConfigError("it holds no keys")
            there = config_from_dict(values)
        except (ConfigError, yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{file} is not the config of a run ({error}); give another folder with --out"
            ) from error
        self._refuse_changes(there, f"{self.path} holds a run with")

    def _refuse_changes(self, there: RunConfig, beginning: str) -> None:
        old, new = (_flat(dataclasses.asdict(config)) for config in (there, self._config))
        changed = [
            f"{key} {old[key]} (not {new[key]})"
            for key in sorted(old)
            if old[key] != new[key] and key not in FREE_KEYS
        ]
        if changed:
            raise ConfigError(
                f"{beginning} {', '.join(changed)}; "
                "give the same values to continue it, or another folder with --out"
            )

    @contextmanager
    def opened(self, *, writes: bool) -> Iterator[None]:
        """Hold the folder for one training process, or take part in its run without writing.

        Args:
            writes: Whether this process is the one that writes: it makes the folder, or tidies up
                what a killed process left.

        Raises:
            TrainingError: Another process trains there, or the folder cannot be written.
        """
        if not writes:
            yield
            return
        with self._writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("a")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TrainingError(
                    f"another process is training in {self.path}; wait for it, or give another "
                    "folder with --out"
                ) from error
            with self._writing(self.path):
                write_text(self.path / "config.yaml", to_yaml(self._config))
                (self.path / "checkpoints").mkdir(exist_ok=True)
                remove_leftovers(self.path)
                remove_leftovers(self.path / "checkpoints")
            yield

    def read(self) -> dict[str, Any] | None:
        """Return the last checkpoint, or None where the run has none yet.

        Raises:
            CheckpointError: The checkpoint is damaged or of another format.
            ConfigError: It belongs to a run of another config.
        """
        if not self.last.exists():
            return None
        state = read_checkpoint(self.last)
        self._refuse_changes(config_from_dict(state["config"]), f"{self.last} is of a run with")
        return state

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
        """Make ``metrics.jsonl`` hold exactly these epochs, one JSON object each.

        Raises:
            TrainingError: The disk is full.
        """
        with self._writing(self._metrics):
            write_text(self._metrics, "".join(json.dumps(epoch) + "\n" for epoch in history))

    @contextmanager
    def tensorboard(self, *, first_step: int) -> Iterator[SummaryWriter]:
        """Open the TensorBoard events; those from ``first_step`` on are hidden, to be written anew.

        Raises:
            TrainingError: The disk is full.
        """
        with self._writing(self.path):
            board = SummaryWriter(str(self.path), purge_step=first_step)
        try:
            yield board
        finally:
            with self._writing(self.path):
                board.close()

    def log(self, line: str) -> None:
        """Append a line to ``log.txt``.

        Raises:
            TrainingError: The disk is full.
        """
        file = self.path / "log.txt"
        with self._writing(file), file.open("a", encoding="utf-8") as output:
            output.write(line + "\n")

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{error.filename or path} cannot be written ({error.strerror}); make room or "
                "correct the permissions, and start the same command again"
            ) from error


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and key != "stripes":
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
