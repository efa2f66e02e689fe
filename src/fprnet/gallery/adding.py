"""Image files become records of a gallery: hashed, embedded if they are new, added in batches.

A run that was stopped goes on where it was: what is in the gallery is not embedded again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fprnet.data.image_doubts import DoubtCounter
from fprnet.data.images import map_in_order, read_with_facts
from fprnet.data.records import MODALITIES
from fprnet.embeddings.embedder import Embedder
from fprnet.errors import FprnetError
from fprnet.files import sha256
from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord, ImageFacts, ModelIdentity

__all__ = ["AddedImages", "add_images"]

CHUNK = 500  # images that are added, and therefore safe, together

Result = TypeVar("Result")


@dataclass(frozen=True)
class AddedImages:
    """What became of the images.

    Attributes:
        new: Records that are there now.
        updated: Records that were corrected.
        already: Images whose record was there and says the same, or more.
        hidden: How many of the records that were there are hidden, and stay so.
        unread: A sentence for each file that cannot be read as an image.
        differing: What a record says otherwise -> paths of the images that it is about, which were
            left out, too.
        doubts: A sentence for each kind of image that was added but looks odd.
    """

    new: int
    updated: int
    already: int
    hidden: int
    unread: tuple[str, ...]
    differing: Mapping[str, tuple[str, ...]]
    doubts: tuple[str, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence for each image that was not added, and is not there as it was given."""
        differing = (
            f"{path} is in the gallery with {what}; --update corrects it"
            for what, paths in self.differing.items()
            for path in paths
        )
        return (*self.unread, *differing)


def add_images(
    gallery: Gallery,
    embedder: Embedder,
    images: Sequence[ImageFacts],
    *,
    update: bool = False,
    by: str | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> AddedImages:
    """Add images to a gallery.

    Args:
        gallery: Writable.
        embedder: The gallery's model.
        images: Files; an image that occurs twice is one record, the first.
        update: Correct records that say something else; without it such images are left out.
        by: Who adds, for the audit log; None writes no entry.
        workers: Threads that decode; None is one for each core.
        progress: Show a bar on stderr.

    Raises:
        GalleryError: The gallery is another model's, or fails.
    """
    gallery.require(ModelIdentity.of(embedder))
    workers = workers or os.cpu_count() or 1
    new = updated = already = hidden = 0
    unread: list[str] = []
    differing: dict[str, list[str]] = {}
    doubts = DoubtCounter()
    with tqdm(total=len(images), desc="add", unit=" images", disable=not progress) as bar:
        for start in range(0, len(images), CHUNK):
            some = images[start : start + CHUNK]
            hashed = _outcomes(sha256, [Path(image.path) for image in some], workers, unread)
            records: dict[str, GalleryRecord] = {}
            for image, id in zip(some, hashed, strict=True):
                if id is not None and id in records:
                    already += 1
                elif id is not None:
                    path = str(Path(image.path).resolve())
                    if not _is_text(path):
                        unread.append(f"the name of {image.path} is not UTF-8; rename it")
                        continue
                    records[id] = GalleryRecord(**{**dict(image), "path": path}, id=id)
            planned = gallery.plan(list(records.values()), update=update)
            already += len(planned.already)
            hidden += len(planned.hidden)
            for id, text in planned.differing.items():
                differing.setdefault(text, []).append(records[id].path)
            wanted = [records[id] for id in (*planned.new, *planned.updated)]
            read = partial(read_with_facts, size=embedder.size, depth_range=embedder.depth_range)
            decoded = _outcomes(read, [Path(one.path) for one in wanted], workers, unread)
            ready = []
            for record, outcome in zip(wanted, decoded, strict=True):
                if outcome is not None:
                    ready.append((record, outcome[0]))
                    doubts.add(record.path or record.id, outcome[1], record.modality)
            if ready:
                ids = [record.id for record, _ in ready]
                entry = AuditEntry("add", by, "command line", images={"ids": ids})
                added = gallery.add(
                    _embed(embedder, ready),
                    [record for record, _ in ready],
                    update=update,
                    audit=() if by is None else (entry,),
                )
                new += len(added.new)
                updated += len(added.updated)
            bar.update(len(some))
    others = {text: tuple(paths) for text, paths in differing.items()}
    lines = tuple(doubts.lines())
    return AddedImages(new, updated, already, hidden, tuple(unread), others, lines)


def _outcomes(
    function: Callable[[Path], Result], paths: list[Path], workers: int, faults: list[str]
) -> list[Result | None]:
    """Apply a function to files; None and a sentence in ``faults`` for those where it fails."""

    def outcome(path: Path) -> tuple[Result | None, str]:
        try:
            return function(path), ""
        except FprnetError as error:
            return None, str(error)
        except OSError as error:
            return None, f"{path} cannot be read ({error.strerror}); check path and rights"

    results = []
    for result, fault in map_in_order(outcome, paths, workers):
        results.append(result)
        if fault:
            faults.append(fault)
    return results


def _is_text(path: str) -> bool:
    """Whether a path is what a database can keep; the names of old disks may be any bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


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
