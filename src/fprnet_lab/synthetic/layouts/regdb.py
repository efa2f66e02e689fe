"""The layout of RegDB: one visible and one infrared camera at one place, ten random splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fprnet.data.records import Modality
from fprnet.data.regdb import FOLDERS, SPLITS, Part, list_file
from fprnet.files import write_text
from fprnet_lab.synthetic.layouts.picture import Picture
from fprnet_lab.synthetic.options import GeneratorOptions

__all__ = ["pictures", "write_lists"]

CAMERAS: dict[Modality, int] = {"visible": 2, "infrared": 3}  # of the generator: the same place
LETTERS: dict[Modality, str] = {"visible": "v", "infrared": "t"}
_HALVES = 9  # stream of random numbers


def pictures(options: GeneratorOptions, identity: int) -> list[Picture]:
    """Return the files of an identity: as many in each modality as the options say, no mean."""
    return [
        Picture(_path(modality, identity, frame), camera, frame)
        for modality, camera in CAMERAS.items()
        for frame in range(1, options.images_per_camera + 1)
    ]


def write_lists(root: Path, options: GeneratorOptions) -> None:
    """Write the lists of ten splits, each with so many test identities drawn at random."""
    (root / "idx").mkdir(exist_ok=True)
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
                    f"{_path(modality, identity, frame)} {label}\n"
                    for label, identity in enumerate(people)
                    for frame in range(1, options.images_per_camera + 1)
                ]
                write_text(list_file(root, part, modality, number), "".join(lines))


def _path(modality: Modality, identity: int, frame: int) -> str:
    letter = LETTERS[modality]
    return f"{FOLDERS[modality]}/{identity}/person_{letter}_{frame:05d}_{identity}.bmp"
