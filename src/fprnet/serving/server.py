"""A service listens on an address until it is told to stop, and finishes what it accepted."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import socket
import sys
from types import FrameType

import uvicorn

from fprnet.errors import UsageError
from fprnet.serving.app import create_app
from fprnet.serving.connections import CONNECTIONS, Connection
from fprnet.serving.service import Service

__all__ = ["listen", "run_server"]

BACKLOG = 128  # asyncio accepts as many at once, before any of them can be closed again
OTHER_FILES = 256  # open files beside connections: the gallery, threads' images, the model


def listen(host: str, port: int) -> socket.socket:
    """Take an address.

    Raises:
        UsageError: It is taken, or not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise UsageError(
            f"port {port} of {host} cannot be used ({error.strerror}); "
            "give another --port or --host"
        ) from error
    return listener


def run_server(service: Service, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then take nothing new, answer what is in work, and return."""
    settings = service.settings
    config = uvicorn.Config(
        create_app(service),
        http=Connection,
        ws="none",
        log_level=logging.WARNING,
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=True,
        proxy_headers=settings.trusted_proxy is not None,
        forwarded_allow_ips=settings.trusted_proxy,
        timeout_graceful_shutdown=settings.grace,
        backlog=BACKLOG,
    )
    server = _Server(config, service)
    _allow_open_files(settings.connections + BACKLOG + OTHER_FILES)
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        # uvicorn puts its own handlers in place, and raises the signal again at its end: here.
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Says when it is ready, and tells the service when the end has begun."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[CONNECTIONS] = self._service.settings.connections
        await super().startup(sockets=sockets)
        if not self.started or not sockets:
            return
        host, port = sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        gallery = self._service.searcher.gallery
        print(f"http://{shown}:{port} serves {gallery.uri}; stop with Ctrl-C", file=sys.stderr)
        sys.stderr.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Closing the listener resets the connections that the system has accepted and this process
        # has not, whose requests may be on their way: they are taken first.
        loop = asyncio.get_running_loop()
        make = functools.partial(
            Connection, self.config, self.server_state, self.lifespan.state, _loop=loop
        )
        for listener in sockets or []:
            loop.remove_reader(listener.fileno())
            while (accepted := _accepted(listener)) is not None:
                await loop.connect_accepted_socket(make, accepted)
        await super().shutdown(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.accepting = False
        super().handle_exit(sig, frame)


def _accepted(listener: socket.socket) -> socket.socket | None:
    """Return the next connection that waits to be accepted; None where there is none."""
    try:
        connection, _ = listener.accept()
    except OSError:  # none waits, or no file descriptor is left
        return None
    connection.setblocking(False)
    return connection


def _allow_open_files(needed: int) -> None:
    """Raise this process's own limit on open files as far as the system lets it.

    Raises:
        UsageError: The system's limit is lower than what the service may need.
    """
    if sys.platform == "win32":  # no such limit there
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(
            f"this process may open {hard} files, and the service may need {needed}; raise the "
            "limit (ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the server has ended already."""
