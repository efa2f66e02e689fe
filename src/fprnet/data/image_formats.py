"""The image formats that everything here reads: data sets, folders, galleries and the service.

The list is short on purpose: Pillow's other decoders are rare, old, slow or start programs.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["FORMATS", "SUFFIXES", "format_of", "formats_in_words", "images_in", "kind_of"]

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
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
# What people send instead, by its beginning.
OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file that it stands for"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<svg", "an SVG drawing"),
    (b"%pdf", "a PDF document"),
    (b"%!ps", "a PostScript document"),
    (b"pk\x03\x04", "a ZIP file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"ii+\0", "a BigTIFF file"),
    (b"mm\0+", "a BigTIFF file"),
    (b"p5", "a PGM file"),
    (b"p6", "a PPM file"),
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


def kind_of(content: bytes) -> str | None:
    """Return in words what a file is by its beginning, if it is a usual thing but no image.

    >>> kind_of(b"<!DOCTYPE html><html>")
    'an HTML page'
    """
    start = content[:64].lstrip().lower()
    if content[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    return next((kind for beginning, kind in OTHERS if start.startswith(beginning.lower())), None)


def images_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the image files under a folder, sorted, and those of formats that are not read.

    Files and folders whose name begins with a dot are neither.

    Args:
        folder: Searched with all its folders.

    Returns:
        The images, and the files that look like images of other formats.
    """
    images, others = [], []
    for file in sorted(folder.rglob("*")):
        suffix = file.suffix.lower()
        if suffix not in SUFFIXES + OTHER_SUFFIXES or file.is_dir():
            continue
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        (images if suffix in SUFFIXES else others).append(file)
    return images, others
