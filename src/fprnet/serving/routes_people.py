"""``/v1/people`` and ``/v1/grouping``: unknown people, grouped, joined, taken apart, named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.people import (
    Person,
    Step,
    get_person,
    list_people,
    list_steps,
    merge_people,
    name_person,
    split_person,
    undo_step,
)
from fprnet.gallery.records import GalleryRecord
from fprnet.gallery.tracklets import TrackletRecord
from fprnet.gallery.unknown_people import group_unknown
from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.bodies import json_body
from fprnet.serving.callers import Caller
from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import GroupRequest, MergeRequest, NameRequest, SplitRequest
from fprnet.serving.routes_tracklets import NumberOf
from fprnet.serving.service import Noted, Service

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["people"])
Result = TypeVar("Result")
CHANGES = errors(400, 404, 408, 409, 413, 415, 422)


class People(BaseModel):
    """Who was grouped, whoever was seen last first."""

    model_config = ConfigDict(extra="forbid")

    people: list[Person]


class PersonDetails(BaseModel):
    """A person, and all that shows them, in the order of time."""

    model_config = ConfigDict(extra="forbid")

    person: Person
    tracklets: list[TrackletRecord]
    images: list[GalleryRecord] = Field(description="Records that are part of no tracklet")


class Alike(BaseModel):
    """Two people who could be one."""

    model_config = ConfigDict(extra="forbid")

    people: tuple[int, int]
    margin: float = Field(description="How far above the threshold they are on average")


class Grouped(BaseModel):
    """What grouping did."""

    model_config = ConfigDict(extra="forbid")

    step: int | None = Field(description="To be undone by; null: nothing was new")
    units: int = Field(description="Tracklets and images that were in no group")
    joined: int = Field(description="How many of them joined people who were there")
    people: list[int] = Field(description="New people")
    alike: list[Alike]
    thresholds: dict[str, float]


class Steps(BaseModel):
    """What can be undone, newest first."""

    model_config = ConfigDict(extra="forbid")

    steps: list[Step]


def _body(name: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


@router.get("/people", dependencies=[allowed("search")], responses=errors(422))
async def people(
    service: ServiceOf,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many")] = 200,
) -> People:
    """List the people who were grouped."""
    gallery = service.searcher.gallery
    return People(people=await service.ask(lambda: list_people(gallery, limit=limit)))


@router.get("/people/{number}", dependencies=[allowed("search")], responses=errors(404, 422))
async def person(number: NumberOf, service: ServiceOf) -> PersonDetails:
    """Say where and when a person was seen."""
    gallery = service.searcher.gallery
    found = await service.ask(lambda: get_person(gallery, number))
    return PersonDetails(person=found.person, tracklets=found.tracklets, images=found.images)


@router.post(
    "/people/{number}/merge",
    dependencies=[allowed("group")],
    responses=CHANGES,
    openapi_extra=_body("MergeRequest", {"others": [12]}),
)
async def merge(number: NumberOf, request: Request, service: ServiceOf, caller: CallerOf) -> Step:
    """Join other people to a person: they are one."""
    asked = await json_body(request, MergeRequest)
    gallery = service.searcher.gallery
    return await _change(
        service,
        caller,
        "merge",
        lambda audit: merge_people(gallery, number, asked.others, by=caller.name, audit=audit),
    )


@router.post(
    "/people/{number}/split",
    dependencies=[allowed("group")],
    responses=CHANGES,
    openapi_extra=_body("SplitRequest", {"tracklets": [31]}),
)
async def split(number: NumberOf, request: Request, service: ServiceOf, caller: CallerOf) -> Step:
    """Take out of a person what shows somebody else."""
    asked = await json_body(request, SplitRequest)
    gallery = service.searcher.gallery
    return await _change(
        service,
        caller,
        "split",
        lambda audit: split_person(
            gallery,
            number,
            tracklets=asked.tracklets,
            images=asked.images,
            by=caller.name,
            audit=audit,
        ),
    )


@router.post(
    "/people/{number}/name",
    dependencies=[allowed("group")],
    responses=CHANGES,
    openapi_extra=_body("NameRequest", {"name": "dock worker"}),
)
async def name(number: NumberOf, request: Request, service: ServiceOf, caller: CallerOf) -> Step:
    """Say who a person is."""
    asked = await json_body(request, NameRequest)
    gallery = service.searcher.gallery
    return await _change(
        service,
        caller,
        "name",
        lambda audit: name_person(gallery, number, asked.name, by=caller.name, audit=audit),
    )


@router.post(
    "/grouping",
    dependencies=[allowed("group")],
    responses=CHANGES,
    openapi_extra=_body("GroupRequest", {"false_link_rate": 0.01}),
)
async def group(request: Request, service: ServiceOf, caller: CallerOf) -> Grouped:
    """Group the tracklets and images of unknown people; who has a number keeps it."""
    asked = await json_body(request, GroupRequest)
    searcher = service.searcher
    calibration = searcher.calibration
    if calibration is None:
        raise ProblemError(
            409,
            "not_calibrated",
            "the model has no calibration, so there is no threshold",
            "calibrate it with 'fprnet calibrate' and start the service again",
        )
    rate = asked.false_link_rate
    found = await _change(
        service,
        caller,
        "group",
        lambda audit: group_unknown(
            searcher.gallery, calibration, false_link_rate=rate, by=caller.name, audit=audit
        ),
        details={"false_link_rate": rate},
    )
    return Grouped(
        step=None if found.step is None else found.step.id,
        units=found.units,
        joined=found.joined,
        people=list(found.people),
        alike=[Alike(people=one.people, margin=one.margin) for one in found.alike],
        thresholds=dict(found.thresholds),
    )


@router.get("/grouping/steps", dependencies=[allowed("search")], responses=errors(422))
async def steps(
    service: ServiceOf,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many")] = 50,
) -> Steps:
    """List the last steps of grouping, joining, taking apart and naming."""
    gallery = service.searcher.gallery
    return Steps(steps=await service.ask(lambda: list_steps(gallery, limit=limit)))


@router.post(
    "/grouping/steps/{number}/undo", dependencies=[allowed("group")], responses=errors(404, 422)
)
async def undo(number: NumberOf, service: ServiceOf, caller: CallerOf) -> Step:
    """Undo a step, unless a later one changed the same; undoing is a step itself."""
    gallery = service.searcher.gallery
    return await _change(
        service,
        caller,
        "undo",
        lambda audit: undo_step(gallery, number, by=caller.name, audit=audit),
    )


async def _change(
    service: Service,
    caller: Caller,
    event: str,
    function: Callable[[Sequence[AuditEntry]], Result],
    details: dict[str, Any] | None = None,
) -> Result:
    service.writable_gallery()
    result = await service.change(caller, event, Noted(details=details or {}), function)
    service.facts.forget()
    return result
