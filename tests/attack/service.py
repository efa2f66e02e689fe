"""A running service: bad requests, wrong keys, slow and idle clients, its end under load."""

from __future__ import annotations

import http.client
import io
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from files import changed, images
from outcomes import Row
from PIL import Image

from service_cases import Process, image_bytes, part

__all__ = ["attack_service", "end_under_load"]

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
JSON = {"Content-Type": "application/json"}
SOUND_JSON = (
    b'{"embeddings": [EMBEDDING], "top": 3, "false_match_rate": 0.3, "rerank": true}',
    b'{"embeddings": [EMBEDDING, EMBEDDING], "filters": {"modality": "visible"}, "group": true}',
    b'{"search": "0123456789abcdef0123456789abcdef", "confirmed": [], "rerank": true}',
    b'{"search": "x", "match": "y", "verdict": "right"}',
    b'{"hidden": true}',
)
ROUTES = (
    ("GET", "/metrics"), ("GET", "/v1/me"), ("GET", "/v1/gallery"), ("POST", "/v1/search"),
    ("POST", "/v1/gallery/images"), ("POST", "/v1/explanations"), ("POST", "/v1/feedback"),
    ("GET", "/v1/feedback?format=zip"), ("GET", "/v1/gallery/images/" + 64 * "0"),
    ("GET", "/v1/gallery/images/" + 64 * "0" + "/content"),
    ("PATCH", "/v1/gallery/images/" + 64 * "0"), ("DELETE", "/v1/gallery/images/" + 64 * "0"),
)  # fmt: skip
IDLE = 1500  # connections
KEPT = 3.0  # seconds after which a kept connection is not used again
PATIENCE = 60.0  # seconds until an answer counts as missing


