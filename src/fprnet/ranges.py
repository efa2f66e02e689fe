"""Numbers with their range in the type: what a config's field or a component's option may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

__all__ = [
    "BelowOne",
    "CountOrZero",
    "LayerSizes",
    "NonNegative",
    "Positive",
    "PositiveInt",
    "Probability",
    "Seed",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0)]
LayerSizes = Annotated[Sequence[PositiveInt], Field(min_length=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what torch, NumPy and a checkpoint can keep
