"""The image formats that everything here reads: data sets, folders, galleries and the service.

The list is short on purpose: Pillow's other decoders are rare, old, slow or start programs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fprnet.errors import DataError

__all__ = ["FORMATS", "SUFFIXES", "find_images", "format_of", "formats_in_words"]

# Pillow's name -> endings of file names, the usual one first.
FORMATS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# Endings of what somebody meant as an image: left out, they are named.
OTHER_SUFFIXES = (
    ".avif", ".gif", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".pbm", ".pgm", ".ppm", ".psd",
    ".raw", ".svg", ".tga",
)  # fmt: skip
NAMED = 3  # files that a message names
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)


def formats_in_words() -> str:
    """Return the formats as a list for messages.

    >>> formats_in_words()
    'JPEG, PNG, BMP, WebP or TIFF'
    """
    *first, last = (name.replace("WEBP", "WebP") for name in FORMATS)
    return f"{', '.join(first)} or {last}"


def format_of(content: bytes) -> str | None:
    """Return the format of an image file by its first 12 bytes; None where it is none of ours.

    >>> format_of(b"RIFF....WEBPVP8 "), format_of(b"GIF89a")
    ('WEBP', None)
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((name for start, name in SIGNATURES if content.startswith(start)), None)


def find_images(folder: Path) -> list[Path]:
    """Return the image files under a folder, sorted; on stderr, what else is left out.

    Files and folders whose name begins with a dot are not looked at. Folders that cannot be read,
    and links to folders, are named.

    Raises:
        DataError: There is no image.
    """
    images: list[Path] = []
    others: list[Path] = []
    refused: list[OSError] = []
    links: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=refused.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links += [Path(place, name) for name in folders if Path(place, name).is_symlink()]
        for file in (Path(place, name) for name in files if not name.startswith(".")):
            suffix = file.suffix.lower()
            if suffix in SUFFIXES + OTHER_SUFFIXES:
                (images if suffix in SUFFIXES else others).append(file)
    images.sort()
    others.sort()
    unread = [f"{error.filename} cannot be read ({error.strerror})" for error in refused]
    unread += [f"{link} is a link to a folder, which is not followed" for link in links]
    for reason in sorted(unread):
        print(f"{reason}; its images are left out", file=sys.stderr)
    names = ", ".join(str(file.relative_to(folder)) for file in others[:NAMED])
    more = ", ..." if len(others) > NAMED else ""
    left_out = f"{len(others)} images of other formats ({names}{more})"
    if not images:
        instead = f" but {left_out}" if others else ""
        raise DataError(f"{folder} holds no images{instead}; they end in {', '.join(SUFFIXES)}")
    if others:
        print(f"{folder}: {left_out} are left out; give {formats_in_words()}", file=sys.stderr)
    return images
