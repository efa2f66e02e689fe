"""Folders and the forty lists of RegDB; the counts are those of split 1."""

from __future__ import annotations

from collections.abc import Iterator

from fprnet.data.checks.findings import Findings, Seen
from fprnet.data.records import Modality
from fprnet.data.regdb import CAMERAS as CAMERA_OF
from fprnet.data.regdb import FOLDERS, PARTS, SPLITS, list_file, read_list
from fprnet.errors import DataError

__all__ = ["CAMERAS", "look"]

CAMERAS: tuple[tuple[int, Modality], ...] = tuple((c, m) for m, c in CAMERA_OF.items())

Lists = dict[str, dict[Modality, dict[str, int]]]  # part, modality, path -> identity


def look(findings: Findings) -> tuple[dict[str, tuple[int, ...]], list[Seen]]:
    """Return who is listed for which part of split 1, and all images; note all that is wrong."""
    splits = {number: _lists(findings, number) for number in SPLITS}
    images = list(_images(findings))
    _compare_with_disk(findings, splits, images)
    first: dict[str, tuple[int, ...]] = {
        part: tuple(sorted(_people(splits[1], part))) for part in PARTS
    }
    return first, images


def _lists(findings: Findings, number: int) -> Lists:
    """Read the four lists of a split, each for itself, and compare them."""
    lists: Lists = {part: {} for part in PARTS}
    for part in PARTS:
        for modality in FOLDERS:
            file = list_file(findings.root, part, modality, number)
            try:
                paths, identities = read_list(file, modality)
            except DataError as error:
                findings.add_error(file, error)
                return {part: {} for part in PARTS}
            lists[part][modality] = dict(zip(paths, identities, strict=True))
        of = {m: set(listed.values()) for m, listed in lists[part].items()}
        for identity in sorted(of["visible"] ^ of["infrared"]):
            findings.add(
                list_file(findings.root, part, "visible", number),
                f"and the thermal list do not agree about identity {identity}",
                "copy idx/ again",
            )
    for identity in sorted(_people(lists, "train") & _people(lists, "test")):
        findings.add(
            list_file(findings.root, "train", "visible", number),
            f"lists identity {identity}, which is tested in split {number}",
            "copy idx/ again",
        )
    return lists


def _images(findings: Findings) -> Iterator[Seen]:
    for modality, name in FOLDERS.items():
        folder = findings.root / name
        if not folder.is_dir():
            findings.add(folder, "is missing", f"copy the {modality} images")
            continue
        for identity, paths in findings.people(folder).items():
            for path in paths:
                yield Seen(path, identity, CAMERA_OF[modality], modality)


def _compare_with_disk(findings: Findings, splits: dict[int, Lists], images: list[Seen]) -> None:
    """Note listed images that are not there, and images that a split does not list."""
    there = {image.path.relative_to(findings.root).as_posix() for image in images}
    listed_in: dict[str, set[int]] = {}
    for number, lists in splits.items():
        for by_modality in lists.values():
            for listed in by_modality.values():
                for path in listed:
                    listed_in.setdefault(path, set()).add(number)
    readable = {number for number, lists in splits.items() if any(lists.values())}
    for path in sorted(set(listed_in) - there):
        what = f"is missing, but listed in {len(listed_in[path])} splits"
        findings.add(findings.root / path, what, "copy it again")
    for path in sorted(there):
        absent = sorted(readable - listed_in.get(path, set()))
        if absent:
            names = ", ".join(map(str, absent))
            what = f"is in no list of split {names} and is not used there"
            findings.add(findings.root / path, what, "remove it or copy idx/ again")


def _people(lists: Lists, part: str) -> set[int]:
    return {identity for listed in lists[part].values() for identity in listed.values()}
