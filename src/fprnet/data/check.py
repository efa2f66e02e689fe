"""A data set's folder becomes a report of what it holds and of all that is wrong with it at once.

The readers of the other modules stop at the first fault; here every file is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fprnet.data.checks.findings import Findings, Problem, Seen
from fprnet.data.data_set import AUTO, recognise
from fprnet.data.image_doubts import doubts_about, is_coloured
from fprnet.data.images import ImageFacts, inspect_image, map_with_bar
from fprnet.data.reader import PARTS
from fprnet.data.readers import reader_of
from fprnet.data.records import Modality
from fprnet.errors import DataError
from fprnet.text_table import text_table

__all__ = ["Count", "Problem", "Report", "check"]

FORMAT = 1  # of the JSON object
UNLISTED = "unlisted"  # identities in none of the id files


@dataclass(frozen=True)
class Count:
    """Images of one split in one camera.

    Attributes:
        split: "train", "validation", "test" or "unlisted".
        camera: Its number; -1 where a manifest does not say.
        modality: Modality of the images.
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
        layout: Name of its reader.
        splits: How many splits it has; counts are those of the first.
        problems: All that is wrong, in the order split files, folders, images.
        counts: One per split, camera and modality that has images.
        cameras: Those of the layout, with their modality.
        identities: Split -> number of people listed; "unlisted": people with images in no list.
    """

    root: Path
    layout: str
    splits: int
    problems: tuple[Problem, ...]
    counts: tuple[Count, ...]
    cameras: tuple[tuple[int, Modality], ...]
    identities: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as an object for JSON."""
        return {
            "format": FORMAT,
            "root": str(self.root),
            "layout": self.layout,
            "images": sum(count.images for count in self.counts),
            "identities": dict(self.identities),
            "counts": [vars(count) for count in self.counts],
            "problems": [vars(problem) for problem in self.problems],
        }

    def text(self) -> str:
        """Return the report as a table, one line per camera, and a line per problem."""
        splits = [name for name in (*PARTS, UNLISTED) if name in self.identities]
        title = f"{self.root}: images / identities"
        lines = [f"{title}, split 1 of {self.splits}" if self.splits > 1 else title, ""]
        cells = {(count.camera, count.modality, count.split): count for count in self.counts}
        rows = []
        for camera, modality in self.cameras:
            counts = [cells.get((camera, modality, name)) for name in splits]
            row = ["-" if camera < 0 else str(camera), modality]
            rows.append([*row, *(f"{c.images} / {c.identities}" if c else "-" for c in counts)])
        total = Counter[str]()
        for count in self.counts:
            total[count.split] += count.images
        rows.append(["all", "", *(f"{total[name]} / {self.identities[name]}" for name in splits)])
        lines += [text_table(["camera", "modality", *splits], rows, left=(0, 1)), ""]
        if not self.problems:
            return "\n".join([*lines, "no problems found"])
        lines.append(f"{len(self.problems)} problems:")
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])


