"""The two sides of the embedding benchmark, with the same weights, and images to embed.

Shapes: N images of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fprnet.config import load_config
from fprnet.data.augmentation import normalise
from fprnet.data.records import MODALITIES, Modality
from fprnet.embeddings.backend import Backend, Embeddings, Pixels
from fprnet.embeddings.openvino_backend import backend_of_model
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.methods.network import untrained
from fprnet.models.reidentifier import Reidentifier
from fprnet.models.resnet import Bottleneck
from fprnet_lab.benchmarking.hardware import PRECISIONS, openvino_precisions
from fprnet_lab.benchmarking.plain_augmentation import plain_augmented
from fprnet_lab.benchmarking.plain_model import PlainFprnet, copy_released_weights

__all__ = ["PlainEmbedding", "fast_backends", "released_model", "seeded_people"]

SHOTS = 4  # images of a person in each modality
OWN_SHARE = 0.7  # of a person's own pattern in an image
BLOCK_STRENGTH = 0.1


class PlainEmbedding:
    """The published network, and pixels prepared one image after the other in Python.

    Args:
        model: Model of preset ``released``; its weights are copied.
        width: Channels of the stem.
        batch: Images at a time.
    """

    def __init__(self, model: Reidentifier, width: int, batch: int) -> None:
        self._batch = batch
        self._device = next(model.parameters()).device
        self.model = PlainFprnet(1, width=width).eval()
        copy_released_weights(self.model, model.state_dict())
        self.model.to(self._device)

    def embed(self, images: Pixels, modality: Modality) -> Embeddings:
        """Return ``(N, 512)`` for ``(N, H, W, 3)`` uint8."""
        parts = []
        for start in range(0, len(images), self._batch):
            pixels = images[start : start + self._batch]
            count = len(pixels)
            values = plain_augmented(
                pixels,
                padding=0,
                corner=[[0, 0]] * count,
                mirrored=[False] * count,
                erased=[[0, 0, 0, 0]] * count,
            )
            with torch.inference_mode():
                parts.append(self.model.embed(values.to(self._device), modality).cpu().numpy())
        return np.concatenate(parts)


def fast_backends(model: Reidentifier, size: tuple[int, int], threads: int) -> dict[str, Backend]:
    """Return all that can run the model here, "<runtime>-<precision>" -> backend."""
    backends: dict[str, Backend] = {
        f"pytorch-{precision}": PyTorchBackend(model, precision=precision)
        for precision in PRECISIONS
    }
    if next(model.parameters()).device.type == "cpu":
        for precision in openvino_precisions():
            backends[f"openvino-{precision}"] = backend_of_model(
                model, size, precision=precision, threads=threads, keep=False
            )
    return backends


def released_model(
    images: Mapping[Modality, Pixels], width: int, device: torch.device
) -> Reidentifier:
    """Return preset ``released`` with random weights that behave as trained ones do.

    Random residual blocks at full strength amplify every rounding error from block to block until
    bfloat16 has little in common with float32; trained ones do not, nor do those of a tenth of the
    strength. The statistics of the convolutions' BatchNorm are those of the images.
    """
    overrides = ["--model.backbone.width", str(width), "--model.weights", "none"]
    config = load_config("released", overrides=overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = untrained(config.model).build(1).to(device)
    for module in model.modules():
        if isinstance(module, Bottleneck):
            nn.init.constant_(module.bn3.weight, BLOCK_STRENGTH)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # takes the batch's statistics as they are
        elif isinstance(module, nn.BatchNorm1d):
            module.momentum = 0.0  # keeps its own
    visible, infrared = (
        normalise(torch.from_numpy(images[modality][:: SHOTS // 2]).to(device))
        for modality in MODALITIES
    )
    with torch.no_grad():
        model.train()
        labels = torch.zeros(len(visible), dtype=torch.int64, device=device)
        model(visible, infrared, labels, labels)
    evaluated: Reidentifier = model.eval()
    return evaluated


def seeded_people(
    count: int, size: tuple[int, int]
) -> tuple[dict[Modality, Pixels], NDArray[np.int64]]:
    """Return about so many images of each modality, and whom they show.

    A person is a pattern of coloured patches; an image is a mixture of it and another one.

    Returns:
        Modality -> ``(N, H, W, 3)``, and identities ``(N,)``, the same for both modalities.
    """
    people = max(2, count // SHOTS)
    identity = np.repeat(np.arange(people), SHOTS)
    generator = np.random.default_rng(0)
    shape = (12, 6)
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, shape, strict=True))
    own = generator.uniform(0, 255, (people, *shape, 3))[identity]
    images: dict[Modality, Pixels] = {}
    for modality in MODALITIES:
        other = generator.uniform(0, 255, own.shape)
        mixed = OWN_SHARE * own + (1 - OWN_SHARE) * other
        if modality == "infrared":
            mixed = np.broadcast_to(mixed.mean(axis=-1, keepdims=True), mixed.shape)
        fine = mixed[:, rows][:, :, columns] + generator.normal(0, 8, (len(own), *size, 1))
        images[modality] = fine.clip(0, 255).astype(np.uint8)
    return images, identity
