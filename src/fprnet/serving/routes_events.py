"""``/v1/events`` and ``/v1/watch-list``: who of the list was seen, as a list or as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from fprnet.events.outbox import Event, last_event, latest_events
from fprnet.events.watch_list import Watched, unwatch, watch_for, watch_list
from fprnet.gallery.records import NAME_PATTERN
from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import MAX_NUMBER
from fprnet.serving.service import Noted, Service

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["events"])
LOOK_EVERY = 0.5  # seconds between looks for new events
BEAT_EVERY = 15.0  # seconds of silence after which a comment keeps the connection open
LONGEST = 3600.0  # seconds; a client comes back with Last-Event-ID
MAX_STREAMS = 50
Identity = Annotated[str, Path(pattern=NAME_PATTERN, examples=["0012"])]


class Events(BaseModel):
    """A page of events, in the order of their numbers."""

    model_config = ConfigDict(extra="forbid")

    events: list[Event]


class WatchList(BaseModel):
    """Whose next tracklet is an event."""

    model_config = ConfigDict(extra="forbid")

    identities: list[Watched]


@router.get("/events", dependencies=[allowed("search")], responses=errors(422))
async def events(
    service: ServiceOf,
    after: Annotated[
        int | None,
        Query(ge=0, le=MAX_NUMBER, description="Only events of larger numbers, oldest first"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many")] = 50,
) -> Events:
    """List events: the newest ones, or those after a number."""
    gallery = service.searcher.gallery
    found = await service.ask(lambda: latest_events(gallery, after=after, limit=limit))
    return Events(events=found)


@router.get(
    "/events/stream",
    dependencies=[allowed("search")],
    response_class=StreamingResponse,
    responses={
        200: {"description": "Server-sent events", "content": {"text/event-stream": {}}},
        **errors(422, 429),
    },
)
async def stream(
    request: Request,
    service: ServiceOf,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=MAX_NUMBER, description="Number of the last event that was received"),
    ] = None,
) -> StreamingResponse:
    """Send events as they come, as server-sent events.

    The field ``id`` is the event's number, ``data`` the event as JSON. Without ``Last-Event-ID`` it
    begins with the next one. A stream ends after an hour, or with the service.
    """
    if service.streams >= MAX_STREAMS:
        raise ProblemError(
            429,
            "too_many_streams",
            f"{MAX_STREAMS} streams of events are open",
            "close one, or ask /v1/events instead",
            {"Retry-After": "10"},
        )
    gallery = service.searcher.gallery
    after = last_event_id
    if after is None:
        after = await service.ask(lambda: last_event(gallery))
    return StreamingResponse(
        _lines(request, service, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _lines(request: Request, service: Service, after: int) -> AsyncIterator[str]:
    gallery = service.searcher.gallery
    clock = asyncio.get_running_loop().time
    end, beat = clock() + LONGEST, clock()
    service.streams += 1
    try:
        yield f"retry: {int(2000 * LOOK_EVERY)}\n\n"
        while service.accepting and clock() < end and not await request.is_disconnected():
            since = after
            # One at a time: a slow client must not get later ones that were erased meanwhile.
            found = await service.ask(lambda: latest_events(gallery, after=since, limit=1))  # noqa: B023
            for event in found:
                yield f"id: {event.number}\nevent: match\ndata: {event.model_dump_json()}\n\n"
                after, beat = event.number, clock()
            if clock() - beat > BEAT_EVERY:
                yield ": still here\n\n"
                beat = clock()
            if not found:
                await asyncio.sleep(LOOK_EVERY)
    finally:
        service.streams -= 1


@router.get("/watch-list", dependencies=[allowed("search")])
async def watched(service: ServiceOf) -> WatchList:
    """List whose next tracklet is an event."""
    gallery = service.searcher.gallery
    return WatchList(identities=await service.ask(lambda: watch_list(gallery)))


@router.put("/watch-list/{identity}", dependencies=[allowed("group")], responses=errors(404, 422))
async def put(identity: Identity, service: ServiceOf, caller: CallerOf) -> Watched:
    """Put an identity on the watch list; one that is there stays as it is."""
    gallery = service.writable_gallery()
    return await service.change(
        caller,
        "watch",
        Noted(),
        lambda audit: watch_for(gallery, identity, by=caller.name, audit=audit),
    )


@router.delete(
    "/watch-list/{identity}",
    dependencies=[allowed("group")],
    responses=errors(404, 422),
    status_code=204,
)
async def take_off(identity: Identity, service: ServiceOf, caller: CallerOf) -> None:
    """Take an identity off the watch list; its events stay."""
    gallery = service.writable_gallery()
    await service.change(
        caller,
        "unwatch",
        Noted(),
        lambda audit: unwatch(gallery, identity, audit=audit),
    )
