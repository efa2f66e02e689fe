"""A SYSU-MM01 folder becomes a report of what it holds and of all that is wrong with it at once.

The readers of the other modules stop at the first fault; here every file is looked at.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fprnet.data.images import ImageFacts, inspect_image, map_in_order
from fprnet.data.records import Modality
from fprnet.data.sysu_mm01 import (
    CAMERA_LOCATION,
    ID_FILES,
    IMAGE_SUFFIXES,
    PERMUTATION_FILE,
    VISIBLE_CAMERAS,
    GalleryPermutations,
    first_file,
    read_identities,
    read_permutations,
    split_folder,
)
from fprnet.errors import DataError

__all__ = ["Count", "Problem", "Report", "check"]

FORMAT = 1  # of the JSON object
SMALLEST_SIDE = 16  # pixels; less shows no person
UNLISTED = "unlisted"  # identities in none of the id files


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
class Count:
    """Images of one split in one camera.

    Attributes:
        split: "train", "validation", "test" or "unlisted".
        camera: 1 to 6.
        modality: Of the camera.
        images: How many files, readable or not.
        identities: How many people they show.
    """

    split: str
    camera: int
    modality: Modality
    images: int
    identities: int


@dataclass(frozen=True)
class Report:
    """What a data set holds.

    Attributes:
        root: The folder.
        problems: All that is wrong, in the order split files, folders, images.
        counts: One per split and camera that has images.
        identities: Split -> number of people listed; "unlisted": people with images in no list.
    """

    root: Path
    problems: tuple[Problem, ...]
    counts: tuple[Count, ...]
    identities: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as an object for JSON."""
        return {
            "format": FORMAT,
            "root": str(self.root),
            "images": sum(count.images for count in self.counts),
            "identities": dict(self.identities),
            "counts": [vars(count) for count in self.counts],
            "problems": [vars(problem) for problem in self.problems],
        }

    def text(self) -> str:
        """Return the report as a table, one line per camera, and a line per problem."""
        splits = [name for name in (*ID_FILES, UNLISTED) if name in self.identities]
        lines = [f"{self.root}: images / identities", ""]
        lines.append("camera  modality " + "".join(f"{name:>16}" for name in splits))
        cells = {(count.camera, count.split): count for count in self.counts}
        for camera in CAMERA_LOCATION:
            row = f"{camera:<6}  {_modality(camera):<9}"
            for name in splits:
                count = cells.get((camera, name))
                row += f"{f'{count.images} / {count.identities}' if count else '-':>16}"
            lines.append(row)
        total = Counter[str]()
        for count in self.counts:
            total[count.split] += count.images
        sums = "".join(f"{f'{total[name]} / {self.identities[name]}':>16}" for name in splits)
        lines += [f"{'all':<17}{sums}", ""]
        if not self.problems:
            return "\n".join([*lines, "no problems found"])
        lines.append(f"{len(self.problems)} problems:")
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])


@dataclass
class _Findings:
    """What is gathered on the way through the folder."""

    root: Path
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: Path, what: str, next_step: str) -> None:
        name = path.relative_to(self.root).as_posix() if path != self.root else str(path)
        self.problems.append(Problem(name, what, next_step))

    def entries(self, folder: Path) -> list[Path]:
        """List a folder by name; one that may not be read is a problem."""
        try:
            return sorted(folder.iterdir())
        except OSError as error:
            self.add(folder, f"cannot be listed ({error.strerror})", "change its permissions")
            return []

    def add_error(self, path: Path, error: DataError) -> None:
        """Turn an error's one sentence, "PATH what; next step", into a problem of that path."""
        what, _, next_step = str(error).removeprefix(f"{path} ").rpartition("; ")
        self.add(path, what, next_step)


