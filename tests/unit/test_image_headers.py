"""Small files that ask for much work: refused by their structure, before anything is decoded."""

import errno
import io
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fprnet.data import image_headers, images
from fprnet.data.image_formats import FORMATS, find_images, format_of
from fprnet.data.image_headers import StructureError, check_structure, scans_of
from fprnet.data.images import decode_image
from fprnet.errors import DataError, ImageFileError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)


def saved(format: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format, **options)
    return buffer.getvalue()


def directory(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A little-endian TIFF directory of (tag, type, count, value or place)."""
    packed = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + packed + struct.pack("<L", following)


def tiff(*entries: tuple[int, int, int, int], padding: int = 0) -> bytes:
    return b"II*\0" + struct.pack("<L", 8) + directory(*entries) + bytes(padding)


def with_segment(marker: int, payload: bytes) -> bytes:
    """A JPEG with one more segment at its beginning."""
    jpeg = saved("JPEG")
    head = bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big")
    return jpeg[:2] + head + payload + jpeg[2:]


BOMB = tiff(*[(40_000 + n, 7, 5000, 8) for n in range(300)], padding=5000)


@pytest.mark.parametrize("format", FORMATS)
def test_usual_files_are_sound(format):
    content = saved(format)
    assert format_of(content) == format
    check_structure(content, format)


@pytest.mark.parametrize(
    ("content", "format", "what"),
    [
        (BOMB, "TIFF", "refers to more bytes"),
        (with_segment(0xE1, b"Exif\0\0" + BOMB), "JPEG", "refers to more bytes"),
        (with_segment(0xE2, b"MPF\0" + BOMB), "JPEG", "refers to more bytes"),
        (tiff((34665, 4, 1, 26)) + directory((1, 7, 10**6, 0)), "TIFF", "refers to more bytes"),
        (tiff(*[(34665, 4, 1, 8)] * 20), "TIFF", "directories"),
        (tiff(*[(n, 3, 1, 0) for n in range(600)]), "TIFF", "600 entries"),
        (tiff((279, 4, 4, 26)) + struct.pack("<4L", *[2**20] * 4), "TIFF", "strips"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 3000, "JPEG", "segments"),
        (b"\xff\xd8" + b"\xff" * 5000, "JPEG", "junk"),
        (b"\xff\xd8" + bytes(5000) + b"\xff\xdb\0\2", "JPEG", "junk"),
        (saved("PNG")[:33] + bytes(4) + b"tEXt" + bytes(4), "PNG", None),
    ],
)
def test_files_that_ask_for_much_are_refused(content, format, what):
    if what is None:
        check_structure(content, format)
        return
    with pytest.raises(StructureError, match=what):
        check_structure(content, format)


def test_png_of_many_chunks_is_refused(monkeypatch):
    monkeypatch.setattr(image_headers, "MAX_CHUNKS", 100)
    empty = bytes(4) + b"IDAT" + bytes(4)
    png = saved("PNG")
    check_structure(png[:33] + 90 * empty + png[33:], "PNG")
    with pytest.raises(StructureError, match="100 chunks"):
        check_structure(png[:33] + 110 * empty + png[33:], "PNG")


def test_run_length_bitmap_is_refused():
    bitmap = bytearray(saved("BMP"))
    bitmap[30:34] = struct.pack("<L", 1)
    with pytest.raises(ImageFileError, match="save it as PNG"):
        decode_image(bytes(bitmap))


def test_progressive_jpeg_of_many_scans_is_refused(monkeypatch):
    jpeg = saved("JPEG", progressive=True)
    assert 5 < scans_of(jpeg) < 16
    decode_image(jpeg)
    monkeypatch.setattr(images, "MAX_SCANNED", 5 * 40 * 20)
    with pytest.raises(ImageFileError, match="scans"):
        decode_image(jpeg)
    decode_image(saved("JPEG"))


def test_long_chain_of_directories_costs_nothing():
    """20,000 frames of one pixel; only the first is looked at."""
    first = Image.fromarray(PIXELS)
    buffer = io.BytesIO()
    first.save(buffer, "TIFF")
    content = bytearray(buffer.getvalue())
    (start,) = struct.unpack("<L", content[4:8])
    (entries,) = struct.unpack("<H", content[start : start + 2])
    link = start + 2 + 12 * entries
    for _ in range(20_000):
        content[link : link + 4] = struct.pack("<L", len(content))
        link = len(content) + 2 + 12
        content += directory((256, 3, 1, 1))
    pixels, facts = decode_image(bytes(content))
    np.testing.assert_array_equal(pixels, PIXELS)
    assert facts.has_frames


@settings(max_examples=300)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_changed_files_are_decoded_or_refused_in_one_line(format, data):
    content = bytearray(saved(format))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels, _ = decode_image(bytes(content), max_pixels=1_000_000)
    except ImageFileError as error:
        lines = str(error).split("\n")
    else:
        lines = [str(pixels.shape)]
    assert len(lines) == 1


def test_folder_names_what_it_leaves_out(tmp_path, capsys):
    for name in ("b.TIFF", "a.jfif", "c.webp", "d.gif", "e.heic", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "f.png").write_bytes(b"x")
    assert [file.name for file in find_images(tmp_path)] == ["a.jfif", "b.TIFF", "c.webp"]
    said = capsys.readouterr().err
    assert "2 images of other formats" in said
    assert "d.gif" in said
    assert "e.heic" in said


def test_folders_that_are_not_looked_into_are_named(tmp_path, capsys, monkeypatch):
    for name in ("day/cam1", "day/cam2", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.png").write_bytes(b"x")
    (tmp_path / "day/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "day/b.png").symlink_to(tmp_path / "elsewhere/a.png")
    closed = tmp_path / "day/cam2"
    scandir = os.scandir

    def refused(place):
        if str(place) == str(closed):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refused)
    found = [str(file.relative_to(tmp_path)) for file in find_images(tmp_path / "day")]
    assert found == ["day/b.png", "day/cam1/a.png"]
    lines = capsys.readouterr().err.splitlines()
    assert [str(closed) in lines[0], "linked is a link" in lines[1]] == [True, True]


def test_folder_without_images_says_what_there_is(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a\.gif"):
        find_images(tmp_path)
