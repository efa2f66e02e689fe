"""Where events go: a sink takes one and returns when it is acknowledged.

A webhook is signed: HMAC-SHA256 over the time stamp, a dot and the body, with a secret that both
sides know (docs/events.md shows the other side's check).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fprnet.errors import FprnetError, UsageError
from fprnet.events.outbox import Event

__all__ = [
    "ID_HEADER",
    "SIGNATURE_HEADER",
    "TIME_HEADER",
    "JsonLines",
    "NoRedirect",
    "Sink",
    "UndeliveredError",
    "Webhook",
    "read_secret",
    "signature",
]

ID_HEADER, TIME_HEADER = "X-Fprnet-Event", "X-Fprnet-Timestamp"
SIGNATURE_HEADER = "X-Fprnet-Signature"
PATIENCE = 10.0  # seconds until a receiver counts as gone
SHORTEST_SECRET = 16  # bytes


class UndeliveredError(FprnetError):
    """A sink did not acknowledge an event; it is tried again."""


class Sink(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """What the outbox calls it; the same after a restart, without a password."""

    def send(self, event: Event) -> None:
        """Deliver an event.

        Raises:
            UndeliveredError: It was not acknowledged.
        """

    def close(self) -> None:
        """Let go of connections."""


class JsonLines:
    """Prints each event as a JSON object on a line: ``{"event": {...}}``.

    Args:
        write: Takes a line, and returns when it is written.
    """

    name = "stdout"

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def send(self, event: Event) -> None:
        """Print an event.

        Raises:
            UndeliveredError: Nobody reads any more.
        """
        try:
            self._write('{"event": ' + event.model_dump_json() + "}")
        except OSError as error:
            raise UndeliveredError(f"stdout cannot be written ({error.strerror})") from error

    def close(self) -> None:
        """Nothing is held."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like others: requests go where the user said, and nowhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow nothing."""


class Webhook:
    """POSTs each event as JSON, signed; any 2xx answer acknowledges it. Redirects are not followed.

    Args:
        url: ``http://`` or ``https://``.
        secret: Shared with the receiver.

    Raises:
        UsageError: The address is none.
    """

    def __init__(self, url: str, secret: bytes) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"webhook {url!r} is no address ({error}); correct it") from error
        if parts.scheme not in ("http", "https") or not host or not url.isascii():
            raise UsageError(f"webhook {url!r} is no http:// or https:// address; correct it")
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                "the webhook's address has a user name, which logs would show; the signature says "
                "who sends"
            )
        self._url, self._secret = url, secret
        # Names of queries may be secrets of the receiver: the outbox knows them by a hash.
        query = f"?{hashlib.sha256(url.encode()).hexdigest()[:8]}" if parts.query else ""
        self.name = f"webhook {parts.scheme}://{parts.netloc}{parts.path}{query}"
        self._opener = urllib.request.build_opener(NoRedirect)

    def send(self, event: Event) -> None:
        """POST an event.

        Raises:
            UndeliveredError: There is no answer, or another than 2xx.
        """
        body = event.model_dump_json().encode()
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "fprnet",
            ID_HEADER: event.id,
            TIME_HEADER: stamp,
            SIGNATURE_HEADER: signature(self._secret, stamp, body),
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            raise UndeliveredError(f"{self.name} answers {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise UndeliveredError(f"{self.name} does not answer ({reason})") from error

    def close(self) -> None:
        """Each event has a connection of its own."""


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """Return ``sha256=`` and the HMAC-SHA256 of ``stamp.body`` in hexadecimal digits (RFC 2104)."""
    return "sha256=" + hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def read_secret(file: Path) -> bytes:
    """Read the secret of a webhook: the file's content without white space at its ends.

    Raises:
        UsageError: The file cannot be read, or the secret is too short.
    """
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"secret {file} cannot be read ({error.strerror})") from error
    if len(secret) < SHORTEST_SECRET:
        raise UsageError(
            f"secret {file} has {len(secret)} bytes; give {SHORTEST_SECRET} or more, e.g. those "
            "of 'openssl rand -hex 32'"
        )
    return secret
