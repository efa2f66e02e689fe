"""A small gallery, and a service in front of it: in this process, or as a user starts it."""

import hashlib
import io
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from conftest import command, environment
from fprnet.embeddings.embedder import Embedder
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord, ModelIdentity

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


def make_stock(folder: Path, embedder: Embedder) -> Path:
    """Fill a folder with ``people.db`` of 12 images, and the images in ``day``.

    Image i is of camera 1 + i % 3 and location i % 2, i minutes after ``FIRST``; the first six
    show people 0 to 5, the others nobody known.
    """
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
    embeddings = embedder.embed([folder / "day" / record.path for record in records], "visible")
    with Gallery.create(str(folder / "people.db"), ModelIdentity.of(embedder)) as gallery:
        gallery.add(embeddings, records)
    return folder


@contextmanager
def client_at(address: str, key: str | None = None, **options: Any) -> Iterator[httpx2.Client]:
    """A client that sends a key with every request."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx2.Client(base_url=address, headers=headers, timeout=60, **options) as client:
        yield client


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of an answer that has to say what is wrong, and what to do next."""
    content = answer.json()
    assert content.keys() == {"error"}, content
    assert content["error"].keys() == {"code", "message", "next"}
    assert all(content["error"].values())
    assert "Traceback" not in answer.text
    return answer.status_code, content["error"]["code"]


class Process:
    """``fprnet serve`` as a user starts it, on a free port."""

    def __init__(self, *words: object) -> None:
        self.folder = Path()
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
