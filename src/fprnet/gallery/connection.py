"""An address becomes a connection to Milvus: a folder of this machine, or a server.

A folder is served inside this process over a Unix socket that only its user can reach: Milvus Lite
has no passwords, and on a TCP port every user of the machine could read the embeddings.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fprnet.errors import (
    GalleryError,
    GalleryLockedError,
    GalleryMissingError,
    GalleryUnavailableError,
    UsageError,
)
from fprnet.files import locked

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["LOCK", "LONG", "Connection", "connect", "is_server"]

SUFFIX = ".db"
LOCK = "fprnet.lock"
TIMEOUT = 60.0  # seconds that a server may take for one call; a folder may take longer
CONNECT_TIMEOUT = 10.0  # seconds
LONG = 7200.0  # seconds, for what grows with the gallery: reading it, building an index

# Pings find servers that are gone, which the own process never is: one that was busy for half a
# minute would be taken for gone, or take the pings for an attack, and break the call off.
NO_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": 0}

Result = TypeVar("Result")


class Connection:
    """A client of Milvus whose failures are sentences. Thread-safe.

    Attributes:
        uri: What was asked for.
        folder: Of an embedded gallery; None on a server.
        client: Of pymilvus.
        closed: Whether it is over.
    """

    def __init__(
        self, uri: str, folder: Path | None, client: MilvusClient, resources: ExitStack
    ) -> None:
        self.uri = uri
        self.folder = folder
        self.client = client
        self.closed = False
        self._resources = resources

    def call(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:  # noqa: ANN401
        """Call a method of the client.

        Raises:
            GalleryUnavailableError: The server does not answer.
            GalleryError: It refuses.
        """
        import grpc
        from pymilvus.exceptions import MilvusException

        if self.closed:
            raise GalleryError(f"gallery {self.uri} is closed")
        try:
            timeout = TIMEOUT if self.folder is None else LONG
            return function(*args, **{"timeout": timeout, **kwargs})
        except (MilvusException, grpc.RpcError, ValueError) as error:
            raise _translated(self.uri, error) from error

    def size_bytes(self) -> int | None:
        """Return how large the files of a folder are; None of a server."""
        if self.folder is None:
            return None
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def close(self) -> None:
        """Close the client, and the embedded server if there is one; twice is allowed."""
        self.closed = True
        self._resources.close()


def is_server(uri: str) -> bool:
    """Whether the address is a server's and no folder's."""
    return "://" in uri


def connect(uri: str, token: str | None = None, *, create: bool = False) -> Connection:
    """Connect to the Milvus at an address.

    Args:
        uri: Folder that ends in ``.db``, or ``http://`` or ``https://`` of a server.
        token: Of a server, ``user:password`` or an API key.
        create: Whether the folder may be made.

    Raises:
        GalleryMissingError: There is no such folder.
        GalleryLockedError: Another process, or this one, has it open.
        GalleryUnavailableError: The server does not answer, or refuses the token.
        UsageError: The address is no address, or pymilvus is not installed.
    """
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        raise UsageError(
            "galleries need pymilvus; install it with: pip install 'fprnet[gallery]'"
        ) from error
    for name in ("pymilvus", "milvus_lite"):  # they log what our errors say, with tracebacks
        logging.getLogger(name).setLevel(logging.CRITICAL)
    resources = ExitStack()
    try:
        folder = None
        address = uri
        if not is_server(uri):
            if token:
                raise UsageError(f"a token is of a server; {uri} is a folder of this machine")
            folder = Path(uri)
            address = resources.enter_context(_embedded(folder, create=create))
        try:
            client = MilvusClient(
                address,
                token=token or "",
                timeout=CONNECT_TIMEOUT if folder is None else TIMEOUT,
                grpc_options={} if folder is None else NO_PINGS,
            )
        except (MilvusException, ValueError) as error:
            raise _translated(uri, error) from error
        resources.callback(client.close)
    except BaseException:
        resources.close()
        raise
    return Connection(uri, folder, client, resources)


@contextmanager
def _embedded(folder: Path, *, create: bool) -> Iterator[str]:
    """Serve a folder by Milvus Lite for the time of the block, and yield the address."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread
    from milvus_lite.exceptions import MilvusLiteError

    from fprnet.gallery.lite_search import install

    if folder.suffix != SUFFIX:
        raise UsageError(f"gallery {folder} must end in {SUFFIX}, or be http://SERVER:PORT")
    if folder.is_file():
        raise GalleryMissingError(f"{folder} is a file; a gallery is a folder, give another name")
    if not (folder / LOCK).is_file() and not create:
        raise GalleryMissingError(
            f"there is no gallery at {folder}; make it with 'fprnet gallery create'"
        )
    folder.mkdir(parents=True, exist_ok=True)
    install()
    try:
        with locked(folder / LOCK) as lock:
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            sockets = Path(tempfile.mkdtemp(prefix="fprnet-"))  # of this user only
            try:
                server, database, _ = start_server_in_thread(
                    str(folder), host="unix", port=sockets / "milvus"
                )
                try:
                    yield f"unix:{sockets / 'milvus'}"
                finally:
                    server.stop(grace=2).wait()
                    database.close()
            finally:
                shutil.rmtree(sockets, ignore_errors=True)
    except BlockingIOError as error:
        owner = (folder / LOCK).read_text(encoding="utf-8").strip()
        raise GalleryLockedError(
            f"{folder} is open in process {owner}, and an embedded gallery belongs to one process "
            "at a time; close that one, or ask it through 'fprnet serve'"
        ) from error
    except MilvusLiteError as error:
        raise GalleryError(f"{folder} cannot be opened ({error}); is it a gallery?") from error


def _translated(uri: str, error: Exception) -> GalleryError:
    """Say in one sentence what the client's exception means."""
    from pymilvus.exceptions import MilvusException

    reason = " ".join(str(getattr(error, "message", error)).split())[:300]
    if isinstance(error, MilvusException) and error.code not in (1, 2):
        return GalleryError(f"gallery {uri} refuses: {reason}")
    return GalleryUnavailableError(
        f"gallery {uri} does not answer ({reason}); check address, token and server"
    )
