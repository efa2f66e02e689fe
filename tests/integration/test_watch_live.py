"""Cameras that send: a real RTSP server that dies and comes back, streams that stall.

The server is aio-rtsp-toolkit's, which plays a file over TCP; the command is a process of its own.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from fprnet.gallery.gallery import Gallery
from fprnet.gallery.tracklets import latest_tracklets
from live_cases import LONG, free_port, watching
from watch_cases import scene, write_boxes, write_video


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """``door.mp4``: 6 s, through which one person walks for 4."""
    folder = tmp_path_factory.mktemp("films")
    frames = [scene(min(index / 10, 4.0)) for index in range(60)]
    write_video(folder / "door.mp4", frames)
    write_boxes(folder / "boxes.txt", 41)
    return folder


@pytest.fixture
def uri(tmp_path):
    from fprnet.gallery.steps import create_gallery

    create_gallery(str(tmp_path / "people.db"), "fprnet", scale="tiny").close()
    return tmp_path / "people.db"


@contextmanager
def camera(folder, port):
    """An RTSP server of the films of a folder."""
    pytest.importorskip("aio_rtsp_toolkit", reason="needs an RTSP server: aio-rtsp-toolkit")
    script = (
        "import asyncio, sys; from aio_rtsp_toolkit import server;"
        "asyncio.run(server.serve(sys.argv[1], '127.0.0.1', int(sys.argv[2]),"
        " control_port=int(sys.argv[3])))"
    )
    command = [sys.executable, "-c", script, str(folder), str(port), str(free_port())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_camera_that_dies_and_comes_back(films, uri):
    port = free_port()
    address = f"rtsp://admin:pa55word@127.0.0.1:{port}/door.mp4"
    words = (address, "--gallery", uri, "--camera", "door", "--boxes", films / "boxes.txt")
    with watching(*words, "--rate", 10, "--timeout", 3) as one:
        one.wait_for(lambda: one.said("calling it again"))  # it is not there yet
        with camera(films, port):
            one.wait_for(lambda: one.tracklets)
        one.wait_for(lambda: one.said("calling it again") == one.said("is back") + 1)
        time.sleep(2)
        said = len(one.lines)
        time.sleep(4)
        assert len(one.lines) == said  # one line for an outage, however long
        assert one.said("calling it again") == one.said("is back") + 1
        back = one.said("is back")
        with camera(films, port):
            one.wait_for(lambda: one.said("is back") > back)
        assert one.end() == 0
    assert not any("pa55word" in line for line in one.lines)
    assert one.said("door:", "frames", "tracklets in the gallery") == 1
    first = one.tracklets[0]
    assert first["modality"] == "visible"
    assert first["source"] == f"rtsp://127.0.0.1:{port}/door.mp4"
    with Gallery.open(str(uri)) as gallery:
        assert len(latest_tracklets(gallery)) == len({each["id"] for each in one.tracklets})


ANSWERS = (b"", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", b"\x00\xff" * 5000)


@contextmanager
def stalling(answer):
    """A server that says one thing to everybody, and then nothing."""
    held = []

    def serve():
        while True:
            try:
                client, _ = listener.accept()
                held.append(client)
                client.sendall(answer)
            except ConnectionError:
                continue
            except OSError:
                return

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in held:
                client.close()


def test_streams_that_stall_or_send_garbage_do_not_stop_the_others(films, uri):
    with ExitStack() as stack:
        addresses = [stack.enter_context(stalling(answer)) for answer in ANSWERS]
        sources = [*addresses, films / "door.mp4"]
        cameras = [word for number in range(4) for word in ("--camera", f"c{number}")]
        boxes = [word for _ in sources for word in ("--boxes", films / "boxes.txt")]
        one = stack.enter_context(
            watching(*sources, "--gallery", uri, *cameras, *boxes, "--timeout", 1)
        )
        for address in addresses:
            one.wait_for(lambda address=address: one.said(address, "calling it again"))
        one.wait_for(lambda: one.tracklets)
        time.sleep(3)
        assert one.end() == 130  # a recording was among the sources
        for address in addresses:
            assert one.said(address, "calling it again") == 1
        assert [tracklet["camera"] for tracklet in one.tracklets] == ["c3"]


def test_a_back_fill_that_is_interrupted_goes_on(films, uri, tmp_path):
    """Ctrl-C keeps who was followed; the same command again adds what is missing."""
    videos = [shutil.copy(films / "door.mp4", tmp_path / f"{number}.mp4") for number in range(2)]
    for number, video in enumerate(videos):
        os.utime(video, (1_800_000_000 + 60 * number,) * 2)
    boxes = [word for _ in videos for word in ("--boxes", films / "boxes.txt")]
    words = ("--gallery", uri, "--camera", "door", *boxes, "--tracker.patience", "0.5")
    with watching(*videos, *words) as one:
        one.wait_for(lambda: one.said("watching"))
        assert one.end(signal.SIGINT) in (0, 130)
    assert not one.said("Traceback")
    with watching(*videos, *words) as one:
        assert one.process.wait(LONG) == 0
    with Gallery.open(str(uri)) as gallery:
        assert len(latest_tracklets(gallery)) >= 1
