"""A service that is killed while images are posted, corrected, hidden and erased."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from forking import Forked, command, ended
from outcomes import Row

from fprnet.gallery.gallery import Gallery
from fprnet.serving.pictures import Pictures
from service_cases import image_bytes, part, sha256

__all__ = ["kill_service"]

MOST = 10  # requests before the one that the service is killed in, or soon after
SHORTEST = 0.02  # seconds, at least, in which it may happen
PATIENCE = 60.0  # seconds for an answer
FRESH = 40  # kills until the next gallery
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
JSON = {"Content-Type": "application/json"}


Asked: TypeAlias = tuple[str, str, bytes, dict[str, str]]  # method, path, body, headers


@dataclass(frozen=True)
class State:
    """What is known of a record."""

    camera: str
    hidden: bool = False


@dataclass(frozen=True)
class Change:
    """A request: id -> what the record will be, None for gone."""

    kind: str
    after: dict[str, State | None]


class Home:
    """A gallery with its service's folder, and what has been acknowledged of it."""

    def __init__(self, folder: Path, log: Path) -> None:
        folder.mkdir()
        self.folder, self.log = folder, log
        self.uri = folder / "people.db"
        preset = ("--model", "fprnet", "--scale", "tiny")
        ended(command("gallery", "create", "--uri", self.uri, *preset), log)
        self.records: dict[str, State] = {}
        self.pictures: dict[str, bytes] = {}
        self.erased: set[str] = set()
        self.without_copy: set[str] = set()  # an erasing was interrupted
        self.drawn = 0

    def change(self, chance: random.Random) -> tuple[Change, Asked]:
        """Draw the next change, and the request for it."""
        kind = chance.choice(("add", "add", "add", "correct", "hide", "erase"))
        if kind == "add" or not self.records:
            some = []
            for _ in range(chance.randint(1, 6)):
                self.drawn += 1
                some.append(image_bytes(self.drawn))
            unknown = sorted(self.pictures.keys() - self.records.keys())
            again = chance.sample(unknown, min(len(unknown), 2))
            some += [self.pictures[id] for id in again]  # erased, or never acknowledged
            camera = str(chance.randrange(9))
            self.pictures |= {sha256(content): content for content in some}
            facts = json.dumps({"modality": "visible", "camera": camera}).encode()
            parts = (part("metadata", facts) + part("image", one, "a.png") for one in some)
            after: dict[str, State | None] = {sha256(one): State(camera) for one in some}
            body = b"".join(parts) + b"--x--\r\n"
            return Change("add", after), ("POST", "/v1/gallery/images", body, FORM)
        id = chance.choice(sorted(self.records))
        state, path = self.records[id], f"/v1/gallery/images/{id}"
        if kind == "erase":
            return Change(kind, {id: None}), ("DELETE", path, b"", {})
        if kind == "hide":
            asked: dict[str, object] = {"hidden": not state.hidden}
            new = State(state.camera, not state.hidden)
        else:
            new = State(str(chance.randrange(9)), state.hidden)
            asked = {"camera": new.camera}
        return Change(kind, {id: new}), ("PATCH", path, json.dumps(asked).encode(), JSON)

    def acknowledge(self, id: str, state: State | None) -> None:
        """Keep what the service has answered."""
        if state is None:
            self.records.pop(id, None)
            self.erased.add(id)
        else:
            self.records[id] = state

    def check(self, pending: Change | None) -> None:
        """Compare the gallery, which no process holds, with what was acknowledged."""
        with Gallery.open(str(self.uri)) as gallery:
            ids = gallery.select()
            hidden = gallery.hidden(ids)
            found = {one.id: State(one.camera or "", one.id in hidden) for one in gallery.get(ids)}
        open_ends = pending.after if pending is not None else {}
        for id in found.keys() | self.records.keys():
            allowed = {self.records.get(id)}
            if id in open_ends:
                allowed.add(open_ends[id])
            assert found.get(id) in allowed, f"{id[:12]}: {found.get(id)}, not of {allowed}"
        for id in open_ends:
            if id in found:
                self.records[id] = found[id]
                self.erased.discard(id)
                if open_ends[id] is None:
                    self.without_copy.add(id)
            else:
                self.records.pop(id, None)
                self.erased.add(id)

    def check_files(self) -> None:
        """Check pictures: each record's is there and whole, nothing of any other is."""
        pictures = Pictures(self.folder / "people.db.service" / "images", (), 0)
        for id in self.records:
            kept = pictures.kept(id)
            assert kept is not None or id in self.without_copy, f"the picture of {id[:12]} is lost"
            assert kept is None or sha256(kept.read_bytes()) == id
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        content = b"".join(file.read_bytes() for file in files)
        for id in self.erased - self.records.keys():
            picture = self.pictures[id]
            for trace in (id.encode(), picture[100:140], picture[-60:-20]):
                assert trace not in content, f"{trace!r} of an erased image is still there"


