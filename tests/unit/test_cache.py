"""The cache of resized images: written once, shared, keyed by the files, never half written."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import lock_descriptor
from PIL import Image

from fprnet.data import cache
from fprnet.data.cache import CACHE_FOLDER, open_cache
from fprnet.data.images import read_image
from fprnet.data.records import Records
from fprnet.errors import DataError

SIZE = (12, 6)


def records_in(root: Path, count: int = 5) -> Records:
    """Write ``count`` random images of different sizes and list them."""
    random = np.random.default_rng(0)
    names = [f"cam1/0001/{i:04d}.png" for i in range(1, count + 1)]
    (root / "cam1/0001").mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        pixels = random.integers(0, 256, (24 + i, 12 + i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name)
    ones = np.ones(count, dtype=np.int64)
    return Records(
        root=root,
        path=np.array(names),
        identity=ones,
        camera=ones,
        modality=np.full(count, "visible"),
        location=ones,
        index=np.arange(1, count + 1),
    )


def cache_files(root: Path) -> list[str]:
    return sorted(file.name for file in (root / CACHE_FOLDER).iterdir())


def open_quietly(records: Records, **options) -> np.ndarray:
    return open_cache(records, SIZE, progress=False, **options)


@pytest.mark.parametrize("workers", [1, 3])
def test_row_i_is_image_i_as_read_image_gives_it(tmp_path: Path, workers: int) -> None:
    records = records_in(tmp_path, count=100)  # more than the threads' lists hold
    cached = open_quietly(records, workers=workers)
    expected = np.stack([read_image(file, SIZE) for file in records.files()])
    np.testing.assert_array_equal(cached, expected)
    assert isinstance(cached, np.memmap)
    assert not cached.flags.writeable
    assert cached.shape == (100, 12, 6, 3)


def test_second_call_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = records_in(tmp_path)
    first = np.array(open_quietly(records))
    monkeypatch.setattr(cache, "read_image", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(open_quietly(records), first)


def test_changed_image_gives_a_new_cache_in_place_of_the_old_one(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    open_quietly(records)
    before = cache_files(tmp_path)
    Image.new("RGB", (6, 12), (10, 20, 30)).save(tmp_path / str(records.path[2]))
    cached = open_quietly(records)
    assert (cached[2] == [10, 20, 30]).all()
    after = cache_files(tmp_path)
    assert before != after
    assert len(before) == len(after) == 2  # one cache and the lock


def test_touched_image_of_the_same_length_gives_a_new_cache(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    open_quietly(records)
    before = cache_files(tmp_path)
    os.utime(records.files()[0], ns=(0, 1))
    open_quietly(records)
    assert cache_files(tmp_path) != before


def test_other_sets_and_sizes_have_their_own_cache_and_are_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = records_in(tmp_path)
    open_quietly(records)
    assert capsys.readouterr().err == ""
    assert len(open_quietly(records.where(np.array([0, 1])))) == 2
    assert "also keeps 1 caches of other sets or sizes" in capsys.readouterr().err
    assert len(open_quietly(records)) == 5
    assert len(cache_files(tmp_path)) == 3


def test_all_unreadable_images_are_reported_at_once_and_nothing_is_left(tmp_path: Path) -> None:
    records = records_in(tmp_path, count=9)
    for file in records.files()[1:8]:
        file.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        open_quietly(records)
    message = str(caught.value)
    assert message.startswith("7 of 9 images cannot be read: ")
    assert message.count(".png is empty") == 5
    assert "0006.png is empty and 2 more" in message
    assert "fprnet data check" in message
    assert cache_files(tmp_path) == ["lock"]


def test_listed_images_that_are_gone_are_reported(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    records.files()[3].unlink()
    with pytest.raises(DataError, match=r"1 of 5 images cannot be read: .*0004.png does not exist"):
        open_quietly(records)


def test_full_disk_leaves_the_old_cache_and_no_half_file(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    open_quietly(records)
    before = cache_files(tmp_path)
    os.utime(records.files()[0], ns=(0, 1))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limit[1]))  # a cache has 128 + 1080 bytes
    try:
        with pytest.raises(DataError, match=r"cannot be kept in .*give another folder with --data"):
            open_quietly(records)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert cache_files(tmp_path) == before


def test_too_little_room_is_noticed_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = records_in(tmp_path)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: _Usage())
    monkeypatch.setattr(cache, "read_image", lambda *_: pytest.fail("decoded"))
    with pytest.raises(
        DataError, match=r"0\.00 GB left but the resized images need .*--data\.cache"
    ):
        open_quietly(records)


class _Usage:
    free = 10


def test_folder_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    (tmp_path / CACHE_FOLDER).write_text("a file, no folder")
    with pytest.raises(DataError, match=r"--data\.cache DIR") as caught:
        open_quietly(records)
    assert "\n" not in str(caught.value)
    assert len(open_quietly(records, folder=tmp_path / "elsewhere" / "deep")) == 5


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY garbage", b"truncated"])
def test_damaged_cache_is_written_again(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    records = records_in(tmp_path)
    expected = np.array(open_quietly(records))
    (file,) = (tmp_path / CACHE_FOLDER).glob("*.npy")
    file.write_bytes(file.read_bytes()[:300] if content == b"truncated" else content)
    np.testing.assert_array_equal(open_quietly(records), expected)
    assert "will be written again" in capsys.readouterr().err


def test_two_at_once_decode_each_image_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = records_in(tmp_path, count=40)
    decoded: list[Path] = []

    def counting(path: Path, size: tuple[int, int], **options: Any) -> np.ndarray:
        decoded.append(path)
        return read_image(path, size, **options)

    monkeypatch.setattr(cache, "read_image", counting)
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(open_quietly(records))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert sorted(decoded) == sorted(records.files())


def test_waiting_for_another_writer_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = records_in(tmp_path)
    (tmp_path / CACHE_FOLDER).mkdir()
    with (tmp_path / CACHE_FOLDER / "lock").open("a") as held:
        assert lock_descriptor(held.fileno())
        waiting = threading.Thread(target=lambda: open_quietly(records))
        waiting.start()
        waiting.join(timeout=0.2)
        assert waiting.is_alive()
        assert list((tmp_path / CACHE_FOLDER).glob("*.npy")) == []
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert "another process is writing to" in capsys.readouterr().err


def test_killed_writer_blocks_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    folder = tmp_path / CACHE_FOLDER
    folder.mkdir()
    program = (
        "import time\nfrom filelock import lock_descriptor\n"
        f"lock = open({str(folder / 'lock')!r}, 'a'); lock_descriptor(lock.fileno())\n"
        f"open({str(folder / '.12x6-a-b.0123.part.npy')!r}, 'w').write('half')\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
    assert len(open_quietly(records)) == 5
    assert len(cache_files(tmp_path)) == 2


def test_no_images_is_one_line(tmp_path: Path) -> None:
    records = records_in(tmp_path).where(np.array([], dtype=np.int64))
    with pytest.raises(DataError, match="no images to read"):
        open_quietly(records)


def test_progress_bar_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_cache(records_in(tmp_path), SIZE)
    streams = capsys.readouterr()
    assert "Resizing to 12x6" in streams.err
    assert streams.out == ""


def test_each_range_of_sixteen_bits_has_a_cache_of_its_own(tmp_path: Path) -> None:
    records = records_in(tmp_path, count=2)
    for file in records.files():
        values = np.tile(np.linspace(7000, 9000, 20).astype(np.uint16), (40, 1))
        Image.fromarray(values).save(file.with_suffix(".png"))
        file.with_suffix(".png").rename(file)
    spread, dark = (
        open_cache(records, (40, 20), depth_range=each, progress=False) for each in ("own", "full")
    )
    assert (spread.min(), spread.max()) == (0, 255)
    assert (dark.min(), dark.max()) == (7000 >> 8, 9000 >> 8)
