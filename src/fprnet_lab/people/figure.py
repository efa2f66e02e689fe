"""A body and its outfit become one mesh: skin, garments over it, hair, bag.

Letters: V vertices, Q quads, T triangles. Decimetres; x to the person's left, y up, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.accessories import bag, hair_region, haired, hat_and_hair, hood, scarf
from fprnet_lab.people.body import Body, study
from fprnet_lab.people.garments import (
    Part,
    Shell,
    covered,
    covered_legs,
    dressed_legs,
    tail_shell,
    top_shells,
)
from fprnet_lab.people.mesh import TemplateMesh
from fprnet_lab.people.outfit import Measures, Outfit
from fprnet_lab.people.rasteriser import vertex_normals
from fprnet_lab.people.skinning import BONES

__all__ = ["ATTRIBUTES", "WAVES", "Figure", "build_figure"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
ATTRIBUTES = ("x", "y", "z", "arm", "along", "scalp", "hairline")
WAVES = 6  # of wrinkles; each in two phases


@dataclass(frozen=True)
class Figure:
    """The mesh of somebody in a state (jacket open or closed, bag worn or not), at rest.

    Attributes:
        rest: Positions (V, 3).
        bones: Four bones of each vertex, (V, 4).
        weights: Shares of the bones in each vertex, (V, 4).
        quads: Faces (Q, 4).
        triangles: Halves of the quads, (T, 3).
        parts: Part of each triangle, (T,).
        attributes: Place on the naked body, (V, 7), see ``ATTRIBUTES``; what ``paint`` reads.
        wrinkles: Offsets along ``outward`` in decimetres, (2 * WAVES, V).
        outward: Unit normals at rest, (V, 3).
        hanging: Vertices that hang upright from a hand, and its bone; or None.
        bag_centre: Centre of the bag at rest, or None.
    """

    rest: Floats
    bones: NDArray[np.uint8]
    weights: Floats
    quads: Indices
    triangles: Indices
    parts: NDArray[np.int8]
    attributes: Floats
    wrinkles: Floats
    outward: Floats
    hanging: tuple[Indices, int] | None
    bag_centre: tuple[float, float, float] | None


def build_figure(
    mesh: TemplateMesh,
    shape: tuple[Floats, Floats, Floats],
    measures: Measures,
    outfit: Outfit,
    rng: np.random.Generator,
) -> Figure:
    """Dress a body.

    Args:
        mesh: Template at the wanted detail.
        shape: Vertices, joints and eyes of the naked body.
        measures: Measures of the body.
        outfit: What is worn.
        rng: Source of the wrinkles' directions and of small irregularities.
    """
    body = study(mesh, shape, measures)
    pieces = _Pieces(body, *hair_region(body, outfit.head))
    tights = mesh.faces["tights"]
    hidden = covered(body, outfit.tops[0], opening=0.0) | covered_legs(body, outfit)
    legs = dressed_legs(body, outfit)
    pieces.add(Shell(Part.BASE, legs, tights[~hidden[tights].all(1)]))
    scalp = haired(body, outfit.head, pieces.scalp, rng)
    pieces.add(Shell(Part.HEAD, scalp, mesh.faces["head"]))
    pieces.add(Shell(Part.HANDS, body.vertices, mesh.faces["hands"]))
    for layer, top in enumerate(outfit.tops):
        over = outfit.tops[layer + 1] if layer + 1 < len(outfit.tops) else None
        for shell in top_shells(body, top, layer, over):
            pieces.add(shell)
    if outfit.bottom.tail is not None:
        flare = outfit.bottom.flare
        pieces.add(tail_shell(body, Part.SKIRT, outfit.bottom.tail, 0.04, flare, 0.0))
    for piece in hat_and_hair(body, outfit.head, rng):
        if isinstance(piece, Shell):
            pieces.add(piece)
        else:
            pieces.add_shape(*piece)
    if outfit.tops[-1].hood and outfit.head.hat != "hood":
        pieces.add_shape(*hood(body, outfit.tops[-1]))
    if outfit.head.scarf is not None:
        pieces.add_shape(*scarf(body))
    hanging, bag_centre = None, None
    if outfit.bag is not None:
        shape_of_bag, bag_centre, hand = bag(body, outfit.bag, outfit.tops[-1].thickness)
        vertices = pieces.add_shape(*shape_of_bag)
        if hand is not None:
            hanging = (vertices, BONES.index(hand))
    return pieces.figure(rng, hanging, bag_centre)


class _Pieces:
    """Shells, each with its own copy of the vertices it uses, on the way to one figure."""

    def __init__(self, body: Body, scalp: Floats, hairline: Floats) -> None:
        self._body = body
        self.scalp = scalp
        self._hairline = hairline
        self._rest: list[Floats] = []
        self._bones: list[NDArray[np.uint8]] = []
        self._weights: list[Floats] = []
        self._attributes: list[Floats] = []
        self._quads: list[Indices] = []
        self._parts: list[NDArray[np.int8]] = []
        self.count = 0

    def add(self, shell: Shell) -> None:
        """Add faces of the template at their own positions."""
        part, positions, quads = shell.part, shell.positions, shell.quads
        body = self._body
        used, inverse = np.unique(quads, return_inverse=True)
        attributes = np.column_stack(
            [body.vertices, body.arm, body.along, self.scalp, self._hairline]
        )
        self._append(
            part,
            positions[used],
            body.mesh.bones[used],
            body.mesh.weights[used],
            attributes[used],
            inverse.reshape(-1, 4).astype(np.int32),
        )

    def add_shape(
        self, part: Part, positions: Floats, quads: Indices, bones: dict[str, float]
    ) -> Indices:
        """Add a shape of its own that moves with up to four bones; return its vertices."""
        number = len(positions)
        slots = np.zeros((number, 4), np.uint8)
        weights = np.zeros((number, 4), np.float32)
        for slot, (bone, weight) in enumerate(bones.items()):
            slots[:, slot], weights[:, slot] = BONES.index(bone), weight
        attributes = np.zeros((number, len(ATTRIBUTES)), np.float32)
        attributes[:, :3] = positions
        first = self.count
        self._append(part, positions, slots, weights, attributes, quads)
        return np.arange(first, first + number, dtype=np.int32)

    def _append(
        self,
        part: Part,
        rest: Floats,
        bones: NDArray[np.uint8],
        weights: Floats,
        attributes: Floats,
        quads: Indices,
    ) -> None:
        self._rest.append(rest.astype(np.float32))
        self._bones.append(bones)
        self._weights.append(weights)
        self._attributes.append(attributes.astype(np.float32))
        self._quads.append((quads + self.count).astype(np.int32))
        self._parts.append(np.full(len(quads), part, np.int8))
        self.count += len(rest)

    def figure(
        self,
        rng: np.random.Generator,
        hanging: tuple[Indices, int] | None,
        bag_centre: tuple[float, float, float] | None,
    ) -> Figure:
        rest = np.concatenate(self._rest)
        quads = np.concatenate(self._quads)
        parts = np.concatenate(self._parts)
        attributes = np.concatenate(self._attributes)
        outward = vertex_normals(rest, quads)
        wrinkled = np.zeros(len(rest), np.float32)
        cloth = np.isin(
            parts, (Part.BASE, Part.SKIRT, Part.TOP, Part.OUTER, Part.TAIL, Part.OUTER_TAIL)
        )
        wrinkled[np.unique(quads[cloth])] = 1
        wrinkled[attributes[:, 1] < self._body.measures.ankle + 0.1] = 0
        waves = np.empty((2 * WAVES, len(rest)), np.float32)
        for wave in range(WAVES):
            direction = rng.normal(size=3)
            direction *= 2 * np.pi / rng.uniform(0.7, 2.6) / np.linalg.norm(direction)
            x, y, z = direction.astype(np.float32)
            place = rest[:, 0] * x + rest[:, 1] * y + rest[:, 2] * z
            waves[2 * wave] = np.sin(place) * wrinkled
            waves[2 * wave + 1] = np.cos(place) * wrinkled
        return Figure(
            rest,
            np.concatenate(self._bones),
            np.concatenate(self._weights),
            quads,
            np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
            np.concatenate([parts, parts]),
            attributes,
            waves,
            outward,
            hanging,
            bag_centre,
        )
