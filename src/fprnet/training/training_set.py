"""The training images, resized and in one memory map, become the augmented batch of any step.

Shapes: B = identities x images rows of each modality in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fprnet.config.schema import AugmentationConfig, BatchesConfig
from fprnet.data import augmentation
from fprnet.data.batches import IdentitySampler
from fprnet.data.records import Modality, Records
from fprnet.data.transfer import sent
from fprnet.training.resident import on_device

__all__ = ["TensorBatch", "TrainingSet"]


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


class TrainingSet:
    """Images of the training people, and which of them every step sees.

    Args:
        images: ``(N, H, W, 3)`` uint8, one for each record; may be a memory map.
        records: The N images of the data set.
        rows: Those that may be trained on.
        batches: P identities x K images.
        changes: Of the images.
        seed: Of sampling and augmentation.
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
        batches: BatchesConfig,
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
        self._sampler = IdentitySampler(
            records.identity[visible],
            None if visible_only else records.identity[infrared],
            identities=batches.identities,
            images=batches.images,
            seed=seed,
        )
        self.identities = self._sampler.identity
        self.left_out = self._sampler.left_out
        self.steps_per_epoch = self._sampler.steps_per_epoch
        self.images_per_step = batches.identities * batches.images * (1 if visible_only else 2)

    def batch(
        self, step: int, *, device: torch.device, rank: int = 0, processes: int = 1
    ) -> TensorBatch:
        """Return this process's part of the batch of a step (counted from 0 over the run).

        It depends on the seed and the step alone: all processes draw the same random numbers for
        the whole batch, and each applies those of its own rows.
        """
        whole = self._sampler.batch(step)
        part = whole.part_of(rank, processes)
        # [seed, step, 1]: another stream than the sampler's [seed, step].
        drawn = np.random.SeedSequence([self._seed, step, 1]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(drawn[0] >> np.uint64(1)))
        labels = sent(torch.from_numpy(whole.label[part]), device)
        visible = self._part("visible", whole.visible, part, generator, device)
        if whole.infrared is None:
            return TensorBatch(visible, visible[:0], labels, labels[:0])
        infrared = self._part("infrared", whole.infrared, part, generator, device)
        return TensorBatch(visible, infrared, labels, labels)

    def _part(
        self,
        modality: Modality,
        rows: NDArray[np.int64],
        part: slice,
        generator: torch.Generator,
        device: torch.device,
    ) -> Tensor:
        changes = self._changes
        parameters = augmentation.draw(
            modality,
            len(rows),
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
        chosen = self._rows[modality][rows[part]]
        if self._resident is not None:
            index = torch.from_numpy(self._place[chosen])
            pixels = self._resident.index_select(0, sent(index, self._resident.device))
        else:  # fancy indexing copies, so the batch is writable though the map is not
            pixels = sent(torch.from_numpy(self._images[chosen]), device)
        return augmentation.apply(pixels, parameters[part], memory_format=self._format)
