"""BUPTCampus: a JSON file of paths and lists of tracklets become a split.

The layout is that of the public release (Du et al., TIFS 2023; repository dyhBUPT/BUPTCampus), as
the code of its authors reads it. ``data_paths.json`` maps identity, modality ("RGB" or "IR"),
camera and tracklet to paths below ``DATA``; ``train.txt``, ``query.txt`` and ``gallery.txt`` name a
tracklet in each line: ``1911 RGB G25 1``, in training ``1746 RGB/IR TSG2 1`` for both modalities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fprnet.data.lists import read_text
from fprnet.data.records import Modality
from fprnet.data.tracklets import Tracklet, TrackletSplit
from fprnet.errors import DataError
from fprnet.plain_text import parse_json

__all__ = ["CAMERAS", "read_split"]

CAMERAS = {"LS3": 1, "G25": 2, "CQ1": 3, "W4": 4, "TSG1": 5, "TSG2": 6}
MODALITY: dict[str, Modality] = {"IR": "infrared", "RGB": "visible"}
LISTS = {"train": ("train",), "test": ("query", "gallery")}
PATHS = "data_paths.json"
FOLDER = "DATA"


def read_split(root: Path, *, needed: Sequence[str] = ("train", "test")) -> TrackletSplit:
    """Read the lists; no image is looked at.

    Args:
        root: The data set's folder, or a folder with its lists and ``data_paths.json``.
        needed: Parts whose lists must be there. Scoring features needs ("test",) only.

    Raises:
        DataError: A list is missing, cannot be understood, or both parts share an identity.
    """
    file = root / PATHS
    try:
        paths = parse_json(read_text(file))
    except ValueError as error:
        raise DataError(f"{file} is no JSON text ({error}); copy it again") from error
    tracklets: list[Tracklet] = []
    for part, names in LISTS.items():
        if part in needed or all((root / f"{name}.txt").is_file() for name in names):
            for name in names:
                tracklets += _tracklets(root / f"{name}.txt", paths, part)
    return TrackletSplit.of(tracklets)


def _tracklets(file: Path, paths: Any, part: str) -> Iterator[Tracklet]:  # noqa: ANN401 - JSON
    role = "" if part == "train" else file.stem
    lines = [line.split() for line in read_text(file).splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{file} lists no tracklets; copy it again")
    for number, words in enumerate(lines, start=1):
        if (
            len(words) != 4
            or not words[0].isdecimal()
            or words[2] not in CAMERAS
            or not set(words[1].split("/")) <= set(MODALITY)
        ):
            raise DataError(
                f"{file} line {number} is {' '.join(words)!r}; expected identity, modality, camera "
                "and tracklet, such as 1911 RGB G25 1"
            )
        identity, kinds, camera, tracklet = words
        for kind in kinds.split("/"):
            try:
                images = paths[identity][kind][camera][tracklet]
                listed = tuple(f"{FOLDER}/{image}" for image in images)
            except (KeyError, TypeError) as error:
                raise DataError(
                    f"{file} line {number} names a tracklet {' '.join(words)} that {PATHS} does "
                    "not have; copy both again"
                ) from error
            yield Tracklet(int(identity), CAMERAS[camera], MODALITY[kind], listed, part, role)
