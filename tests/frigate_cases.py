"""What a Frigate says and shows: messages, its list of events, and a server that plays it."""

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from http_cases import http_server
from watch_cases import SIZE, START, box_at, scene

HEIGHT, WIDTH = SIZE
BEGIN = START.timestamp()


def corners(seconds):
    """Where the person of `scene` is, as Frigate has it: left, top, right, bottom."""
    left, top, width, height = box_at(seconds)
    return [left, top, left + width, top + height]


def state(id, begin, now, *, shot=None, camera="door", label="person", **values):
    """What Frigate knows of somebody who came ``begin`` and is there ``now``, seconds of START."""
    best = now if shot is None else shot
    return {
        "id": id,
        "camera": camera,
        "label": label,
        "frame_time": BEGIN + now,
        "start_time": BEGIN + begin,
        "end_time": None,
        "box": corners(now),
        "snapshot": {"frame_time": BEGIN + best, "box": corners(best), "score": 0.8},
        "has_snapshot": True,
        "false_positive": False,
        "current_zones": ["yard"],
    } | values


def message(kind, *args, **values):
    after = state(*args, **values)
    if kind == "end":
        after["end_time"] = after["frame_time"] + 5
    return json.dumps({"type": kind, "before": {}, "after": after}).encode()


def listed(id, begin, end, *, shot, camera="door", **values):
    """An event that is over, as ``/api/events`` lists it."""
    left, top, width, height = box_at(shot)
    box = [left / WIDTH, top / HEIGHT, width / WIDTH, height / HEIGHT]
    return {
        "id": id,
        "camera": camera,
        "label": "person",
        "start_time": BEGIN + begin,
        "end_time": BEGIN + end,
        "has_snapshot": True,
        "data": {"box": box, "type": "object"},
    } | values


def encoded(pixels, format="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def shown(seconds, *, dark=0, **options):
    """The picture of a moment, as a file; made darker, so that crops of two moments differ."""
    return encoded(scene(seconds, **options) // 2 + (100 - dark))


CONFIG = {
    name: {"detect": {"width": WIDTH, "height": HEIGHT}, "ffmpeg": {}} for name in ("door", "yard")
}


@dataclass
class PlayedFrigate:
    """What a Frigate has.

    Attributes:
        address: Of its server.
        events: Those that are over, as it lists them.
        clean: Id -> picture of each of them.
        ongoing: Id -> picture of who is there, and the time that is said of it.
        answers: Path -> status, type and content that are sent instead.
        login: User and password that it wants; None: none.
        suffix: Of its clean pictures.
        asked: Paths with queries, as they came.
    """

    address: str = ""
    events: list = field(default_factory=list)
    clean: dict = field(default_factory=dict)
    ongoing: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    login: tuple | None = None
    suffix: str = "png"
    asked: list = field(default_factory=list)

    def answer(self, path, query):
        """Return status, headers and content."""
        if path in self.answers:
            status, kind, content = self.answers[path]
            return status, {"Content-Type": kind}, content
        if path == "/api/config":
            return 200, {}, json.dumps({"cameras": CONFIG}).encode()
        if path == "/api/events":
            return 200, {}, json.dumps(self._listed(query)).encode()
        *_, id, name = path.split("/")
        if name == f"snapshot-clean.{self.suffix}" and id in self.clean:
            return 200, {"Cache-Control": "private, max-age=31536000"}, self.clean[id]
        if name == "snapshot.jpg" and id in self.ongoing:
            content, time = self.ongoing[id]
            headers = {"Cache-Control": "no-store"}
            return 200, headers | ({} if time is None else {"X-Frame-Time": time}), content
        if name == "snapshot.jpg" and id in self.clean:
            return 200, {"Cache-Control": "private, max-age=31536000"}, self.clean[id]
        return 404, {}, b'{"success": false, "message": "Event not found"}'

    def _listed(self, query):
        after, before = (float(query[name][0]) if name in query else None for name in BOUNDS)
        chosen = [one for one in self.events if after is None or one["start_time"] > after]
        chosen = [one for one in chosen if before is None or one["start_time"] < before]
        chosen.sort(key=lambda one: -one["start_time"])
        return chosen[: int(query["limit"][0])]


BOUNDS = ("after", "before")


@contextmanager
def playing(port=0, frigate=None):
    """Run a server that plays a Frigate on this machine."""
    frigate = frigate or PlayedFrigate()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            frigate.asked.append(self.path)
            parts = urlsplit(self.path)
            if frigate.login and self.headers.get("Cookie") != "frigate_token=token":
                self._send(401, {}, b"{}")
                return
            self._send(*frigate.answer(parts.path, parse_qs(parts.query)))

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if (body["user"], body["password"]) == frigate.login:
                self._send(200, {"Set-Cookie": "frigate_token=token; HttpOnly; Path=/"}, b"{}")
            else:
                self._send(401, {}, b"{}")

        def _send(self, status, headers, content):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http_server(Handler, port) as served_at:
        frigate.address = f"frigate+http://127.0.0.1:{served_at}"
        yield frigate
