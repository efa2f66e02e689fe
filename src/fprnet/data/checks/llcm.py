"""Lists and test folders of LLCM."""

from __future__ import annotations

from collections.abc import Iterator

from fprnet.data import llcm
from fprnet.data.checks.findings import Findings, Seen
from fprnet.data.lists import read_identity_list
from fprnet.data.records import MODALITIES, Modality
from fprnet.errors import DataError

__all__ = ["CAMERAS", "look"]

CAMERAS: tuple[tuple[int, Modality], ...] = tuple((c, m) for m in MODALITIES for c in llcm.CAMERAS)


def look(findings: Findings) -> tuple[dict[str, tuple[int, ...]], list[Seen]]:
    """Return who is listed for which part, and all images; note all that is wrong."""
    listed = [seen for modality in MODALITIES for seen in _listed(findings, modality)]
    there = [seen for seen in listed if seen.path.is_file()]
    for seen in listed:
        if not seen.path.is_file():
            name = llcm.TRAIN_LISTS[seen.modality]
            findings.add(seen.path, f"is missing, but listed in {name}", "copy it again")
    images = [*there, *(seen for m in MODALITIES for seen in _test_images(findings, m))]
    lists = {"train": tuple(sorted({seen.identity for seen in listed})), "test": ()}
    file = llcm.list_folder(findings.root) / llcm.TEST_LIST
    try:
        lists["test"] = read_identity_list(file)
    except DataError as error:
        findings.add_error(file, error)
    else:
        if not lists["test"]:
            findings.add(file, "lists nobody", "copy idx/ again")
    findings.compare(lists, {seen.identity for seen in images})
    return lists, images


def _listed(findings: Findings, modality: Modality) -> list[Seen]:
    file = llcm.list_folder(findings.root) / llcm.TRAIN_LISTS[modality]
    try:
        rows = llcm.read_train_list(file)
    except DataError as error:
        findings.add_error(file, error)
        return []
    return [
        Seen(findings.root / path, identity, camera, modality) for path, identity, camera in rows
    ]


def _test_images(findings: Findings, modality: Modality) -> Iterator[Seen]:
    folder = findings.root / llcm.TEST_FOLDERS[modality]
    if not folder.is_dir():
        findings.add(folder, "is missing", f"copy the {modality} test images")
        return
    known = {f"cam{camera}" for camera in llcm.CAMERAS}
    for entry in findings.entries(folder):
        if entry.name not in known:
            findings.add(entry, "is no camera of LLCM and is not used", "remove it")
    for camera in llcm.CAMERAS:
        place = folder / f"cam{camera}"
        found = findings.people(place) if place.is_dir() else {}
        if not any(found.values()) and f"{folder.name}/{place.name}" != llcm.EMPTY:
            what = "holds no images" if place.is_dir() else "is missing"
            findings.add(place, what, f"copy the {modality} test images of camera {camera}")
        for identity, paths in found.items():
            for path in paths:
                yield Seen(path, identity, camera, modality)
