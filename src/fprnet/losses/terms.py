"""What every objective returns, and what an objective is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.models.heads import HeadOutput
from fprnet.typed_values import shown

__all__ = ["LossTerms", "Objective", "as_terms"]


@dataclass(frozen=True)
class LossTerms:
    """A loss and what it is made of.

    Attributes:
        total: Scalar to minimise, float32.
        adversary: What an adversary minimises at the same time, with parameters of its own; None
            where there is none. Neither loss has a gradient in the other's parameters.
        terms: Name -> detached scalar, for the log: losses by head, ``accuracy_<head>`` in
            [0, 1], and of a game ``wins_main`` and ``wins_fusion`` (0 or 1).
    """

    total: Tensor
    terms: dict[str, Tensor]
    adversary: Tensor | None = None

    @property
    def total_with_adversary(self) -> Tensor:
        """The sum of both losses: its backward pass gives each player its own gradient."""
        return self.total if self.adversary is None else self.total + self.adversary


def as_terms(loss: LossTerms | Tensor) -> LossTerms:
    """Return what an objective gave with its terms; a bare scalar has none.

    Raises:
        ConfigError: It, or one of its terms, is no scalar tensor.
    """
    terms = loss if isinstance(loss, LossTerms) else LossTerms(loss, {})
    for name, value in {**terms.terms, "": terms.total}.items():
        what = f"the loss returned for its term {name}" if name else "the loss returned"
        if not isinstance(value, Tensor):
            raise ConfigError(f"{what} {shown(value)}, not a scalar tensor; return one, detached")
        if value.ndim > 0:
            raise ConfigError(
                f"{what} a tensor of shape {tuple(value.shape)}; return a scalar, e.g. its mean"
            )
    return terms


class Objective(Protocol):
    """Training outputs by head to one loss."""

    def __call__(self, outputs: Mapping[str, HeadOutput]) -> LossTerms | Tensor:
        """Return the loss of one batch: with what it is made of, or the bare scalar."""
        ...