class Caller:
    """One kept connection to the service, opened again when it was closed."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self.port = port
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._last = time.monotonic()
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def another(self) -> Caller:
        """Return another connection of the same caller."""
        caller = Caller(self.port)
        caller.headers = self.headers
        return caller

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """Return the status of the answer.

        Raises:
            OSError: There was none.
        """
        if time.monotonic() - self._last > KEPT:
            self._connection.close()  # the service has closed it, or is about to
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self._connection.request(method, path, body, self.headers | names)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        self._last = time.monotonic()
        return answer.status


def attack_service(
    process: Process, keys: dict[str, str], seed: int, tries: int, *, embedding_size: int
) -> Iterator[Row]:
    """Throw everything at a service that is reachable with keys.

    Args:
        process: The service.
        keys: Role -> key.
        seed: Seed of what is tried.
        tries: Of each kind, about.
        embedding_size: Numbers of an embedding of the service's model.
    """
    caller = Caller(port_of(process), keys["admin"])
    yield _bodies(caller, random.Random(f"{seed} bodies"), tries)
    yield _uploads(caller, random.Random(f"{seed} uploads"), max(1, tries // 4))
    yield _json(caller, random.Random(f"{seed} json"), tries, embedding_size)
    yield _names(caller)
    yield _keys(caller.port, keys, random.Random(f"{seed} keys"))
    yield _raw(caller, random.Random(f"{seed} raw"), max(1, tries // 4))
    yield _idle(caller)
    yield _memory(process, caller, max(1, tries * 2))
    yield _large(process, caller)


def port_of(process: Process) -> int:
    """Return the port that a service listens on."""
    return int(process.address.rpartition(":")[2])


def _judge(row: Row, what: str, status: int) -> None:
    if status >= 500 and status != 503:
        row.fault(f"{what}: {status}")
    else:
        row.counts["taken" if status < 400 else "refused"] += 1


def _ask(row: Row, caller: Caller, what: str, method: str, path: str, **given: object) -> None:
    began = time.perf_counter()
    try:
        status = caller.ask(method, path, **given)  # type: ignore[arg-type]
    except (OSError, http.client.HTTPException) as error:
        row.fault(f"{what}: {type(error).__name__}: {error}")
    else:
        _judge(row, what, status)
    seconds = time.perf_counter() - began
    row.slowest = max(row.slowest, seconds)
    row.counts["hung"] += seconds > row.patience


def _form(chance: random.Random, content: bytes) -> bytes:
    name = chance.choice(("a.png", "夜.png", "ü.png", "x" * 300, "a\x00b", "../../b.png"))
    pairs = part("metadata", b'{"modality": "visible", "camera": 1}') + part("image", content, name)
    return pairs + b"--x--\r\n"


def _bodies(caller: Caller, chance: random.Random, tries: int) -> Row:
    row = Row("changed multipart bodies", PATIENCE / 2)
    sound = image_bytes(1)
    for number in range(tries):
        path = chance.choice(("/v1/search", "/v1/gallery/images"))
        body = (
            _form(chance, sound)
            if path.endswith("images")
            else (part("images", sound, "a.png") + part("options", b'{"top": 3}') + b"--x--\r\n")
        )
        _ask(row, caller, f"body {number}", "POST", path, body=changed(body, chance), **FORM)
    return row


def _uploads(caller: Caller, chance: random.Random, tries: int) -> Row:
    row = Row("changed images over HTTP", PATIENCE / 2)
    sound = list(images(2))
    for number in range(tries):
        kind, content = chance.choice(sound)
        body = part("images", changed(content, chance), "a.png") + b"--x--\r\n"
        _ask(row, caller, f"upload {number} {kind}", "POST", "/v1/search", body=body, **FORM)
    return row


def _json(caller: Caller, chance: random.Random, tries: int, size: int) -> Row:
    row = Row("changed JSON", PATIENCE / 2)
    embedding = json.dumps([1.0] * size).encode()
    numbers = ("5e-324", "1e308", "-1", "NaN", "9" * 400, '"\\ud800"', "[" * 900, "null", "true")
    for number in range(tries):
        body = chance.choice(SOUND_JSON)
        if chance.random() < 0.5:
            body = body.replace(b"3", chance.choice(numbers).encode(), 1)
        else:
            body = changed(body, chance)
        body = body.replace(b"EMBEDDING", embedding)
        path = chance.choice(("/v1/search", "/v1/explanations", "/v1/feedback"))
        _ask(row, caller, f"JSON {number}", "POST", path, body=body, **JSON)
    return row


def _names(caller: Caller) -> Row:
    row = Row("names, hosts and origins")
    for name in ("夜.png", "ü.png", "\U0001f31b", '"', "a;b", "%00", "x" * 5000):
        body = part("images", image_bytes(3), name) + b"--x--\r\n"
        _ask(row, caller, f"name {name:.20}", "POST", "/v1/search", body=body, **FORM)
    for origin in ("http://[", "null", "http://", "//", "http://a:b:c", "x" * 5000):
        _ask(row, caller, f"origin {origin:.20}", "POST", "/v1/search", body=b"{}", Origin=origin)
    for boundary in ("x" * 71, "x" * 300, '"', "a b"):
        kind = f"multipart/form-data; boundary={boundary}"
        _ask(row, caller, f"boundary {boundary:.9}", "POST", "/v1/search", Content_Type=kind)
    for method in ("HEAD", "OPTIONS", "TRACE", "X"):
        _ask(row, caller, method, method, "/healthz")
    return row


def _keys(port: int, keys: dict[str, str], chance: random.Random) -> Row:
    """No key, a wrong one, or one whose role does not allow it: never a 2xx."""
    row = Row("no key, wrong key, wrong role")
    wrong = [None, "x", "Bearer", "é" * 9, keys["search"][:-1], keys["gone"], "0" * 10_000]
    for key in wrong:
        for method, path in ROUTES:
            caller = Caller(port, None if key is None else key.encode().decode("latin-1"))
            _ask(row, caller, f"{method} {path:.30} with {key!s:.9}", method, path)
            row.counts["faults"] += row.counts.pop("taken", 0)
    forbidden = [r for r in ROUTES if r[0] in ("PATCH", "DELETE") or "images" in r[1]]
    for method, path in forbidden:
        _ask(row, Caller(port, keys["monitor"]), f"monitor: {method} {path:.30}", method, path)
        row.counts["faults"] += row.counts.pop("taken", 0)
    for number in range(50):
        method, path = chance.choice(ROUTES)
        key = "".join(chance.choice("abcdef0123456789") for _ in range(43))
        _ask(row, Caller(port, key), f"guess {number}", method, path)
        row.counts["faults"] += row.counts.pop("taken", 0)
    return row


def _raw(caller: Caller, chance: random.Random, tries: int) -> Row:
    """Bytes that are hardly HTTP; the service has to answer or to close, and to live."""
    row = Row("changed HTTP")
    head = b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    sound = head + b"hello"
    for number in range(tries):
        began = time.perf_counter()
        with closing(socket.create_connection(("127.0.0.1", caller.port), 5)) as connection:
            connection.settimeout(PATIENCE)
            try:
                connection.sendall(changed(sound, chance))
                connection.shutdown(socket.SHUT_WR)
                start = connection.recv(100)
            except ConnectionError:
                start = b""
            except TimeoutError:
                row.counts["hung"] += 1
                continue
        status = int(start[9:12]) if start.startswith(b"HTTP/1.1 ") else 400
        _judge(row, f"raw {number}", status)
        row.slowest = max(row.slowest, time.perf_counter() - began)
    return row


def _idle(caller: Caller) -> Row:
    """Many connections that say nothing, or half a head; authorised calls have to get through."""
    row = Row(f"{IDLE} idle and half-open connections")
    held = []
    for number in range(IDLE):
        try:
            connection = socket.create_connection(("127.0.0.1", caller.port), 5)
        except OSError:
            break
        held.append(connection)
        if number % 2:
            connection.send(b"GET /v1/gallery HTTP/1.1\r\nHost: x\r\n")
        if number % 100 == 0:
            _ask(row, caller.another(), f"call beside {number}", "GET", "/v1/gallery")
    time.sleep(25)  # the patience for a head, and some
    closed = 0
    for connection in held:
        connection.settimeout(0.01)
        try:
            closed += connection.recv(1) == b""
        except ConnectionError:
            closed += 1
        except TimeoutError:
            pass
        connection.close()
    row.counts["hung"] += len(held) - closed
    row.note = f"{closed} of {len(held)} were closed within 25 s"
    return row


def _memory(process: Process, caller: Caller, tries: int) -> Row:
    row = Row(f"memory over {tries} searches")
    body = part("images", image_bytes(5, colour=False), "a.png") + b"--x--\r\n"
    before = 0
    for number in range(tries):
        if number == tries // 4:
            before = _resident(process)
        _ask(row, caller, f"search {number}", "POST", "/v1/search", body=body, **FORM)
    row.note = f"{(_resident(process) - before) / 1024:+.1f} MB over the last three quarters"
    return row


def _large(process: Process, caller: Caller) -> Row:
    """Images of just 25 million pixels: the memory that they take is not the service's."""
    row = Row("images of 25 megapixels")
    buffer = io.BytesIO()
    shades = np.random.default_rng(0).integers(0, 256, (1, 5000, 4), dtype=np.uint8)
    Image.fromarray(np.repeat(shades, 5000, axis=0)).save(buffer, "PNG", compress_level=1)
    body = part("images", buffer.getvalue(), "large.png") + b"--x--\r\n"
    before = _resident(process, "VmHWM")
    for number in range(5):
        _ask(row, caller, f"large {number}", "POST", "/v1/search", body=body, **FORM)
    row.note = f"{(_resident(process, 'VmHWM') - before) / 1024:+.1f} MB of the service's peak"
    return row


