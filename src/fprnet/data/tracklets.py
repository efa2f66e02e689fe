"""Tracklets of video data sets: what is listed becomes records and a split.

A tracklet is a sequence of images of one person in one camera and one modality.
Shapes: N images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fprnet.data.checks.findings import Findings, Lists, Seen
from fprnet.data.lists import check_apart
from fprnet.data.records import MODALITIES, Modality, Records, positions
from fprnet.errors import DataError

__all__ = ["Tracklet", "TrackletSplit", "check_listed", "look_at_tracklets", "records_of"]


@dataclass(frozen=True)
class Tracklet:
    """A sequence of images.

    Attributes:
        identity: The person's number.
        camera: The camera's number.
        modality: "visible" or "infrared".
        paths: Paths of the images in their order, POSIX, from the data set's folder.
        part: "train" or "test".
        role: "query" or "gallery" of the test, as the data set lists it; "" in training.
    """

    identity: int
    camera: int
    modality: Modality
    paths: tuple[str, ...]
    part: str
    role: str = ""


@dataclass(frozen=True)
class TrackletSplit:
    """Who trains and who tests.

    Attributes:
        train: Sorted identities; empty where the lists were not asked for.
        test: Sorted identities; empty where the lists were not asked for.
        tracklets: What is listed, in the order of the lists.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]
    tracklets: tuple[Tracklet, ...] = field(repr=False)

    @property
    def validation(self) -> tuple[int, ...]:
        """Nobody: these data sets have no validation list."""
        return ()

    @staticmethod
    def of(tracklets: Sequence[Tracklet]) -> TrackletSplit:
        """Gather the identities of both parts.

        Raises:
            DataError: An identity is in both.
        """
        people = {
            part: tuple(sorted({t.identity for t in tracklets if t.part == part}))
            for part in ("train", "test")
        }
        check_apart(people)
        return TrackletSplit(people["train"], people["test"], tuple(tracklets))


def records_of(root: Path, split: TrackletSplit, *, visible_only: bool = False) -> Records:
    """Return the listed images, sorted by modality, camera, identity and path."""
    rows: dict[str, tuple[int, int, int]] = {}  # path -> number of the modality, camera, identity
    for one in split.tracklets:
        if not visible_only or one.modality == "visible":
            number = MODALITIES.index(one.modality)
            rows.update((path, (number, one.camera, one.identity)) for path in one.paths)
    if not rows:
        raise DataError(f"{root} lists no images; copy its lists again")
    paths = sorted(rows, key=lambda path: (*rows[path], path))
    numbers, cameras, identities = zip(*(rows[path] for path in paths), strict=True)
    camera, identity = (np.array(column, dtype=np.int64) for column in (cameras, identities))
    modality = np.array(MODALITIES)[np.array(numbers)]
    return Records(
        root=root,
        path=np.array(paths),
        identity=identity,
        camera=camera,
        modality=modality,
        location=camera,
        index=positions(camera, identity, modality),
    )


def check_listed(records: Records) -> None:
    """Refuse records of which images are not on the disk.

    Raises:
        DataError: A listed image is missing.
    """
    absent = [
        p for p, file in zip(records.path, records.files(), strict=True) if not file.is_file()
    ]
    if absent:
        raise DataError(
            f"{len(absent)} of {len(records)} listed images are not in {records.root}, the first "
            f"is {absent[0]}; copy them or the lists again"
        )


def look_at_tracklets(findings: Findings, split: TrackletSplit) -> tuple[Lists, list[Seen]]:
    """Return who is listed for which part and all images; note listed images that are missing."""
    images: list[Seen] = []
    for one in split.tracklets:
        for path in one.paths:
            file = findings.root / path
            if file.is_file():
                images.append(Seen(file, one.identity, one.camera, one.modality))
            else:
                findings.add(file, "is missing, but listed", "copy it again")
    lists: Lists = {"train": split.train, "test": split.test}
    findings.compare(lists, {image.identity for image in images})
    return lists, images
