"""Embeddings become compact: a projection keeps most of their inner products in fewer numbers.

The projection is an uncentred singular value decomposition of training people's embeddings: of all
projections to d numbers it loses least of their lengths. Centring, or dividing by the length
afterwards, would change the inner products of all pairs, and was measured to cost accuracy.
Shapes: N images, D numbers per embedding, d per compact one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fprnet.data.records import Modality
from fprnet.embeddings.backend import Backend, Embeddings, Pixels, Precision, Runtime
from fprnet.errors import CheckpointError, FeaturesError
from fprnet.files import replacing

__all__ = [
    "SIZES",
    "ProjectedBackend",
    "Projection",
    "fit_projection",
    "projection_path",
    "read_projection",
    "write_projection",
]

SIZES = (128, 256, 512)  # numbers of a compact embedding that are tried
FORMAT = 1
TENSOR = "projection"


@dataclass(frozen=True, eq=False)
class Projection:
    """How one model's embeddings become compact.

    Attributes:
        matrix: ``(D, d)`` float32 with orthonormal columns, the most important first.
        checkpoint_sha256: Hash of the model's checkpoint.
        measured: Size -> mAP on people it was not fitted on, a fraction; for the reader only. The
            size D is the full embedding.
    """

    matrix: NDArray[np.float32]
    checkpoint_sha256: str
    measured: Mapping[int, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Numbers of a compact embedding, d."""
        return int(self.matrix.shape[1])

    @cached_property
    def sha256(self) -> str:
        """Hash of the matrix: compact embeddings are comparable if it is the same."""
        little = np.ascontiguousarray(self.matrix, dtype="<f4")
        return hashlib.sha256(f"{little.shape}".encode() + little.tobytes()).hexdigest()

    def __call__(self, embeddings: Embeddings) -> Embeddings:
        """Return ``(N, d)`` for ``(N, D)`` embeddings of unit length; at most of unit length."""
        compact: Embeddings = embeddings @ self.matrix
        return compact

    def first(self, size: int) -> Projection:
        """Return the projection to the first ``size`` numbers."""
        return replace(self, matrix=np.ascontiguousarray(self.matrix[:, :size]))


class ProjectedBackend:
    """A backend whose embeddings are compact.

    Args:
        backend: Gives full embeddings.
        projection: Projection of the same model.
    """

    def __init__(self, backend: Backend, projection: Projection) -> None:
        self._backend = backend
        self._projection = projection
        self.runtime: Runtime = backend.runtime
        self.precision: Precision = backend.precision
        self.embedding_size = projection.size

    def embed_batches(
        self, batches: Iterable[Pixels], modality: Modality, *, bulk: bool
    ) -> Iterator[Embeddings]:
        """Embed batches ``(B, H, W, 3)`` as they come and yield ``(B, d)``; see `Backend`."""
        for embeddings in self._backend.embed_batches(batches, modality, bulk=bulk):
            yield self._projection(embeddings)


def fit_projection(embeddings: Embeddings, checkpoint_sha256: str, size: int) -> Projection:
    """Fit a projection; shorten it with ``first``.

    Args:
        embeddings: ``(N, D)`` of training people's images, of unit length.
        checkpoint_sha256: Hash of the model's checkpoint.
        size: d, at most N and at most D.

    Raises:
        FeaturesError: There are fewer images, or numbers per embedding.
    """
    if size > min(embeddings.shape):
        raise FeaturesError(
            f"a projection to {size} numbers needs as many images of training people, and "
            f"embeddings of more; there are {len(embeddings)} of {embeddings.shape[1]}"
        )
    wide = embeddings.astype(np.float64)
    _, vectors = np.linalg.eigh(wide.T @ wide)  # ascending
    matrix = vectors[:, ::-1][:, :size]
    signs = np.sign(matrix[np.abs(matrix).argmax(axis=0), np.arange(size)])
    return Projection((matrix * signs).astype(np.float32), checkpoint_sha256)


def projection_path(checkpoint: Path) -> Path:
    """Return where a checkpoint's projection is: ``best.projection.safetensors`` beside it."""
    return checkpoint.with_name(f"{checkpoint.stem}.projection.safetensors")


def write_projection(path: Path, projection: Projection) -> None:
    """Write the file."""
    about = {
        "format": FORMAT,
        "checkpoint_sha256": projection.checkpoint_sha256,
        "measured": {str(size): value for size, value in projection.measured.items()},
    }
    with replacing(path) as temporary:
        matrix = np.ascontiguousarray(projection.matrix)
        # Not save_file, whose files only their owner may read.
        temporary.write_bytes(save({TENSOR: matrix}, {"fprnet": json.dumps(about)}))


def read_projection(path: Path) -> Projection:
    """Read a projection.

    Raises:
        CheckpointError: The file is missing, or no projection.
    """
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {})["fprnet"])
            matrix = file.get_tensor(TENSOR)
        if about["format"] != FORMAT:
            raise CheckpointError(
                f"{path} has format {about['format']}, this version reads {FORMAT}; make it again "
                "with 'fprnet calibrate'"
            )
        if matrix.ndim != 2 or matrix.dtype != np.float32 or not np.isfinite(matrix).all():
            raise ValueError(f"a {matrix.dtype} tensor of shape {matrix.shape}")
        measured = {int(size): float(value) for size, value in about["measured"].items()}
        return Projection(matrix, str(about["checkpoint_sha256"]), measured)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is no projection ({error}); make it again with 'fprnet calibrate'"
        ) from error
