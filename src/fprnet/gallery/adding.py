"""Image files become records of a gallery: hashed, embedded if they are new, added in batches.

A run that was stopped goes on where it was: what is in the gallery is not embedded again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fprnet.data.images import map_in_order, read_image
from fprnet.data.records import MODALITIES
from fprnet.embeddings.embedder import Embedder
from fprnet.errors import DataError
from fprnet.files import sha256
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord, ModelIdentity
from fprnet.gallery.sources import SourceImage

__all__ = ["AddedImages", "add_images"]

CHUNK = 500  # images that are added, and therefore safe, together

Result = TypeVar("Result")


@dataclass(frozen=True)
class AddedImages:
    """What became of the images.

    Attributes:
        new: Records that are there now.
        already: Images whose record was there.
        hidden: How many of ``already`` are hidden, and stay so.
        unreadable: A sentence for each file that is no image, or a damaged one; the others were
            added.
    """

    new: int
    already: int
    hidden: int
    unreadable: tuple[str, ...]


def add_images(
    gallery: Gallery,
    embedder: Embedder,
    images: Sequence[SourceImage],
    *,
    workers: int | None = None,
    progress: bool = True,
) -> AddedImages:
    """Add images to a gallery.

    Args:
        gallery: Writable.
        embedder: Its model.
        images: Files; an image that occurs twice is one record, the first.
        workers: Threads that decode; None is one for each core.
        progress: Show a bar on stderr.

    Raises:
        GalleryError: The gallery is another model's, or fails.
    """
    gallery.require(ModelIdentity.of(embedder))
    workers = workers or os.cpu_count() or 1
    new = already = hidden = 0
    unreadable: list[str] = []
    with tqdm(total=len(images), desc="add", unit=" images", disable=not progress) as bar:
        for start in range(0, len(images), CHUNK):
            some = images[start : start + CHUNK]
            hashed = _outcomes(sha256, [image.path for image in some], workers, unreadable)
            first: dict[str, SourceImage] = {}
            for image, id in zip(some, hashed, strict=True):
                if id is not None:
                    first.setdefault(id, image)
            there = gallery.known(first)
            hidden += len(gallery.hidden(there))
            wanted = {id: image for id, image in first.items() if id not in there}
            already += sum(id is not None for id in hashed) - len(wanted)
            read = partial(read_image, size=embedder.size)
            decoded = _outcomes(
                read, [image.path for image in wanted.values()], workers, unreadable
            )
            ready = [
                (_record(id, image), pixels)
                for (id, image), pixels in zip(wanted.items(), decoded, strict=True)
                if pixels is not None
            ]
            if ready:
                embeddings = _embed(embedder, ready)
                new += gallery.add(embeddings, [record for record, _ in ready]).new
            bar.update(len(some))
    return AddedImages(new, already, hidden, tuple(unreadable))


def _outcomes(
    function: Callable[[Path], Result], paths: list[Path], workers: int, faults: list[str]
) -> list[Result | None]:
    """Apply a function to files; None and a sentence in ``faults`` for those where it fails."""

    def outcome(path: Path) -> tuple[Result | None, str]:
        try:
            return function(path), ""
        except DataError as error:
            return None, str(error)
        except OSError as error:
            return None, f"{path} cannot be read ({error.strerror}); check path and rights"

    results = []
    for result, fault in map_in_order(outcome, paths, workers):
        results.append(result)
        if fault:
            faults.append(fault)
    return results


def _record(id: str, image: SourceImage) -> GalleryRecord:
    return GalleryRecord(
        id=id,
        path=str(image.path.resolve()),
        modality=image.modality,
        camera=image.camera,
        location=image.location,
        timestamp=image.timestamp,
        identity=image.identity,
    )


def _embed(
    embedder: Embedder, ready: Sequence[tuple[GalleryRecord, NDArray[np.uint8]]]
) -> NDArray[np.float32]:
    """Return ``(n, D)`` embeddings, each modality through its own stream."""
    embeddings = np.empty((len(ready), embedder.embedding_size), dtype=np.float32)
    for modality in MODALITIES:
        rows = [row for row, (record, _) in enumerate(ready) if record.modality == modality]
        if rows:
            pixels = np.stack([ready[row][1] for row in rows])
            embeddings[rows] = embedder.embed(pixels, modality)
    return embeddings
