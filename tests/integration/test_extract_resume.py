"""An extraction that is killed in its middle and started again gives what an unbroken one does."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from conftest import environment
from fprnet.data.sysu_mm01 import read_records
from fprnet.embeddings import chunks, extract
from fprnet.embeddings.chunks import CHUNK, kept_chunks
from fprnet.embeddings.store import read_features
from models_cases import pictures

IMAGES = 2 * CHUNK + 100

# The command, in a process that is killed right after it has kept its second chunk.
KILLED = """
import os, signal, sys
from fprnet.cli.main import main
from fprnet.embeddings.chunks import Chunks
keep, kept = Chunks.keep, []
def keep_then_die(self, *args):
    keep(self, *args)
    kept.append(args)
    if len(kept) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
Chunks.keep = keep_then_die
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def night(tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    for number, pixels in enumerate(pictures(IMAGES, (32, 16))):
        Image.fromarray(pixels).save(folder / f"{number:05d}.bmp")
    return folder


@pytest.mark.slow
def test_killed_extraction_continues(fprnet, trained, night, tmp_path):
    words = ["extract", trained, "--images", night, "--modality", "infrared", "--out"]
    unbroken, out = tmp_path / "unbroken.npz", tmp_path / "out.npz"
    assert fprnet(*words, unbroken).status == 0
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, words), str(out)],
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    (kept,) = tmp_path.glob(".out.npz.*.chunks")
    assert len(list(kept.iterdir())) == 2

    continued = fprnet(*words, out)
    assert continued.status == 0, continued.err
    assert f"continuing: {2 * CHUNK} of {IMAGES} infrared images are embedded" in continued.err
    one, other = read_features(out), read_features(unbroken)
    np.testing.assert_array_equal(one.features, other.features)
    assert one.path.tolist() == other.path.tolist()
    assert one.meta == other.meta
    assert not list(tmp_path.glob(".out.npz.*"))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 8)
    monkeypatch.setattr(extract, "MAX_BATCH", 4)


class Stopped(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def stopped_after(monkeypatch):
    """Make the extraction stop once it has kept so many chunks."""
    keep = chunks.Chunks.keep

    def stop(count):
        done = []

        def keep_then_stop(self, *args):
            keep(self, *args)
            done.append(args)
            if len(done) == count:
                raise Stopped

        monkeypatch.setattr(chunks.Chunks, "keep", keep_then_stop)

    yield stop
    monkeypatch.setattr(chunks.Chunks, "keep", keep)


@pytest.mark.slow
def test_data_set_continues_in_either_modality(
    fprnet, trained, tiny_set, tmp_path, small_chunks, stopped_after
):
    words = ["extract", trained, "--data", tiny_set, "--out"]
    assert fprnet(*words, tmp_path / "unbroken.npz").status == 0
    visible = int((read_records(tiny_set).modality == "visible").sum())
    for count in (2, -(-visible // 8)):  # chunks; the second time infrared images follow
        stopped_after(count)
        with pytest.raises(Stopped):
            fprnet(*words, tmp_path / "out.npz")
    stopped_after(10**6)
    result = fprnet(*words, tmp_path / "out.npz")
    assert f"continuing: {visible} of {visible} visible images" in result.err
    one, other = (read_features(tmp_path / f"{name}.npz") for name in ("out", "unbroken"))
    np.testing.assert_array_equal(one.features, other.features)
    assert one.identity.tolist() == other.identity.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["image", "flip", "modality"])
def test_what_was_kept_of_something_else_is_not_used(
    fprnet, trained, tiny_set, tmp_path, small_chunks, stopped_after, change
):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, pixels in enumerate(pictures(20, (32, 16))):
        Image.fromarray(pixels).save(folder / f"{number:05d}.bmp")
    words = ["extract", trained, "--images", folder, "--out", tmp_path / "f.npz", "--modality"]
    stopped_after(1)
    with pytest.raises(Stopped):
        fprnet(*words, "infrared")
    assert list(tmp_path.glob(".f.npz.*.chunks"))
    if change == "image":
        os.utime(folder / "00000.bmp", (0, 0))
    stopped_after(10**6)
    again = [*words, "visible" if change == "modality" else "infrared"]
    result = fprnet(*again, *(["--flip"] if change == "flip" else []))
    assert result.status == 0, result.err
    assert "continuing" not in result.err
    assert not list(tmp_path.glob(".f.npz.*"))


def test_what_a_kill_left_of_the_features_file_is_removed(tmp_path):
    leftover = tmp_path / ".out.0123abcd.part.npz"
    leftover.write_bytes(b"half of a file")
    other = tmp_path / ".other.0123abcd.part.npz"
    other.write_bytes(b"of somebody else")
    with kept_chunks(tmp_path / "out.npz", {}, [], batch=1):
        assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize(("batch", "images"), [(1, 512), (36, 504), (64, 512), (600, 600)])
def test_chunks_are_whole_batches(batch, images):
    assert chunks.Chunks(None, batch).images == images
