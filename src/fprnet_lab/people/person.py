"""A seed and a number become somebody: body, outfit, gait, and the meshes of their states.

What belongs to an identity is drawn here and nowhere else, so every image of it shows the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.body import measure
from fprnet_lab.people.figure import Figure, build_figure
from fprnet_lab.people.mesh import BodyShape, Detail, template_mesh
from fprnet_lab.people.outfit import Measures, Outfit
from fprnet_lab.people.pose import Gait, draw_gait
from fprnet_lab.people.wardrobe import draw_outfit

__all__ = ["Look", "Person", "Population", "draw_person"]

Floats = NDArray[np.float32]
_BODY, _OUTFIT, _GAIT, _MESH = 1, 2, 3, 4  # streams of random numbers of a person


@dataclass(frozen=True)
class Population:
    """Who lives where a world is.

    Attributes:
        warmth: Season, from winter (0) to summer (1); what is worn follows it.
        ancestry: Concentrations of a Dirichlet distribution over the three sets of targets.
        old: Mean share of the old targets, 0 to 1.
        height: Mean and deviation of the height, 0 to 1.
    """

    warmth: float = 0.5
    ancestry: tuple[float, float, float] = (0.7, 0.9, 0.9)
    old: float = 0.28
    height: tuple[float, float] = (0.5, 0.2)


@dataclass(frozen=True)
class Look:
    """How somebody looks in an image, apart from the pose: the exceptions of everyday life.

    Attributes:
        bag: The bag is carried.
        open: The outer garment is as usual (True), or the other way (False).
    """

    bag: bool = True
    usual: bool = True


@dataclass(frozen=True)
class Person:
    """Somebody.

    Attributes:
        shape: Shape of the body.
        measures: Measures of the body, decimetres.
        joints: Heads of the bones at rest, (20, 3).
        eyes: Left and right, (2, 3).
        outfit: What is worn.
        gait: How they walk.
    """

    shape: BodyShape
    measures: Measures
    joints: Floats
    eyes: Floats
    outfit: Outfit
    gait: Gait
    _vertices: Floats
    _detail: Detail
    _mesh_seed: tuple[int, ...]
    _figures: dict[Look, Figure] = field(default_factory=dict)

    def worn(self, look: Look) -> Outfit:
        """Return the outfit in a look."""
        outfit = self.outfit
        if not look.bag:
            outfit = replace(outfit, bag=None)
        if not look.usual and len(outfit.tops) > 1:
            inner, outer = outfit.tops
            outer = replace(outer, opening=0.0 if outer.opening else 0.5)
            outfit = replace(outfit, tops=(inner, outer))
        return outfit

    def figure(self, look: Look) -> Figure:
        """Return the mesh of a look; it is kept."""
        if look not in self._figures:
            self._figures[look] = build_figure(
                template_mesh(self._detail),
                (self._vertices, self.joints, self.eyes),
                self.measures,
                self.worn(look),
                np.random.default_rng([*self._mesh_seed, _MESH]),
            )
        return self._figures[look]


def draw_person(seed: tuple[int, ...], population: Population, detail: Detail = "coarse") -> Person:
    """Draw somebody of a population.

    Args:
        seed: Numbers that tell this person from all others.
        population: Where they live.
        detail: Detail of the mesh; it changes no draw.
    """
    rng = np.random.default_rng([*seed, _BODY])
    male = bool(rng.random() < 0.5)
    ancestry = rng.dirichlet(population.ancestry)
    old = float(np.clip(rng.beta(1.2, 1.2 / population.old - 1.2), 0, 0.9))
    shape = BodyShape(
        male=float(np.clip((0.92 if male else 0.08) + rng.normal(0, 0.06), 0, 1)),
        old=old,
        muscle=float(np.clip(rng.normal(0.5, 0.18), 0, 1)),
        weight=float(np.clip(rng.normal(0.45, 0.19), 0.05, 1)),
        height=float(np.clip(rng.normal(*population.height), 0, 1)),
        ancestry=(float(ancestry[0]), float(ancestry[1]), float(ancestry[2])),
    )
    vertices, joints, eyes = template_mesh(detail).shaped(shape)
    measures = measure(joints, rng.uniform(-0.3, 0.25))
    outfit = draw_outfit(
        np.random.default_rng([*seed, _OUTFIT]),
        measures,
        shape=shape,
        warmth=population.warmth,
    )
    gait = draw_gait(np.random.default_rng([*seed, _GAIT]), old)
    return Person(shape, measures, joints, eyes, outfit, gait, vertices, detail, seed)
