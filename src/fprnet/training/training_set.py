"""The training images, resized and in one memory map, become the augmented batch of any step.

Shapes: B = identities x images rows of each modality in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fprnet.config.schema import AugmentationConfig
from fprnet.data import augmentation
from fprnet.data.batches import Batch, Sampler
from fprnet.data.records import Modality, Records
from fprnet.data.transfer import to_device
from fprnet.errors import ConfigError
from fprnet.training.resident import on_device

__all__ = ["BatchPlan", "SamplerBuilder", "TensorBatch", "TrainingSet"]


@dataclass(frozen=True)
class TensorBatch:
    """What the model is given: normalised images and labels of one process.

    Attributes:
        visible: ``(V, 3, H, W)`` float32.
        infrared: ``(I, 3, H, W)`` float32; no rows in visible-only training.
        visible_labels: ``(V,)`` int64.
        infrared_labels: ``(I,)`` int64.
    """

    visible: Tensor
    infrared: Tensor
    visible_labels: Tensor
    infrared_labels: Tensor


@dataclass(frozen=True)
class BatchPlan:
    """What a batch is made of: no pixels yet.

    Attributes:
        label: ``(B,)`` int64 of the visible rows.
        infrared_label: ``(B,)`` int64 of the infrared rows, where it is another; None: the same.
        images: Modality -> ``(B,)`` rows of the records, and how each of them is changed.
    """

    label: NDArray[np.int64]
    infrared_label: NDArray[np.int64] | None
    images: dict[Modality, tuple[NDArray[np.int64], augmentation.Parameters]]


class SamplerBuilder(Protocol):
    """What makes a sampler: a component of a config, or anything else with this method."""

    def build(self, visible: Records, infrared: Records | None, seed: int, /) -> Sampler:
        """Return the sampler of these images; what it draws are positions among them."""


class TrainingSet:
    """Images of the training people, and which of them every step sees.

    Args:
        images: ``(N, H, W, 3)`` uint8, one for each record; may be a memory map.
        records: The N images of the data set.
        rows: Those that may be trained on.
        batches: Sampler of the images of every step.
        changes: Random changes of the images.
        seed: Seed of sampling and augmentation.
        visible_only: Leaves the infrared images out (the warm start).
        channels_last: Memory format of the batches.
        resident: Device that keeps the images that may be trained on, as uint8, and makes every
            batch; None reads each batch from ``images`` and sends it.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        records: Records,
        *,
        rows: NDArray[np.int64],
        batches: SamplerBuilder,
        changes: AugmentationConfig,
        seed: int,
        visible_only: bool = False,
        channels_last: bool = True,
        resident: torch.device | None = None,
    ) -> None:
        if len(images) != len(records):
            raise ValueError(f"{len(images)} images but {len(records)} records")
        self._images = images
        self._resident: Tensor | None = None
        self._place = np.full(len(records), -1, dtype=np.int64)  # of an image in the resident ones
        if resident is not None:
            self._resident = on_device(images, rows, resident)
            self._place[rows] = np.arange(len(rows))
        self._changes = changes
        self._seed = seed
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        visible, infrared = (
            rows[records.modality[rows] == modality] for modality in ("visible", "infrared")
        )
        self._rows: dict[Modality, NDArray[np.int64]] = {"visible": visible, "infrared": infrared}
        self._identity: dict[Modality, NDArray[np.int64]] = {
            modality: records.identity[chosen] for modality, chosen in self._rows.items()
        }
        self._sampler: Sampler = batches.build(
            records.where(visible), None if visible_only else records.where(infrared), seed
        )
        self._visible_only = visible_only
        self._pair_steps = [step.build() for step in changes.pair_steps.values()]
        self._steps = [step.build() for step in changes.steps.values()]
        self.identities = self._sampler.identity
        self.left_out = self._sampler.left_out
        self.steps_per_epoch = self._sampler.steps_per_epoch
        self.images_per_step = self._sampler.images_per_modality * (1 if visible_only else 2)

    def plan(self, step: int, *, rank: int = 0, processes: int = 1) -> BatchPlan:
        """Return which images a step (counted from 0 over the run) shows, and how it changes them.

        It depends on the seed and the step alone: all processes draw the same random numbers for
        the whole batch, and each keeps those of its own rows.
        """
        whole = self._sampler.batch(step)
        self._check(whole, step)
        part = whole.part_of(rank, processes)
        own = whole[part]
        generator = self._generator(step, 1)  # the sampler's stream is [seed, step]
        images: dict[Modality, tuple[NDArray[np.int64], augmentation.Parameters]] = {}
        for modality, chosen, _ in _sides(whole):
            parameters = self._draw(modality, len(chosen), generator)
            images[modality] = self._rows[modality][chosen[part]], parameters[part]
        return BatchPlan(own.label, own.infrared_label, images)

    def batch(
        self, step: int, *, device: torch.device, rank: int = 0, processes: int = 1
    ) -> TensorBatch:
        """Return this process's part of the batch of a step, made as its plan says.

        Raises:
            ConfigError: The sampler's batch, or what an augmentation step returns, is not what it
                should be; or a pair step is given rows of different people.
        """
        plan = self.plan(step, rank=rank, processes=processes)
        label = to_device(torch.from_numpy(plan.label), device)
        other = label  # the very same tensor: whoever needs equal labels need not ask the device
        if plan.infrared_label is not None:
            if self._pair_steps:
                raise ConfigError(
                    "augmentation.pair_steps change two images of one person, and the sampler "
                    f"{type(self._sampler).__name__} shows other people in infrared images than in "
                    "visible ones; give another sampler, or leave them out"
                )
            other = to_device(torch.from_numpy(plan.infrared_label), device)
        made = {m: self._made(*part, device) for m, part in plan.images.items()}
        # Streams of random numbers that no other step, process or modality has.
        for number, pair_step in enumerate(self._pair_steps):
            generator = self._generator(step, 3, number, rank)
            before = made["visible"], made["infrared"]
            changed = pair_step(*before, generator)
            key = f"pair_steps.{list(self._changes.pair_steps)[number]}"
            if not isinstance(changed, (tuple, list)) or len(changed) != len(before):
                raise ConfigError(
                    f"augmentation.{key} returned {_shape(changed)}; return both modalities' images"
                )
            made = {m: _same(key, *pair) for m, *pair in zip(made, before, changed, strict=True)}
        for number, one in enumerate(self._steps):
            key = f"steps.{list(self._changes.steps)[number]}"
            for side, modality in enumerate(made):
                generator = self._generator(step, 2, number, side, rank)
                changed = one(made[modality], modality, generator)
                made[modality] = _same(key, made[modality], changed)
        visible = made["visible"]
        if "infrared" not in made:
            return TensorBatch(visible, visible[:0], label, label[:0])
        return TensorBatch(visible, made["infrared"], label, other)

    def _check(self, batch: Batch, step: int) -> None:
        """Refuse a sampler's batch that is not what the sampler itself has promised.

        Raises:
            ConfigError: It is none, a modality is missing or has too few rows, a row or label is
                none, or a row shows another person than its label says.
        """
        if not isinstance(batch, Batch):
            raise ConfigError(
                f"the sampler's batch of step {step} is {_shape(batch)}; return a "
                "fprnet.data.batches.Batch"
            )
        if not self._visible_only and batch.infrared is None:
            raise ConfigError(
                f"the sampler's batch of step {step} has no infrared rows, but data.modalities is "
                "both; give rows of both modalities, or set data.modalities to visible"
            )
        for modality, chosen, label in _sides(batch):
            known = self._identity[modality]
            columns = {
                "labels": (label, len(self.identities)),
                f"{modality} rows": (chosen, len(known)),
            }
            for name, (column, limit) in columns.items():
                wrong = column[(column < 0) | (column >= limit)]
                if len(wrong):
                    raise ConfigError(
                        f"the sampler's batch of step {step} has {name} such as {wrong[0]}; they "
                        f"are from 0 to {limit - 1}"
                    )
                if len(column) != len(batch):
                    raise ConfigError(
                        f"the sampler's batch of step {step} has {len(batch)} labels but "
                        f"{len(column)} {name}; give as many"
                    )
            shown, labelled = known[chosen], self.identities[label]
            other = np.flatnonzero(shown != labelled)
            if len(other):
                raise ConfigError(
                    f"the sampler's batch of step {step} has {modality} rows of person "
                    f"{shown[other[0]]} with the label of person {labelled[other[0]]}; a row is a "
                    f"position among the {modality} images, a label one in the sampler's identity"
                )

    def _generator(self, *key: int) -> torch.Generator:
        """Return a generator whose numbers depend on the seed and the key alone."""
        drawn = np.random.SeedSequence([self._seed, *key]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(drawn[0] >> np.uint64(1)))

    def _draw(
        self, modality: Modality, count: int, generator: torch.Generator
    ) -> augmentation.Parameters:
        changes = self._changes
        return augmentation.draw(
            modality,
            count,
            (self._images.shape[1], self._images.shape[2]),
            generator,
            padding=changes.padding,
            flip=changes.flip,
            erasing=changes.erasing,
            grayscale=changes.grayscale,
            gray_projection=changes.gray_projection,
            infrared_changes=changes.infrared_changes,
            channel_exchange=changes.channel_exchange,
            linear_enhancement=changes.linear_enhancement,
        )

    def _made(
        self, rows: NDArray[np.int64], parameters: augmentation.Parameters, device: torch.device
    ) -> Tensor:
        if self._resident is not None:
            index = torch.from_numpy(self._place[rows])
            pixels = self._resident.index_select(0, to_device(index, self._resident.device))
        else:  # fancy indexing copies, so the batch is writable though the map is not
            pixels = to_device(torch.from_numpy(self._images[rows]), device)
        return augmentation.apply(pixels, parameters, memory_format=self._format)


def _sides(batch: Batch) -> Iterator[tuple[Modality, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield modality, rows and labels of what a batch shows."""
    yield "visible", batch.visible, batch.label
    if batch.infrared is not None:
        label = batch.label if batch.infrared_label is None else batch.infrared_label
        yield "infrared", batch.infrared, label


def _same(key: str, before: Tensor, after: object) -> Tensor:
    """Return what an augmentation step has made of images, if they are still such images.

    Raises:
        ConfigError: They are no tensor, or of another shape.
    """
    if not isinstance(after, Tensor) or after.shape != before.shape:
        raise ConfigError(
            f"augmentation.{key} returned {_shape(after)} for images of shape "
            f"{tuple(before.shape)}; return as many images of the same size"
        )
    return after


def _shape(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"
