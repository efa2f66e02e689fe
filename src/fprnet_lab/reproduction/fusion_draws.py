"""Fusion specs drawn at random, as the paper draws its own (paper 3.1.2).

A *selection* is two or four pyramid features: (a) one level of both modalities, (b) two levels of
one modality, (c) two levels of both. One selection, or two after each other, are *concatenated*
horizontally, vertically or as a hybrid matrix of kind T = 1, 2 or 3.
"""

from __future__ import annotations

from itertools import permutations
from typing import TypeAlias

import numpy as np

from fprnet.errors import UsageError
from fprnet.methods.paper.fusion import FusionSpec

__all__ = ["draw_spec", "draw_specs", "same_block"]

Block: TypeAlias = tuple[tuple[str, ...], ...]

LEVELS = (2, 3, 4, 5)
MODALITIES = ("r", "i")
TRIES = 200  # draws without a new spec that mean there are no more


def draw_specs(number: int, generator: np.random.Generator) -> list[FusionSpec]:
    """Draw specs of which no two are the same fusion block.

    Args:
        number: How many.
        generator: Source of the randomness; a larger number begins with the same specs.

    Raises:
        UsageError: There are not so many.
    """
    drawn: dict[Block, FusionSpec] = {}
    tries = 0
    while len(drawn) < number:
        spec = draw_spec(generator)
        tries = tries + 1 if same_block(spec) in drawn else 0
        drawn.setdefault(same_block(spec), spec)
        if tries == TRIES:
            raise UsageError(
                f"there are about {len(drawn)} different fusion specs, not {number}; "
                "give a smaller --budget"
            )
    return list(drawn.values())


def draw_spec(generator: np.random.Generator) -> FusionSpec:
    """Draw one: how it is concatenated, then what is selected."""
    way = generator.choice(["horizontal", "vertical", "hybrid"])
    if way == "hybrid":  # four features whose levels repeat: (b) twice, or (c)
        return FusionSpec.parse(" ".join(_four(generator))).hybrid(generator.choice([1, 2, 3]))
    parts = generator.integers(1, 3)
    spec = FusionSpec.parse(" ".join(" ".join(_selection(generator)) for _ in range(parts)))
    return spec if way == "horizontal" else spec.vertical()


def same_block(spec: FusionSpec) -> Block:
    """Return what two specs share that differ in the order of their rows or columns.

    Columns lie along the batch, which has no order; another order of rows is another order of the
    numbers that a layer takes in.
    """
    rows = [tuple(map(str, row)) for row in spec.rows]
    orders = [sorted(rows)] if spec.columns == 1 else permutations(rows)
    return min(tuple(sorted(zip(*order, strict=True))) for order in orders)


def _selection(generator: np.random.Generator) -> list[str]:
    kind = generator.choice(["a", "b", "c"])
    if kind == "a":
        level = generator.choice(LEVELS)
        cells = [f"{modality}{level}" for modality in MODALITIES]
    else:
        levels = generator.choice(LEVELS, size=2, replace=False)
        modalities = MODALITIES if kind == "c" else (generator.choice(MODALITIES),)
        cells = [f"{modality}{level}" for modality in modalities for level in levels]
    return [cells[place] for place in generator.permutation(len(cells))]


def _four(generator: np.random.Generator) -> list[str]:
    levels = generator.choice(LEVELS, size=2, replace=False)
    if generator.choice(["b", "c"]) == "b":
        modalities = [str(generator.choice(MODALITIES))] * 2
    else:
        modalities = [str(m) for m in generator.permutation(MODALITIES)]
    return [f"{modality}{level}" for modality in modalities for level in levels]
