"""Frigate's HTTP interface: the size of its frames, its list of events, its pictures.

Shapes: a picture is H x W pixels with channels R, G, B.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fprnet.data.images import decode_image
from fprnet.errors import DataError, UsageError
from fprnet.events.sinks import NoRedirect
from fprnet.file_kinds import kind_of
from fprnet.watch.frigate.events import ListedEvent, Size, read_list, read_sizes
from fprnet.watch.frigate.outage import UnreachableError

__all__ = ["FrigateApi", "Picture"]

SCHEME = "frigate+"
PAGE = 100  # events of the list that are asked for at once
MOST = 64_000_000  # bytes of an answer that are read
GATEWAY = (502, 503, 504)  # a server stands before Frigate, which is not there
REFUSED = (401, 403)
QUALITY = 95  # of a JPEG
SAME = 0.001  # seconds between two times of one frame

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Picture:
    """What Frigate has kept of an event: pixels ``(H, W, 3)``, and when they were taken.

    Attributes:
        pixels: The whole frame, ``(H, W, 3)``, without anything drawn into it.
        seconds: Since 1970; None where Frigate does not say.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    seconds: float | None

    def is_of(self, time: datetime) -> bool:
        """Whether it may have been taken at a time: unless Frigate says another one."""
        return self.seconds is None or abs(self.seconds - time.timestamp()) < SAME


class FrigateApi:
    """Asks a Frigate, as a user of its own or, at its inner port, as nobody in particular.

    Args:
        address: ``frigate+http://`` or ``frigate+https://[USER:PASSWORD@]HOST[:PORT][/PATH]``.
        timeout: Seconds to wait for an answer.

    Raises:
        UsageError: The address is none.
    """

    def __init__(self, address: str, timeout: float) -> None:
        parts = _parts(address)
        host = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self.name = SCHEME + self._base
        self._login: dict[str, str] | None = None
        if parts.username is not None:
            user, password = (
                urllib.parse.unquote(one or "") for one in (parts.username, parts.password)
            )
            self._login = {"user": user, "password": password}
        self._timeout = timeout
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(NoRedirect, cookies)
        self._clean = ["png", "webp"]  # until version 0.16, and from 0.17 on; what it has is first

    def sizes(self) -> dict[str, Size]:
        """Return name -> size of the frames in which people are detected, of each camera.

        Raises:
            UnreachableError: Frigate does not answer with its configuration.
        """
        return self._read("/api/config", read_sizes)

    def ended(self, after: float, cameras: Sequence[str]) -> list[ListedEvent | None]:
        """Return the events of people that are over and have a picture, the newest first.

        Args:
            after: Seconds since 1970; those that began later.
            cameras: Names of the cameras whose events are meant; () takes all.

        Returns:
            None stands for one that is not as Frigate writes it.

        Raises:
            UnreachableError: Frigate does not answer with its list.
        """
        query: dict[str, Any] = {
            "labels": "person",
            "has_snapshot": 1,
            "in_progress": 0,
            "include_thumbnails": 0,
            "limit": PAGE,
            "after": after,
        }
        if cameras:
            query["cameras"] = ",".join(cameras)
        found: list[ListedEvent | None] = []
        while True:
            page = self._read(f"/api/events?{urllib.parse.urlencode(query)}", read_list)
            found += page
            oldest = min((one.start_time for one in page if one is not None), default=None)
            if len(page) < PAGE or oldest in (None, query.get("before")):
                return found
            query["before"] = oldest

    def picture_so_far(self, id: str) -> Picture | None:
        """Return the best picture of somebody who is still there; None where that is over.

        Raises:
            UnreachableError: Frigate does not answer.
            ImageFileError: It is damaged.
        """
        query = f"bbox=0&timestamp=0&crop=0&quality={QUALITY}"
        answer = self._get(f"/api/events/{urllib.parse.quote(id)}/snapshot.jpg?{query}")
        # Of an event that is over Frigate sends the picture that may have its box drawn into it.
        if answer is None or "no-store" not in answer[1].get("Cache-Control", ""):
            return None
        return self._picture(id, *answer)

    def picture(self, id: str) -> Picture | None:
        """Return the clean copy of the best picture of an event that is over; None without one.

        Raises:
            UnreachableError: Frigate does not answer.
            ImageFileError: It is damaged.
        """
        for suffix in tuple(self._clean):
            answer = self._get(f"/api/events/{urllib.parse.quote(id)}/snapshot-clean.{suffix}")
            if answer is not None:
                self._clean.sort(key=lambda one: one != suffix)
                return self._picture(id, *answer)
        return None

    def _picture(self, id: str, content: bytes, headers: Message) -> Picture:
        pixels, _ = decode_image(content, name=f"{self.name}: the picture of event {id}")
        try:
            seconds: float | None = float(headers.get("X-Frame-Time", ""))
        except ValueError:
            seconds = None
        return Picture(pixels, seconds)

    def _read(self, path: str, read: Callable[[bytes], Answer]) -> Answer:
        """Return what a path, which every Frigate has, answers."""
        answer = self._get(path)
        if answer is None:
            raise UnreachableError(
                f"{self.name} has no {path.partition('?')[0]}; correct the address"
            )
        kind = kind_of(answer[0])
        if kind is not None:
            raise UnreachableError(f"{self.name} answers with {kind}; correct the address")
        try:
            return read(answer[0])
        except DataError as error:
            raise UnreachableError(f"{self.name}: {error}; correct the address") from error

    def _get(self, path: str) -> tuple[bytes, Message] | None:
        """Return content and headers; None where there is no such thing."""
        try:
            return self._open(path, None)
        except urllib.error.HTTPError as error:
            status = error.code
        if status in REFUSED and self._login is not None:
            self._log_in()
            try:
                return self._open(path, None)
            except urllib.error.HTTPError as error:
                status = error.code
        if status in REFUSED:
            raise UnreachableError(
                f"{self.name} answers {status}; give USER:PASSWORD@ of somebody who may see it"
            )
        if status in GATEWAY or status < 400:
            raise UnreachableError(f"{self.name} answers {status}")
        return None

    def _log_in(self) -> None:
        """Get the cookie with which Frigate knows its user."""
        try:
            self._open("/api/login", json.dumps(self._login).encode())
        except urllib.error.HTTPError as error:
            raise UnreachableError(
                f"{self.name} answers {error.code} to user and password; correct them"
            ) from error

    def _open(self, path: str, body: bytes | None) -> tuple[bytes, Message]:
        headers = {"User-Agent": "fprnet"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self._base + path, body, headers)
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return answer.read(MOST), answer.headers
        except urllib.error.HTTPError as error:
            error.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise UnreachableError(f"{self.name} does not answer ({reason})") from error


def _parts(address: str) -> urllib.parse.SplitResult:
    """Return the parts of the address behind ``frigate+``; faults are said without a password."""
    try:
        parts = urllib.parse.urlsplit(address.removeprefix(SCHEME))
        is_whole = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment or not address.isascii():
        raise UsageError(
            "the address of the Frigate is none; write frigate+http://HOST:5000 or "
            "frigate+https://USER:PASSWORD@HOST:8971, with %XX for signs that have a meaning there"
        )
    return parts
