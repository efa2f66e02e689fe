"""The body of a request becomes bytes and parts, counted while they arrive.

Nothing is written to the disk and nothing beyond a limit is kept: a body that is too large is
refused by its announced length, or at the first byte too many.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from fprnet.serving.problems import ProblemError

__all__ = ["Part", "media_type", "parts", "whole_body"]

PATIENCE = 30.0  # seconds without a byte
SLOWEST = 1000.0  # bytes a second on average, of a body of limited size
MOST_HEADERS = 16  # of a part
MOST_NAME = 200  # letters of a file's name that are kept
MAX_BOUNDARY = 70  # bytes (RFC 2046, section 5.1.1)
# filename*=UTF-8''n%C3%A4chte.png (RFC 8187)
EXTENDED_NAME = re.compile(rb"filename\*\s*=\s*\"?utf-8'[^']*'([^;\"\s]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A part of a multipart body.

    Attributes:
        name: Name of the field.
        file: Name of the file, without folders; None where the part is no file.
        content: Bytes.
    """

    name: str
    file: str | None
    content: bytes


def media_type(request: Request) -> str:
    """Return the body's media type in small letters, without parameters; "" where none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole_body(request: Request, most: int) -> bytes:
    """Read a body.

    Args:
        request: Not yet read.
        most: Bytes.

    Raises:
        ProblemError: It is larger, or stops arriving.
    """
    chunks = [chunk async for chunk in _chunks(request, most)]
    return b"".join(chunks)


async def parts(request: Request, *, most: int | None, most_by_part: int) -> AsyncIterator[Part]:
    """Yield the parts of a multipart/form-data body as they are complete.

    Args:
        request: Not yet read.
        most: Bytes of the body; None sets no limit.
        most_by_part: Bytes of a part's content.

    Raises:
        ProblemError: The body is no multipart, damaged, too large, or stops arriving.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ProblemError(
            415,
            "media_type",
            f"the body is {media_type(request) or 'of no named type'}, not multipart/form-data "
            "with a boundary",
            "send the images as a form, e.g. with curl --form",
        )
    if len(boundary) > MAX_BOUNDARY:
        raise _malformed(f"its boundary has {len(boundary)} bytes, more than {MAX_BOUNDARY}")
    collector = _Collector(most_by_part)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": collector.begin,
                "on_part_data": collector.data,
                "on_part_end": collector.end,
                "on_header_field": collector.header_field,
                "on_header_value": collector.header_value,
                "on_header_end": collector.header_end,
                "on_headers_finished": collector.headers_finished,
                "on_end": collector.finish,
            },
        )
        async for chunk in _chunks(request, most):
            parser.write(chunk)
            for part in collector.take():
                yield part
        parser.finalize()
    except FormParserError as error:
        raise _malformed(str(error)) from error
    if not collector.finished:
        raise _malformed("it ends in the middle")


class _Collector:
    """Puts together what the parser reports."""

    def __init__(self, most_by_part: int) -> None:
        self.finished = False
        self._most = most_by_part
        self._complete: list[Part] = []
        self._headers: dict[str, bytes] = {}
        self._field = b""
        self._value = b""
        self._name = ""
        self._file: str | None = None
        self._content = bytearray()

    def take(self) -> list[Part]:
        """Return the parts that were completed since the last call."""
        complete, self._complete = self._complete, []
        return complete

    def begin(self) -> None:
        self._headers = {}
        self._content = bytearray()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if len(self._headers) >= MOST_HEADERS:
            raise _malformed("a part has too many headers")
        name = self._field.decode("latin-1").strip().lower()
        self._headers[name] = self._value
        self._field = self._value = b""

    def headers_finished(self) -> None:
        disposition = self._headers.get("content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part has no name")
        self._name = options[b"name"].decode("utf-8", errors="replace")
        file = options.get(b"filename")
        if file is None and (extended := EXTENDED_NAME.search(disposition)):
            file = unquote_to_bytes(extended[1])
        self._file = None if file is None else _plain_name(file)

    def data(self, data: bytes, start: int, end: int) -> None:
        if len(self._content) + end - start > self._most:
            what = self._file or f"part {self._name!r}"
            raise ProblemError(
                413,
                "image_too_large",
                f"{what} has more than {_megabytes(self._most)}",
                "crop it to the person, or save it as JPEG",
            )
        self._content += data[start:end]

    def end(self) -> None:
        self._complete.append(Part(self._name, self._file, bytes(self._content)))
        self._content = bytearray()

    def finish(self) -> None:
        self.finished = True


async def _chunks(request: Request, most: int | None) -> AsyncIterator[bytes]:
    announced = request.headers.get("content-length", "")
    if most is not None and announced.isdecimal() and int(announced) > most:
        raise _too_large(most)
    received = 0
    waited = 0.0
    loop = asyncio.get_running_loop()
    stream = request.stream().__aiter__()
    while True:
        # A byte now and then would otherwise hold a place for days. Additions are not hurried: they
        # may come from a camera that seldom sees anybody.
        allowance = PATIENCE if most is None else PATIENCE + received / SLOWEST - waited
        began = loop.time()
        try:
            async with asyncio.timeout(min(PATIENCE, allowance)):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise ProblemError(
                408,
                "too_slow",
                f"the body stopped arriving for {PATIENCE:.0f} seconds, or came too slowly",
                "send it again",
                {"Connection": "close"},
            ) from error
        except ClientDisconnect as error:
            raise _malformed("the connection was closed before its end") from error
        waited += loop.time() - began
        received += len(chunk)
        if most is not None and received > most:
            raise _too_large(most)
        yield chunk


def _plain_name(file: bytes) -> str:
    """Return a file's name for messages: no folders, nothing that does not print.

    Browsers and curl send UTF-8; what is not UTF-8 is read as Latin-1, which has every byte.
    """
    try:
        text = file.decode("utf-8")
    except UnicodeDecodeError:
        text = file.decode("latin-1")
    text = text.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "?" for c in text)[:MOST_NAME] or "the image"


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.3g} MB"


def _malformed(reason: str) -> ProblemError:
    return ProblemError(
        400,
        "malformed_multipart",
        f"the body is no valid multipart/form-data ({reason})",
        "send it again, e.g. with curl --form",
    )


def _too_large(most: int) -> ProblemError:
    return ProblemError(
        413,
        "body_too_large",
        f"the body has more than {_megabytes(most)}",
        "send fewer or smaller images",
    )
