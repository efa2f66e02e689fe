"""The layout of RegDB: a visible and a thermal camera side by side, ten random splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fprnet.data.records import Modality
from fprnet.data.regdb import FOLDERS, SPLITS, Part, list_file
from fprnet.files import write_text
from fprnet_lab.people.layouts.shot import Shot
from fprnet_lab.people.options import PeopleOptions

__all__ = ["LISTS", "shots", "write_lists"]

LISTS = "idx"
CAMERAS: dict[Modality, int] = {"visible": 7, "infrared": 8}  # of a world
LETTERS: dict[Modality, str] = {"visible": "v", "infrared": "t"}
_HALVES = 25  # stream of random numbers


def shots(options: PeopleOptions, identity: int) -> list[Shot]:
    """Return the files of an identity: as many in each modality as the options say, no mean."""
    return [
        Shot(_path(modality, identity, number), camera, number)
        for modality, camera in CAMERAS.items()
        for number in range(1, options.images_per_camera + 1)
    ]


def write_lists(root: Path, options: PeopleOptions) -> None:
    """Write the lists of ten splits, each with its test identities drawn at random."""
    (root / LISTS).mkdir(exist_ok=True)
    for number in SPLITS:
        rng = np.random.default_rng([options.seed, _HALVES, number])
        order = rng.permutation(options.total) + 1
        parts: dict[Part, list[int]] = {
            "test": sorted(order[: options.test_identities].tolist()),
            "train": sorted(order[options.test_identities :].tolist()),
        }
        for part, people in parts.items():
            for modality in CAMERAS:
                lines = [
                    f"{_path(modality, identity, image)} {label}\n"
                    for label, identity in enumerate(people)
                    for image in range(1, options.images_per_camera + 1)
                ]
                write_text(list_file(root, part, modality, number), "".join(lines))


def _path(modality: Modality, identity: int, number: int) -> str:
    letter = LETTERS[modality]
    return f"{FOLDERS[modality]}/{identity}/person_{letter}_{number:05d}_{identity}.bmp"
