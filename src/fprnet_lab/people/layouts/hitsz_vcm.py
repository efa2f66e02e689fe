"""A layout like HITSZ-VCM's: tracklets of twelve cameras, ``0001/rgb/D1/...``, and ``info``.

A tracklet is one walk, 24 images or so at equal intervals. Lists name images as
``0001M2D1T1F0001.jpg``: identity, modality (1 infrared, 2 visible), camera, tracklet, frame; the
image lies in ``0001/rgb/D1/0001.jpg``. A line of ``track_*_info.txt`` is modality, first and last
line of the tracklet in ``*_name.txt`` counted from 1, identity, camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fprnet.data.records import MODALITIES, Modality
from fprnet.files import write_text
from fprnet_lab.people.layouts.presence import cameras_of, count_images
from fprnet_lab.people.layouts.shot import Shot
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.worlds import DAY, DOUBLE, NIGHT

__all__ = ["LISTS", "Tracklet", "shots", "tracklets", "write_lists"]

LISTS = "info"
INTERVAL = 0.12  # seconds between two images: every third of a film of 25 a second
FOLDERS: dict[Modality, str] = {"visible": "rgb", "infrared": "ir"}
NUMBERS: dict[Modality, int] = {"infrared": 1, "visible": 2}
FIRST: dict[Modality, int] = {"visible": DAY, "infrared": NIGHT}


@dataclass(frozen=True)
class Tracklet:
    """A walk of somebody before a camera, and its number of images."""

    identity: int
    modality: Modality
    camera: int
    length: int

    def shots(self) -> list[Shot]:
        """Return its images in the order of time."""
        folder = f"{self.identity:04d}/{FOLDERS[self.modality]}/D{self.camera}"
        eye = FIRST[self.modality] + self.camera
        return [
            Shot(f"{folder}/{frame:04d}.jpg", eye, 1, time=(frame - 1) * INTERVAL)
            for frame in range(1, self.length + 1)
        ]

    def names(self) -> list[str]:
        """Return the names of its images in the lists."""
        start = f"{self.identity:04d}M{NUMBERS[self.modality]}D{self.camera}T1"
        return [f"{start}F{frame:04d}.jpg" for frame in range(1, self.length + 1)]


def tracklets(options: PeopleOptions, identity: int) -> list[Tracklet]:
    """Return the tracklets of an identity: one by day and one at night of each camera."""
    cameras = cameras_of(options, identity, tuple(range(1, DOUBLE + 1)))
    return [
        Tracklet(
            identity,
            modality,
            camera,
            count_images(
                options.seed, identity, FIRST[modality] + camera, options.images_per_camera
            ),
        )
        for modality in MODALITIES
        for camera in cameras
    ]


def shots(options: PeopleOptions, identity: int) -> list[Shot]:
    """Return the files of an identity."""
    return [shot for tracklet in tracklets(options, identity) for shot in tracklet.shots()]


def write_lists(root: Path, options: PeopleOptions) -> None:
    """Write names and tracklets of both parts, and which test tracklets are queries (infrared)."""
    for part, name in (("train", "train"), ("test", "test")):
        names: list[str] = []
        rows: list[str] = []
        queries: list[str] = []
        for identity in options.splits[part]:
            for tracklet in tracklets(options, identity):
                first = len(names) + 1
                names += tracklet.names()
                number = NUMBERS[tracklet.modality]
                rows.append(f"{number} {first} {len(names)} {identity} {tracklet.camera}")
                if tracklet.modality == "infrared":
                    queries.append(str(len(rows)))
        write_text(root / LISTS / f"{name}_name.txt", "".join(f"{line}\n" for line in names))
        write_text(root / LISTS / f"track_{name}_info.txt", "".join(f"{row}\n" for row in rows))
        if part == "test":
            write_text(root / LISTS / "query_IDX.txt", " ".join(queries) + "\n")