def check(root: Path, *, workers: int = 1, progress: bool = True) -> Report:
    """Look at every file of a data set in SYSU-MM01's layout.

    Problems are: missing cameras, folders and split files; split files that cannot be understood;
    identities in two lists, or without images; files that no reader looks at; image counts that
    differ from ``rand_perm_cam.mat``; images that cannot be read, are smaller than 16 pixels, wider
    than tall, animated, or of another pixel format than most of their modality.

    Args:
        root: The folder that holds cam1 to cam6.
        workers: Threads that decode.
        progress: Show a progress bar on stderr.

    Returns:
        The report; nothing on the disk is changed.

    Raises:
        DataError: ``root`` is no folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is no folder; give the folder that holds cam1 to cam6")
    findings = _Findings(root)
    lists, permutations = _check_split_files(findings)
    files = _check_folders(findings)
    _check_lists(findings, lists, files)
    if permutations is not None:
        _check_permutations(findings, lists, permutations, files)
    _check_images(findings, files, workers, progress)
    return Report(root, tuple(findings.problems), *_count(lists, files))


def _check_split_files(
    findings: _Findings,
) -> tuple[dict[str, tuple[int, ...]], GalleryPermutations | None]:
    """Read each split file for itself."""
    try:
        folder = split_folder(findings.root)
    except DataError:
        folder = findings.root / "exp"
    lists: dict[str, tuple[int, ...]] = {}
    permutations = None
    copy = "copy it from the data set's exp folder"
    for part, stem in ID_FILES.items():
        file = first_file(folder, stem)
        lists[part] = ()
        if file is None:
            findings.add(folder / f"{stem}.txt", "(or .mat) is missing", copy)
            continue
        try:
            lists[part] = read_identities(file)
        except DataError as error:
            findings.add_error(file, error)
        else:
            if not lists[part]:
                findings.add(file, "lists nobody", copy)
    file = folder / PERMUTATION_FILE
    try:
        permutations = read_permutations(file)
    except DataError as error:
        findings.add_error(file, error)
    return lists, permutations


Files = dict[tuple[int, int], list[Path]]  # (camera, identity) -> its images


def _check_folders(findings: _Findings) -> Files:
    """Walk through the cameras; whatever the reader would pass over is a problem."""
    files: Files = {}
    known = {f"cam{camera}" for camera in CAMERA_LOCATION}
    for entry in findings.entries(findings.root):
        if re.fullmatch(r"cam\d+", entry.name) and entry.name not in known:
            findings.add(entry, "is no camera of SYSU-MM01", "remove it or rename it to cam1..cam6")
    for camera in CAMERA_LOCATION:
        folder = findings.root / f"cam{camera}"
        if not folder.is_dir():
            findings.add(folder, "is missing", f"copy the {_modality(camera)} camera {camera}")
            continue
        for entry in findings.entries(folder):
            if not (entry.is_dir() and entry.name.isdecimal()):
                findings.add(entry, "is no folder of an identity and is not used", "remove it")
                continue
            identity = int(entry.name)
            if (camera, identity) in files:
                findings.add(entry, f"is identity {identity} a second time", "keep one of them")
                continue
            files[camera, identity] = list(_images(findings, entry))
        if not any(images for (of, _), images in files.items() if of == camera):
            findings.add(folder, "holds no images", f"copy {_modality(camera)} camera {camera}")
    return files


def _images(findings: _Findings, folder: Path) -> Iterator[Path]:
    for entry in findings.entries(folder):
        hidden = entry.name.startswith(".")
        if entry.suffix.lower() in IMAGE_SUFFIXES and not hidden and not entry.is_dir():
            yield entry
        else:
            suffixes = ", ".join(IMAGE_SUFFIXES)
            findings.add(entry, f"is no {suffixes} file and is not used", "remove it")


def _check_lists(findings: _Findings, lists: Mapping[str, tuple[int, ...]], files: Files) -> None:
    """Compare the id lists with each other and with the folders."""
    listed_in: dict[int, str] = {}
    present = {identity for (_, identity), images in files.items() if images}
    for part, identities in lists.items():
        for identity in identities:
            if identity in listed_in:
                findings.add(
                    findings.root,
                    f"lists identity {identity} for {listed_in[identity]} and for {part}",
                    "leave it in one of the id files",
                )
            listed_in[identity] = part
            if identity not in present:
                findings.add(
                    findings.root,
                    f"has no image of identity {identity}, listed for {part}",
                    "copy its folders or correct the id file",
                )


def _check_permutations(
    findings: _Findings,
    lists: Mapping[str, tuple[int, ...]],
    permutations: GalleryPermutations,
    files: Files,
) -> None:
    """Compare the image counts with those that the official draw of galleries relies on."""
    listed = sorted({identity for identities in lists.values() for identity in identities})
    present = {identity for (_, identity), images in files.items() if images}
    for camera in CAMERA_LOCATION:
        if not any(of == camera for of, _ in files):
            continue  # a missing camera has been reported as such
        for identity in listed:
            expected = permutations.images(camera, identity)
            found = len(files.get((camera, identity), []))
            if expected != found and identity in present:
                findings.add(
                    findings.root / f"cam{camera}" / f"{identity:04d}",
                    f"holds {found} images but {PERMUTATION_FILE} counts {expected}",
                    "copy the folder again",
                )


def _check_images(findings: _Findings, files: Files, workers: int, progress: bool) -> None:
    """Decode every image, then report the broken and the odd ones in their order."""
    paths = [path for images in files.values() for path in images]
    camera_of = [camera for (camera, _), images in files.items() for _ in images]
    bar = tqdm(
        map_in_order(_facts, paths, workers),
        desc="Reading images",
        total=len(paths),
        unit=" images",
        file=sys.stderr,
        disable=not progress,
    )
    found = list(bar)
    modes: dict[Modality, Counter[str]] = {"visible": Counter(), "infrared": Counter()}
    for camera, facts in zip(camera_of, found, strict=True):
        if isinstance(facts, ImageFacts):
            modes[_modality(camera)][facts.mode] += 1
    for path, camera, facts in zip(paths, camera_of, found, strict=True):
        if isinstance(facts, DataError):
            findings.add_error(path, facts)
            continue
        for what, next_step in _oddities(facts, _modality(camera), modes):
            findings.add(path, what, next_step)


def _facts(path: Path) -> ImageFacts | DataError:
    try:
        return inspect_image(path)
    except DataError as error:
        return error


def _oddities(
    facts: ImageFacts, modality: Modality, modes: Mapping[Modality, Counter[str]]
) -> Iterable[tuple[str, str]]:
    """Yield what is unusual about a readable image, and what to do about it."""
    size = f"{facts.width} x {facts.height} pixels"
    if min(facts.width, facts.height) < SMALLEST_SIDE:
        yield f"has only {size}", "replace it or remove it"
    elif facts.width > facts.height:
        yield f"is wider than tall ({size})", "crop it to one standing person"
    usual = modes[modality].most_common(1)[0][0]
    if facts.mode != usual:
        what = f"has pixels of kind {facts.mode}, most {modality} images have {usual}"
        yield what, "look whether it belongs here"
    if facts.frames > 1:
        yield f"is an animation of {facts.frames} frames", "keep one frame"


def _count(
    lists: Mapping[str, tuple[int, ...]], files: Files
) -> tuple[tuple[Count, ...], dict[str, int]]:
    """Count images and people per split and camera, and people per split."""
    split_of = {identity: part for part, identities in lists.items() for identity in identities}
    images, people = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for (camera, identity), paths in files.items():
        if paths:
            key = split_of.get(identity, UNLISTED), camera
            images[key] += len(paths)
            people[key] += 1
    order = (*lists, UNLISTED)
    counts = tuple(
        Count(split, camera, _modality(camera), images[split, camera], people[split, camera])
        for split in order
        for camera in CAMERA_LOCATION
        if (split, camera) in images
    )
    identities = {part: len(of_part) for part, of_part in lists.items()}
    unlisted = {i for (_, i), paths in files.items() if paths and i not in split_of}
    if unlisted:
        identities[UNLISTED] = len(unlisted)
    return counts, identities


def _modality(camera: int) -> Modality:
    return "visible" if camera in VISIBLE_CAMERAS else "infrared"
