"""The layout of LLCM: nine cameras that take visible and infrared images, each person seen by some.

The generator has four visible and two infrared cameras; a camera of LLCM draws with one of each, in
turn, and with frame numbers of its own. Camera 3 takes no infrared test images, as in the release.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fprnet.data.llcm import CAMERAS, EMPTY, TEST_FOLDERS, TEST_LIST, TRAIN_LISTS
from fprnet.data.records import MODALITIES, Modality
from fprnet.data.sysu_mm01 import INFRARED_CAMERAS, VISIBLE_CAMERAS
from fprnet.files import write_text
from fprnet_lab.synthetic.layouts.picture import Picture
from fprnet_lab.synthetic.layouts.sysu_mm01 import count_images
from fprnet_lab.synthetic.options import GeneratorOptions

__all__ = ["pictures", "write_lists"]

SEEN = 0.4  # share of the cameras that see a person
LEAST = 3  # cameras that do, at least
FRAMES = 1000  # frames of one camera of LLCM in a camera of the generator
SUFFIXES: dict[Modality, str] = {"visible": "vis", "infrared": "nir"}
_PRESENCE = 10  # stream of random numbers


def pictures(options: GeneratorOptions, identity: int) -> list[Picture]:
    """Return the files of an identity: in ``vis`` and ``nir`` if it trains, else by camera."""
    tested = identity in options.splits["test"]
    found = []
    for modality in MODALITIES:
        for camera in _cameras(options, identity):
            folder = f"{TEST_FOLDERS[modality]}/cam{camera}" if tested else SUFFIXES[modality]
            if folder == EMPTY:
                continue
            drawn = _drawing_camera(modality, camera)
            count = count_images(
                options.seed, identity, FRAMES * camera + drawn, options.images_per_camera
            )
            for frame in range(1, count + 1):
                name = f"{identity:04d}_c{camera:02d}_s{identity:06d}_f{frame:04d}"
                path = f"{folder}/{identity:04d}/{name}_{SUFFIXES[modality]}.jpg"
                found.append(Picture(path, drawn, FRAMES * camera + frame))
    return found


def write_lists(root: Path, options: GeneratorOptions) -> None:
    """Write the two training lists and that of the test identities."""
    people = options.splits["train"]
    for modality in MODALITIES:
        start = f"{SUFFIXES[modality]}/"
        lines = [
            f"{picture.path} {label}\n"
            for label, identity in enumerate(people)
            for picture in pictures(options, identity)
            if picture.path.startswith(start)
        ]
        write_text(root / "idx" / TRAIN_LISTS[modality], "".join(lines))
    write_text(root / "idx" / TEST_LIST, ",".join(map(str, options.splits["test"])) + "\n")
    for folder in TEST_FOLDERS.values():
        for camera in CAMERAS:
            (root / folder / f"cam{camera}").mkdir(parents=True, exist_ok=True)


def _cameras(options: GeneratorOptions, identity: int) -> list[int]:
    """Draw who is seen where; at least in three places, camera 3 perhaps among them."""
    rng = np.random.default_rng([options.seed, _PRESENCE, identity])
    number = max(LEAST, int(rng.binomial(len(CAMERAS), SEEN)))
    return sorted(rng.choice(CAMERAS, number, replace=False).tolist())


def _drawing_camera(modality: Modality, camera: int) -> int:
    cameras = VISIBLE_CAMERAS if modality == "visible" else INFRARED_CAMERAS
    return cameras[camera % len(cameras)]
