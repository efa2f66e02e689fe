"""The operator's page: its text in two languages, and the files that it needs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Asset", "asset", "render"]


@dataclass(frozen=True)
class Asset:
    """A file of the page."""

    content: bytes
    media_type: str
    etag: str


def render(language: str) -> str:
    """Return the page in a language, "en" or "zh"."""
    return f"<!doctype html><html lang={language}><title>fprnet</title></html>"


def asset(path: str) -> Asset | None:
    """Return a file of the page; None if there is none of that name."""
    return None
