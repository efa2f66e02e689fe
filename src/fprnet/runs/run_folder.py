"""A run's folder: config, checkpoints, metrics and log, always in agreement."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from fprnet.errors import CheckpointError, ConfigError, TrainingError
from fprnet.files import locked, remove_leftovers, replacing, write_text
from fprnet.plain_text import parse_yaml
from fprnet.runs.checkpoint_file import CODE, CheckpointKind, config_of, kept_code

__all__ = ["RunFolder", "RunKind"]

Config = TypeVar("Config")


@dataclass(frozen=True)
class RunKind(Generic[Config]):
    """One sort of run, described by one sort of config.

    Attributes:
        noun: What messages call it.
        checkpoint: What it writes.
        to_yaml: The config as the text of ``config.yaml``.
        from_dict: The config from the values of that text; it raises ConfigError.
        keys: The config's values by the names that messages give them.
        free: Those that may change when a run is continued: where and how it computes, not what.
        growing: Numbers that may become larger when a run is continued or was finished.
        code: Files of somebody else's code that the config names; the folder keeps a copy of each.
    """

    noun: str
    checkpoint: CheckpointKind
    to_yaml: Callable[[Config], str]
    from_dict: Callable[[Mapping[str, Any]], Config]
    keys: Callable[[Config], Mapping[str, Any]]
    free: frozenset[str]
    growing: frozenset[str] = frozenset()
    code: Callable[[Config], Iterable[Path]] = lambda _: ()


class RunFolder(Generic[Config]):
    """The files of one run. Making this object reads and writes nothing but looks at the config.

    Args:
        path: Path of the folder, which need not exist.
        config: What is to be computed there.
        kind: Kind of the run: what it computes and how its config is written.

    Raises:
        ConfigError: The folder holds a run of another config, or something that is no run.
    """

    def __init__(self, path: Path, config: Config, kind: RunKind[Config]) -> None:
        self.path = path
        self.last = path / "checkpoints" / "last.pt"
        self.best = path / "checkpoints" / "best.pt"
        self._metrics = path / "metrics.jsonl"
        self._config = config
        self._kind = kind
        self._check()

    def _check(self) -> None:
        file = self.path / "config.yaml"
        if not file.exists():
            # A hidden file may be what a killed process or the lock left.
            if self.path.exists() and (
                not self.path.is_dir() or any(f.name[0] != "." for f in self.path.iterdir())
            ):
                raise ConfigError(
                    f"{self.path} is not empty and holds no {self._kind.noun}; "
                    "give another folder with --out"
                )
            return
        try:
            values = parse_yaml(file.read_text(encoding="utf-8"))
            if not isinstance(values, dict):
                raise ConfigError("it holds no keys")
            if not self.last.exists() and not self.best.exists():
                # Its first epoch has failed: begin anew, perhaps with code that was mended since.
                self._check_keys(values)
                return
            there = self._kind.from_dict(values)
        except (ConfigError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"{file} cannot be used as the config of a {self._kind.noun}: "
                f"{reason.removeprefix('config: ')}{kept_code(self.path, reason)}; or give another "
                "folder with --out"
            ) from error
        self._refuse_changes(there, f"{self.path} holds")

    def _check_keys(self, values: Mapping[str, Any]) -> None:
        """Refuse what cannot be a config of this kind, whatever code it names.

        Raises:
            ConfigError: It has other keys.
        """
        own: Any = parse_yaml(self._kind.to_yaml(self._config))
        if values.keys() != own.keys():
            key = min(values.keys() ^ own.keys(), key=str)
            raise ConfigError(f"{key} is {'no key of one' if key in values else 'missing'}")

    def _refuse_changes(self, there: Config, beginning: str) -> None:
        old, new = (self._kind.keys(config) for config in (there, self._config))
        changed = [
            f"{key} {old.get(key, 'unset')} (not {new.get(key, 'unset')})"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
            and key not in self._kind.free
            and not (key in self._kind.growing and old[key] < new[key])
        ]
        if changed:
            raise ConfigError(
                f"{beginning} a {self._kind.noun} with {', '.join(changed)}; "
                "give the same values to continue it, or another folder with --out"
            )

    @contextmanager
    def opened(self, *, writes: bool = True) -> Iterator[None]:
        """Hold the folder for one training process, or take part in its run without writing.

        Args:
            writes: Whether this process is the one that writes: it makes the folder, or tidies up
                what a killed process left.

        Raises:
            TrainingError: Another process trains there, or the folder cannot be written.
        """
        with ExitStack() as held:
            if writes:
                with self.writing(self.path):
                    self._take(held)
            yield

    def _take(self, held: ExitStack) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            held.enter_context(locked(self.path / ".lock"))
        except BlockingIOError as error:
            raise TrainingError(
                f"another process is training in {self.path}; wait for it, or give another "
                "folder with --out"
            ) from error
        write_text(self.path / "config.yaml", self._kind.to_yaml(self._config))
        for file in self._kind.code(self._config):
            (self.path / CODE).mkdir(exist_ok=True)
            with replacing(self.path / CODE / file.name) as temporary:
                shutil.copyfile(file, temporary)
        (self.path / "checkpoints").mkdir(exist_ok=True)
        remove_leftovers(self.path)
        remove_leftovers(self.path / "checkpoints")

    def read(self) -> dict[str, Any] | None:
        """Return the last checkpoint, or None where the run has none yet.

        Raises:
            CheckpointError: The checkpoint is damaged or of another format.
            ConfigError: It belongs to a run of another config.
        """
        if not self.last.exists():
            return None
        state = self._kind.checkpoint.read(self.last)
        there = config_of(state, self.last, self._kind.from_dict)
        self._refuse_changes(there, f"{self.last} is of")
        return state

    def save(self, state: Mapping[str, Any], *, best: bool) -> None:
        """Write ``last.pt``, and before it the same as ``best.pt`` if asked.

        In this order a process that is killed between the two repeats the steps of ``best.pt`` when
        it is continued; ``last.pt`` first would call them done and leave ``best.pt`` out for good.

        Raises:
            CheckpointError: The disk is full; ``last.pt`` is as it was.
        """
        self._kind.checkpoint.write(self.best if best else self.last, state)
        if best:
            try:
                with replacing(self.last) as temporary:
                    shutil.copyfile(self.best, temporary)
            except OSError as error:
                raise CheckpointError(
                    f"checkpoint {self.last} cannot be written ({error.strerror}); "
                    "free some space and start the same command again"
                ) from error

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Make ``metrics.jsonl`` hold exactly these records, one JSON object each.

        Raises:
            TrainingError: The disk is full.
        """
        with self.writing(self._metrics):
            write_text(self._metrics, "".join(json.dumps(record) + "\n" for record in history))

    def log(self, line: str) -> None:
        """Append a line to ``log.txt``.

        Raises:
            TrainingError: The disk is full.
        """
        file = self.path / "log.txt"
        with self.writing(file), file.open("a", encoding="utf-8") as output:
            output.write(line + "\n")

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Say in one sentence what went wrong when ``path`` is written in the block.

        Raises:
            TrainingError: The disk is full or the folder cannot be written.
        """
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{error.filename or path} cannot be written ({error.strerror}); make room or "
                "correct the permissions, and start the same command again"
            ) from error
