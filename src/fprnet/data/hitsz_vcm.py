"""HITSZ-VCM: lists of names and tracklets become a split.

The layout is that of the public release (Lin et al., CVPR 2022; repository
VCM-project233/HITSZ-VCM-data), as the code of its authors reads it. ``info/train_name.txt`` and
``info/test_name.txt`` list the names of images, ``track_train_info.txt`` and
``track_test_info.txt`` a tracklet in each line: modality (1 infrared, 2 visible), first and last
line of its names, counted from 1, identity, camera. ``query_IDX.txt`` names the lines of the query
tracklets, counted from 1. The image ``0001M1D2T1F0007.jpg`` lies in ``0001/ir/D2/0007.jpg``, below
``Train`` and ``Test`` where there are such folders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fprnet.data.lists import read_text
from fprnet.data.records import Modality
from fprnet.data.tracklets import Tracklet, TrackletSplit
from fprnet.errors import DataError

__all__ = ["read_split"]

MODALITY: dict[int, tuple[Modality, str]] = {1: ("infrared", "ir"), 2: ("visible", "rgb")}
NAME = re.compile(r"(\d{4})M([12])(D\d+)T\d+F(.+)")
FOLDERS = {"train": "Train", "test": "Test"}


def read_split(root: Path, *, needed: Sequence[str] = ("train", "test")) -> TrackletSplit:
    """Read the lists; no image is looked at.

    Args:
        root: The data set's folder (its ``info/`` is read), or a folder with the lists themselves.
        needed: Parts whose lists must be there. Scoring features needs ("test",) only.

    Raises:
        DataError: A list is missing, cannot be understood, or both parts share an identity.
    """
    folder = root / "info" if (root / "info").is_dir() else root
    tracklets: list[Tracklet] = []
    for part in FOLDERS:
        wanted = part in needed or (folder / f"track_{part}_info.txt").is_file()
        if wanted:
            tracklets += _tracklets(root, folder, part)
    return TrackletSplit.of(tracklets)


def _tracklets(root: Path, folder: Path, part: str) -> list[Tracklet]:
    names = read_text(folder / f"{part}_name.txt").split()
    file = folder / f"track_{part}_info.txt"
    queries = _queries(folder / "query_IDX.txt") if part == "test" else set()
    inside = FOLDERS[part] if (root / FOLDERS[part]).is_dir() else ""
    tracklets = []
    lines = [line for line in read_text(file).splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != 5 or not all(word.isdecimal() for word in words):
            raise DataError(
                f"{file} line {number} is {line.strip()!r}; expected modality, first, last, "
                "identity and camera, such as 1 1 24 14 2"
            )
        kind, first, last, identity, camera = map(int, words)
        if kind not in MODALITY or not 1 <= first <= last <= len(names):
            raise DataError(
                f"{file} line {number} has modality {kind} and images {first} to {last} of "
                f"{len(names)}; copy info/ again"
            )
        paths = tuple(_path(inside, name, file, number) for name in names[first - 1 : last])
        role = "" if part == "train" else "query" if number in queries else "gallery"
        tracklets.append(Tracklet(identity, camera, MODALITY[kind][0], paths, part, role))
    if not tracklets:
        raise DataError(f"{file} lists no tracklets; copy info/ again")
    beyond = [number for number in queries if number > len(tracklets)]
    if beyond:
        raise DataError(
            f"{folder / 'query_IDX.txt'} names line {min(beyond)} of {len(tracklets)} lines; copy "
            "info/ again"
        )
    return tracklets


def _queries(file: Path) -> set[int]:
    words = read_text(file).split()
    if not words or not all(word.isdecimal() and int(word) > 0 for word in words):
        raise DataError(f"{file} must hold line numbers from 1 on; copy info/ again")
    return {int(word) for word in words}


def _path(inside: str, name: str, file: Path, number: int) -> str:
    match = NAME.fullmatch(name)
    if match is None:
        raise DataError(
            f"{file} line {number} has the image {name}; expected a name such as "
            "0001M1D2T1F0007.jpg"
        )
    identity, kind, camera, image = match.groups()
    path = f"{identity}/{MODALITY[int(kind)][1]}/{camera}/{image}"
    return f"{inside}/{path}" if inside else path
