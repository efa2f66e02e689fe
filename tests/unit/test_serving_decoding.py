"""Processes that decode: the same pixels and complaints, and no end of the service by a crash."""

import io
import os
import signal
import threading

import numpy as np
import pytest
from PIL import Image

from fprnet.data.images import decode_image
from fprnet.errors import ImageFileError
from fprnet.serving.decoding import Decoders

SIZE = (96, 48)
MAX_PIXELS = 1_000_000


def saved(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
CONTENT = saved(Image.fromarray(PIXELS))


@pytest.fixture(scope="module")
def decoders():
    pool = Decoders(1, SIZE, MAX_PIXELS)
    yield pool
    pool.close()


def process_of(pool: Decoders):
    """The one process of an idle pool."""
    process = pool._idle.get()
    pool._idle.put(process)
    return process


def test_other_process_gives_the_same(decoders):
    expected, facts = decode_image(CONTENT, SIZE)
    for _ in range(2):
        pixels, found = decoders.decode(CONTENT, "a.png")
        np.testing.assert_array_equal(pixels, expected)
        assert found == facts


@pytest.mark.parametrize(
    "content", [b"", b"no image", CONTENT[:-40], saved(Image.new("L", (2000, 1000)))]
)
def test_other_process_complains_in_the_same_words(decoders, content):
    with pytest.raises(ImageFileError) as expected:
        decode_image(content, SIZE, name="夜.png", max_pixels=MAX_PIXELS)
    with pytest.raises(ImageFileError) as found:
        decoders.decode(content, "夜.png")
    assert str(found.value) == str(expected.value)
    assert found.value.reason == expected.value.reason


def test_crash_is_a_complaint_and_the_next_image_is_decoded(decoders):
    process = process_of(decoders)
    process.kill()
    process.wait()
    with pytest.raises(ImageFileError, match=r"a\.png could not be decoded") as caught:
        decoders.decode(CONTENT, "a.png")
    assert caught.value.reason == "damaged"
    assert decoders.decode(CONTENT, "a.png")[0].shape == (*SIZE, 3)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs a signal that stops a process")
def test_process_that_hangs_is_killed():
    pool = Decoders(1, SIZE, MAX_PIXELS, patience=0.5)
    try:
        stopped = process_of(pool)
        os.kill(stopped.pid, signal.SIGSTOP)
        with pytest.raises(ImageFileError, match=r"in 0\.5 seconds"):
            pool.decode(CONTENT, "a.png")
        assert stopped.returncode is not None
        assert process_of(pool) is not stopped
    finally:
        pool.close()


def test_threads_share_the_processes():
    pool = Decoders(2, SIZE, MAX_PIXELS)
    found: list[bytes] = []

    def some() -> None:
        found.extend(pool.decode(CONTENT, "a.png")[0].tobytes() for _ in range(5))

    threads = [threading.Thread(target=some) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    assert len(found) == 30
    assert len(set(found)) == 1


def test_processes_end_with_their_parent():
    pool = Decoders(1, SIZE, MAX_PIXELS)
    process = process_of(pool)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    pool.close()
