"""The door of the service: who may come in, by which name, how fast, and how many at once.

A page of another site that somebody has open on this machine can send requests to 127.0.0.1. Where
no keys are needed this must not count as the user's wish: the Host header has to be a name of this
service (which stops a foreign name that was made to point here, "DNS rebinding"), and what changes
something must not come from another site's page (the Origin header; "CSRF").
"""

from __future__ import annotations

import math
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fprnet.errors import FprnetError
from fprnet.serving.callers import Caller, identify
from fprnet.serving.limits import TokenBuckets
from fprnet.serving.problems import ProblemError, as_problem
from fprnet.serving.service import Service
from fprnet.serving.settings import Settings

__all__ = ["Gate"]

# No key: a program that watches, and what is no secret.
OPEN = ("/healthz", "/openapi.json", "/", "/page/")
READING = ("GET", "HEAD")
MOST_SHOWN = 80  # letters of a header that a message repeats
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class Gate:
    """Middleware that lets a request in or answers it with a 4xx.

    Args:
        app: What is behind.
        service: Its settings and audit log.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        settings = service.settings
        self._app = app
        self._service = service
        self._settings = settings
        self._keys = service.searcher.gallery.database if settings.keys else None
        self._buckets = TokenBuckets(settings.rate, settings.burst)
        self._picture_buckets = TokenBuckets(10 * settings.rate, 10 * settings.burst)
        self._names = host_names(settings)
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_names(scope)
            if is_open(scope["path"]):
                self._slow_down(self._picture_buckets, f"address {_address(scope)}")
            else:
                scope["state"]["caller"] = await self._caller(scope)
        except FprnetError as error:
            problem = as_problem(error)
            if problem.status in (401, 403):
                self._service.note_denied(scope, problem)
            response = JSONResponse(problem.body(), problem.status, headers=problem.headers)
            await response(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1

    def _check_names(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._names is not None and _name(host) not in self._names:
            raise ProblemError(
                403,
                "foreign_host",
                f"this service is not called {_name(host)[:MOST_SHOWN] or 'by no name'!r}",
                "use its address, or start it with --allow-host NAME",
            )
        if self._keys is None and any(name in headers for name in FORWARDED):
            raise ProblemError(
                403,
                "proxy_without_keys",
                "the request was forwarded by a proxy, and this service needs no keys",
                "start it with --keys",
            )
        origin = headers.get("origin")
        if scope["method"] in READING or origin is None:
            return
        netloc = _netloc(origin)
        same = netloc != "" and netloc == host.lower()
        if not same and _name(netloc) not in self._settings.allowed_hosts:
            raise ProblemError(
                403,
                "foreign_origin",
                f"the request was made by a page of {origin[:MOST_SHOWN]}",
                "open the service's own page, or start it with --allow-host NAME",
            )

    async def _caller(self, scope: Scope) -> Caller:
        address = _address(scope)
        picture = scope["path"].endswith("/content")
        buckets = self._picture_buckets if picture else self._buckets
        try:
            header = Headers(scope=scope).get("authorization")
            caller = await self._service.ask(lambda: identify(header, address, self._keys))
        except ProblemError:
            self._slow_down(self._buckets, f"address {address}")
            raise
        self._slow_down(buckets, f"key {caller.name}" if caller.by_key else f"address {address}")
        if self._inside >= self._settings.requests:
            raise ProblemError(
                503,
                "busy",
                f"{self._inside} requests are in work",
                "come back in a second",
                {"Retry-After": "1"},
            )
        return caller

    def _slow_down(self, buckets: TokenBuckets, caller: str) -> None:
        seconds = math.ceil(buckets.take(caller))
        if seconds:
            raise ProblemError(
                429,
                "too_fast",
                f"more than {self._settings.rate:g} requests a second",
                f"come back in {seconds} s",
                {"Retry-After": str(seconds)},
            )


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path in OPEN or path.startswith("/page/")


def host_names(settings: Settings) -> frozenset[str] | None:
    """Return the names that a Host header may hold, in small letters; None allows any.

    With keys any name does no harm: a browser sends a key only from a page that was given it.
    """
    if settings.keys and not settings.allowed_hosts:
        return None
    own = {settings.host, "localhost", "127.0.0.1", "::1"}
    return frozenset(name.lower() for name in (*own, *settings.allowed_hosts))


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "unknown"


def _netloc(origin: str) -> str:
    """Return ``NAME:PORT`` of an address in small letters; "" where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # half a bracket
        return ""


def _name(netloc: str) -> str:
    """Return the name of ``NAME:PORT``, without the brackets of IPv6 addresses."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:  # half a bracket
        return ""
