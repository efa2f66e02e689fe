"""The reduced MakeHuman body becomes vertices, joints and faces of one body shape.

Letters: V vertices, Q quads. Lengths in decimetres; x to the person's left, y up, z forward.
Beside the visible head and hands it has helper surfaces just outside the skin: ``tights`` from neck
to sole, ``skirt`` and ``hair``; clothes are made of them. CC0, see ``assets/LICENSE.CC0.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.skinning import BONES

__all__ = ["BodyShape", "Detail", "TemplateMesh", "detail_of", "template_mesh"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
Detail = Literal["small", "coarse", "fine"]

ASSET = Path(__file__).parent / "assets" / "makehuman.npz"
COARSE_FROM, FINE_FROM = 73, 176  # pixels of image height
SUBDIVISIONS: dict[Detail, dict[str, int]] = {
    "small": {"tights": 0, "skirt": 0, "hair": 1, "head": 0, "hands": 0},
    "coarse": {"tights": 0, "skirt": 0, "hair": 1, "head": 0, "hands": 0},
    "fine": {"tights": 1, "skirt": 1, "hair": 2, "head": 0, "hands": 0},
}
CELLS: dict[Detail, dict[str, float]] = {  # vertices within one cell of this width are merged
    "small": {"head": 0.16, "hands": 0.24},
    "coarse": {"head": 0.13, "hands": 0.2},
    "fine": {},
}


def detail_of(height: int) -> Detail:
    """Return the level of detail for an image of this height in pixels."""
    if height < COARSE_FROM:
        return "small"
    return "fine" if height >= FINE_FROM else "coarse"


@dataclass(frozen=True)
class BodyShape:
    """Shape of a body; every number from 0 to 1.

    Attributes:
        male: From female to male.
        old: From young to old adult.
        muscle: From least to most.
        weight: From least to most for the height.
        height: From shortest to tallest.
        ancestry: Shares of the African, Asian and European targets, which sum to 1.
    """

    male: float
    old: float
    muscle: float
    weight: float
    height: float
    ancestry: tuple[float, float, float]


@dataclass(frozen=True)
class TemplateMesh:
    """Faces, bone weights and shape targets, at one level of detail.

    Attributes:
        faces: Quads (Q, 4) of ``tights``, ``skirt``, ``hair``, ``head`` and ``hands``.
        bones: Four bones of each vertex, (V, 4).
        weights: Their weights, (V, 4).
    """

    faces: dict[str, Indices]
    bones: NDArray[np.uint8]
    weights: Floats
    _vertices: Floats
    _joints: Floats
    _offsets: NDArray[np.int8]
    _scale: Floats
    _joint_offsets: Floats
    _target: dict[str, int]
    _recipes: tuple[Indices, ...]
    _limbs: dict[tuple[str, ...], Floats] = field(default_factory=dict)

    def limb_weight(self, limb: tuple[str, ...]) -> Floats:
        """Return the weight of some bones together at each vertex, (V,)."""
        if limb not in self._limbs:
            chosen = np.isin(self.bones, [BONES.index(bone) for bone in limb])
            self._limbs[limb] = np.where(chosen, self.weights, 0).sum(1).astype(np.float32)
        return self._limbs[limb]

    def shaped(self, shape: BodyShape) -> tuple[Floats, Floats, Floats]:
        """Return vertices (V, 3), bone heads (20, 3) and eyes (2, 3) of a body."""
        mixture = np.zeros(len(self._scale), np.float32)
        for name, share in _target_shares(shape).items():
            mixture[self._target[name]] += share
        used = np.flatnonzero(np.abs(mixture) > 1e-3)
        offsets = np.zeros(self._offsets.shape[1], np.float32)
        joints = self._joints.copy()
        for target in used:
            offsets += self._offsets[target] * np.float32(mixture[target] * self._scale[target])
            joints += self._joint_offsets[target] * mixture[target]
        vertices = self._vertices + offsets.reshape(-1, 3)
        return _extend(vertices, self._recipes), joints[:-2], joints[-2:]


def _target_shares(shape: BodyShape) -> dict[str, float]:
    """Return how much of each MakeHuman macro target makes this body."""
    shares: dict[str, float] = {}
    for sex, sex_share in (("female", 1 - shape.male), ("male", shape.male)):
        for age, age_share in (("young", 1 - shape.old), ("old", shape.old)):
            for ancestry, share in zip(
                ("african", "asian", "caucasian"), shape.ancestry, strict=True
            ):
                shares[f"{ancestry}-{sex}-{age}"] = sex_share * age_share * share
            for muscle, muscle_share in _thirds(shape.muscle).items():
                for weight, weight_share in _thirds(shape.weight).items():
                    share = sex_share * age_share * muscle_share * weight_share
                    build = f"{sex}-{age}-{muscle}muscle-{weight}weight"
                    shares[f"universal-{build}"] = share
                    extreme = "maxheight" if shape.height > 0.5 else "minheight"
                    shares[f"height/{build}-{extreme}"] = share * abs(2 * shape.height - 1)
    return shares


def _thirds(value: float) -> dict[str, float]:
    return {
        "min": max(0.0, 1 - 2 * value),
        "average": 1 - abs(2 * value - 1),
        "max": max(0.0, 2 * value - 1),
    }


@lru_cache(maxsize=3)
def template_mesh(detail: Detail) -> TemplateMesh:
    """Load the mesh at a level of detail."""
    with np.load(ASSET) as asset:
        vertices = asset["vertices"].astype(np.float32)
        bones, weights = asset["bones"], asset["bone_weights"].astype(np.float32)
        faces = {
            name.removeprefix("faces_"): asset[name].astype(np.int32)
            for name in asset.files
            if name.startswith("faces_")
        }
        names = [str(name) for name in asset["target_names"]]
        offsets, scale = asset["offsets"], asset["offset_scale"]
        joints, joint_offsets = asset["joints"], asset["joint_offsets"].astype(np.float32)
    for part, cell in CELLS[detail].items():
        faces[part] = _merged(vertices, faces[part], cell)
    kept = np.unique(np.concatenate([f.ravel() for f in faces.values()]))
    number = np.full(len(vertices), -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    faces = {part: number[quads] for part, quads in faces.items()}
    vertices, bones, weights = vertices[kept], bones[kept], weights[kept]
    offsets = np.ascontiguousarray(
        offsets.reshape(len(names), -1, 3)[:, kept].reshape(len(names), -1)
    )
    dense = np.zeros((len(vertices), int(bones.max()) + 1), np.float32)
    np.add.at(dense, (np.arange(len(vertices))[:, None], bones), weights)
    recipes: list[Indices] = []
    count = len(vertices)
    for part, times in SUBDIVISIONS[detail].items():
        for _ in range(times):
            faces[part], recipe = subdivided(faces[part], count)
            recipes.append(recipe)
            count += len(recipe)
    dense = _extend(dense, tuple(recipes))
    order = np.argsort(-dense, 1, kind="stable")[:, :4]
    strongest = np.take_along_axis(dense, order, 1)
    return TemplateMesh(
        faces=faces,
        bones=order.astype(np.uint8),
        weights=(strongest / strongest.sum(1, keepdims=True)).astype(np.float32),
        _vertices=vertices,
        _joints=joints,
        _offsets=offsets,
        _scale=scale,
        _joint_offsets=joint_offsets,
        _target={name: index for index, name in enumerate(names)},
        _recipes=tuple(recipes),
    )


def subdivided(quads: Indices, count: int) -> tuple[Indices, Indices]:
    """Split each quad into four at the middles of its edges and of itself.

    Args:
        quads: Vertices of each, (Q, 4).
        count: Vertices so far; new ones are numbered from here.

    Returns:
        Quads (4 Q, 4), and (new, 4): the vertices whose mean each new vertex is.
    """
    edges: dict[tuple[int, int], int] = {}
    recipe: list[tuple[int, int, int, int]] = []

    def middle(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in edges:
            edges[key] = count + len(recipe)
            recipe.append((a, b, a, b))
        return edges[key]

    split = []
    for a, b, c, d in quads.tolist():
        ab, bc, cd, da = middle(a, b), middle(b, c), middle(c, d), middle(d, a)
        centre = count + len(recipe)
        recipe.append((a, b, c, d))
        split += [
            (a, ab, centre, da),
            (ab, b, bc, centre),
            (centre, bc, c, cd),
            (da, centre, cd, d),
        ]
    return np.array(split, np.int32), np.array(recipe, np.int32)


def _extend(values: Floats, recipes: tuple[Indices, ...]) -> Floats:
    for recipe in recipes:
        new = values[recipe[:, 0]] + values[recipe[:, 1]]
        new = (new + values[recipe[:, 2]] + values[recipe[:, 3]]) * np.float32(0.25)
        values = np.concatenate([values, new])
    return values


def _merged(vertices: Floats, quads: Indices, cell: float) -> Indices:
    """Let one vertex of each cell of a grid stand for all in it; drop what collapses."""
    used = np.unique(quads)
    cells = np.floor(vertices[used] / cell).astype(np.int64)
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    stand_in = np.arange(len(vertices), dtype=np.int32)
    stand_in[used] = used[first][inverse.ravel()]
    merged = stand_in[quads]
    alive = np.array([len(set(quad)) >= 3 for quad in merged.tolist()], bool)
    return np.asarray(merged[alive], np.int32)
