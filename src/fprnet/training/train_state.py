"""Where a run stands: everything that its next step depends on beside weights and optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from fprnet.losses.terms import LossTerms

__all__ = ["TrainState"]


@dataclass
class TrainState:
    """Counters and sums of a run; all of them are in the checkpoint.

    Attributes:
        step: Optimiser steps done.
        history: One record for each finished epoch.
        sums: Sums of "total" and of every other term over the steps of this epoch so far.
        lowest: Smallest total loss of a step of this epoch; None before its first step.
        highest: Largest total loss of a step of this epoch; likewise.
        best: Validation mAP of ``best.pt``; None where nothing was validated.
    """

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)
    lowest: Tensor | None = None
    highest: Tensor | None = None
    best: float | None = None

    @classmethod
    def of_checkpoint(cls, checkpoint: Mapping[str, Any], device: torch.device) -> TrainState:
        """Return the state that a checkpoint holds, its sums on ``device``."""
        state = cls(**{f.name: checkpoint[f.name] for f in fields(cls)})
        state.sums = {name: value.to(device) for name, value in state.sums.items()}
        if state.lowest is not None and state.highest is not None:
            state.lowest, state.highest = state.lowest.to(device), state.highest.to(device)
        return state

    def as_dict(self) -> dict[str, Any]:
        """Return what ``of_checkpoint`` takes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def begin_epoch(self) -> None:
        """Forget the sums of the epoch before."""
        self.sums, self.lowest, self.highest = {}, None, None

    def add(self, terms: LossTerms) -> None:
        """Count a step and its losses, without waiting for the device."""
        total = terms.total.detach()
        for name, value in {"total": total, **terms.terms}.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
        self.lowest = total if self.lowest is None else torch.minimum(self.lowest, total)
        self.highest = total if self.highest is None else torch.maximum(self.highest, total)
        self.step += 1
