"""What watches the service, and who am I: ``/healthz``, ``/metrics``, ``/v1/me``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.answers import Health, Me
from fprnet.serving.metrics import MEDIA_TYPE
from fprnet.serving.roles import permissions

__all__ = ["router"]

router = APIRouter(tags=["operation"])


@router.get("/healthz", responses={503: {"model": Health, "description": "Not ready"}})
async def health(
    service: ServiceOf,
    response: Response,
    live: Annotated[
        bool, Query(description="Only whether the process answers; does not ask the gallery")
    ] = False,
) -> Health:
    """Say whether searches can be answered now."""
    gallery = live or await service.healthy()
    ready = gallery and service.accepting
    if not ready and not live:
        response.status_code = 503
    return Health(
        status="ready" if ready else "not ready",
        model=True,
        gallery=gallery,
        accepting=service.accepting,
    )


@router.get(
    "/metrics",
    dependencies=[allowed("metrics")],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **errors()},
    response_class=Response,
)
async def metrics(service: ServiceOf) -> Response:
    """Give out counters in Prometheus' text format."""
    content = await service.ask(service.metrics.text)
    return Response(content, media_type=MEDIA_TYPE)


@router.get("/v1/me", responses=errors())
async def me(caller: CallerOf) -> Me:
    """Say who the service takes the caller for."""
    return Me(
        name=caller.name,
        role=caller.role,
        keys_required=caller.by_key,
        may=permissions(caller.role),
    )