def check(
    root: Path,
    *,
    layout: str = AUTO,
    workers: int = 1,
    progress: bool = True,
) -> Report:
    """Look at every file of a data set.

    Problems are: missing cameras, folders and split files; split files that cannot be understood;
    identities in two lists, or without images; files that no reader looks at; images that a list
    names and the folder lacks, or the other way round; image counts that differ from
    ``rand_perm_cam.mat``; images that cannot be read, are smaller than 16 pixels, wider than tall,
    without contrast, of several frames, or of another pixel format than most of their modality;
    colour in infrared images and none in visible ones.

    Args:
        root: The data set's folder, or a manifest.
        layout: A reader's name or import path; "auto" recognises it by what is there.
        workers: Threads that decode.
        progress: Show a progress bar on stderr.

    Returns:
        The report; nothing on the disk is changed.

    Raises:
        DataError: ``root`` is no folder, or looks like several layouts, or like none.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root} is no folder; give the folder of a data set")
    if layout == AUTO:
        layout = recognise(root)
    reader = reader_of(layout)
    findings = Findings(root)
    lists, images = reader.look(findings)
    _check_images(findings, images, workers, progress)
    present = sorted({(image.camera, image.modality) for image in images}, key=_by_modality)
    cameras = reader.cameras or tuple(present)
    counts, identities = _count(lists, images, cameras)
    splits = len(reader.splits) or 1
    return Report(root, layout, splits, tuple(findings.problems), counts, cameras, identities)


def _check_images(findings: Findings, images: Sequence[Seen], workers: int, progress: bool) -> None:
    """Decode every image, then report the broken and the odd ones in their order."""
    paths = [image.path for image in images]
    found = list(map_with_bar(_facts, paths, workers, "Reading images", progress=progress))
    modes: dict[Modality, Counter[str]] = {"visible": Counter(), "infrared": Counter()}
    cameras: dict[tuple[int, Modality], list[bool]] = {}  # whether each image is coloured
    for image, facts in zip(images, found, strict=True):
        if isinstance(facts, ImageFacts):
            modes[image.modality][facts.mode] += 1
            cameras.setdefault((image.camera, image.modality), []).append(is_coloured(facts))
    swapped = _swapped(findings, cameras)
    for image, facts in zip(images, found, strict=True):
        if isinstance(facts, DataError):
            findings.add_error(image.path, facts)
            continue
        is_swapped = (image.camera, image.modality) in swapped
        for what, next_step in _oddities(facts, image.modality, modes, is_swapped=is_swapped):
            findings.add(image.path, what, next_step)


def _swapped(
    findings: Findings, cameras: Mapping[tuple[int, Modality], Sequence[bool]]
) -> set[tuple[int, Modality]]:
    """Report the cameras most of whose images look like the other modality, and return them."""
    swapped = set()
    for (camera, modality), coloured in sorted(cameras.items()):
        odd = sum(is_colour != (modality == "visible") for is_colour in coloured)
        if 2 * odd > len(coloured):
            looks = "gray" if modality == "visible" else "coloured"
            where = f"camera {camera}" if camera >= 0 else "a camera without number"
            findings.add(
                findings.root,
                f"has {odd} {looks} images of {len(coloured)} in {where}, whose modality is "
                f"{modality}",
                "look whether modalities are swapped, or infrared was saved in false colours",
            )
            swapped.add((camera, modality))
    return swapped


def _facts(path: Path) -> ImageFacts | DataError:
    try:
        return inspect_image(path)
    except DataError as error:
        return error


def _oddities(
    facts: ImageFacts,
    modality: Modality,
    modes: Mapping[Modality, Counter[str]],
    *,
    is_swapped: bool,
) -> Iterable[tuple[str, str]]:
    """Yield what is unusual about a readable image, and what to do about it."""
    for doubt in doubts_about(facts, modality):
        if doubt.code != "other_modality" or not is_swapped:
            yield doubt.what, doubt.next_step
    usual = modes[modality].most_common(1)[0][0]
    if facts.mode != usual:
        what = f"has pixels of kind {facts.mode}, most {modality} images have {usual}"
        yield what, "look whether it belongs here"


def _count(
    lists: Mapping[str, tuple[int, ...]],
    images: Sequence[Seen],
    cameras: Sequence[tuple[int, Modality]],
) -> tuple[tuple[Count, ...], dict[str, int]]:
    """Count images and people per split, camera and modality, and people per split."""
    part_of = {identity: part for part, identities in lists.items() for identity in identities}
    files = Counter[tuple[str, int, Modality]]()
    people: dict[tuple[str, int, Modality], set[int]] = {}
    for image in images:
        key = part_of.get(image.identity, UNLISTED), image.camera, image.modality
        files[key] += 1
        people.setdefault(key, set()).add(image.identity)
    counts = tuple(
        Count(part, camera, modality, files[key], len(people[key]))
        for part in (*lists, UNLISTED)
        for camera, modality in cameras
        if (key := (part, camera, modality)) in files
    )
    identities = {part: len(of_part) for part, of_part in lists.items()}
    unlisted = {image.identity for image in images} - set(part_of)
    if unlisted:
        identities[UNLISTED] = len(unlisted)
    return counts, identities


def _by_modality(camera: tuple[int, Modality]) -> tuple[bool, int]:
    return camera[1] == "infrared", camera[0]
