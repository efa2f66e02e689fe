"""Restraint and relaxation of SVD layers (SVDNet, Sun et al., ICCV 2017, algorithm 1).

After ``base_epochs`` come rounds. A round decorrelates the layers (W <- U S), trains the rest while
they are frozen (restraint), then trains everything (relaxation). With 0 base epochs, as in preset
``paper``, the first round decorrelates and freezes layers that are still random.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fprnet.methods.callbacks import Callback
from fprnet.models.svd_layer import SvdLayer
from fprnet.ranges import CountOrZero, PositiveInt

__all__ = ["Restraint"]


class Restraint(Callback):
    """Which epochs begin a round and which keep the SVD layers frozen.

    Args:
        model: Model whose ``SvdLayer`` modules are decorrelated and frozen.
        restraint_epochs: Frozen epochs of a round.
        relaxation_epochs: Epochs of a round that train everything.
        base_epochs: Epochs before the first round.
        freeze_statistics: Whether BatchNorm layers, in restraint epochs, use their running
            statistics and leave them as they are; their weights learn on.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        restraint_epochs: PositiveInt = 1,
        relaxation_epochs: PositiveInt = 1,
        base_epochs: CountOrZero = 0,
        freeze_statistics: bool = False,
    ) -> None:
        self._layers = {
            name: layer for name, layer in model.named_modules() if isinstance(layer, SvdLayer)
        }
        self._restraint = restraint_epochs
        self._round = restraint_epochs + relaxation_epochs
        self._base = base_epochs
        self._norms = (
            [module for module in model.modules() if isinstance(module, _BatchNorm)]
            if freeze_statistics
            else []
        )

    def begin_epoch(self, epoch: int, optimizers: Mapping[str, Any]) -> None:
        """Decorrelate the layers where a round begins; momentum of the old basis is dropped."""
        if self._epoch_of_round(epoch) == 0:
            for layer in self._layers.values():
                layer.decorrelate_()
                optimizers["model"].state.pop(layer.weight, None)

    def frozen(self, epoch: int) -> bool:
        """Whether the SVD layers are frozen in this epoch (counted from 0)."""
        of_round = self._epoch_of_round(epoch)
        return of_round is not None and of_round < self._restraint

    def _epoch_of_round(self, epoch: int) -> int | None:
        if epoch < self._base:
            return None
        return (epoch - self._base) % self._round

    def set_modes(self, epoch: int) -> None:
        """Keep the statistics of BatchNorm layers in restraint epochs, where that is wanted."""
        if self.frozen(epoch):
            for norm in self._norms:
                norm.eval()

    def after_backward(self, epoch: int) -> None:
        """Take the gradients of frozen layers away, so that the optimiser leaves them alone."""
        if self.frozen(epoch):
            for layer in self._layers.values():
                layer.weight.grad = None

    def record(self) -> dict[str, Any]:
        """Return S(W) of every SVD layer, 1 where its weight vectors are orthogonal."""
        return {"correlation": {name: layer.correlation() for name, layer in self._layers.items()}}

    @staticmethod
    def faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield what keeps a round from beginning."""
        base, epochs = options["base_epochs"], config.training.epochs
        if base >= epochs:
            yield (
                f"callbacks.restraint.base_epochs is {base} but training.epochs is {epochs}, so "
                "that no round begins; lower it"
            )
        head = config.model.options.get("head")
        layers = {} if head is None else head.options
        if "eigenlayer" not in (layers.get("main_layer"), layers.get("layer")):
            yield "callbacks.restraint needs SVD layers: model.head.main_layer eigenlayer"
