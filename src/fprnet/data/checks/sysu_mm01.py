"""Folders and split files of SYSU-MM01."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fprnet.data.checks.findings import Findings, Seen
from fprnet.data.records import Modality
from fprnet.data.sysu_mm01 import (
    CAMERA_LOCATION,
    ID_FILES,
    PERMUTATION_FILE,
    VISIBLE_CAMERAS,
    GalleryPermutations,
    first_file,
    read_identities,
    read_permutations,
    split_folder,
)
from fprnet.errors import DataError

__all__ = ["CAMERAS", "look"]

CAMERAS: tuple[tuple[int, Modality], ...] = tuple(
    (camera, "visible" if camera in VISIBLE_CAMERAS else "infrared") for camera in CAMERA_LOCATION
)


def look(findings: Findings) -> tuple[dict[str, tuple[int, ...]], list[Seen]]:
    """Return who is listed for which part, and all images; note all that is wrong."""
    lists, permutations = _split_files(findings)
    images = _folders(findings)
    findings.compare(lists, {image.identity for image in images})
    if permutations is not None:
        _permutations(findings, lists, permutations, images)
    return lists, images


def _split_files(
    findings: Findings,
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


def _folders(findings: Findings) -> list[Seen]:
    """Walk through the cameras; whatever the reader would pass over is a problem."""
    known = {f"cam{camera}" for camera in CAMERA_LOCATION}
    for entry in findings.entries(findings.root):
        if re.fullmatch(r"cam\d+", entry.name) and entry.name not in known:
            findings.add(entry, "is no camera of SYSU-MM01", "remove it or rename it to cam1..cam6")
    images: list[Seen] = []
    for camera, modality in CAMERAS:
        folder = findings.root / f"cam{camera}"
        if not folder.is_dir():
            findings.add(folder, "is missing", f"copy the {modality} camera {camera}")
            continue
        found = [
            Seen(path, identity, camera, modality)
            for identity, paths in findings.people(folder).items()
            for path in paths
        ]
        if not found:
            findings.add(folder, "holds no images", f"copy {modality} camera {camera}")
        images += found
    return images


def _permutations(
    findings: Findings,
    lists: Mapping[str, tuple[int, ...]],
    permutations: GalleryPermutations,
    images: list[Seen],
) -> None:
    """Compare the image counts with those that the official draw of galleries relies on."""
    listed = sorted({identity for identities in lists.values() for identity in identities})
    present = {image.identity for image in images}
    counts: dict[tuple[int, int], int] = {}
    for image in images:
        place = (image.camera, image.identity)
        counts[place] = counts.get(place, 0) + 1
    for camera, _ in CAMERAS:
        if not (findings.root / f"cam{camera}").is_dir():
            continue  # a missing camera has been reported as such
        for identity in listed:
            expected = permutations.images(camera, identity)
            found = counts.get((camera, identity), 0)
            if expected != found and identity in present:
                findings.add(
                    findings.root / f"cam{camera}" / f"{identity:04d}",
                    f"holds {found} images but {PERMUTATION_FILE} counts {expected}",
                    "copy the folder again",
                )
