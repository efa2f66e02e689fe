"""Routes, the gate and one shape of errors become an ASGI application."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from fprnet.errors import FprnetError
from fprnet.serving import (
    routes_explanations,
    routes_feedback,
    routes_gallery,
    routes_operation,
    routes_page,
    routes_people,
    routes_search,
    routes_tracklets,
)
from fprnet.serving.access import SERVICE
from fprnet.serving.bodies import validation_problem
from fprnet.serving.gate import Gate, is_open
from fprnet.serving.observing import Observer
from fprnet.serving.problems import ProblemError, as_problem
from fprnet.serving.requests import (
    AddMetadata,
    Correction,
    ExplanationRequest,
    FeedbackRequest,
    GroupRequest,
    MergeRequest,
    NameRequest,
    SearchByJson,
    SearchOptions,
    SplitRequest,
    TrackletSearch,
    components,
)
from fprnet.serving.service import Service

__all__ = ["create_app"]

log = logging.getLogger(__name__)

ABOUT = """\
Find the same person by day and by night. Every 4xx and 5xx answer is
`{"error": {"code", "message", "next"}}`: what is wrong, and what to do next.

Matches are suggestions: a person has to decide on each of them."""
READ_BY_HAND = (
    AddMetadata,
    Correction,
    ExplanationRequest,
    FeedbackRequest,
    GroupRequest,
    MergeRequest,
    NameRequest,
    SearchByJson,
    SearchOptions,
    SplitRequest,
    TrackletSearch,
)
HTTP_PROBLEMS = {
    404: ("not_found", "there is nothing at {path}", "see /openapi.json for what there is"),
    405: ("method", "{path} does not take {method}", "see /openapi.json for what it takes"),
}


def create_app(service: Service) -> FastAPI:
    """Return the application; whoever runs it closes the service."""
    # The pages of /docs would load scripts from the internet, so there are none.
    app = FastAPI(
        title="fprnet",
        version=version("fprnet"),
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    setattr(app.state, SERVICE, service)
    for routes in (
        routes_search,
        routes_explanations,
        routes_gallery,
        routes_feedback,
        routes_tracklets,
        routes_people,
        routes_operation,
        routes_page,
    ):
        app.include_router(routes.router)
    app.add_exception_handler(FprnetError, _own)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Gate, service=service)
    app.add_middleware(Observer, metrics=service.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _answer(problem: ProblemError) -> JSONResponse:
    return JSONResponse(problem.body(), problem.status, headers=problem.headers)


async def _own(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FprnetError)
    return _answer(as_problem(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _answer(validation_problem(error.errors(), "the request"))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, message, step = HTTP_PROBLEMS.get(
        error.status_code, ("http", str(error.detail), "see /openapi.json")
    )
    text = message.format(path=request.url.path[:200], method=request.method)
    return _answer(ProblemError(error.status_code, code, text, step, error.headers))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the description, with the bodies that are read by hand, and the keys."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        parts = schema.setdefault("components", {})
        parts.setdefault("schemas", {}).update(components(*READ_BY_HAND))
        parts["securitySchemes"] = {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "Needed unless the service listens on this machine only",
            }
        }
        for path, methods in schema["paths"].items():
            if not is_open(path):
                for operation in methods.values():
                    operation["security"] = [{"key": []}, {}]
        app.openapi_schema = schema
    return app.openapi_schema
