"""A stream of images and what is known about them becomes records, a few at a time.

While a batch is embedded and stored the next images arrive. An image is acknowledged when its
record is on the disk: whatever was not acknowledged can be sent again, the same image is the same
record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from fprnet.data.records import MODALITIES, Modality
from fprnet.errors import FprnetError
from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.records import Added as GalleryAdded
from fprnet.gallery.records import GalleryRecord
from fprnet.serving.answers import Added, Problem
from fprnet.serving.bodies import parsed, unknown_part
from fprnet.serving.callers import Caller
from fprnet.serving.images import Upload
from fprnet.serving.problems import ProblemError, any_problem
from fprnet.serving.requests import AddMetadata
from fprnet.serving.service import Noted, Service, shutting_down
from fprnet.serving.uploads import Part, parts

__all__ = ["add_images"]

PAIRS = "parts 'metadata' (JSON) and 'image' (file), in pairs"
FACTS = ("modality", "camera", "location", "time", "identity")
AT_ONCE = 32  # images of a batch; twice as many may have arrived


@dataclass(frozen=True)
class _Sent:
    """An image as it arrived."""

    index: int
    name: str | None
    metadata: AddMetadata | ProblemError
    content: bytes


async def add_images(request: Request, service: Service, caller: Caller) -> AsyncGenerator[Added]:
    """Yield what became of each image, in order, as soon as it is known.

    Args:
        request: Multipart; parts ``metadata`` and ``image`` in pairs. Not yet read.
        service: With a writable gallery.
        caller: For the audit log.

    Raises:
        ProblemError: The body cannot be read on. What was acknowledged stays.
    """
    arrived: asyncio.Queue[_Sent | Exception | None] = asyncio.Queue(2 * AT_ONCE)
    reader = asyncio.create_task(_read(request, service, arrived))
    try:
        end: Exception | None = None
        more = True
        while more:
            batch: list[_Sent] = []
            while more and len(batch) < AT_ONCE and (not batch or not arrived.empty()):
                item = await arrived.get()
                if isinstance(item, _Sent):
                    batch.append(item)
                else:
                    end, more = item, False
            if batch:
                for line in await _add_batch(batch, service, caller):
                    yield line
        if end is not None:
            raise end
    finally:
        reader.cancel()


async def _read(
    request: Request, service: Service, arrived: asyncio.Queue[_Sent | Exception | None]
) -> None:
    """Put the images into the queue, and at last None, or the error that ended the body."""
    try:
        async for sent in _images(request, service):
            await arrived.put(sent)
    except Exception as error:  # nobody awaits this task: whatever ends it has to be handed over
        await arrived.put(error)
    else:
        await arrived.put(None)


async def _images(request: Request, service: Service) -> AsyncIterator[_Sent]:
    settings = service.settings
    metadata: AddMetadata | ProblemError | None = None
    image: Part | None = None
    index = 0
    async for part in parts(request, most=None, most_by_part=settings.image_bytes):
        if part.name == "metadata" and metadata is None:
            try:
                metadata = parsed(part.content, AddMetadata, "part 'metadata'")
            except ProblemError as error:
                metadata = error  # of this image only
        elif part.name == "image" and image is None:
            image = part
        else:
            raise unknown_part(part, PAIRS)
        if metadata is None or image is None:
            continue
        if index >= settings.upload_images:
            raise ProblemError(
                413,
                "too_many_images",
                f"there are more than {settings.upload_images} images",
                "send the others in another request",
            )
        yield _Sent(index, image.file, metadata, image.content)
        metadata = image = None
        index += 1
    if image is not None:
        raise ProblemError(422, "invalid", "an image has no part 'metadata'", f"send {PAIRS}")
    if metadata is not None or index == 0:
        message = "there is no image" if metadata is None else "a part 'metadata' has no image"
        raise ProblemError(422, "image_missing", message, f"send {PAIRS}")


async def _add_batch(batch: list[_Sent], service: Service, caller: Caller) -> list[Added]:
    lines: dict[int, Added] = {}
    uploads: dict[int, Upload] = {}
    details: dict[int, AddMetadata] = {}
    for sent in batch:
        try:
            if isinstance(sent.metadata, ProblemError):
                raise sent.metadata
            name = sent.name or f"image {sent.index}"
            uploads[sent.index] = await service.decode(sent.content, name, sent.metadata.modality)
            details[sent.index] = sent.metadata
        except ProblemError as error:
            lines[sent.index] = _refused(sent, error)
    try:
        added = await _store(uploads, details, service, caller)
    except (FprnetError, OSError) as error:
        for sent in batch:
            if sent.index in uploads:
                lines[sent.index] = _refused(sent, any_problem(error))
    else:
        for sent in batch:
            if (upload := uploads.get(sent.index)) is not None:
                lines[sent.index] = _answered(sent, upload, added)
    for line in lines.values():
        service.metrics.images.labels(line.status).inc()
    return [lines[sent.index] for sent in batch]


@dataclass(frozen=True)
class _Stored:
    """What became of a batch: position -> "added" or "updated", id -> what differs."""

    status: dict[int, Literal["added", "updated"]]
    differing: dict[str, str]


async def _store(
    uploads: dict[int, Upload],
    details: dict[int, AddMetadata],
    service: Service,
    caller: Caller,
) -> _Stored:
    """Embed and store images.

    Raises:
        FprnetError: Nothing was acknowledged; whatever was stored is found again as known.
    """
    status: dict[int, Literal["added", "updated"]] = {}
    differing: dict[str, str] = {}
    if not uploads:
        return _Stored(status, differing)
    if not service.accepting:
        raise shutting_down()
    gallery = service.searcher.gallery
    for update in (False, True):
        first: dict[str, int] = {}  # the same image may come twice
        for index, upload in uploads.items():
            if details[index].update == update:
                first.setdefault(upload.sha256, index)
        if not first:
            continue
        places = {
            i: service.pictures.place(uploads[i].sha256, uploads[i].content) for i in first.values()
        }
        records = {
            id: _record(id, details[index], str(places[index])) for id, index in first.items()
        }
        chosen = list(records.values())
        planned = await service.ask(lambda: gallery.plan(chosen, update=update))  # noqa: B023
        wanted = [first[id] for id in (*planned.new, *planned.updated)]
        embeddings = await _embed([(uploads[i], details[i].modality) for i in wanted], service)

        def write(audit: Sequence[AuditEntry]) -> GalleryAdded:
            wanted_records = [records[uploads[i].sha256] for i in wanted]  # noqa: B023
            others = first.keys() - {record.id for record in wanted_records}  # noqa: B023
            with ExitStack() as copies:
                for record in (*wanted_records, *gallery.get(sorted(others))):
                    if service.pictures.address(record) is None:
                        content = uploads[first[record.id]].content  # noqa: B023
                        copies.enter_context(service.pictures.keeping(record.id, content))
                return gallery.add(embeddings, wanted_records, update=update, audit=audit)  # noqa: B023

        noted = Noted(images={"ids": [uploads[i].sha256 for i in wanted]})
        added = await service.change(caller, "add", noted, write)
        status |= {first[id]: "added" for id in added.new}
        status |= {first[id]: "updated" for id in added.updated}
        differing |= {**planned.differing, **added.differing}
    return _Stored(status, differing)


async def _embed(images: list[tuple[Upload, Modality]], service: Service) -> NDArray[np.float32]:
    """Return ``(n, D)`` embeddings of images of both modalities, in order."""
    embeddings = np.empty((len(images), service.searcher.embedder.embedding_size), np.float32)
    for modality in MODALITIES:
        rows = [row for row, (_, of) in enumerate(images) if of == modality]
        if rows:
            embeddings[rows] = await service.embed_patiently(
                [images[row][0] for row in rows], modality
            )
    return embeddings


def _record(id: str, about: AddMetadata, place: str) -> GalleryRecord:
    facts = {name: getattr(about, name) for name in FACTS}
    return GalleryRecord(id=id, path=about.path or place, **facts)


def _answered(sent: _Sent, upload: Upload, stored: _Stored) -> Added:
    differs = stored.differing.get(upload.sha256)
    if differs is not None and sent.index not in stored.status:
        problem = ProblemError(
            409,
            "record_differs",
            f"the gallery has this image with {differs}",
            'send it with "update": true to correct the record',
        )
        return _refused(sent, problem)
    return Added(
        index=sent.index,
        name=sent.name,
        status=stored.status.get(sent.index, "known"),
        id=upload.sha256,
        warnings=list(upload.warnings),
    )


def _refused(sent: _Sent, error: ProblemError) -> Added:
    problem = Problem(**error.as_dict())
    return Added(index=sent.index, name=sent.name, status="refused", error=problem)
