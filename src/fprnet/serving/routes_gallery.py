"""``/v1/gallery``: what is in it, adding, showing, hiding and erasing images."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.types import Receive, Scope, Send

from fprnet.gallery.records import RECORD_ID, GalleryRecord
from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.adding import add_images
from fprnet.serving.answers import (
    Added,
    Changed,
    Erased,
    GalleryFacts,
    Limits,
    Problem,
    Record,
)
from fprnet.serving.bodies import json_body
from fprnet.serving.callers import Caller
from fprnet.serving.problems import any_problem
from fprnet.serving.requests import MOST_MATCHES, MOST_QUERIES, Correction
from fprnet.serving.service import Noted, Service

__all__ = ["router"]

router = APIRouter(prefix="/v1/gallery", tags=["gallery"])
NDJSON = "application/x-ndjson"
IdOf = Annotated[
    str, Path(pattern=r"^[0-9a-f]{64}$", description="Of the record", examples=[RECORD_ID])
]

UPLOAD: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["metadata", "image"],
                "additionalProperties": False,
                "properties": {
                    "metadata": {"$ref": "#/components/schemas/AddMetadata"},
                    "image": {"type": "string", "format": "binary"},
                },
                "description": "Repeat the pair of a part metadata and a part image for each image",
            },
            "encoding": {
                "metadata": {"contentType": "application/json"},
                "image": {"contentType": "image/*"},
            },
        }
    },
}
CORRECTION: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/Correction"},
            "examples": {
                "hide": {"summary": "Searches no longer find it", "value": {"hidden": True}},
                "correct": {
                    "summary": "Another camera, and nobody known",
                    "value": {"camera": 4, "identity": None},
                },
            },
        }
    },
}


@router.get("", dependencies=[allowed("search")], responses=errors())
async def facts(service: ServiceOf) -> GalleryFacts:
    """Say what is in the gallery: what a form of filters offers, and what the service accepts."""
    info = await service.ask(service.facts)
    settings = service.settings
    return GalleryFacts(
        records=info.records,
        hidden=info.hidden,
        identities=info.known_identities,
        tracklets=info.tracklets,
        anonymous_identities=info.anonymous_identities,
        cameras=list(info.cameras),
        locations=list(info.locations),
        modalities=list(info.modalities),
        since=info.first,
        until=info.last,
        model=info.model.checkpoint_sha256,
        preset=info.model.preset,
        embedding_size=info.model.embedding_size,
        index=info.index,
        recall=info.recall,
        calibrated=service.searcher.calibration is not None,
        writable=service.searcher.gallery.writable,
        limits=Limits(
            images_per_search=MOST_QUERIES,
            bytes_per_image=settings.image_bytes,
            pixels_per_image=settings.image_pixels,
            images_per_upload=settings.upload_images,
            matches=MOST_MATCHES,
        ),
    )


@router.post(
    "/images",
    dependencies=[allowed("add")],
    responses={
        200: {
            "description": "One line for each image, an object ``Added``, as soon as it is stored",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        },
        **errors(400, 408, 413, 415, 422),
    },
    openapi_extra={"requestBody": UPLOAD},
    response_class=Response,
)
async def add(request: Request, service: ServiceOf, caller: CallerOf) -> Response:
    """Add images; each is acknowledged by a line of the answer when it is on the disk.

    An image that the gallery has already, with other facts, is refused, or its record corrected
    where ``update`` says so. One that cannot be used is refused and
    the others go on. If the body itself breaks off, the last line says so; send again what was not
    acknowledged.
    """
    service.writable_gallery()
    lines = add_images(request, service, caller)
    # A body that is wrong from the start still gets the status that it deserves.
    first = await anext(lines)
    return _Lines(first, lines)


@router.get("/images/{id}", dependencies=[allowed("search")], responses=errors(404, 422))
async def record(id: IdOf, service: ServiceOf) -> Record:
    """Say what the gallery knows about an image."""
    [found] = await service.ask(lambda: service.searcher.gallery.get([id]))
    return await service.ask(lambda: _shown(service, found))


@router.get(
    "/images/{id}/content",
    dependencies=[allowed("search")],
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already"},
        **errors(404, 422),
    },
    response_class=Response,
)
async def content(
    id: IdOf,
    service: ServiceOf,
    request: Request,
    height: Annotated[int, Query(ge=16, le=2048, description="Pixels, at most")] = 256,
) -> Response:
    """Show an image, drawn anew as a JPEG."""
    [found] = await service.ask(lambda: service.searcher.gallery.get([id]))
    tag = f'"{hashlib.sha256(f"{id} {height}".encode()).hexdigest()[:16]}"'
    # A browser asks each time whether the image is still there: it may have been erased.
    headers = {"Cache-Control": "private, no-cache", "ETag": tag}
    address = await service.ask(lambda: service.pictures.address(found))
    if request.headers.get("if-none-match") == tag and address:
        return Response(status_code=304, headers=headers)
    picture = await service.ask(lambda: service.pictures.jpeg(found, height))
    return Response(picture, media_type="image/jpeg", headers=headers)


@router.patch(
    "/images/{id}",
    dependencies=[allowed("hide")],
    responses=errors(400, 404, 408, 409, 413, 415, 422),
    openapi_extra={"requestBody": CORRECTION},
)
async def correct(id: IdOf, request: Request, service: ServiceOf, caller: CallerOf) -> Changed:
    """Hide a record from searches, show it again, or correct what it says."""
    asked = await json_body(request, Correction)
    service.writable_gallery()
    gallery = service.searcher.gallery
    [before] = await service.ask(lambda: gallery.get([id]))
    hidden = id in await service.ask(lambda: gallery.hidden([id]))
    moved = 0
    if values := asked.values:
        await _correct(service, caller, before, values)
    if asked.hidden is not None:
        move = gallery.remove if asked.hidden else gallery.restore
        noted = Noted(images={"ids": [id]})
        event = "hide" if asked.hidden else "show"
        moved = await service.change(caller, event, noted, lambda audit: move([id], audit=audit))
        hidden = asked.hidden
    service.facts.forget()
    [after] = await service.ask(lambda: gallery.get([id]))
    record = await service.ask(lambda: _shown(service, after))
    return Changed(id=id, hidden=hidden, changed=bool(moved) or after != before, record=record)


@router.delete("/images/{id}", dependencies=[allowed("erase")], responses=errors(404, 422))
async def erase(id: IdOf, service: ServiceOf, caller: CallerOf) -> Erased:
    """Erase an image for good: record, embedding, the service's copies, and feedback about it.

    Searches from before are forgotten. A query image that was kept with feedback is erased, too.

    The gallery's file is written anew, so this takes a while where there are many. Files outside
    the service's own folder stay where they are.
    """
    service.writable_gallery()
    noted = Noted(images={"ids": [id]})
    # Two entries: should the process die in between, the log still says that somebody tried.
    await service.record(caller, noted.entry(caller, "erase", "begun"))
    image = await service.change(
        caller, "erase", Noted(details={"records": 1}), lambda audit: service.erase([id], audit)
    )
    return Erased(id=id, image_erased=image)


async def _correct(
    service: Service, caller: Caller, record: GalleryRecord, values: dict[str, Any]
) -> None:
    """Change what a record says; another modality needs the image, which is embedded anew."""
    gallery = service.searcher.gallery
    embedding = None
    modality = values.get("modality", record.modality)
    if modality != record.modality:
        content = await service.ask(lambda: service.pictures.content(record))
        upload = await service.decode(content, record.id[:12], modality)
        embedding = await service.embed_patiently([upload], modality)
    noted = Noted(details={"fields": sorted(values)}, images={"ids": [record.id]})
    await service.change(
        caller,
        "correct",
        noted,
        lambda audit: gallery.correct(record.id, values, embedding=embedding, audit=audit),
    )


def _shown(service: Service, record: GalleryRecord) -> Record:
    return Record.model_construct(**vars(record), image=service.pictures.address(record))


class _Lines(Response):
    """An answer that is written line by line while the request's body is still being read.

    Starlette's StreamingResponse reads the connection to notice that the client has gone, which
    would take the body away from its reader.
    """

    media_type = NDJSON

    def __init__(self, first: Added, rest: AsyncGenerator[Added]) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Lines wait here, not in their maker: a client that only reads once all is sent would
        # otherwise stop the reading of what it sends.
        waiting: asyncio.Queue[Added | None] = asyncio.Queue()
        await waiting.put(self._first)
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        maker = asyncio.create_task(self._make(waiting))
        try:
            while (line := await waiting.get()) is not None:
                body = line.model_dump_json().encode() + b"\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await maker
        finally:
            maker.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _make(self, waiting: asyncio.Queue[Added | None]) -> None:
        index = self._first.index + 1
        try:
            async with aclosing(self._rest) as rest:
                async for line in rest:
                    await waiting.put(line)
                    index = line.index + 1
        except Exception as error:  # the status has left already, so the last line says it
            problem = Problem(**any_problem(error).as_dict())
            await waiting.put(Added(index=index, name=None, status="refused", error=problem))
        finally:
            await waiting.put(None)
