"""Idle, slow and too many connections, and those that are open when the service ends."""

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn

from fprnet.serving import connections
from fprnet.serving.connections import CONNECTIONS, Connection
from fprnet.serving.metrics import Metrics
from fprnet.serving.observing import Observer

ASK = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
LIMIT = 3
WRITERS: list[asyncio.StreamWriter] = []  # to be closed at the end of a test
Application = Callable[..., Awaitable[None]]


async def answers(scope, receive, send):
    """Say which path was asked for, once the body has arrived."""
    while (await receive()).get("more_body"):
        pass
    body = scope["path"].encode()
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served(application: Application = answers) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, http=Connection, ws="none", lifespan="off", log_config=None
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    server.lifespan.state[CONNECTIONS] = LIMIT
    await server.startup(sockets=[listener])
    try:
        yield server, listener.getsockname()[1]
    finally:
        for writer in WRITERS:
            writer.transport.abort()
        WRITERS.clear()
        await server.shutdown(sockets=[listener])


async def opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    WRITERS.append(writer)
    return reader, writer


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection without a byte."""
    try:
        return await asyncio.wait_for(reader.read(1), 10) == b""
    except ConnectionResetError:
        return True


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await asyncio.wait_for(reader.readexactly(length), 10)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX-Long: ", ASK + b"G"])
def test_head_that_does_not_arrive_is_not_waited_for(monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_PATIENCE", 0.1)

    async def run():
        async with served() as (_, port):
            reader, writer = await opened(port)
            writer.write(sent)
            if sent.startswith(ASK):
                assert (await answer(reader)).endswith(b"/a")
            assert await closed(reader)

    asyncio.run(run())


def test_body_may_take_longer_than_a_head(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_PATIENCE", 0.1)

    async def run():
        async with served() as (_, port):
            reader, writer = await opened(port)
            writer.write(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx")
            await asyncio.sleep(0.3)
            writer.write(b"y")
            assert (await answer(reader)).endswith(b"/b")

    asyncio.run(run())


def test_oldest_idle_connection_makes_room():
    async def run():
        async with served() as (server, port):
            working_reader, working = await opened(port)
            working.write(b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
            idle = [(await opened(port))[0] for _ in range(LIMIT - 1)]
            reader, writer = await opened(port)
            writer.write(ASK)
            assert (await answer(reader)).endswith(b"/a")
            assert await closed(idle[0])
            assert len(server.server_state.connections) == LIMIT
            working.write(b"x")
            assert (await answer(working_reader)).endswith(b"/w")

    asyncio.run(run())


def test_client_that_does_not_read_is_cut_off(monkeypatch):
    monkeypatch.setattr(connections, "WRITE_PATIENCE", 0.1)
    ended = asyncio.Event()

    async def much(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
        ended.set()

    async def run():
        async with served(much) as (_, port):
            _, writer = await opened(port)
            writer.transport.pause_reading()
            writer.write(ASK)
            await asyncio.wait_for(ended.wait(), 10)

    asyncio.run(run())


def test_what_is_no_http_is_answered_in_json():
    async def run():
        async with served() as (_, port):
            reader, writer = await opened(port)
            writer.write(b"\x16\x03\x01 hello\r\n\r\n")
            content = await answer(reader)
            assert b" 400 " in content
            problem = json.loads(content.partition(b"\r\n\r\n")[2])
            assert problem["error"]["code"] == "malformed_http"
            assert await closed(reader)

    asyncio.run(run())


def test_request_on_its_way_at_the_end_is_answered(monkeypatch):
    monkeypatch.setattr(connections, "LINGER", 0.5)

    async def run():
        async with served() as (server, port):
            reader, writer = await opened(port)
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
            for connection in list(server.server_state.connections):
                connection.shutdown()
            writer.write(ASK)
            content = await answer(reader)
            assert b"connection: close" in content.lower()
            assert await closed(reader)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ZeroDivisionError(), b" 500 ", "internal"),
        (OSError(errno.ENOSPC, "full"), b" 503 ", "disk_full"),
    ],
)
def test_fault_leaves_the_connection_usable(error, status, code):
    async def faulty(scope, receive, send):
        if scope["path"] == "/a":
            raise error
        await answers(scope, receive, send)

    async def run():
        async with served(Observer(faulty, Metrics())) as (_, port):
            reader, writer = await opened(port)
            writer.write(ASK)
            content = await answer(reader)
            assert status in content
            assert json.loads(content.partition(b"\r\n\r\n")[2])["error"]["code"] == code
            writer.write(ASK.replace(b"/a", b"/b"))
            assert (await answer(reader)).endswith(b"/b")

    asyncio.run(run())


def test_head_is_get_without_the_body():
    async def run():
        async with served(Observer(answers, Metrics())) as (_, port):
            reader, writer = await opened(port)
            writer.write(ASK.replace(b"GET", b"HEAD") + ASK.replace(b"/a", b"/b"))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert b"content-length: 2" in head
            assert (await answer(reader)).startswith(b"HTTP/1.1 200")

    asyncio.run(run())
