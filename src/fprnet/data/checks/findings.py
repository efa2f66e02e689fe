"""What a walk through a data set finds: problems, images, and who is listed for which part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fprnet.data.image_formats import SUFFIXES, formats_in_words
from fprnet.data.records import Modality
from fprnet.errors import DataError

__all__ = ["Findings", "Lists", "Problem", "Seen"]

Lists = dict[str, tuple[int, ...]]  # part -> sorted identities


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: File or folder, relative to the data set's folder.
        what: What is wrong with it, a clause without subject: "is empty".
        next_step: What to do about it.
    """

    path: str
    what: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.path} {self.what}; {self.next_step}"


@dataclass(frozen=True)
class Seen:
    """An image file that a reader would take: where it is and what it is said to show."""

    path: Path
    identity: int
    camera: int
    modality: Modality


@dataclass
class Findings:
    """Problems in the order in which they were found; all adding goes through these methods."""

    root: Path
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: Path, what: str, next_step: str) -> None:
        """Note what is wrong with a path of the data set."""
        name = path.relative_to(self.root).as_posix() if path != self.root else str(path)
        self.problems.append(Problem(name, what, next_step))

    def add_error(self, path: Path, error: DataError) -> None:
        """Turn an error's one sentence, "PATH what; next step", into a problem of that path."""
        what, _, next_step = str(error).removeprefix(f"{path} ").rpartition("; ")
        self.add(path, what, next_step)

    def entries(self, folder: Path) -> list[Path]:
        """List a folder by name; one that may not be read is a problem."""
        try:
            return sorted(folder.iterdir())
        except OSError as error:
            self.add(folder, f"cannot be listed ({error.strerror})", "change its permissions")
            return []

    def people(self, folder: Path) -> dict[int, list[Path]]:
        """Return the images of each identity's folder; whatever no reader takes is a problem."""
        found: dict[int, list[Path]] = {}
        for entry in self.entries(folder):
            if not (entry.is_dir() and entry.name.isdecimal()):
                self.add(entry, "is no folder of an identity and is not used", "remove it")
            elif int(entry.name) in found:
                self.add(entry, f"is identity {int(entry.name)} a second time", "keep one of them")
            else:
                found[int(entry.name)] = list(self._images(entry))
        return found

    def _images(self, folder: Path) -> Iterator[Path]:
        for entry in self.entries(folder):
            hidden = entry.name.startswith(".")
            if entry.suffix.lower() in SUFFIXES and not hidden and not entry.is_dir():
                yield entry
            else:
                what = f"is no {formats_in_words()} file by its ending and is not used"
                self.add(entry, what, "save it in one of these formats, or remove it")

    def compare(self, lists: Mapping[str, tuple[int, ...]], present: set[int]) -> None:
        """Compare the id lists with each other and with who has images."""
        listed_in: dict[int, str] = {}
        for part, identities in lists.items():
            for identity in identities:
                if identity in listed_in:
                    self.add(
                        self.root,
                        f"lists identity {identity} for {listed_in[identity]} and for {part}",
                        "leave it in one of the id files",
                    )
                listed_in[identity] = part
                if identity not in present:
                    self.add(
                        self.root,
                        f"has no image of identity {identity}, listed for {part}",
                        "copy its folders or correct the id file",
                    )
