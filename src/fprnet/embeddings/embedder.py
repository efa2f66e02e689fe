"""A trained model with all it needs to take images as they come: size, normalisation, stream.

Shapes: N images; D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fprnet.config import load_config, preset_names
from fprnet.config.schema import RunConfig, Scale
from fprnet.data.images import fit_image, read_image
from fprnet.data.records import MODALITIES, Modality
from fprnet.embeddings.extract import embed_images
from fprnet.errors import CheckpointError, UsageError
from fprnet.models.builders import build_model
from fprnet.models.checkpoint import load_trained
from fprnet.models.fprnet import Reidentifier

__all__ = ["Embedder", "load_model"]


class Embedder:
    """Images to embeddings.

    Args:
        model: Network; it is put into evaluation mode.
        config: That it was trained with.
        about: What a features file says about the model: preset, checkpoint, ...
    """

    def __init__(self, model: Reidentifier, config: RunConfig, about: dict[str, Any]) -> None:
        self.model = model.eval()
        self.config = config
        self.about = about

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels."""
        return self.config.data.height, self.config.data.width

    @property
    def embedding_size(self) -> int:
        """D."""
        return self.model.embedding_size

    def embed(
        self,
        images: Sequence[Path | str | Image.Image | NDArray[np.uint8]] | NDArray[np.uint8],
        modality: Modality,
        *,
        flip: bool = False,
        precision: str = "float32",
    ) -> NDArray[np.float32]:
        """Embed images of one modality.

        Args:
            images: Paths, Pillow images or ``(H, W, 3)`` uint8 arrays, in any mixture and of any
                size, or one ``(N, H, W, 3)`` uint8 array.
            modality: "visible" or "infrared"; decides which stream they pass through.
            flip: Average with the mirror image's embedding.
            precision: "float32" or "bfloat16".

        Returns:
            ``(N, D)`` float32, rows of unit length.

        Raises:
            UsageError: The modality is unknown.
            DataError: A file is no image.
        """
        if modality not in MODALITIES:
            raise UsageError(f"modality {modality!r} is unknown; use 'visible' or 'infrared'")
        pixels = np.empty((len(images), *self.size, 3), dtype=np.uint8)
        for row, image in enumerate(images):
            if isinstance(image, (str, Path)):
                pixels[row] = read_image(Path(image), self.size)
            else:
                picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
                pixels[row] = fit_image(picture, self.size)
        return embed_images(self.model, pixels, modality, flip=flip, precision=precision)


def load_model(
    source: str | Path, *, scale: Scale = "full", device: str | torch.device | None = None
) -> Embedder:
    """Load a trained model, or a preset as it is before training.

    Args:
        source: A checkpoint, a run folder (its ``best.pt`` is taken), or a preset's name.
        scale: Of a preset.
        device: None takes a CUDA device if there is one, else the CPU.

    Raises:
        CheckpointError: There is no such file, or it cannot be used.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if str(source) in preset_names():
        config = load_config(str(source), scale=scale)
        model = build_model(config.model, identities=1)
        about: dict[str, Any] = {"preset": str(source), "checkpoint_sha256": None, "trained": False}
        return Embedder(model.to(device), config, about)
    path = Path(source)
    if path.is_dir():
        path = path / "checkpoints" / "best.pt"
    elif not path.exists() and path.suffix == "":
        raise CheckpointError(
            f"{source} is no checkpoint, run folder or preset; "
            f"the presets are {', '.join(preset_names())}"
        )
    trained = load_trained(path)
    about = {
        "preset": trained.config.preset,
        "scale": trained.config.scale,
        "checkpoint_sha256": trained.sha256,
        "step": trained.step,
        "selection": trained.selection,
        "trained_identities": len(trained.identities),
    }
    return Embedder(trained.model.to(device), trained.config, about)
