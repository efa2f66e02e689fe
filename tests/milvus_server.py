"""A real Milvus server for tests, from the package ``milvus``, that nobody else can reach.

That server listens on every address of its machine, without a password. So it runs in a network
of its own (a Linux namespace), and only a socket on 127.0.0.1 that the tests hand in leads there.
It has processes of its own, too: when the first one ends, the kernel ends them all.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 120  # most of it is unpacking the server, 400 MB
STOP_SECONDS = 15
NAMESPACES = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
READY = "ready"


@dataclass(frozen=True)
class MilvusServer:
    """A server that is up.

    Attributes:
        uri: Its address.
        process: Whose end is the server's.
    """

    uri: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        self.process.kill()
        self.process.wait(timeout=STOP_SECONDS)


@contextmanager
def milvus_server() -> Iterator[MilvusServer]:
    """Run a server for the time of the block; skip the test where none can start."""
    if importlib.util.find_spec("milvus") is None:
        pytest.skip("there is no Milvus server; pip install milvus==2.3.5 brings one")
    if shutil.which(NAMESPACES[0]) is None:
        pytest.skip("no Milvus server: there is no 'unshare' to give it a network of its own")
    probe = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        reason = probe.stderr.strip()
        pytest.skip(f"no Milvus server: it cannot have a network of its own here ({reason})")
    with (
        tempfile.TemporaryDirectory(prefix="fprnet-milvus-") as folder,
        socket.create_server(("127.0.0.1", 0)) as entrance,
        subprocess.Popen(
            [*NAMESPACES, sys.executable, __file__, folder, str(entrance.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=(entrance.fileno(),),
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        port = entrance.getsockname()[1]
        entrance.close()  # the server has it now, so that its end closes it
        too_late = threading.Timer(START_SECONDS, process.kill)
        too_late.start()
        said = process.stdout.readline().strip()
        too_late.cancel()
        try:
            if said != READY:
                process.kill()
                reason = said or f"nothing heard for {START_SECONDS} s"
                pytest.skip(f"no Milvus server: it does not start here ({reason})")
            yield MilvusServer(f"http://127.0.0.1:{port}", process)
        finally:
            process.stdin.close()  # asks it to stop
            try:
                process.wait(timeout=STOP_SECONDS)
            finally:
                process.kill()
            assert not processes(folder)


def processes(folder: str) -> list[str]:
    """Return the command lines of this machine's processes that mention a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:  # it has ended meanwhile
            continue
        if folder in words:
            found.append(words)
    return found


def main(folder: str, entrance: int) -> None:
    """Run the server, inside the namespaces, until stdin ends; say on stdout how it went."""
    import milvus

    # As of "ip link set lo up", which need not be installed: SIOCSIFFLAGS, IFF_UP.
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))
    server = milvus.MilvusServer(wait_for_started=False)
    server.set_base_dir(folder)
    server.start()
    try:
        if reason := asyncio.run(serve(server, entrance)):
            print(reason, flush=True)
    finally:
        server.stop()


async def serve(server: Any, entrance: int) -> str:
    """Lead connections to the server as long as both live; return why there is none."""
    while not await asyncio.to_thread(healthy, server.webservice_port):
        if (status := server.server_proc.poll()) is not None:
            logs = Path(server.config.base_data_dir, "logs", "milvus-stderr.log").read_text()
            return f"exit status {status}: {' '.join(logs.split())[-300:]}"
        await asyncio.sleep(0.1)

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", server.listen_port)
        await asyncio.gather(copy(reader, inner[1]), copy(inner[0], writer))

    async with await asyncio.start_server(lead, sock=socket.socket(fileno=entrance)):
        print(READY, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    return ""


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until no more does."""
    try:
        while content := await reader.read(2**16):
            writer.write(content)
            await writer.drain()
    except ConnectionError:
        pass  # either side may go at any time; the other one is told by the end of this
    finally:
        writer.close()


def healthy(port: int) -> bool:
    """Whether the server says that all its parts are up."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return b"OK" in answer.read()
    except (OSError, urllib.error.URLError):
        return False


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
