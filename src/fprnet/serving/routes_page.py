"""The operator's page: ``/`` and ``/page/...``; no key is needed to see the empty form."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, Response

from fprnet.serving.page import asset, language_of, render
from fprnet.serving.problems import ProblemError

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    """Return the page in the language that the browser asks for."""
    content = render(language_of(request.headers.get("accept-language"))).encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"Vary": "Accept-Language"}
    return _answer(request, content, "text/html; charset=utf-8", tag, headers)


@router.get("/page/{path:path}")
async def file(path: str, request: Request) -> Response:
    """Return a file of the page."""
    found = asset(path)
    if found is None:
        raise ProblemError(404, "not_found", f"there is no /page/{path[:80]}", "go to /")
    return _answer(request, found.content, found.media_type, found.etag, {})


def _answer(
    request: Request, content: bytes, media_type: str, tag: str, headers: dict[str, str]
) -> Response:
    headers = {**headers, "ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
