"""Visible images of a camera become pairs of a degraded image and its original, batch by batch.

The degraded image is the original made F times smaller, antialiased; the network makes it as large
again. Shapes: N images of a batch, H x W pixels; luma is Y of BT.601 studio range.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fprnet.data.images import inspect_image, map_with_bar, read_image
from fprnet.data.records import Records
from fprnet.errors import ConfigError, DataError
from fprnet_lab.superres.bicubic import resize
from fprnet_lab.superres.colour import luma, to_bytes

__all__ = ["PairSampler", "read_luma", "read_luma_images", "select_camera", "shrink"]

Luma = NDArray[np.uint8]


def select_camera(records: Records, camera: int, identities: Sequence[int]) -> Records:
    """Return some people's images of one visible camera.

    Raises:
        DataError: The camera does not exist, or is an infrared one.
    """
    seen = records.where(records.modality == "visible")
    if camera not in seen.camera:
        visible = ", ".join(map(str, sorted(set(seen.camera.tolist()))))
        raise DataError(
            f"camera {camera} is no visible camera of {records.root}; choose one of {visible}"
        )
    return seen.where(seen.camera == camera).of(identities)


def read_luma(path: Path) -> Luma:
    """Read Y ``(H, W)``, rounded; gray images are taken as they are, as the literature does.

    Raises:
        DataError: The file cannot be read.
    """
    rgb = read_image(path)
    if inspect_image(path).mode.startswith(("L", "I", "1")):
        return rgb[..., 0]
    return to_bytes(luma(rgb))


def read_luma_images(
    records: Records, *, side: int | None = None, workers: int = 1, progress: bool = True
) -> list[Luma]:
    """Read the luma of all images.

    Args:
        records: Which.
        side: Each is made a square of so many pixels; None keeps their sizes.
        workers: Threads.
        progress: Show a bar on stderr.

    Raises:
        DataError: An image cannot be read.
    """

    def read(file: Path) -> Luma:
        image = read_luma(file)
        if side is None:
            return image
        return to_bytes(resize(image, (side, side)))

    return list(map_with_bar(read, records.files(), workers, "reading images", progress=progress))


def shrink(image: Luma, factor: int) -> NDArray[np.float64]:
    """Degrade ``(H, W)``, multiples of the factor, to ``(H / F, W / F)`` in about [0, 1]."""
    height, width = image.shape
    return resize(image, (height // factor, width // factor)) / 255


class PairSampler:
    """Batches of pairs; that of step t is a pure function of (seed, t).

    Args:
        images: The originals' luma.
        side: Side of the square that is cut out, pixels; a multiple of ``factor``.
        factor: F.
        flip: Probability of mirroring left to right.
        batch: N.
        seed: Seed of all draws.

    Raises:
        DataError: There is no image, or one is smaller than the square.
    """

    def __init__(
        self,
        images: Sequence[Luma],
        *,
        side: int,
        factor: int,
        flip: float,
        batch: int,
        seed: int,
    ) -> None:
        if not images:
            raise DataError("there is no image to learn from; choose another --camera")
        smallest = min((image.shape for image in images), key=min)
        if min(smallest) < side:
            raise DataError(
                f"side is {side} but an image has only {smallest[0]} x {smallest[1]} pixels; "
                "lower --side, or use --pictures resize"
            )
        self._images = images
        self._side = side
        self._factor = factor
        self._flip = flip
        self._batch = batch
        self._seed = seed
        self.images_per_step = batch

    def batch(
        self, step: int, *, device: torch.device, rank: int = 0, processes: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Return the pairs of a step on a device, as the training loop asks for them.

        Raises:
            ConfigError: Several processes share the training.
        """
        if processes > 1:
            raise ConfigError(
                f"super-resolution is trained by one process, not {processes}; leave torchrun out"
            )
        del rank
        degraded, original = self.pairs(step)
        return degraded.to(device), original.to(device)

    def pairs(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step.

        Returns:
            Degraded ``(N, 1, side / F, side / F)`` and original ``(N, 1, side, side)``, float32 in
            about [0, 1].
        """
        generator = np.random.default_rng((self._seed, step))
        originals = [self._cut(generator) for _ in range(self._batch)]
        degraded = [shrink(original, self._factor) for original in originals]
        return (
            torch.from_numpy(np.stack(degraded)[:, None].astype(np.float32)),
            torch.from_numpy(np.stack(originals)[:, None].astype(np.float32) / 255),
        )

    def _cut(self, generator: np.random.Generator) -> Luma:
        image = self._images[int(generator.integers(len(self._images)))]
        top, left = (int(generator.integers(length - self._side + 1)) for length in image.shape)
        cut = image[top : top + self._side, left : left + self._side]
        return np.ascontiguousarray(cut[:, ::-1]) if generator.random() < self._flip else cut
