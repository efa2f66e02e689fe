"""Addresses of cameras that answer with a refusal, or with nothing that is a video."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest

from fprnet.errors import DataError, UsageError
from fprnet.watch.sources import SourceOptions, open_source
from fprnet.watch.video import decoded, without_password
from http_cases import http_server

av = pytest.importorskip("av")


@contextmanager
def refusing(status):
    """A server that answers everything with a status; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(status)

        def log_message(self, *words):
            pass

    with http_server(Handler) as port:
        yield f"http://guest:secret@127.0.0.1:{port}/stream"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 503])
def test_a_camera_that_refuses_is_called_again(status):
    said = []
    with refusing(status) as address:
        source = open_source(address, SourceOptions(timeout=5))

        def say(line):
            said.append(line)
            source.stop()

        assert list(source.frames(say)) == []
    assert len(said) == 1
    assert "cannot be opened" in said[0]
    assert "calling it again" in said[0]
    assert "secret" not in said[0]


def test_an_unknown_protocol_is_refused_at_once():
    source = open_source("rtps://10.0.0.7/stream", SourceOptions())
    with pytest.raises(UsageError, match=r"rtps://10\.0\.0\.7/stream.*rtsp://"):
        next(iter(source.frames(print)))


def test_a_stream_that_turns_into_something_else_has_broken_off():
    def packets(stream):
        raise av.error.InvalidDataError(1, "no packet")
        yield

    stream = SimpleNamespace(codec_context=SimpleNamespace(options={}))
    container = SimpleNamespace(streams=SimpleNamespace(video=[stream]), demux=packets)
    with pytest.raises(DataError, match="door broke off after 0 frames"):
        next(decoded(container, "door", print))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("rtsp://admin:pa55@10.0.0.7/s", "rtsp://10.0.0.7/s"),
        ("rtsp://admin:p@55@10.0.0.7/s", "rtsp://10.0.0.7/s"),
        ("rtsp://10.0.0.7/s@2?user=a@b", "rtsp://10.0.0.7/s@2?user=a@b"),
        ("film.mp4", "film.mp4"),
    ],
)
def test_passwords_are_not_said(address, said):
    assert without_password(address) == said
