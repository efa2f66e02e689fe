"""Embeddings kept on disk while a long extraction goes on, so that a killed one continues.

Shapes: D numbers per embedding. A chunk holds whole batches, so that a continued extraction
computes the same images together as an unbroken one and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fprnet.data.records import Modality
from fprnet.embeddings.backend import Embeddings
from fprnet.errors import FeaturesError
from fprnet.files import remove_leftovers, remove_leftovers_of, replacing

__all__ = ["CHUNK", "Chunks", "kept_chunks"]

CHUNK = 512  # images, but a batch at least, and whole batches


class Chunks:
    """Finished chunks of one extraction, in a folder.

    Args:
        folder: Where the chunks are kept; None keeps nothing.
        batch: Number of images that are embedded together.

    Attributes:
        images: Number of images in a chunk; the last chunk of a modality may have fewer.
    """

    def __init__(self, folder: Path | None, batch: int) -> None:
        self.folder = folder
        self.images = batch * max(1, CHUNK // batch)

    def finished(self, modality: Modality, images: int) -> list[Embeddings]:
        """Return the chunks that are there from the first image on, without a gap.

        Args:
            modality: Modality of the images.
            images: Number of images of that modality.
        """
        chunks: list[Embeddings] = []
        if self.folder is None:
            return chunks
        for start in range(0, images, self.images):
            try:
                chunk = np.load(self._file(modality, start))
            except (OSError, ValueError, EOFError):
                break
            if len(chunk) != min(self.images, images - start):
                break
            chunks.append(chunk)
        if chunks:
            done = sum(map(len, chunks))
            print(f"continuing: {done} of {images} {modality} images are embedded", file=sys.stderr)
        return chunks

    def keep(self, modality: Modality, start: int, embeddings: Embeddings) -> None:
        """Keep the embeddings of the images from ``start`` on; whole, or not at all.

        Raises:
            FeaturesError: The disk is full or may not be written.
        """
        if self.folder is None:
            return
        try:
            with replacing(self._file(modality, start)) as temporary, temporary.open("wb") as file:
                np.save(file, embeddings)
        except OSError as error:  # NumPy's own, of a full disk, has no number and no file
            raise FeaturesError(
                f"{self.folder} cannot be written ({error.strerror or error}); make room or "
                "correct the permissions, and start the same command again: it continues"
            ) from error

    def _file(self, modality: Modality, start: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{modality}-{start:08d}.npy"


@contextmanager
def kept_chunks(
    out: Path | None, settings: Mapping[str, Any], files: Sequence[Path], *, batch: int
) -> Iterator[Chunks]:
    """Yield the chunks of an extraction to ``out``; they are removed when the block ends well.

    They lie beside ``out`` in a hidden folder whose name says what they were made of: other
    settings, another model, or files of other sizes or times of change start anew.

    Args:
        out: The features file to be; None keeps nothing.
        settings: All that decides the embeddings, as JSON holds it.
        files: The images, in their order.
        batch: Number of images that are embedded together.
    """
    if out is None:
        yield Chunks(None, batch)
        return
    digest = hashlib.sha256(json.dumps({**settings, "batch": batch}, sort_keys=True).encode())
    for file in files:
        status = file.stat()
        digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
    folder = out.with_name(f".{out.name}.{digest.hexdigest()[:16]}.chunks")
    for other in out.parent.glob(f".{out.name}.*.chunks"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    remove_leftovers_of(out)
    if folder.is_dir():
        remove_leftovers(folder)
    yield Chunks(folder, batch)
    shutil.rmtree(folder, ignore_errors=True)
