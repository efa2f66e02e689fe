"""``POST /v1/search``: images or embeddings of a person become ranked matches."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray

from fprnet.gallery.answers import Answer
from fprnet.gallery.records import RECORD_ID
from fprnet.gallery.tracklets import tracklets_with
from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.answers import Match, QueryImage, SearchAnswer
from fprnet.serving.bodies import json_body, search_form
from fprnet.serving.callers import Caller
from fprnet.serving.images import Upload
from fprnet.serving.requests import SEARCH_ID, SearchByJson, SearchOptions
from fprnet.serving.searching import run_search, unit_rows, warnings_of
from fprnet.serving.service import Service
from fprnet.serving.sessions import RecentSearch
from fprnet.serving.uploads import media_type

__all__ = ["BODY", "router"]

router = APIRouter(tags=["search"])

BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["images"],
                "additionalProperties": False,
                "properties": {
                    "images": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 8,
                        "items": {"type": "string", "format": "binary"},
                        "description": "Image files, all of one person and one modality",
                    },
                    "options": {"$ref": "#/components/schemas/SearchOptions"},
                },
            },
            "encoding": {
                "images": {"contentType": "image/*"},
                "options": {"contentType": "application/json"},
            },
        },
        "application/json": {
            "schema": {"$ref": "#/components/schemas/SearchByJson"},
            "examples": {
                "refined": {
                    "summary": "An earlier search again, with a match that somebody confirmed",
                    "value": {"search": SEARCH_ID, "confirmed": [RECORD_ID], "top": 10},
                },
                "embedding": {
                    "summary": "An embedding, among the images of camera 3 by day",
                    "value": {
                        "embeddings": [[0.6, -0.8]],
                        "filters": {"cameras": [3], "modality": "visible"},
                    },
                },
            },
        },
    },
}


@dataclass(frozen=True)
class _Query:
    """What is searched for, and how long it took to make."""

    options: SearchOptions
    uploads: tuple[Upload, ...]
    embeddings: NDArray[np.float32]
    milliseconds: dict[str, float]


@router.post(
    "/v1/search",
    dependencies=[allowed("search")],
    responses=errors(400, 404, 408, 409, 413, 415, 422),
    openapi_extra={"requestBody": BODY},
)
async def search(request: Request, service: ServiceOf, caller: CallerOf) -> SearchAnswer:
    """Search the gallery for a person.

    Send images of one person as a form, or JSON with embeddings, or with the ``search`` of an
    earlier answer to search for the same images with other options.
    """
    async with service.audited(caller, "search") as entry:
        change = await service.ask(service.searcher.gallery.newest_change)
        query = await _query(request, service, caller)
        options = query.options
        hashes = [upload.sha256 for upload in query.uploads]
        entry.images["queries"] = hashes
        entry.images["confirmed"] = options.confirmed
        entry.details["embeddings"] = len(query.embeddings)
        entry.details["options"] = options.model_dump(
            mode="json", exclude={"embeddings", "search", "confirmed"}, exclude_defaults=True
        )
        started = time.perf_counter()
        found = await service.ask(lambda: run_search(service, query.embeddings, options))
        query.milliseconds["search"] = 1000 * (time.perf_counter() - started)
        entry.images["ids"] = [match.id for match in found.matches]
        recent = RecentSearch(
            owner=caller.name,
            modality=options.modality,
            uploads=query.uploads,
            embeddings=query.embeddings,
            change=change,
            similarities={match.id: match.similarity for match in found.matches},
        )
        matches = await service.ask(lambda: _matches(service, found, hashes, options.confirmed))
        answer = SearchAnswer(
            search=recent.id,
            modality=options.modality,
            queries=[_query_image(upload) for upload in query.uploads]
            or [QueryImage(name=f"embedding {i + 1}") for i in range(len(query.embeddings))],
            matches=matches,
            people=found.people,
            candidates=found.candidates,
            decision=found.decision,
            warnings=warnings_of(found),
            confirmed=options.confirmed,
            milliseconds=query.milliseconds,
        )
    service.searches.remember(recent)
    for stage, milliseconds in query.milliseconds.items():
        service.metrics.stages.labels(stage).observe(milliseconds / 1000)
    return answer


def _matches(
    service: Service, found: Answer, hashes: list[str], confirmed: list[str]
) -> list[Match]:
    """Return the matches with what the service knows of each."""
    marks = service.feedback.marks(hashes)
    tracklets = tracklets_with(service.searcher.gallery, [match.id for match in found.matches])
    return [
        Match.model_construct(
            **vars(match),
            confirmed=match.id in confirmed,
            marked=marks.get(match.id),
            tracklet=tracklets[match.id].id if match.id in tracklets else None,
            image=service.pictures.address(match),
        )
        for match in found.matches
    ]


async def _query(request: Request, service: Service, caller: Caller) -> _Query:
    if media_type(request) == "multipart/form-data":
        options, images = await search_form(request, service.settings)
        started = time.perf_counter()
        uploads = [
            await service.decode(content, name, options.modality) for name, content in images
        ]
        decoded = time.perf_counter()
        embeddings = await service.embed(uploads, options.modality)
        times = {
            "decode": 1000 * (decoded - started),
            "embed": 1000 * (time.perf_counter() - decoded),
        }
        return _Query(options, tuple(uploads), embeddings, times)
    by_json = await json_body(request, SearchByJson)
    if by_json.search is not None:
        name = by_json.search
        earlier = await service.ask(lambda: service.searches.find(name, caller.name))
        options = by_json.model_copy(update={"modality": earlier.modality})
        return _Query(options, earlier.uploads, earlier.embeddings, {})
    assert by_json.embeddings is not None
    size = service.searcher.embedder.embedding_size
    return _Query(by_json, (), unit_rows(by_json.embeddings, size), {})


def _query_image(upload: Upload) -> QueryImage:
    return QueryImage(
        name=upload.name,
        sha256=upload.sha256,
        width=upload.width,
        height=upload.height,
        warnings=list(upload.warnings),
    )
