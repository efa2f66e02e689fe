"""The layout of a manifest: the pictures of SYSU-MM01's layout in one folder, and a table."""

from __future__ import annotations

from pathlib import Path

from fprnet.data.sysu_mm01 import CAMERA_LOCATION
from fprnet.files import write_text
from fprnet_lab.synthetic.cameras import CAMERAS
from fprnet_lab.synthetic.layouts import sysu_mm01
from fprnet_lab.synthetic.layouts.picture import Picture
from fprnet_lab.synthetic.options import GeneratorOptions

__all__ = ["pictures", "write_lists"]

PARTS = {"train": "train", "val": "validation", "test": "test"}


def pictures(options: GeneratorOptions, identity: int) -> list[Picture]:
    """Return the files of an identity."""
    return [
        Picture(
            f"images/{identity:04d}_c{picture.camera}_{picture.frame:04d}.jpg",
            picture.camera,
            picture.frame,
        )
        for picture in sysu_mm01.pictures(options, identity)
    ]


def write_lists(root: Path, options: GeneratorOptions) -> None:
    """Write ``manifest.csv``."""
    lines = ["path,identity,camera,modality,location,split\n"]
    for name, identities in options.splits.items():
        for identity in identities:
            for picture in pictures(options, identity):
                modality = "infrared" if CAMERAS[picture.camera].infrared else "visible"
                location = CAMERA_LOCATION[picture.camera]
                lines.append(
                    f"{picture.path},{identity},{picture.camera},{modality},{location},"
                    f"{PARTS[name]}\n"
                )
    write_text(root / "manifest.csv", "".join(lines))
