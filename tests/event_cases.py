"""A gallery with people on its watch list, receivers of events, and what they were told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import numpy as np

from fprnet.events.dispatcher import Alarm, Dispatcher
from fprnet.events.matching import Matcher
from fprnet.events.watch_list import watch_for
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.strangers import Strangers
from fprnet.gallery.tracklets import add_tracklet
from gallery_cases import record
from http_cases import http_server
from tracklet_cases import tracklet

QUANTILES = tuple(np.arange(96) / 200)  # 95 % of the strangers are less alike than 0.475


def calibration() -> Calibration:
    """Strangers are less alike than 0.475 in 95 % of the pairs, and the rest is near that."""
    of_one = {modality: Strangers(QUANTILES, 0.001, 0.0) for modality in ("visible", "infrared")}
    tracklets = Calibration(
        checkpoint_sha256="a" * 64,
        method="logistic",
        similarities=(0.0, 1.0),
        log_ratios=(0.0, 5.0),
        stranger_quantiles=QUANTILES,
        tail_scale=0.001,
        tail_shape=0.0,
        same_modality=of_one,
    )
    values = {**vars(tracklets), "tracklets": tracklets}
    return Calibration(**values)


def axis(number: int, *, near: float = 0.0) -> np.ndarray:
    """A unit vector along an axis, or near it."""
    vector = np.zeros(8, np.float32)
    vector[number], vector[(number + 1) % 8] = 1.0, near
    return vector / np.linalg.norm(vector)


def fill(gallery: Gallery) -> None:
    """Add adaline (axis 0, twice), bob (axis 3), carl (axis 5); the first two are watched."""
    people = [
        ("adaline", 0, "hall"),
        ("adaline", 0, "hall"),
        ("bob", 3, "hall"),
        ("carl", 5, "hall"),
    ]
    records = [
        record(number, identity=name, location=place, camera="enrolled")
        for number, (name, _, place) in enumerate(people)
    ]
    gallery.add(np.stack([axis(place) for _, place, _ in people]), records)
    for name in ("adaline", "bob"):
        watch_for(gallery, name, by="clerk")


def see(gallery: Gallery, dispatcher: Dispatcher, number: int, person: int, **options):
    """Add a tracklet of the person along an axis, as a recorder does; return the matches."""
    alarm = Alarm(Matcher(gallery, calibration(), 0.01), dispatcher)
    seen = tracklet(number, vectors=[axis(person, near=0.2)], start=10 * number, **options)
    matches = alarm.matches(seen)
    add_tracklet(gallery, seen, also=alarm.writer(gallery, matches))
    alarm.added(matches)
    return matches


@dataclass
class Receiver:
    """An HTTP server that is sent events.

    Attributes:
        url: Its address.
        status: What it answers.
        received: Headers and body of each request.
    """

    url: str = ""
    status: int = 204
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver on this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append((dict(self.headers), body))
            self.send_response(receiver.status)
            if receiver.status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http_server(Handler, port) as served_at:
        receiver.url = f"http://127.0.0.1:{served_at}/hook"
        yield receiver


def record_id(number: int) -> str:
    """Id of the record that ``gallery_cases.record`` makes."""
    return hashlib.sha256(f"image {number}".encode()).hexdigest()
