"""A model run by PyTorch, on the CPU or a GPU.

Shapes: B images of H x W pixels in a batch; D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch

from fprnet.data.augmentation import normalise
from fprnet.data.records import Modality
from fprnet.embeddings.backend import Embeddings, Pixels, Runtime
from fprnet.embeddings.inference_graph import folded
from fprnet.errors import ConfigError
from fprnet.models.reidentifier import Reidentifier

__all__ = ["PyTorchBackend"]


class PyTorchBackend:
    """Eager PyTorch in channels-last memory.

    Args:
        model: In evaluation mode, on any device.
        precision: "float32", or "bfloat16" for convolutions and matrix products.
        fold: Compute with a copy whose BatchNorm is folded; without, with the model itself as it
            is at that moment, as a validation within a training does.
    """

    runtime: Runtime = "pytorch"

    def __init__(
        self, model: Reidentifier, *, precision: Literal["float32", "bfloat16"], fold: bool = True
    ) -> None:
        self.precision: Literal["float32", "bfloat16"] = precision
        self.embedding_size = model.embedding_size
        self._model = folded(model) if fold else model
        if fold:
            self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed_batches(
        self, batches: Iterable[Pixels], modality: Modality, *, bulk: bool
    ) -> Iterator[Embeddings]:
        """Embed one batch after the other; see `Backend`."""
        device = next(self._model.parameters()).device
        for pixels in batches:
            with (
                torch.inference_mode(),
                torch.autocast(
                    device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"
                ),
            ):
                images = normalise(
                    torch.from_numpy(pixels).to(device), memory_format=torch.channels_last
                )
                found = self._model.embed(images, modality)
            if found.shape != (len(pixels), self.embedding_size):
                raise ConfigError(
                    f"the network embeds {len(pixels)} images as a tensor of shape "
                    f"{tuple(found.shape)}, but its embedding_size is {self.embedding_size}; "
                    "correct one of them"
                )
            yield found.float().cpu().numpy()
