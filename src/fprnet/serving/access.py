"""What routes ask for: the service, the caller, and that the caller may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request

from fprnet.serving.answers import ErrorAnswer, Permission
from fprnet.serving.callers import Caller, require
from fprnet.serving.service import Service

__all__ = ["CALLER", "SERVICE", "CallerOf", "ServiceOf", "allowed", "errors"]

SERVICE = "service"
CALLER = "caller"
MEANINGS = {
    400: "The body is damaged",
    401: "The key is missing, unknown or revoked",
    403: "The key's role does not allow this, or the request comes from another site",
    404: "There is no such record, image or search",
    408: "The body stopped arriving",
    409: "It does not fit this gallery",
    413: "An image or the body is too large",
    415: "The body is of another media type",
    422: "A value is wrong; the message names it",
    429: "Too many requests; the header Retry-After says when to come back",
    503: "The gallery is gone, the queue is full, or the service shuts down",
}

RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}


def _service(request: Request) -> Service:
    service: Service = getattr(request.app.state, SERVICE)
    return service


def _caller(request: Request) -> Caller:
    caller: Caller = getattr(request.state, CALLER)
    return caller


ServiceOf = Annotated[Service, Depends(_service)]
CallerOf = Annotated[Caller, Depends(_caller)]


def allowed(permission: Permission) -> Any:  # noqa: ANN401 - FastAPI's own type of a dependency
    """Return a dependency that refuses callers without a permission."""

    def check(caller: CallerOf) -> None:
        require(caller, permission)

    function: Callable[[Caller], None] = check
    return Depends(function)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says about a route's errors; those of the gate are of every route."""
    return {
        status: {
            "model": ErrorAnswer,
            "description": MEANINGS[status],
            "headers": HEADERS.get(status, {}),
        }
        for status in sorted({401, 403, 429, 503, *statuses})
    }
