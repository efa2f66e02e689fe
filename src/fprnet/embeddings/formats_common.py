"""What all foreign formats share: any floating-point numbers become float32, or one sentence.

Shapes: N images, D numbers per embedding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import FeaturesError

__all__ = ["as_float32", "reason_of", "source"]

MAX_REASON = 200  # letters of what a reader says
ACCEPTED = ("float16", "float32", "float64")


def as_float32(values: NDArray[Any], where: str) -> NDArray[np.float32]:
    """Return the numbers as float32, each rounded once.

    Args:
        values: Numbers of any dtype.
        where: What the message names.

    Raises:
        FeaturesError: They are no floating-point numbers, or too large for float32.
    """
    if values.dtype.name not in ACCEPTED:
        raise FeaturesError(
            f"{where} holds {values.dtype}; features are {', '.join(ACCEPTED)}, so store "
            "the numbers as the model gave them"
        )
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    if (np.isinf(rounded) & np.isfinite(values)).any():
        raise FeaturesError(
            f"{where} holds {float(np.abs(values[np.isfinite(values)]).max()):g}, which float32 "
            "cannot hold; divide all features by one number"
        )
    return rounded


def source(name: str, form: str, dtype: str) -> dict[str, Any]:
    """Return the ``meta`` of features that another program wrote."""
    return {"source": {"name": name, "format": form, "dtype": dtype}}


def reason_of(error: Exception) -> str:
    """Return what a reader says about a damaged file, as part of one sentence."""
    return " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
