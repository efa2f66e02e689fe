"""Tiny video data sets in the layouts of HITSZ-VCM and BUPTCampus; images are generated."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

PEOPLE = {"train": (1, 2, 3, 4, 5, 6, 7, 8), "test": (11, 12, 14)}
KINDS = {1: "ir", 2: "rgb"}


def paint(file: Path, identity: int, kind: str, frame: int) -> None:
    """A person is a colour before a gradient, in infrared its lightness."""
    file.parent.mkdir(parents=True, exist_ok=True)
    colour = ((identity * 71) % 256, (identity * 37) % 256, (identity * 13 + frame) % 256)
    picture = Image.linear_gradient("L").resize((32, 64)).convert("RGB")
    picture = Image.blend(picture, Image.new("RGB", (32, 64), colour), 0.5)
    (picture.convert("L") if kind == "ir" else picture).save(file)


def write_hitsz_vcm(root: Path, *, inside: bool = True, images: int = 13) -> Path:
    """Each person has a tracklet in each modality of cameras 1 and 2; 12 has a short one, too."""
    (root / "info").mkdir(parents=True)
    for part, people in PEOPLE.items():
        names: list[str] = []
        tracks: list[str] = []
        queries: list[int] = []
        for identity in people:
            tracklets = [(kind, camera, images) for kind in KINDS for camera in (1, 2)]
            tracklets += [(2, 3, 5)] if identity == 12 else []
            for kind, camera, length in tracklets:
                first = len(names) + 1
                for frame in range(1, length + 1):
                    names.append(f"{identity:04d}M{kind}D{camera}T1F{frame:04d}.jpg")
                    folder = root / part.capitalize() if inside else root
                    file = folder / f"{identity:04d}/{KINDS[kind]}/D{camera}/{frame:04d}.jpg"
                    paint(file, identity, KINDS[kind], frame)
                tracks.append(f"{kind} {first} {len(names)} {identity} {camera}")
                if kind == 1:
                    queries.append(len(tracks))
        (root / f"info/{part}_name.txt").write_text("\n".join(names) + "\n")
        (root / f"info/track_{part}_info.txt").write_text("\n".join(tracks) + "\n")
        if part == "test":
            (root / "info/query_IDX.txt").write_text(" ".join(map(str, queries)) + "\n")
    return root


def write_buptcampus(root: Path, *, images: int = 4) -> Path:
    """Each person has a tracklet in each modality of two cameras; the first camera queries."""
    paths: dict[str, dict[str, dict[str, dict[str, list[str]]]]] = {}
    lists: dict[str, list[str]] = {"train": [], "query": [], "gallery": []}
    for part, people in PEOPLE.items():
        for identity in people:
            for camera in ("LS3", "G25"):
                for kind in ("IR", "RGB"):
                    listed = []
                    for frame in range(images):
                        name = (
                            f"{identity}/{kind}/{camera}/{identity}_{kind}_{camera}_1_{frame}.jpg"
                        )
                        paint(root / "DATA" / name, identity, kind.lower(), frame)
                        listed.append(name)
                    of_camera = paths.setdefault(str(identity), {}).setdefault(kind, {})
                    of_camera.setdefault(camera, {})["1"] = listed
                    if part == "test":
                        role = "query" if camera == "LS3" else "gallery"
                        lists[role].append(f"{identity} {kind} {camera} 1")
                if part == "train":
                    lists["train"].append(f"{identity} RGB/IR {camera} 1")
    (root / "data_paths.json").write_text(json.dumps(paths))
    for name, lines in lists.items():
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root
