"""A trained model with all it needs to take images as they come: size, normalisation, stream.

Shapes: N images; D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fprnet.config.schema import RunConfig
from fprnet.data.images import read_image
from fprnet.data.pixels import DepthRange, fit_image
from fprnet.data.records import MODALITIES, Modality
from fprnet.embeddings.backend import Backend, Choice, Runtime
from fprnet.embeddings.extract import embed_images
from fprnet.embeddings.projection import (
    ProjectedBackend,
    Projection,
)
from fprnet.embeddings.runtimes import backend_of
from fprnet.errors import UsageError
from fprnet.models.reidentifier import Reidentifier
from fprnet.runs.model_card import short_card
from fprnet.runs.pretrained import (
    write_pretrained,
)

__all__ = ["Embedder"]


class Embedder:
    """Images to embeddings, whatever runs the model below. Any thread may use it at any time.

    Args:
        model: Network; it is put into evaluation mode. None for exported graphs.
        config: Config that the network was trained with.
        about: What a features file says about the model: preset, checkpoint, ...; runtime and
            precision are added to it.
        runtime: "openvino" (on the CPU), "pytorch", or "auto": the faster one.
        precision: "float32", "bfloat16", or "auto": the faster one; embeddings differ by a cosine
            of less than 0.001.
        backend: Backend of exported graphs; it replaces model, runtime and precision.
        trained_on: Sorted identities that the model was trained on; () where it is not known.
        projection: What makes the model's embeddings compact; see :meth:`compact`.

    Raises:
        UsageError: Runtime or precision are not to be had on the model's device.
    """

    def __init__(
        self,
        model: Reidentifier | None,
        config: RunConfig,
        about: dict[str, Any],
        *,
        runtime: Runtime = "auto",
        precision: Choice = "auto",
        backend: Backend | None = None,
        trained_on: Sequence[int] = (),
        projection: Projection | None = None,
    ) -> None:
        self.config = config
        self.projection = projection
        self._model = None if model is None else model.eval()
        if backend is None:
            backend = backend_of(self.model, self.size, runtime, precision)
        self.backend = backend
        self.trained_on = tuple(trained_on)
        self.about = {**about, "runtime": backend.runtime, "precision": backend.precision}

    @property
    def model(self) -> Reidentifier:
        """The network.

        Raises:
            UsageError: This is an exported graph, which has none.
        """
        if self._model is None:
            raise UsageError("an exported graph only embeds; give the checkpoint for anything else")
        return self._model

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels."""
        return self.config.data.height, self.config.data.width

    @property
    def depth_range(self) -> DepthRange:
        """Which values of 16-bit images become black and white, as the model was trained."""
        return self.config.data.depth_range

    @property
    def embedding_size(self) -> int:
        """D."""
        return self.backend.embedding_size

    def compact(self, projection: Projection | None = None) -> Embedder:
        """Return the same model with compact embeddings.

        Args:
            projection: None takes the one that was calibrated with the model.

        Raises:
            UsageError: There is none, or it is another model's.
        """
        chosen = projection or self.projection
        if chosen is None:
            raise UsageError("the model has no projection; make one with 'fprnet calibrate'")
        own = self.about["checkpoint_sha256"]
        if chosen.checkpoint_sha256 != own or len(chosen.matrix) != self.embedding_size:
            raise UsageError(
                f"the projection is of model {chosen.checkpoint_sha256[:12]}, not of "
                f"{str(own)[:12]}; make one with 'fprnet calibrate'"
            )
        return Embedder(
            self._model,
            self.config,
            {**self.about, "projection_sha256": chosen.sha256},
            backend=ProjectedBackend(self.backend, chosen),
            trained_on=self.trained_on,
            projection=chosen,
        )

    def embed(
        self,
        images: Sequence[Path | str | Image.Image | NDArray[np.uint8]] | NDArray[np.uint8] | Tensor,
        modality: Modality,
        *,
        flip: bool = False,
    ) -> NDArray[np.float32]:
        """Embed images of one modality.

        Args:
            images: Paths, Pillow images or ``(H, W, 3)`` uint8 arrays, in any mixture and of any
                size, or one ``(N, H, W, 3)`` uint8 array or tensor.
            modality: "visible" or "infrared"; decides which stream they pass through.
            flip: Average with the mirror image's embedding.

        Returns:
            ``(N, D)`` float32, rows of unit length.

        Raises:
            UsageError: The modality is unknown, or ``images`` is a single one or no uint8 array.
            DataError: A file is no image.
        """
        pixels = self.fit(images, modality)
        return embed_images(self.backend, pixels, modality, flip=flip)

    def fit(
        self,
        images: Sequence[Path | str | Image.Image | NDArray[np.uint8]] | NDArray[np.uint8] | Tensor,
        modality: Modality,
    ) -> NDArray[np.uint8]:
        """Return ``(N, H, W, 3)`` uint8 of the network's size for images as :meth:`embed` takes.

        Raises:
            UsageError: As :meth:`embed`.
            DataError: A file is no image.
        """
        if modality not in MODALITIES:
            raise UsageError(f"modality {modality!r} is unknown; use 'visible' or 'infrared'")
        if isinstance(images, Tensor):
            images = images.cpu().numpy()
        if isinstance(images, (str, Path, Image.Image)):
            raise UsageError("embed takes several images; put the one into a list")
        if isinstance(images, np.ndarray) and (
            images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8
        ):
            raise UsageError(
                f"the images are a {images.dtype} array of shape {images.shape}; "
                "give (N, H, W, 3) uint8"
            )
        if isinstance(images, np.ndarray) and images.shape[1:3] == self.size:
            return images
        pixels = np.empty((len(images), *self.size, 3), dtype=np.uint8)
        for row, image in enumerate(images):
            if isinstance(image, (str, Path)):
                pixels[row] = read_image(Path(image), self.size, depth_range=self.depth_range)
            else:
                picture = image if isinstance(image, Image.Image) else _picture(image, row)
                pixels[row] = fit_image(picture, self.size, depth_range=self.depth_range)
        return pixels

    def save_pretrained(self, folder: str | Path, *, card: str | None = None) -> None:
        """Write the model as a folder in the layout of the Hugging Face hub.

        It holds the config, the weights without classifiers (safetensors, matrices as float16) and
        the model card; ``load_model(folder)`` loads it, and whoever uploads the folder to the hub
        publishes it.

        Args:
            folder: Folder to write, made if it is not there.
            card: Text of the model card, Markdown; None writes a short one from the config.

        Raises:
            UsageError: The model is not trained, or is an exported graph.
            CheckpointError: A weight does not fit into float16, or the folder cannot be written.
        """
        if not self.about["trained"]:
            raise UsageError(
                f"preset {self.about['preset']} is not trained; train it before you save it"
            )
        write_pretrained(
            Path(folder),
            self.model,
            self.config,
            step=self.about["step"],
            selection=self.about["selection"],
            trained_identities=self.about["trained_identities"],
            card=short_card(self.config, self.about) if card is None else card,
        )


def _picture(image: NDArray[np.uint8] | Tensor, row: int) -> Image.Image:
    array = np.asarray(image.cpu() if isinstance(image, Tensor) else image)
    try:
        return Image.fromarray(array)
    except TypeError as error:
        raise UsageError(
            f"image {row} is a {array.dtype} array of shape {array.shape}; give (H, W, 3) uint8"
        ) from error
