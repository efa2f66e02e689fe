"""The layout of LLCM: nine cameras that see the visible and, at night, near infrared.

Camera 3 takes no infrared test images, as in the release.
"""

from __future__ import annotations

from pathlib import Path

from fprnet.data.llcm import CAMERAS, EMPTY, TEST_FOLDERS, TEST_LIST, TRAIN_LISTS
from fprnet.data.records import MODALITIES, Modality
from fprnet.files import write_text
from fprnet_lab.people.layouts.presence import cameras_of, count_images
from fprnet_lab.people.layouts.shot import Shot
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.worlds import DAY, NIGHT

__all__ = ["LISTS", "shots", "write_lists"]

LISTS = "idx"
SUFFIXES: dict[Modality, str] = {"visible": "vis", "infrared": "nir"}
FIRST: dict[Modality, int] = {"visible": DAY, "infrared": NIGHT}


def shots(options: PeopleOptions, identity: int) -> list[Shot]:
    """Return the files of an identity: in ``vis`` and ``nir`` if it trains, else by camera."""
    tested = identity in options.splits["test"]
    found = []
    for modality in MODALITIES:
        for camera in cameras_of(options, identity, CAMERAS):
            folder = f"{TEST_FOLDERS[modality]}/cam{camera}" if tested else SUFFIXES[modality]
            if folder == EMPTY:
                continue
            eye = FIRST[modality] + camera
            count = count_images(options.seed, identity, eye, options.images_per_camera)
            for number in range(1, count + 1):
                name = f"{identity:04d}_c{camera:02d}_s{identity:06d}_f{number:04d}"
                path = f"{folder}/{identity:04d}/{name}_{SUFFIXES[modality]}.jpg"
                found.append(Shot(path, eye, number))
    return found


def write_lists(root: Path, options: PeopleOptions) -> None:
    """Write the two training lists and that of the test identities."""
    people = options.splits["train"]
    for modality in MODALITIES:
        start = f"{SUFFIXES[modality]}/"
        lines = [
            f"{shot.path} {label}\n"
            for label, identity in enumerate(people)
            for shot in shots(options, identity)
            if shot.path.startswith(start)
        ]
        write_text(root / LISTS / TRAIN_LISTS[modality], "".join(lines))
    write_text(root / LISTS / TEST_LIST, ",".join(map(str, options.splits["test"])) + "\n")
    for folder in TEST_FOLDERS.values():
        for camera in CAMERAS:
            (root / folder / f"cam{camera}").mkdir(parents=True, exist_ok=True)
