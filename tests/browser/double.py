"""A stand-in for the service: the page's half of the contract, answers foreseeable.

Images of the query's person have similarities from 0.66 to 0.92, others from 0.12 to 0.58, by the
first digits of their ids; 0.6 is the threshold. Who a query shows is known by its file's bytes.
Everything else (batching, audit, limits) is the real service's.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from fprnet.serving.page import asset, language_of, render

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
LIMITS = {
    "images_per_search": 8,
    "bytes_per_image": 2_000_000,
    "pixels_per_image": 16_000_000,
    "images_per_upload": 100,
    "matches": 200,
}
PERMISSIONS = {
    "search": ["search", "mark"],
    "write": ["search", "mark", "add", "hide", "export"],
    "admin": ["search", "mark", "add", "hide", "export", "erase", "metrics"],
}


@dataclass
class Failure:
    """An error to answer with, instead of what was asked for."""

    path: str
    status: int
    code: str
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Record:
    """An image of the gallery."""

    id: str
    path: Path
    camera: int
    location: int
    time: str | None
    identity: int | None
    hidden: bool = False


class Double:
    """The state behind the answers, and the server that gives them."""

    def __init__(self, people: Path) -> None:
        self.people = people
        self.records = {record.id: record for record in _records(people)}
        self.shown_by = {
            hashlib.sha256(file.read_bytes()).hexdigest(): int(file.parts[-2])
            for file in people.glob("cam*/*/*.jpg")
        }
        self.keys: dict[str, str] = {}  # key -> role; empty: no key is asked for
        self.calibrated = True
        self.absent: set[int] = set()  # identities whom the gallery does not have
        self.threshold = 0.6
        self.searches: dict[str, dict[str, Any]] = {}
        self.marks: dict[tuple[str, str], str] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.failures: list[Failure] = []
        self.gate = threading.Event()  # a search waits until it is set
        self.gate.set()
        self.server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        """Listen; after ``stop`` again at the same address."""
        handler = type("Handler", (_Handler,), {"double": self})
        self.server = _Server(("127.0.0.1", self.port), handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be gone, as a process that was killed."""
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()
        self.server = None

    def hold(self) -> None:
        """Let searches wait."""
        self.gate.clear()

    def let_go(self) -> None:
        """Answer the searches that wait."""
        self.gate.set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def fail(self, path: str, status: int, code: str, times: int = 1, **headers: str) -> None:
        """Answer the next requests to a path with an error."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failures.append(Failure(path, status, code, times, named))

    def asked(self, method: str, path: str) -> list[Any]:
        """What was sent to a path, oldest first."""
        return [sent for how, where, sent in self.requests if (how, where) == (method, path)]

    def search(self, options: dict[str, Any], uploads: list[tuple[str, bytes]]) -> dict[str, Any]:
        queries = [(name, hashlib.sha256(content).hexdigest()) for name, content in uploads]
        number = f"search-{len(self.searches)}-{'0' * 12}"
        self.searches[number] = {"uploads": uploads, "options": options}
        person = self.shown_by.get(queries[0][1])
        rate = options.get("false_match_rate")
        found = [record for record in self.records.values() if _passes(record, options)]
        scored = sorted(
            ((self._similarity(record, person, options), record) for record in found),
            key=lambda pair: -pair[0],
        )
        candidates = len(scored)
        scored = scored[: options["top"]]
        key = " ".join(sha256 for _, sha256 in queries)
        matches = [
            self._match(rank, similarity, record, rate, options, key)
            for rank, (similarity, record) in enumerate(scored, start=1)
        ]
        accepted = any(match["accepted"] for match in matches)
        coloured = options["modality"] == "infrared" and _is_coloured(uploads[0][1])
        warning = {"code": "other_modality", "message": f"{queries[0][0]} has colours"}
        uncalibrated = {"code": "not_calibrated", "message": "the model has not been calibrated"}
        return {
            "search": number,
            "modality": options["modality"],
            "queries": [
                {
                    **{"name": name, "sha256": sha256, "width": 32, "height": 64},
                    "warnings": [warning] if coloured and index == 0 else [],
                }
                for index, (name, sha256) in enumerate(queries)
            ],
            "matches": matches,
            "people": _people(matches) if options["group"] else [],
            "candidates": candidates,
            "decision": {
                "false_match_rate": rate,
                "threshold": self.threshold,
                "same_modality_threshold": None,
                "in_gallery": accepted,
            }
            if rate and matches
            else None,
            "warnings": [] if self.calibrated else [uncalibrated],
            "confirmed": options.get("confirmed", []),
            "milliseconds": {"decode": 1.0, "embed": 21.0, "search": 14.0},
        }

    def _similarity(self, record: Record, person: int | None, options: dict[str, Any]) -> float:
        number = int(record.id[:6], 16) / 0xFFFFFF
        same = record.identity == person and person not in self.absent
        if record.id in options.get("confirmed", []):
            return 0.97
        more = 0.03 if same and options.get("confirmed") else 0.0
        return round((0.66 + 0.26 * number + more) if same else 0.12 + 0.46 * number, 4)

    def _match(
        self,
        rank: int,
        similarity: float,
        record: Record,
        rate: float | None,
        options: dict[str, Any],
        key: str,
    ) -> dict[str, Any]:
        return {
            **self.facts(record),
            "rank": rank,
            "similarity": similarity,
            "probability": round(min(max(2.3 * similarity - 0.95, 0.003), 0.995), 4)
            if self.calibrated
            else None,
            "accepted": similarity >= self.threshold if rate else None,
            "confirmed": record.id in options.get("confirmed", []),
            "marked": self.marks.get((key, record.id)),
        }

    def facts(self, record: Record) -> dict[str, Any]:
        return {
            "id": record.id,
            "camera": record.camera,
            "location": record.location,
            "modality": "visible",
            "time": record.time,
            "identity": record.identity,
            "path": record.path.relative_to(self.people).as_posix(),
            "image": f"/v1/gallery/images/{record.id}/content",
        }

    def gallery(self) -> dict[str, Any]:
        shown = [record for record in self.records.values() if not record.hidden]
        times = sorted(record.time for record in shown if record.time)

        def counted(of: Callable[[Record], Any]) -> list[dict[str, Any]]:
            values = [of(record) for record in shown]
            return [{"value": v, "records": values.count(v)} for v in sorted(set(values))]

        return {
            "records": len(shown),
            "hidden": len(self.records) - len(shown),
            "identities": len({record.identity for record in shown} - {None}),
            "cameras": counted(lambda record: record.camera),
            "locations": counted(lambda record: record.location),
            "modalities": [{"value": "visible", "records": len(shown)}],
            **{"since": times[0], "until": times[-1]},
            **{"model": "0" * 64, "preset": "fprnet", "embedding_size": 512},
            **{"calibrated": self.calibrated, "writable": True, "limits": LIMITS},
        }

    def explain(self, asked: dict[str, Any]) -> dict[str, Any]:
        record = self.records[asked["match"]]
        _, content = self.searches[asked["search"]]["uploads"][asked["query"]]
        parts = [("main", 0.52, 1), ("level5", 0.61, 1), ("level4", 0.47, 2), ("level3", 0.7, 6)]
        return {
            **{"match": record.id, "query": asked["query"], "similarity": 0.6},
            "parts": [
                {
                    **{"name": name, "cosine": cosine, "share": round(cosine / 4, 4)},
                    "query_stripes": _stripes(cosine / 4, count, 1),
                    "match_stripes": _stripes(cosine / 4, count, 2),
                }
                for name, cosine, count in parts
            ],
            "heat_maps": {
                "query": _heat(content, 0.3),
                "match": _heat(record.path.read_bytes(), 0.55),
            },
        }


class _Server(ThreadingHTTPServer):
    request_queue_size = 50

    def handle_error(self, *_: object) -> None:
        """A browser may go away in the middle of an answer."""


class _Handler(BaseHTTPRequestHandler):
    double: Double
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests look at what was asked."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        double = self.double
        path = urlsplit(self.path).path
        uploads, sent = self._body()
        double.requests.append((method, path, sent))
        if double.server is None:
            self.close_connection = True
            return
        if failure := next((f for f in double.failures if f.path == path and f.times), None):
            failure.times -= 1
            self._problem(failure.status, failure.code, failure.headers)
        elif path == "/":
            language = language_of(self.headers.get("Accept-Language"))
            self._send(200, render(language).encode(), "text/html; charset=utf-8")
        elif path.startswith("/page/"):
            if file := asset(path.removeprefix("/page/")):
                self._send(200, file.content, file.media_type)
            else:
                self._problem(404, "not_found")
        elif path == "/healthz":
            self._json({"status": "ready"})
        elif double.keys and self._key() not in double.keys:
            self._problem(401, "key_wrong" if self._key() else "key_missing")
        else:
            self._api(method, path, sent, uploads)

    def _api(self, method: str, path: str, sent: Any, uploads: list[tuple[str, bytes]]) -> None:
        double = self.double
        role = double.keys.get(self._key() or "", "admin")
        if path == "/v1/me":
            name = "ward-3" if double.keys else "local"
            may = PERMISSIONS[role]
            me = {"name": name, "role": role, "keys_required": bool(double.keys), "may": may}
            self._json(me)
        elif path == "/v1/gallery":
            self._json(double.gallery())
        elif path == "/v1/search":
            double.gate.wait(10)
            if "search" in sent:
                if sent["search"] not in double.searches:
                    self._problem(404, "search_expired")
                    return
                uploads = double.searches[sent["search"]]["uploads"]
            self._json(double.search(sent, uploads))
        elif path == "/v1/explanations" or (path, method) == ("/v1/feedback", "POST"):
            if sent["search"] not in double.searches:
                self._problem(404, "search_expired")
            elif path == "/v1/explanations":
                self._json(double.explain(sent))
            else:
                self._feedback(sent)
        elif path == "/v1/feedback":
            format_ = parse_qs(urlsplit(self.path).query)["format"][0]
            rows = [f"{key},{match},{verdict}" for (key, match), verdict in double.marks.items()]
            self._send(200, "\n".join([format_, *rows]).encode(), "text/csv; charset=utf-8")
        elif path.endswith("/content"):
            self._picture(path.split("/")[-2])
        else:
            self._record(method, path.rsplit("/", 1)[-1], sent)

    def _record(self, method: str, record: str, sent: Any) -> None:
        if record not in self.double.records:
            self._problem(404, "record_unknown")
        elif method == "DELETE":
            del self.double.records[record]
            self._json({"id": record, "erased": True, "image_erased": False})
        else:
            self.double.records[record].hidden = sent["hidden"]
            self._json({"id": record, "hidden": sent["hidden"], "changed": True})

    def _feedback(self, sent: dict[str, Any]) -> None:
        uploads = self.double.searches[sent["search"]]["uploads"]
        key = " ".join(hashlib.sha256(content).hexdigest() for _, content in uploads)
        if sent["verdict"] == "none":
            self.double.marks.pop((key, sent["match"]), None)
        else:
            self.double.marks[key, sent["match"]] = sent["verdict"]
        self._json({"match": sent["match"], "verdict": sent["verdict"]})

    def _picture(self, record: str) -> None:
        if (found := self.double.records.get(record)) is None:
            self._problem(404, "image_not_shown")
        else:
            self._send(200, found.path.read_bytes(), "image/jpeg")

    def _key(self) -> str | None:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def _body(self) -> tuple[list[tuple[str, bytes]], Any]:
        """Files and what else was sent, decoded."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/"):
            return [], json.loads(body) if body else None
        message = BytesParser(policy=HTTP).parsebytes(
            b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
        )
        parts = list(message.iter_parts())
        files = [
            (part.get_filename() or "", part.get_payload(decode=True))
            for part in parts
            if part.get_param("name", header="content-disposition") == "images"
        ]
        options = parts[-1].get_payload(decode=True)
        return files, json.loads(options)

    def _problem(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        error = {"code": code, "message": f"what was wrong: {code}", "next": "do it otherwise"}
        content = json.dumps({"error": error}).encode()
        self._send(status, content, "application/json", headers)

    def _json(self, answer: Any) -> None:
        self._send(200, json.dumps(answer).encode(), "application/json")

    def _send(
        self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _records(people: Path) -> list[Record]:
    """The daytime images, two an hour from 20 November on; of every tenth the time is unknown."""
    found = []
    files = [
        file for camera in (1, 2, 4, 5) for file in sorted(people.glob(f"cam{camera}/*/*.jpg"))
    ]
    for number, file in enumerate(files):
        camera = int(file.parts[-3].removeprefix("cam"))
        minutes = 30 * number
        time = f"2026-11-{20 + minutes // 1440:02}T{minutes % 1440 // 60:02}:{minutes % 60:02}:00Z"
        found.append(
            Record(
                id=hashlib.sha256(file.read_bytes()).hexdigest(),
                path=file,
                camera=camera,
                location=1 if camera < 3 else 2,
                time=time if number % 10 else None,
                identity=int(file.parts[-2]),
            )
        )
    return found


def _passes(record: Record, options: dict[str, Any]) -> bool:
    filters = options["filters"]
    since, until = filters["since"], filters["until"]
    return (
        not record.hidden
        and (not filters["cameras"] or record.camera in filters["cameras"])
        and (not filters["locations"] or record.location in filters["locations"])
        and record.location != filters["exclude_location"]
        and (since is None or (record.time or "") >= since)
        and (until is None or (record.time or "9999") <= until)
        and filters["identity"] != "unknown"
    )


def _people(matches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Matches by identity, the best person first."""
    ranks: dict[int, list[int]] = {}
    for match in matches:
        ranks.setdefault(match["identity"], []).append(match["rank"])
    return [
        {"identity": identity, "similarity": 0.5, "probability": None, "matches": of}
        for identity, of in ranks.items()
    ]


def _is_coloured(content: bytes) -> bool:
    image = Image.open(io.BytesIO(content)).convert("RGB").resize((8, 16))
    return any(max(pixel) - min(pixel) > 25 for pixel in image.get_flattened_data())


def _stripes(share: float, count: int, seed: int) -> list[float]:
    weights = [
        1 + 0.8 * ((7 * index + 3 * seed) % 5) - (1.5 if index == 4 else 0)
        for index in range(count)
    ]
    return [round(share * weight / sum(weights), 4) for weight in weights]


def _heat(content: bytes, height: float) -> str:
    """The photograph with a warm spot."""
    photograph = Image.open(io.BytesIO(content)).convert("RGB").resize((48, 96))
    spot = Image.radial_gradient("L").resize((48, 60)).point(lambda value: max(0, 200 - value))
    mask = Image.new("L", photograph.size)
    mask.paste(spot, (0, round(height * 96) - 30))
    hot = Image.new("RGB", photograph.size, (255, 120, 20))
    stream = io.BytesIO()
    Image.composite(hot, photograph, mask).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
