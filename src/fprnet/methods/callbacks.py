"""What else happens at the beginning and end of epochs and of steps, and after backward passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fprnet.losses.state import Progress

__all__ = ["Callback"]


class Callback:
    """Does nothing; a callback of one's own overrides what it needs.

    A run that is continued calls a new object: what happens must depend on the arguments and on
    the model and its optimisers alone.
    """

    def begin_epoch(self, epoch: int, optimizers: Mapping[str, Any]) -> None:
        """Change the model before the first step of an epoch, counted from 0.

        Args:
            epoch: Number of the epoch.
            optimizers: Optimiser of each player, whose ``state`` belongs to the parameters.
        """

    def set_modes(self, epoch: int) -> None:
        """Change modes of modules after ``model.train()``, whenever steps of an epoch begin."""

    def begin_step(self, progress: Progress) -> None:
        """Change the model before each step, as a strength that grows over the epochs does."""

    def after_backward(self, epoch: int) -> None:
        """Change gradients before the optimisers step."""

    def after_step(self, epoch: int) -> None:
        """Follow what the optimisers have changed, as a teacher that averages weights does."""

    def record(self) -> dict[str, Any]:
        """Return what joins the record of a finished epoch; plain values."""
        return {}
