"""``/v1/tracklets``: what cameras saw of one person each, and which of them show one person."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from fprnet.gallery.tracklet_search import TrackletAnswer, search_tracklets
from fprnet.gallery.tracklets import (
    TrackletRecord,
    get_tracklets,
    latest_tracklets,
    tracklet_path,
)
from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.bodies import json_body
from fprnet.serving.requests import MAX_NUMBER, TrackletSearch
from fprnet.tracklets import PathPoint

__all__ = ["NumberOf", "router"]

router = APIRouter(prefix="/v1/tracklets", tags=["tracklets"])
NumberOf = Annotated[int, Path(ge=1, le=MAX_NUMBER, examples=[17])]
SEARCH = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/TrackletSearch"},
            "example": {"tracklet": 17, "top": 10},
        }
    },
}


class Tracklets(BaseModel):
    """A page of tracklets, the newest first."""

    model_config = ConfigDict(extra="forbid")

    tracklets: list[TrackletRecord]
    before: int | None = Field(description="Asks for the next page; null: this is the last")


class TrackletDetails(TrackletRecord):
    """A tracklet, and where in the frame the person was."""

    path: tuple[PathPoint, ...] = Field(description="Boxes in the order of time, 0 to 1")


@router.get("", dependencies=[allowed("search")], responses=errors(422))
async def tracklets(
    service: ServiceOf,
    before: Annotated[
        int | None, Query(ge=1, le=MAX_NUMBER, description="Only those added before that one")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many")] = 50,
) -> Tracklets:
    """List tracklets, the newest first."""
    gallery = service.searcher.gallery
    found = await service.ask(lambda: latest_tracklets(gallery, before=before, limit=limit))
    more = found[-1].id if len(found) == limit else None
    return Tracklets(tracklets=found, before=more)


@router.get("/{number}", dependencies=[allowed("search")], responses=errors(404, 422))
async def tracklet(number: NumberOf, service: ServiceOf) -> TrackletDetails:
    """Say what the gallery knows about a tracklet; its crops are images of the gallery."""
    gallery = service.searcher.gallery
    [found] = await service.ask(lambda: get_tracklets(gallery, [number]))
    path = await service.ask(lambda: tracklet_path(gallery, number))
    return TrackletDetails.model_construct(**vars(found), path=path)


@router.post(
    "/search",
    dependencies=[allowed("search")],
    responses=errors(400, 404, 408, 409, 413, 415, 422),
    openapi_extra={"requestBody": SEARCH},
)
async def search(request: Request, service: ServiceOf, caller: CallerOf) -> TrackletAnswer:
    """Find the tracklets that show the person of a tracklet, or of an earlier search's images."""
    asked = await json_body(request, TrackletSearch)
    gallery = service.searcher.gallery
    async with service.audited(caller, "search tracklets") as entry:
        entry.details["options"] = asked.model_dump(mode="json", exclude_defaults=True)
        if asked.search is not None:
            name = asked.search
            earlier = await service.ask(lambda: service.searches.find(name, caller.name))
            vectors, modality, without = earlier.embeddings, earlier.modality, None
            entry.images["queries"] = [upload.sha256 for upload in earlier.uploads]
        else:
            assert asked.tracklet is not None
            number = asked.tracklet
            [query] = await service.ask(lambda: get_tracklets(gallery, [number]))
            ids = [crop.id for crop in query.crops]
            vectors = await service.ask(lambda: gallery.embeddings(ids))
            modality, without = query.modality, query.id
        await service.ask(lambda: gallery.check_filters(asked.filters))
        answer = await service.ask(
            lambda: search_tracklets(
                service.searcher,
                vectors,
                modality,
                filters=asked.filters,
                top=asked.top,
                false_match_rate=asked.false_match_rate,
                without=without,
            )
        )
        entry.images["ids"] = [match.best for match in answer.matches]
    return answer