def _resident(process: Process, which: str = "VmRSS") -> int:
    """Kilobytes of the process: resident now, or its peak."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.partition(f"{which}:")[2].split()[0])


def end_under_load(process: Process, key: str, clients: int = 24) -> Row:
    """SIGTERM while clients search: whoever was let in is answered."""
    row = Row("SIGTERM under load", patience=60.0)
    statuses: Counter[str] = Counter()
    body = part("images", image_bytes(7, colour=False), "a.png") + b"--x--\r\n"
    ends = threading.Event()

    def work() -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port_of(process), timeout=PATIENCE)
            headers = FORM | {"Authorization": f"Bearer {key}"}
            try:
                connection.connect()
            except OSError:
                return  # no longer listening
            try:
                connection.request("POST", "/v1/search", body, headers)
                answer = connection.getresponse()
                statuses[str(answer.status)] += 1
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                statuses[type(error).__name__] += 1
                if ends.is_set():
                    return
            finally:
                connection.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(3)
    began = time.perf_counter()
    ends.set()
    status = process.stop()
    row.slowest = time.perf_counter() - began
    for thread in threads:
        thread.join()
    for name, count in statuses.items():
        if name in ("200", "503", "429"):
            row.counts["taken" if name == "200" else "refused"] += count
        else:
            row.counts["faults"] += count
            row.examples.append(f"end under load: {count} x {name}")
    row.note = json.dumps(dict(statuses))
    if status != 0:
        row.fault(f"exit status {status}")
    return row
