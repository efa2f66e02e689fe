"""``fprnet serve`` as it is used: many clients upload images at once, and somebody adds many.

The service is a process of its own, in front of a gallery that was filled without embedding an
image for each record. Besides the drawn embeddings it holds those of a few images; the clients
search for these, so each answer is known and a mixed-up one is an error. Wall-clock time.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from fprnet.config.schema import Scale
from fprnet.data.images import read_image
from fprnet.embeddings.loading import load_model
from fprnet.errors import GalleryError
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord, ModelIdentity
from fprnet_lab.benchmarking.drawn_gallery import drawn_embeddings, drawn_records
from fprnet_lab.benchmarking.untrained import write_untrained

__all__ = ["ServiceLoad", "Tally", "measure_service", "searches"]

KNOWN = 32  # images that are searched for
ALONE = 100  # searches of one client, before the others come
START_SECONDS = 600.0
PATIENCE = 120.0  # seconds for an answer
BOUNDARY = "fprnet-benchmark"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
# What an operator asks: by night, not where the query was taken, by day.
OPTIONS = {"modality": "infrared", "filters": {"exclude_location": 0, "modality": "visible"}}
STAGES = ("decode", "embed", "search")
SHOWN = 3  # complaints that are kept


@dataclass(frozen=True)
class ServiceLoad:
    """What the service has to bear. All numbers are at least 1.

    Attributes:
        records: In the gallery.
        clients: That search at once, each again as soon as it is answered.
        seconds: For how long.
        added: Images that are added in one request, afterwards.
        scale: Scale of preset fprnet.
        threads: Threads of the service (``OMP_NUM_THREADS``).
    """

    records: int = 100_000
    clients: int = 32
    seconds: float = 60.0
    added: int = 500
    scale: Scale = "full"
    threads: int = 2


@dataclass
class Tally:
    """What clients saw. Thread-safe.

    Attributes:
        seconds: Seconds of each request.
        errors: Wrong or missing answers.
        complaints: The first few of them.
        lock: Held while these change.
    """

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    complaints: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, seconds: float, complaint: str | None) -> None:
        """Count a request that took so long, and what was wrong with its answer."""
        with self.lock:
            self.seconds.append(seconds)
            if complaint is not None:
                self.errors += 1
                self.complaints = [*self.complaints, complaint][:SHOWN]

    def milliseconds(self, share: float) -> float:
        """Return the time within which so many of the requests were answered."""
        return 1000 * float(np.quantile(self.seconds, share))


def measure_service(load: ServiceLoad) -> dict[str, object]:
    """Start a service, load it, add to it, and stop it.

    Returns:
        Requests, errors and the first few of them, speeds; ``alone_*`` is of one client.
    """
    queries = [_picture(number) for number in range(KNOWN)]
    with tempfile.TemporaryDirectory(prefix="fprnet-") as name:
        folder = Path(name)
        checkpoint = write_untrained(folder, load.scale)
        _fill(folder, checkpoint, load.records, queries)
        started = time.perf_counter()
        with _serving(folder, load) as (process, address):
            starting = time.perf_counter() - started
            alone = searches(address, queries, clients=1, enough=lambda n, _: n >= ALONE)
            before = _counters(address)
            whole = time.perf_counter()
            crowd = searches(
                address, queries, load.clients, enough=lambda _, seconds: seconds >= load.seconds
            )
            whole = time.perf_counter() - whole
            after = _counters(address)
            adding = Tally()
            added_in = _add(address, load.added, adding)
            memory = _peak_gib(process.pid)
            process.send_signal(signal.SIGTERM)
            status = process.wait(PATIENCE)
    tallies = (alone, crowd, adding)
    return {
        "records": load.records + KNOWN,
        "clients": load.clients,
        "seconds": whole,
        "requests": len(crowd.seconds),
        "errors": sum(tally.errors for tally in tallies) + (status != 0),
        "complaints": [text for tally in tallies for text in tally.complaints],
        "exit_status": status,
        "requests_per_second": len(crowd.seconds) / whole,
        "p50_ms": crowd.milliseconds(0.5),
        "p95_ms": crowd.milliseconds(0.95),
        "alone_p50_ms": alone.milliseconds(0.5),
        "alone_p95_ms": alone.milliseconds(0.95),
        "images_added_per_second": load.added / added_in,
        "images_per_batch": _mean("fprnet_batch_images", "", before, after),
        "stages_ms": {
            stage: 1000
            * _mean("fprnet_search_stage_seconds", f'{{stage="{stage}"}}', before, after)
            for stage in STAGES
        },
        "starting_seconds": starting,
        "peak_gib": memory,
        "scale": load.scale,
        "threads": load.threads,
    }


def _picture(number: int) -> bytes:
    """Return an infrared image as a camera's detector might cut it out, as a JPEG."""
    gray = np.random.default_rng(number).integers(0, 256, (24, 12), dtype=np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(gray).resize((144, 288), Image.Resampling.BICUBIC)
    image.convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _fill(folder: Path, checkpoint: Path, count: int, queries: list[bytes]) -> None:
    """Make the gallery: drawn embeddings, and at location 1 those of the queries."""
    embedder = load_model(checkpoint, device="cpu", precision="auto")
    vectors, _ = drawn_embeddings(count, embedder.embedding_size, queries=0)
    pixels = []
    for number, content in enumerate(queries):
        file = folder / f"{number}.jpg"
        file.write_bytes(content)
        pixels.append(read_image(file, embedder.size))
    known = embedder.embed(np.stack(pixels), "infrared")
    records = [
        GalleryRecord(id=_sha256(content), path=f"{number}.jpg", modality="visible", location="1")
        for number, content in enumerate(queries)
    ]
    model = ModelIdentity.of(embedder, str(checkpoint))
    with Gallery.create(str(folder / "people.db"), model) as gallery:
        gallery.add(np.concatenate([vectors, known]), [*drawn_records(range(count)), *records])


@contextmanager
def _serving(folder: Path, load: ServiceLoad) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the service for the time of the block; yields the process and ``HOST:PORT``."""
    log = folder / "log"
    words = ["serve", "--gallery", folder / "people.db", "--port", 0, "--rate", 0]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "fprnet", *map(str, words)],
            stdout=file,
            stderr=file,
            env=os.environ | {"OMP_NUM_THREADS": str(load.threads)},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"http://(\S+) serves", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise GalleryError(f"the service did not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield process, found[1]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def searches(
    address: str, queries: list[bytes], clients: int, enough: Callable[[int, float], bool]
) -> Tally:
    """Let clients search until it is enough: given a client's searches, and the seconds."""
    bodies = [_form(("images", content), ("options", _json(OPTIONS))) for content in queries]
    expected = [_sha256(content) for content in queries]
    tally = Tally()
    started = time.monotonic()

    def client(first: int) -> None:
        count = 0
        with closing(_connection(address)) as connection:
            while not enough(count, time.monotonic() - started):
                which = (first + count) % len(queries)
                before = time.perf_counter()
                complaint = _search(connection, bodies[which], expected[which])
                tally.note(time.perf_counter() - before, complaint)
                count += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def _search(connection: http.client.HTTPConnection, body: bytes, expected: str) -> str | None:
    """Search once; returns what is wrong with the answer."""
    try:
        connection.request("POST", "/v1/search", body, FORM)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()  # the next request opens it again
        return f"no answer: {error!r}"
    if answer.status != 200:
        return f"status {answer.status}: {content[:200].decode(errors='replace')}"
    found = json.loads(content)["matches"]
    if not found or found[0]["id"] != expected:
        return "the image was not found, though it is in the gallery"
    return None


def _add(address: str, count: int, tally: Tally) -> float:
    """Add images in one request; returns the seconds until the last one is acknowledged."""
    about = _json({"modality": "infrared", "camera": 6, "location": 0})
    parts = []
    for number in range(count):
        parts += [("metadata", about), ("image", _picture(KNOWN + number))]
    body = _form(*parts)
    started = time.perf_counter()
    with closing(_connection(address)) as connection:
        connection.request("POST", "/v1/gallery/images", body, FORM)
        lines = connection.getresponse().read().splitlines()
    seconds = time.perf_counter() - started
    for line in lines:
        status = json.loads(line).get("status")
        tally.note(0.0, None if status == "added" else line[:200].decode(errors="replace"))
    if len(lines) != count:
        tally.note(0.0, f"{len(lines)} of {count} images were answered")
    return seconds


def _counters(address: str) -> dict[str, float]:
    """Return what the service has counted so far, by name and labels."""
    with closing(_connection(address)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def _mean(name: str, labels: str, before: dict[str, float], after: dict[str, float]) -> float:
    """Return the mean of what a histogram has got between two readings."""
    total, count = (
        after[f"{name}_{what}{labels}"] - before.get(f"{name}_{what}{labels}", 0.0)
        for what in ("sum", "count")
    )
    return total / count


def _peak_gib(process: int) -> float | None:
    """Return the largest resident memory of a process so far; None where that is not known."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():  # no Linux
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 2**20


def _connection(address: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(address, timeout=PATIENCE)


def _form(*parts: tuple[str, bytes]) -> bytes:
    """Return a multipart body; parts of JSON have no file name."""
    body = []
    for name, content in parts:
        file = "" if name in ("options", "metadata") else '; filename="night.jpg"'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += [head.encode(), content, b"\r\n"]
    return b"".join(body) + f"--{BOUNDARY}--\r\n".encode()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
