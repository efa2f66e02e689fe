"""The layout of SYSU-MM01: ``cam1/0001/0001.jpg``, and in ``exp`` lists and permutations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fprnet.files import replacing, write_text
from fprnet_lab.people.layouts.presence import count_images
from fprnet_lab.people.layouts.shot import Shot
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.worlds import CAMERAS

__all__ = ["LISTS", "images_of", "shots", "write_lists"]

LISTS = "exp"
SYSU_CAMERAS = 6
TRIALS = 10  # gallery permutations per identity and camera
_PRESENCE, _ORDER = 21, 23  # streams of random numbers, see also render
_INDOOR_VISIBLE = (1, 2)
_MATLAB_COMMENT = b"MATLAB 5.0 MAT-file, rendered people".ljust(116)


def shots(options: PeopleOptions, identity: int) -> list[Shot]:
    """Return the files of an identity."""
    return [
        Shot(f"cam{camera}/{identity:04d}/{number:04d}.jpg", camera, number)
        for camera, count in images_of(options, identity).items()
        for number in range(1, count + 1)
    ]


def images_of(options: PeopleOptions, identity: int) -> dict[int, int]:
    """Return the number of images of an identity in each camera that sees it.

    Every identity keeps at least one visible and one infrared camera of those in the options.
    """
    rng = np.random.default_rng([options.seed, _PRESENCE, identity])
    outdoors = rng.random() < options.outdoor_share
    missed = rng.random(SYSU_CAMERAS) < options.missed_share
    seen = {
        camera
        for camera in options.cameras
        if not missed[camera - 1] and not (outdoors and camera in _INDOOR_VISIBLE)
    }
    for band in ("visible", "infrared"):
        alike = [camera for camera in options.cameras if CAMERAS[camera].band == band]
        if alike and not seen & set(alike):
            seen.add(max(alike))
    mean = options.images_per_camera
    return {camera: count_images(options.seed, identity, camera, mean) for camera in sorted(seen)}


def write_lists(root: Path, options: PeopleOptions) -> None:
    """Write identity lists and gallery permutations."""
    import scipy.io  # takes a while, and a help text need not wait for it

    for camera in options.cameras:
        (root / f"cam{camera}").mkdir(exist_ok=True)
    folder = root / LISTS
    for name, identities in options.splits.items():
        write_text(folder / f"{name}_id.txt", ",".join(map(str, identities)) + "\n")
    with replacing(folder / "rand_perm_cam.mat") as temporary:
        scipy.io.savemat(temporary, {"rand_perm_cam": _permutations(options)})
        with temporary.open("rb+") as file:  # scipy puts the date into this comment
            file.write(_MATLAB_COMMENT)


def _permutations(options: PeopleOptions) -> NDArray[np.object_]:
    """Return the official structure: cameras, identities, (trials, images) uint8 each."""
    cameras = np.empty((SYSU_CAMERAS, 1), dtype=object)
    counts = {identity: images_of(options, identity) for identity in range(1, options.total + 1)}
    for camera in range(1, SYSU_CAMERAS + 1):
        cell = np.empty((options.total, 1), dtype=object)
        for identity in range(1, options.total + 1):
            count = counts[identity].get(camera, 0)
            rng = np.random.default_rng([options.seed, _ORDER, identity, camera])
            rows = [rng.permutation(count) + 1 for _ in range(TRIALS)]
            cell[identity - 1, 0] = np.array(rows, dtype=np.uint8).reshape(TRIALS, count)
        cameras[camera - 1, 0] = cell
    return cameras
