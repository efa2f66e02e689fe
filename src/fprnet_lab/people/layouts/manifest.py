"""The layout of a manifest: the images of SYSU-MM01's cameras in one folder, and a table."""

from __future__ import annotations

from pathlib import Path

from fprnet.data.sysu_mm01 import CAMERA_LOCATION
from fprnet.files import write_text
from fprnet_lab.people.layouts import sysu_mm01
from fprnet_lab.people.layouts.shot import Shot
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.worlds import CAMERAS

__all__ = ["LISTS", "shots", "write_lists"]

LISTS = "."
PARTS = {"train": "train", "val": "validation", "test": "test"}


def shots(options: PeopleOptions, identity: int) -> list[Shot]:
    """Return the files of an identity."""
    return [
        Shot(
            f"images/{identity:04d}_c{shot.camera}_{shot.number:04d}.jpg", shot.camera, shot.number
        )
        for shot in sysu_mm01.shots(options, identity)
    ]


def write_lists(root: Path, options: PeopleOptions) -> None:
    """Write ``manifest.csv``."""
    lines = ["path,identity,camera,modality,location,split\n"]
    for name, identities in options.splits.items():
        for identity in identities:
            for shot in shots(options, identity):
                band, location = CAMERAS[shot.camera].band, CAMERA_LOCATION[shot.camera]
                lines.append(
                    f"{shot.path},{identity},{shot.camera},{band},{location},{PARTS[name]}\n"
                )
    write_text(root / "manifest.csv", "".join(lines))
