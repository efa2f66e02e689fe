"""Tiny data sets of each layout, written by hand; the images are empty files."""

from __future__ import annotations

from pathlib import Path

PEOPLE = 6  # of RegDB: odd ones train in odd splits
MANIFEST = """\
path,identity,camera,modality,location,split
b/2.png,1,1,visible,,test
b/1.png,1,1,visible,,test
b/3.png,1,3,infrared,7,test
c/1.png,2,2,visible,7,test
c/2.png,2,3,infrared,7,test
d/1.png,5,1,visible,,train
d/2.png,5,3,infrared,7,train
"""


def touch(root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).touch()


def write_regdb(root: Path, *, images: int = 2) -> Path:
    """Six people with two images in each modality; three of them test in each of ten splits."""
    kinds = {"visible": ("Visible", "v"), "thermal": ("Thermal", "t")}
    (root / "idx").mkdir(parents=True)
    for identity in range(1, PEOPLE + 1):
        for folder, letter in kinds.values():
            for frame in range(1, images + 1):
                touch(root, f"{folder}/{identity}/male_front_{letter}_{frame:05d}_{identity}.bmp")
    for number in range(1, 11):
        parts = {
            "train": [i for i in range(1, PEOPLE + 1) if i % 2 == number % 2],
            "test": [i for i in range(1, PEOPLE + 1) if i % 2 != number % 2],
        }
        for part, people in parts.items():
            for name, (folder, letter) in kinds.items():
                lines = [
                    f"{folder}/{identity}/male_front_{letter}_{frame:05d}_{identity}.bmp {label}\n"
                    for label, identity in enumerate(people)
                    for frame in range(1, images + 1)
                ]
                (root / "idx" / f"{part}_{name}_{number}.txt").write_text("".join(lines))
    return root


def write_llcm(root: Path) -> Path:
    """Identities 1 and 9 train, 3 and 12 test; camera 3 has no infrared test images."""
    for kind in ("vis", "nir"):
        lines = []
        for label, (identity, camera) in enumerate([(1, 1), (9, 3)]):
            for frame in (10, 9):
                name = f"{identity:04d}_c{camera:02d}_s1_f{frame:04d}_{kind}.jpg"
                path = f"{kind}/{identity:04d}/{name}"
                touch(root, path)
                lines.append(f"{path} {label}\n")
        (root / "idx").mkdir(exist_ok=True)
        (root / "idx" / f"train_{kind}.txt").write_text("".join(lines))
        for camera in range(1, 10):
            (root / f"test_{kind}" / f"cam{camera}").mkdir(parents=True)
        for identity, camera, frames in ((3, 1, 2), (3, 2, 1), (12, 2, 3), (12, 9, 1), (3, 3, 1)):
            if (kind, camera) == ("nir", 3):
                continue
            for frame in range(frames):
                name = f"{identity:04d}_c{camera:02d}_s1_f{frame:04d}_{kind}.jpg"
                touch(root, f"test_{kind}/cam{camera}/{identity:04d}/{name}")
    (root / "idx" / "test_id.txt").write_text("12,3")
    return root


def write_manifest(root: Path, text: str = MANIFEST) -> Path:
    """Seven images of three people."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.csv").write_text(text)
    return root
