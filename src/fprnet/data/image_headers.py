"""The structure of an image file is looked at before anything is decoded.

A decoder's work has to be bounded by the file's size and its pixels. Where a format lets a small
file ask for more - a directory of metadata whose entries all point at one large block, millions of
empty chunks - the file is refused here, in time linear in its size. No camera or program writes
such files.
"""

from __future__ import annotations

import struct

import numpy as np

__all__ = ["StructureError", "check_structure", "scans_of"]

MAX_SEGMENTS = 2_000  # of a JPEG's head
MAX_CHUNKS = 50_000  # of a PNG; 64 million pixels in chunks of 8 KB have fewer
MAX_ENTRIES = 512  # of a TIFF directory
MAX_DIRECTORIES = 8  # the first, and those of EXIF, GPS and interoperability
MAX_JUNK = 1_000  # bytes that a reader of JPEGs would skip one by one
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
BYTE_COUNTS = (279, 325)  # tags: bytes of each strip, of each tile
SUB_DIRECTORIES = (34665, 34853, 40965)  # tags: EXIF, GPS, interoperability
COPIES = 2  # times the file's size that a directory may refer to


class StructureError(ValueError):
    """The file asks for work that its size does not justify; the message says where."""


def check_structure(content: bytes, format: str) -> None:
    """Look at a file's structure.

    Args:
        content: The whole file.
        format: "JPEG", "PNG", "BMP", "WEBP" or "TIFF".

    Raises:
        StructureError: It is not what a camera or program would write.
    """
    if format == "JPEG":
        _check_jpeg(content)
    elif format == "PNG":
        _check_png(content)
    elif format == "BMP":
        _check_bmp(content)
    elif format == "TIFF":
        _check_directories(content)


def scans_of(content: bytes) -> int:
    """Return how many times a JPEG goes over its image; several where it is progressive."""
    return content.count(b"\xff\xda")


def _check_jpeg(content: bytes) -> None:
    place, junk = 2, 0
    exif = b""
    for _ in range(MAX_SEGMENTS):
        start = content.find(b"\xff", place)
        if start < 0 or start + 4 > len(content):
            break  # damaged, as the decoder will say
        junk += start - place
        marker = content[start + 1]
        if marker in (0x00, 0xFF):  # padding
            junk += 1
            place = start + 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:  # without a length
            place = start + 2
        elif marker == 0xDA:
            break
        else:
            length = int.from_bytes(content[start + 2 : start + 4], "big")
            payload = content[start + 4 : start + 2 + length]
            if marker == 0xE1 and payload.startswith(b"Exif\0\0"):
                exif += payload[6:]
            elif marker == 0xE2 and payload.startswith(b"MPF\0"):
                _check_directories(payload[4:])
            place = start + 2 + max(length, 2)
        if junk > MAX_JUNK:
            raise StructureError("there is junk between its segments")
    else:
        raise StructureError(f"its head has more than {MAX_SEGMENTS} segments")
    _check_directories(exif)


def _check_png(content: bytes) -> None:
    place = 8
    for _ in range(MAX_CHUNKS):
        if place + 12 > len(content) or content[place + 4 : place + 8] == b"IEND":
            return
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    raise StructureError(f"it has more than {MAX_CHUNKS} chunks")


def _check_bmp(content: bytes) -> None:
    if len(content) < 34:
        return
    head = int.from_bytes(content[14:18], "little")
    compression = int.from_bytes(content[30:34], "little")
    if head >= 40 and compression not in (0, 3):
        raise StructureError("its pixels are compressed, which is not read; save it as PNG")


def _check_directories(content: bytes) -> None:
    """Check the first directory of a TIFF structure (a file, an EXIF block) and those below it."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or len(content) < 8:
        return
    left = [struct.unpack(f"{order}L", content[4:8])[0]]
    for _ in range(MAX_DIRECTORIES):
        if not left:
            return
        left += _check_directory(content, left.pop(0), order)
    raise StructureError(f"it has more than {MAX_DIRECTORIES} directories of metadata")


def _check_directory(content: bytes, start: int, order: str) -> list[int]:
    """Check one directory; returns where those below it begin."""
    if start + 2 > len(content):
        return []
    (entries,) = struct.unpack(f"{order}H", content[start : start + 2])
    if entries > MAX_ENTRIES:
        raise StructureError(f"a directory has {entries} entries, more than {MAX_ENTRIES}")
    referred = 0
    below = []
    for number in range(entries):
        entry = content[start + 2 + 12 * number : start + 14 + 12 * number]
        if len(entry) < 12:
            break
        tag, kind, count, value = struct.unpack(f"{order}HHLL", entry)
        size = SIZES.get(kind, 1) * count
        referred += size
        if referred > COPIES * len(content):
            raise StructureError("its directory refers to more bytes than there are")
        if tag in SUB_DIRECTORIES:
            below.append(value)
        if tag in BYTE_COUNTS and kind in (3, 4) and size > 4:
            dtype = f"{order}u{SIZES[kind]}"
            counts = np.frombuffer(content[value : value + size].ljust(size, b"\0"), dtype)
            if int(counts.sum(dtype=np.uint64)) > COPIES * len(content):
                raise StructureError("its strips have more bytes than the file")
    return below
