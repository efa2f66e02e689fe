"""A small gallery, and a service in front of it: in this process, or as a user starts it."""

import hashlib
import io
import json
import re
import signal
import struct
import subprocess
import tempfile
import time
import zlib
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
from fprnet.gallery.audit import read_entries
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


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is ``side`` pixels wide and high."""
    return _empty_png(side, side)


def bomb_row(side: int) -> bytes:
    """A PNG of a few bytes that says it is ``side`` pixels wide and one high."""
    return _empty_png(side, 1)


def _empty_png(width: int, height: int) -> bytes:

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


IDS = [sha256(image_bytes(i)) for i in range(12)]  # of the stock


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
        records.append(
            GalleryRecord(
                id=sha256(content),
                path=f"{i}.png",
                modality="visible",
                camera=1 + i % 3,
                location=i % 2,
                time=when,
                identity=i if i < 6 else None,
            )
        )
    embeddings = embedder.embed([folder / "day" / record.path for record in records], "visible")
    with Gallery.create(str(folder / "people.db"), ModelIdentity.of(embedder)) as gallery:
        gallery.add(embeddings, records)
    return folder


@contextmanager
def client_at(
    address: str, key: str | None = None, origin: str | None = None, **options: Any
) -> Iterator[httpx2.Client]:
    """A client that sends a key with every request, or the name of the page that makes it."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if origin:
        headers["Origin"] = origin
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


def audit(folder: Path) -> list[dict[str, Any]]:
    """The audit log of the gallery in a folder."""
    with Gallery.open(str(folder / "people.db")) as gallery:
        return list(read_entries(gallery.database))


def search(client: httpx2.Client, *images: bytes, **options: Any) -> dict[str, Any]:
    """Search for images as a form; the answer has to be a good one."""
    answer = post_images(client, *images, **options)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def post_images(client: httpx2.Client, *images: bytes, **options: Any) -> httpx2.Response:
    files = [("images", (f"{i}.png", image, "image/png")) for i, image in enumerate(images)]
    return client.post("/v1/search", files=files, data={"options": json.dumps(options)})


def add(client: httpx2.Client, *pairs: tuple[Any, bytes]) -> list[dict[str, Any]]:
    """Send (metadata, image) by turns and return the lines of the answer."""
    files: list[Any] = []
    for metadata, image in pairs:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        files.append(("metadata", (None, text)))
        files.append(("image", (f"{len(files) // 2}.png", image, "image/png")))
    answer = client.post("/v1/gallery/images", files=files)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def part(name: str, content: bytes, file: str | None = None) -> bytes:
    """A part of a form whose boundary is "x", as it is sent."""
    place = f'; filename="{file}"' if file else ""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{place}\r\n\r\n'
    return head.encode() + content + b"\r\n"


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
