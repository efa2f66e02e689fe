"""A small gallery, and a service in front of it: in this process, or as a user starts it."""

import hashlib
import io
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import command, environment
from fprnet.embeddings.embedder import Embedder, load_model
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord, ModelIdentity
from fprnet.gallery.searcher import Searcher
from fprnet.serving.app import create_app
from fprnet.serving.service import Service
from fprnet.serving.settings import Settings

MODEL = ("--model", "fprnet", "--scale", "tiny")
FIRST = datetime(2026, 3, 1, 8, tzinfo=UTC)
SIZE = (96, 48)  # of the tiny model's input


def image_bytes(seed: int, *, colour: bool = True, format: str = "PNG", **options: Any) -> bytes:
    """Noise of 32 x 64 pixels as a file: coloured, or gray as an infrared camera gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    if not colour:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="session")
def untrained() -> Embedder:
    return load_model("fprnet", scale="tiny", device="cpu")


@pytest.fixture(scope="session")
def stock(untrained: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``people.db`` of 12 images, and the images in ``day``; copy it to change it.

    Image i is of camera 1 + i % 3 and location i % 2, i minutes after ``FIRST``; the first six
    show people 0 to 5, the others nobody known.
    """
    folder = tmp_path_factory.mktemp("stock")
    (folder / "day").mkdir()
    records = []
    for i in range(12):
        content = image_bytes(i)
        (folder / "day" / f"{i}.png").write_bytes(content)
        when = FIRST + timedelta(minutes=i)
        identity = i if i < 6 else -1
        records.append(
            GalleryRecord(sha256(content), f"{i}.png", "visible", 1 + i % 3, i % 2, when, identity)
        )
    embeddings = untrained.embed([folder / "day" / record.path for record in records], "visible")
    with Gallery.create(str(folder / "people.db"), ModelIdentity.of(untrained)) as gallery:
        gallery.add(embeddings, records)
    return folder


@contextmanager
def service_of(stock: Path, folder: Path, embedder: Embedder, **settings: Any) -> Iterator[Service]:
    """A service of a copy of the gallery."""
    database = folder / "people.db"
    shutil.copytree(stock / "people.db", database)
    chosen = {
        "folder": folder / "service",
        "image_roots": (stock / "day",),
        "allowed_hosts": ("testserver",),
        "rate": 0.0,
    } | settings
    with Gallery.open(str(database), writable=True) as gallery:
        service = Service(Searcher(embedder, gallery), Settings(**chosen))
        try:
            yield service
        finally:
            service.close()


@contextmanager
def client_of(service: Service) -> Iterator[Any]:
    """FastAPI's test client; faults of the service are answers, as for users."""
    from fastapi.testclient import TestClient

    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        yield client


class Process:
    """``fprnet serve`` as a user starts it, on a free port."""

    def __init__(self, *words: object) -> None:
        self.log = Path(tempfile.mkstemp(prefix="fprnet-serve-")[1])
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command("serve", *words, "--port", "0"),
                stdout=log,
                stderr=log,
                env=environment(),
            )
        self.address = self._address()

    def _address(self) -> str:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = re.search(r"(http://\S+) serves", self.log.read_text())
            if found:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def process_of(*words: object) -> Iterator[Process]:
    process = Process(*words)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()
        process.log.unlink()
