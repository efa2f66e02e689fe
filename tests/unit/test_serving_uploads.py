"""Multipart bodies: whole and in pieces, damaged, too large, too slow."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from fprnet.serving import uploads
from fprnet.serving.problems import ProblemError
from fprnet.serving.uploads import Part, parts, whole_body

BOUNDARY = "----x"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def body(*sent: tuple[str, str | None, bytes]) -> bytes:
    """Write by hand what a browser sends."""
    text = b""
    for name, file, content in sent:
        disposition = f'form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
        text += f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n".encode()
        text += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
    return text + f"--{BOUNDARY}--\r\n".encode()


def request(chunks: Sequence[bytes], **headers: str) -> Request:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks] + [
        {"type": "http.request", "body": b"", "more_body": False}
    ]
    left = iter(messages)

    async def receive():
        return next(left)

    sent = {"content-type": TYPE} | {k.replace("_", "-"): v for k, v in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def read(req: Request, most: int | None = 10_000, most_by_part: int = 1000) -> list[Part]:
    async def collect():
        return [part async for part in parts(req, most=most, most_by_part=most_by_part)]

    return asyncio.run(collect())


SENT = (
    ("images", "C:\\pictures\\night.jpg", b"\x00\r\n--not the boundary\r\n\xff"),
    ("options", None, b'{"top": 3}'),
    ("images", "../../etc/passwd", b""),
)
EXPECTED = [
    Part("images", "night.jpg", SENT[0][2]),
    Part("options", None, SENT[1][2]),
    Part("images", "passwd", b""),
]


def test_parts_come_out_as_they_were_sent():
    assert read(request([body(*SENT)])) == EXPECTED


@given(st.lists(st.integers(0, len(body(*SENT))), max_size=12))
def test_pieces_of_any_size_make_the_same_parts(cuts):
    whole = body(*SENT)
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(places) if b > a]
    assert read(request(pieces)) == EXPECTED


def test_part_is_there_before_the_next_has_arrived():
    async def first() -> Part:
        # The second piece would raise StopIteration if it were asked for.
        whole = body(*SENT)
        arrived = whole[: whole.index(b"options") + 60]
        stream = parts(request([arrived]), most=None, most_by_part=1000)
        return await anext(stream)

    assert asyncio.run(first()) == EXPECTED[0]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "ends in the middle"),
        (b"hello", "no valid multipart"),
        (body(*SENT)[:-30], "ends in the middle"),
        (body(*SENT).replace(b"form-data", b"attachment"), "a part has no name"),
        (body(*SENT).replace(b'; name="options"', b""), "a part has no name"),
        (body(*SENT).replace(b"Content-Type", b"X: y\r\nX"), None),
        (
            body(*SENT).replace(
                b"Content-Type", b"".join(b"X%d: y\r\n" % n for n in range(20)) + b"Content-Type"
            ),
            "header",
        ),
    ],
)
def test_damaged_body_is_refused(content, what):
    if what is None:
        assert read(request([content])) == EXPECTED
        return
    with pytest.raises(ProblemError, match=what) as caught:
        read(request([content]))
    assert (caught.value.status, caught.value.code) == (400, "malformed_multipart")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=x"]
)
def test_other_media_types_are_refused(kind):
    with pytest.raises(ProblemError) as caught:
        read(request([b""], content_type=kind))
    assert caught.value.status == 415


def test_announced_size_is_refused_before_a_byte_is_read():
    req = request([], content_length="10001")
    with pytest.raises(ProblemError, match=r"more than 0\.01 MB") as caught:
        read(req)
    assert caught.value.code == "body_too_large"


def test_size_that_was_not_announced_is_counted():
    taken = []

    def pieces():
        for _ in range(1000):
            taken.append(1)
            yield b"x" * 1000

    source = pieces()

    async def receive():
        return {"type": "http.request", "body": next(source), "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(ProblemError) as caught:
        asyncio.run(whole_body(Request(scope, receive), 5500))
    assert caught.value.status == 413
    assert len(taken) == 6


def test_part_that_is_too_large_is_named():
    sent = body(("images", "large.png", bytes(1001)))
    with pytest.raises(ProblemError, match=r"large\.png has more than 0\.001 MB") as caught:
        read(request([sent]))
    assert (caught.value.status, caught.value.code) == (413, "image_too_large")
    assert read(request([body(("images", "a.png", bytes(1000)))]))[0].content == bytes(1000)


def test_sender_that_stops_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(uploads, "PATIENCE", 0.01)

    async def receive():
        await asyncio.sleep(3600)

    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(ProblemError, match="stopped arriving") as caught:
        asyncio.run(whole_body(Request(scope, receive), 100))
    assert caught.value.status == 408


def test_sender_that_goes_away_is_no_fault_of_ours():
    async def receive():
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(ProblemError, match="connection was closed"):
        asyncio.run(whole_body(Request(scope, receive), 100))


def test_names_of_files_are_fit_to_print():
    sent = body(("images", "a/b\x1b[31mred.png", b"x"), ("images", "n" * 500, b"x"))
    names = [part.file for part in read(request([sent]))]
    assert names == ["b?[31mred.png", "n" * 200]


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ('filename="夜.png"'.encode(), "夜.png"),
        ('filename="ü.png"'.encode(), "ü.png"),
        ('filename="ü.png"'.encode("latin-1"), "ü.png"),
        (b"filename*=UTF-8''n%C3%A4chte%20%E5%A4%9C.png", "nächte 夜.png"),
        (b"filename=\"plain.png\"; filename*=UTF-8''%E5%A4%9C.png", "plain.png"),  # RFC 7578
    ],
)
def test_names_of_files_are_read_in_any_script(parameter, name):
    sent = body(("images", "NAME", b"x")).replace(b'filename="NAME"', parameter)
    assert [part.file for part in read(request([sent]))] == [name]


@given(st.binary(max_size=60))
def test_no_name_of_a_file_breaks_the_reader(name):
    sent = body(("images", "NAME", b"x")).replace(b"NAME", name)
    try:
        parts_read = read(request([sent]))
    except ProblemError as problem:
        outcome = problem.code
    else:
        outcome = parts_read[0].content.decode()
    assert outcome in ("x", "malformed_multipart")


def test_long_boundary_is_refused():
    kind = f"multipart/form-data; boundary={'x' * 300}"
    with pytest.raises(ProblemError, match="300") as caught:
        read(request([b""], content_type=kind))
    assert caught.value.status == 400


def test_sender_of_a_byte_now_and_then_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(uploads, "PATIENCE", 0.05)

    async def receive():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(ProblemError) as caught:
        asyncio.run(whole_body(Request(scope, receive), 1_000_000))
    assert caught.value.status == 408
