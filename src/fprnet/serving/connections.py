"""A TCP connection becomes requests: how long it may be idle, how many there may be, how it ends.

A client that says nothing, or does not read what it is sent, costs a file descriptor, and a process
has few of them. So heads of requests have to arrive in time, answers have to be taken in time, and
when there are too many connections an idle one makes room for the new one.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fprnet.serving.problems import ProblemError

__all__ = ["CONNECTIONS", "HEAD_PATIENCE", "Connection"]

HEAD_PATIENCE = 20.0  # seconds for the head of a request, from the connection or its first byte
WRITE_PATIENCE = 30.0  # seconds in which a client takes nothing of its answer
LINGER = 1.0  # seconds that an idle connection stays at the shutdown: a request may be on its way
CONNECTIONS = "max_connections"  # key of the limit in uvicorn's state of the application


class Connection(H11Protocol):
    """uvicorn's connection with limits; uvicorn makes one for each that it accepts.

    Attributes:
        idle_since: When it was opened or last answered, by the loop's clock.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **options)
        self.idle_since = self.loop.time()
        self._waiting_for_head: asyncio.TimerHandle | None = None
        self._waiting_for_reader: asyncio.TimerHandle | None = None
        self._is_ending = False

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection, and close an idle one where there are too many."""
        super().connection_made(transport)
        self._expect_head(HEAD_PATIENCE)
        limit = int(self.app_state.get(CONNECTIONS, 0))
        if limit and len(self.connections) > limit:
            _make_room(cast("set[Connection]", self.connections), limit)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_waiting_for_head()
        if self._waiting_for_reader is not None:
            self._waiting_for_reader.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes of a request."""
        super().data_received(data)
        self._look_at_state()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.idle_since = self.loop.time()
        self._look_at_state()
        self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without a further request."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def pause_writing(self) -> None:
        """Give the client some time to take what was sent."""
        super().pause_writing()
        self._watch_reader()

    def shutdown(self) -> None:
        """Answer what is in work and what is on its way; then close."""
        self._is_ending = True
        self._stop_waiting_for_head()
        self._look_at_state()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the shape of every other error."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # half an answer has left
            return
        problem = ProblemError(
            400, "malformed_http", "the request is no valid HTTP", "send it with an HTTP client"
        )
        body = json.dumps(problem.body()).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        events: tuple[h11.Event, ...] = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _look_at_state(self) -> None:
        """Start or stop the clock of the next request's head."""
        if self.transport.is_closing():
            self._stop_waiting_for_head()
        elif self.is_idle:
            if self._waiting_for_head is None:
                self._expect_head(LINGER if self._is_ending else HEAD_PATIENCE)
        else:
            self._stop_waiting_for_head()
            if self._is_ending and self.cycle.keep_alive and not self.cycle.response_started:
                self.cycle.keep_alive = False
                self.cycle.default_headers = [
                    *self.cycle.default_headers,
                    (b"connection", b"close"),
                ]

    def _expect_head(self, seconds: float) -> None:
        self._waiting_for_head = self.loop.call_later(seconds, self._close_if_idle)

    def _stop_waiting_for_head(self) -> None:
        if self._waiting_for_head is not None:
            self._waiting_for_head.cancel()
            self._waiting_for_head = None

    def _close_if_idle(self) -> None:
        self._waiting_for_head = None
        if self.is_idle:
            self.transport.close()
            self._watch_reader()

    def _watch_reader(self) -> None:
        """Cut the connection unless the client takes some of what was sent, again and again."""
        left = self.transport.get_write_buffer_size()
        if left and self._waiting_for_reader is None:
            self._waiting_for_reader = self.loop.call_later(
                WRITE_PATIENCE, self._look_at_reader, left
            )

    def _look_at_reader(self, before: int) -> None:
        self._waiting_for_reader = None
        if self.transport.get_write_buffer_size() >= before:
            self.transport.abort()
        else:
            self._watch_reader()


def _make_room(connections: set[Connection], limit: int) -> None:
    """Close the longest idle connection of the address that holds most; none where all work."""
    held = [connection for connection in connections if not connection.transport.is_closing()]
    idle = [connection for connection in held if connection.is_idle]
    if len(held) <= limit or not idle:
        return
    by_address = Counter(_address(connection) for connection in held)
    most = max(by_address[_address(connection)] for connection in idle)
    oldest = min(
        (connection for connection in idle if by_address[_address(connection)] == most),
        key=lambda connection: connection.idle_since,
    )
    oldest.transport.abort()


def _address(connection: Connection) -> str:
    return connection.client[0] if connection.client else ""
