"""What a file is by its beginning, for messages about files that are not what they should be."""

from __future__ import annotations

__all__ = ["BEGINNING", "kind_of"]

BEGINNING = 64  # bytes that are enough to tell

KINDS: tuple[tuple[bytes, str], ...] = (
    (b"gif8", "a GIF file"),
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


def kind_of(content: bytes) -> str | None:
    """Return in words what a file is by its beginning; None where that is not known.

    >>> kind_of(b"<!DOCTYPE html><html>")
    'an HTML page'
    """
    start = content[:BEGINNING].lstrip().lower()
    if content[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    return next((kind for beginning, kind in KINDS if start.startswith(beginning)), None)