class Client:
    """A client that knows what it was answered when the service dies."""

    def __init__(self, home: Home, port: int) -> None:
        self.home = home
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def ask(self, change: Change, request: Asked) -> Change | None:
        """Send a request; returns what of it was not acknowledged, None where all was.

        Raises:
            AssertionError: The answer is not a good one.
        """
        method, path, body, headers = request
        left = dict(change.after)
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            assert answer.status == 200, f"{method} {path[:40]}: {answer.status}"
            if change.kind == "add":
                while line := answer.readline():
                    if not line.endswith(b"\n"):
                        break
                    said = json.loads(line)
                    assert said["status"] == "added", said
                    self.home.acknowledge(said["id"], left.pop(said["id"]))
            else:
                json.loads(answer.read())
                for id, state in list(left.items()):
                    self.home.acknowledge(id, state)
                    del left[id]
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            return Change(change.kind, left)
        return Change(change.kind, left) if left else None


def kill_service(folder: Path, seed: int, kills: int) -> Row:
    """Kill ``fprnet serve`` while it is asked; the next one shows what was acknowledged."""
    row = Row("SIGKILL of the service while posting", patience=60.0)
    chance = random.Random(f"{seed} service")
    log = folder / "service.log"
    killed_at: Counter[str] = Counter()
    acknowledged = 0
    home: Home | None = None
    for number in range(kills):
        with row.one(f"service {number}"):
            if home is None or number % FRESH == 0:
                home = Home(folder / f"service{number}", log)
            try:
                kind, count = _one(home, chance)
            except BaseException:
                home = None
                raise
            row.kills += 1
            killed_at[kind] += 1
            acknowledged += count
    at = ", ".join(f"{kind} {count}" for kind, count in sorted(killed_at.items()))
    row.note = f"{acknowledged} requests acknowledged; killed at {at}"
    return row


def _one(home: Home, chance: random.Random) -> tuple[str, int]:
    """Start a service, look at what the last one left, ask, kill, and look at the gallery."""
    began = home.log.stat().st_size if home.log.exists() else 0
    words = ("serve", "--gallery", home.uri, "--port", 0, "--rate", 0)
    service = Forked(command(*words), home.log)
    killer: Forked | None = None
    try:
        port = _port(home.log, began, service)
        home.check_files()  # the service has swept when it is ready
        client, pending, asked = Client(home, port), None, 0
        last, longest = chance.randrange(MOST), 0.0
        while pending is None:
            if asked == last:
                seconds = chance.random() * max(longest, SHORTEST)
                killer = Forked(partial(_kill_later, service.id, seconds), home.log)
            change, request = home.change(chance)
            began_to_ask = time.monotonic()
            pending = client.ask(change, request)
            longest = max(longest, time.monotonic() - began_to_ask)
            asked += 1
    finally:
        if killer is not None:
            killer.wait()
        service.kill()
    home.check(pending)
    return pending.kind, asked - 1


def _kill_later(process: int, seconds: float) -> int:
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return 0


def _port(log: Path, began: int, service: Forked) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        said = log.read_bytes()[began:].decode() if log.exists() else ""
        if found := re.search(r"http://[\d.]+:(\d+) serves", said):
            return int(found[1])
        time.sleep(0.01)
    raise AssertionError(f"the service did not start: {said}")
