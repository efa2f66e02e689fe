"""Every answer is counted and timed, and carries the headers that tell browsers what to refuse.

Whatever goes wrong inside becomes an answer here, so that the connection stays usable; Starlette's
own handler of unexpected errors would raise them again, upon which the server cuts the connection.
"""

from __future__ import annotations

import time

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fprnet.serving.metrics import Metrics
from fprnet.serving.problems import any_problem

__all__ = ["HEADERS", "Observer"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Observer:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        # HEAD is GET without the body, which the server leaves out by itself.
        inner = dict(scope, method="GET") if scope["method"] == "HEAD" else scope
        started = time.perf_counter()
        status = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(inner, receive, send_with_headers)
        except Exception as error:
            problem = any_problem(error)
            if status is not None:  # half an answer has left; only an end of the connection says so
                raise
            response = JSONResponse(problem.body(), problem.status, headers=problem.headers)
            await response(scope, receive, send_with_headers)
        finally:
            route = getattr(inner.get("route"), "path", "unmatched")
            # Labels are kept for ever, so nothing that a client makes up may become one.
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(method, route, str(status or 499)).inc()
            self._metrics.seconds.labels(method, route).observe(time.perf_counter() - started)
