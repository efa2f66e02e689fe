"""The two sides of the training benchmark: the package's own step, and the published one plainly.

Both are given the same images, batches, crops and weights. Shapes: B images of each modality.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from fprnet.config import RunConfig
from fprnet.data.records import Records
from fprnet.methods.network import untrained
from fprnet.models.reidentifier import Reidentifier
from fprnet.training.optimizer import make_optimizers
from fprnet.training.training_set import TensorBatch, TrainingSet
from fprnet.training.weight_gradients import quicken_weight_gradients
from fprnet_lab.benchmarking.plain_augmentation import plain_augmented
from fprnet_lab.benchmarking.plain_model import (
    PlainFprnet,
    copy_released_weights,
    plain_optimizer,
    plain_training_step,
)

__all__ = ["FastSide", "PlainSide", "random_images"]


def random_images(
    people: int, images: int, size: tuple[int, int]
) -> tuple[Records, NDArray[np.uint8]]:
    """Return so many people with so many random images in each modality."""
    identity = np.repeat(np.arange(1, people + 1), 2 * images)
    ones = np.ones(len(identity), dtype=np.int64)
    modality = np.tile(np.repeat(["visible", "infrared"], images), people)
    path = np.array([f"{number}.png" for number in range(len(identity))])
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (len(identity), *size, 3), dtype=np.uint8)
    return Records(Path(), path, identity, ones, modality, ones, ones), pixels


class FastSide:
    """What ``fprnet train`` does in a step, without its log and its checkpoints.

    Args:
        config: Config of the run.
        records: Records of the images.
        images: ``(N, H, W, 3)`` uint8.
        device: That trains; a GPU also keeps the images.
    """

    def __init__(
        self,
        config: RunConfig,
        records: Records,
        images: NDArray[np.uint8],
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.data = TrainingSet(
            images,
            records,
            rows=np.arange(len(records)),
            batches=config.batches,
            changes=config.augmentation,
            seed=config.seed,
            channels_last=config.training.channels_last,
            resident=device if device.type == "cuda" else None,
        )
        torch.manual_seed(config.seed)
        model = untrained(config.model).build(len(self.data.identities))
        memory_format = (
            torch.channels_last if config.training.channels_last else torch.contiguous_format
        )
        self.model: Reidentifier = model.to(device, memory_format=memory_format)
        quicken_weight_gradients(self.model, device)
        self.objective = config.loss.build()
        (self.optimizer,) = make_optimizers(self.model, config.optimizer).values()

    def batch(self, number: int) -> TensorBatch:
        """Return the batch of a step."""
        return self.data.batch(number, device=self.device)

    def forward_and_backward(self, batch: TensorBatch, precision: str) -> Tensor:
        """Return the loss of a batch, a detached scalar; gradients are there afterwards."""
        with self._autocast(precision):
            outputs = self.model(
                batch.visible, batch.infrared, batch.visible_labels, batch.infrared_labels
            )
        loss: Tensor = self.objective(outputs).total
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def step(self, number: int, precision: str) -> Tensor:
        """Train on the batch of a step and return its loss."""
        loss = self.forward_and_backward(self.batch(number), precision)
        if self.config.training.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.config.training.clip_norm)
        self.optimizer.step()
        return loss

    def _autocast(self, precision: str) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bfloat16")


class PlainSide:
    """The published step on the same images, one image after the other in Python.

    Args:
        fast: Fast side, of preset ``released``; its weights are copied as they are now.
        images: ``(N, H, W, 3)`` uint8.
        width: Channels of the stem.
    """

    def __init__(self, fast: FastSide, images: NDArray[np.uint8], width: int) -> None:
        self._fast = fast
        self._images = images
        self.model = PlainFprnet(len(fast.data.identities), width=width)
        copy_released_weights(self.model, fast.model.state_dict())
        self.model.to(fast.device)
        self._optimizer = plain_optimizer(
            self.model, fast.config.optimizer.options["learning_rate"]
        )

    def step(self, number: int) -> float:
        """Train on the batch of a step and return its loss."""
        plan = self._fast.data.plan(number)
        padding = self._fast.config.augmentation.padding
        visible, infrared = (
            plain_augmented(
                self._images[rows],
                padding=padding,
                corner=drawn.corner.tolist(),
                mirrored=drawn.mirrored.tolist(),
                erased=drawn.erased.tolist(),
            ).to(self._fast.device)
            for rows, drawn in plan.images.values()
        )
        labels = torch.from_numpy(plan.label).to(self._fast.device)
        return plain_training_step(self.model, self._optimizer, visible, infrared, labels)
