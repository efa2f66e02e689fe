"""A model and a folder, or a data set, become features; what was done before a kill is kept.

Shapes: N images of H x W pixels; D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from fprnet.config import config_as_dict
from fprnet.cores import available_cores
from fprnet.data.cache import open_cache
from fprnet.data.image_doubts import DoubtCounter
from fprnet.data.image_formats import find_images
from fprnet.data.images import map_in_order, read_with_facts
from fprnet.data.records import MODALITIES, Modality, Records
from fprnet.embeddings.backend import Embeddings, Pixels
from fprnet.embeddings.chunks import Chunks, kept_chunks
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.extract import batch_size_for, embed_stream, features_of, row_batches
from fprnet.embeddings.store import Features

__all__ = ["Change", "extract_data_set", "extract_folder"]


class Change(Protocol):
    """What is done to images before they are embedded; it must not depend on their order."""

    def __call__(self, image: Pixels, path: str, modality: Modality) -> Pixels:
        """Return the changed image ``(H, W, 3)``."""

    def as_dict(self) -> dict[str, Any]:
        """Return what the features file says about it."""


def extract_data_set(
    embedder: Embedder,
    records: Records,
    *,
    identities: Sequence[int] | None = None,
    flip: bool = False,
    cache: Path | None = None,
    resume: Path | None = None,
    change: Change | None = None,
) -> Features:
    """Embed a data set, through its cache of resized images.

    Args:
        embedder: The model.
        records: All images of the data set, because the cache is of all of them.
        identities: Whose images; None is everybody's.
        flip: Average with the mirror image.
        cache: Folder of the cache; None is ROOT/.fprnet-cache.
        resume: The features file to be, beside which finished parts are kept until the end; the
            same call after a kill continues from them. None keeps nothing.
        change: Changes the resized images before they are embedded, e.g. a corruption.

    Raises:
        DataError: Images are missing or cannot be read.
    """
    images = open_cache(
        records,
        embedder.size,
        depth_range=embedder.depth_range,
        folder=cache,
        workers=available_cores(),
    )
    rows = np.arange(len(records))
    if identities is not None:
        rows = np.flatnonzero(np.isin(records.identity, np.asarray(identities)))
    chosen, meta = records.where(rows), _meta(embedder, flip)
    if change is not None:
        meta = {**meta, "change": change.as_dict()}
    features = np.empty((len(rows), embedder.embedding_size), dtype=np.float32)
    files, batch = chosen.files() if resume else (), batch_size_for(embedder.size)
    with kept_chunks(resume, meta, files, batch=batch) as chunks:
        for modality in MODALITIES:
            mine = np.flatnonzero(chosen.modality == modality)

            def batches(
                start: int,
                mine: Any = rows[mine],  # noqa: ANN401
                modality: Modality = modality,
            ) -> Iterator[Pixels]:
                batches = row_batches(images, mine[start:])
                if change is None:
                    return batches
                return _changed(batches, records.path[mine[start:]].tolist(), modality, change)

            if len(mine):
                features[mine] = _embed(embedder, batches, len(mine), modality, flip, chunks)
    return features_of(chosen, features, meta)


def extract_folder(
    embedder: Embedder,
    folder: Path,
    modality: Modality,
    *,
    files: Sequence[Path] | None = None,
    flip: bool = False,
    resume: Path | None = None,
) -> Features:
    """Embed all images under a folder, of one modality; identity and camera stay unknown (-1).

    Images are decoded and resized while others are embedded, and only a few of them are in memory
    at a time. Nothing is written into the folder.

    Args:
        embedder: The model.
        folder: Where the images are.
        files: Those that are meant; None is all under the folder.
        modality: Modality of all images.
        flip: Average with the mirror image.
        resume: See `extract_data_set`.

    Raises:
        DataError: There is no image, or one cannot be read.
    """
    files = find_images(folder) if files is None else files
    unknown, meta = np.full(len(files), -1, dtype=np.int64), _meta(embedder, flip)

    doubts = DoubtCounter()

    def batches(start: int) -> Iterator[Pixels]:
        return _file_batches(files[start:], embedder, modality, doubts)

    settings, batch = {**meta, "modality": modality}, batch_size_for(embedder.size)
    with kept_chunks(resume, settings, files if resume else (), batch=batch) as chunks:
        features = _embed(embedder, batches, len(files), modality, flip, chunks)
    doubts.print_lines()
    return Features(
        features=features,
        identity=unknown,
        camera=unknown,
        modality=np.full(len(files), modality),
        path=np.array([file.relative_to(folder).as_posix() for file in files]),
        meta=meta,
    )


def _embed(
    embedder: Embedder,
    batches_from: Callable[[int], Iterator[Pixels]],
    images: int,
    modality: Modality,
    flip: bool,
    chunks: Chunks,
) -> Embeddings:
    """Return ``(N, D)``, from finished chunks as far as there are, else from batches."""
    embeddings = np.empty((images, embedder.embedding_size), dtype=np.float32)
    done = 0
    for chunk in chunks.finished(modality, images):
        embeddings[done : done + len(chunk)] = chunk
        done += len(chunk)
    kept = done
    if done == images:
        return embeddings
    stream = embed_stream(
        embedder.backend, batches_from(done), modality, flip=flip, bulk=images > 1
    )
    with tqdm(total=images, initial=done, desc=f"embed {modality}", unit="image") as bar:
        for some in stream:
            embeddings[done : done + len(some)] = some
            done += len(some)
            bar.update(len(some))
            while done - kept >= chunks.images or (done == images and kept < done):
                upto = min(kept + chunks.images, done)
                chunks.keep(modality, kept, embeddings[kept:upto])
                kept = upto
    return embeddings


def _changed(
    batches: Iterator[Pixels], paths: Sequence[str], modality: Modality, change: Change
) -> Iterator[Pixels]:
    """Change every image of the batches, which come in the order of the paths."""
    done = 0
    for batch in batches:
        pairs = zip(batch, paths[done : done + len(batch)], strict=True)
        yield np.stack([change(image, path, modality) for image, path in pairs])
        done += len(batch)


def _file_batches(
    files: Sequence[Path], embedder: Embedder, modality: Modality, doubts: DoubtCounter
) -> Iterator[Pixels]:
    """Decode files in parallel, a few batches ahead of whoever takes them."""
    read = partial(read_with_facts, size=embedder.size, depth_range=embedder.depth_range)
    images = map_in_order(read, files, available_cores())
    names = iter(files)
    while some := list(islice(images, batch_size_for(embedder.size))):
        for _, facts in some:
            doubts.add(next(names).name, facts, modality)
        yield np.stack([pixels for pixels, _ in some])


def _meta(embedder: Embedder, flip: bool) -> dict[str, Any]:
    """Return what the features file says about its making."""
    return {
        "model": embedder.about,
        "trained_on": list(embedder.trained_on),
        "config": config_as_dict(embedder.config),
        "flip": flip,
        "runtime": embedder.backend.runtime,
        "precision": embedder.backend.precision,
        "versions": {
            name: version(name)
            for name in ("fprnet", "numpy", embedder.backend.runtime.replace("pytorch", "torch"))
        },
    }
