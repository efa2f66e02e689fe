"""The folder of a rewritten data set: a marker says what it holds, everything else is linked."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fprnet.data.cache import CACHE_FOLDER
from fprnet.errors import DataError, UsageError
from fprnet.files import locked, replacing, write_text

__all__ = ["MARKER", "RewrittenSet", "Settings", "files_below", "link_or_copy"]

FORMAT = 1
MARKER = "superres.json"


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of a rewritten image.

    Attributes:
        source: Folder of the original data set, absolute.
        split: Split of RegDB; None elsewhere.
        cameras: Whose training images are rewritten.
        weights: SHA-256 of the weights file.
        scale: How many times larger the network makes an image.
        transpose: Whether kernels of classic weights are transposed.
        input_size: (H, W) that an image is resized to first; None keeps its own.
        size: (H, W) of the result; None is the original's.
    """

    source: str
    split: int | None
    cameras: tuple[int, ...]
    weights: str
    scale: int
    transpose: bool
    input_size: tuple[int, int] | None
    size: tuple[int, int] | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values


@dataclass
class RewrittenSet:
    """An output folder. Making this object looks at the marker and writes nothing.

    Args:
        path: The folder; it need not exist.
        settings: What is to be written there.

    Raises:
        UsageError: It is inside the source or holds it, or holds something else, or images of other
            settings.
    """

    path: Path
    settings: Settings
    _marker: Path = field(init=False)

    def __post_init__(self) -> None:
        self._marker = self.path / MARKER
        source, target = Path(self.settings.source), self.path.resolve()
        if source == target or source in target.parents or target in source.parents:
            raise UsageError(
                f"--out {self.path} and the data set {source} lie in each other; give a folder "
                "beside it"
            )
        if not self._marker.exists():
            if self.path.exists() and (
                not self.path.is_dir() or any(f.name[0] != "." for f in self.path.iterdir())
            ):
                raise UsageError(
                    f"{self.path} is not empty and was not written by 'fprnet superres apply'; "
                    "give another folder with --out"
                )
            return
        there, ours = self._read().get("settings", {}), self.settings.as_dict()
        other = [
            f"{key} {there.get(key)} (not {ours[key]})"
            for key in ours
            if there.get(key) != ours[key]
        ]
        if other:
            raise UsageError(
                f"{self.path} holds images of {', '.join(other)}; give another folder with --out"
            )

    def _read(self) -> dict[str, Any]:
        try:
            marker = json.loads(self._marker.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{self._marker} is damaged; give another folder with --out"
            ) from error
        return marker if isinstance(marker, dict) else {}

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for one process, and say in it what it will hold.

        Raises:
            UsageError: Another process writes there.
            DataError: The folder cannot be written.
        """
        with ExitStack() as held:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.path / ".lock"))
            except BlockingIOError as error:
                raise UsageError(
                    f"another process writes to {self.path}; wait for it, or give another --out"
                ) from error
            except OSError as error:
                raise DataError(
                    f"{self.path} cannot be written ({error.strerror}); give another --out"
                ) from error
            if not self._marker.exists():
                self.write_marker(complete=False)
            yield

    def unreadable(self) -> frozenset[str]:
        """Return the images that an earlier start could not read and left as they are."""
        there = self._read().get("unreadable", []) if self._marker.exists() else []
        return frozenset(map(str, there))

    def write_marker(
        self, *, complete: bool, rewritten: int = 0, skipped: Sequence[str] = ()
    ) -> None:
        """Say what the folder holds: settings, whether all is there, what was left unchanged."""
        state = {
            "format": FORMAT,
            "complete": complete,
            "settings": self.settings.as_dict(),
            "rewritten": rewritten,
            "unreadable": list(skipped),
        }
        write_text(self._marker, json.dumps(state, indent=1) + "\n")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file of a data set, relative to its folder; caches and hidden files are not."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f[0] != "." and f != CACHE_FOLDER)
        for name in sorted(names):
            if name[0] != "." and not (Path(parent) == folder and name == MARKER):
                yield (Path(parent) / name).relative_to(folder)


def link_or_copy(source: Path, target: Path, *, copy: bool = False) -> None:
    """Make ``target`` the same file as ``source``; a copy where the two disks differ, or if asked.

    Raises:
        DataError: Neither is possible.
    """
    if target.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not copy:
            try:
                os.link(source.resolve(), target)
            except OSError:  # another disk, or one without hard links
                copy = True
        if copy:
            with replacing(target) as temporary:
                shutil.copy2(source, temporary)
    except OSError as error:
        raise DataError(
            f"{source} cannot be copied to {target} ({error.strerror}); mend that and start the "
            "same command again"
        ) from error
