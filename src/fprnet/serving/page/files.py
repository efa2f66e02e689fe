"""The page's files become what the service sends: one HTML document, and what it asks for next."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["LANGUAGES", "Asset", "asset", "language_of", "render"]

# Of the page -> as HTML names it.
LANGUAGES = {"en": "en", "zh": "zh-CN"}
BASE = "page"  # folder of the files, as seen from the page's address
MATCHES_SHOWN = (10, 20, 50, 100)
# What is sent: ending -> media type. The template and this module are not.
MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "svg": "image/svg+xml",
}

ICON = re.compile(r"url\(\.\./(icons/\w+\.svg)\)")


@dataclass(frozen=True)
class Asset:
    """A file of the page.

    Attributes:
        content: Its bytes.
        media_type: For the header Content-Type.
        etag: For the header ETag, with its quotes: the same as long as the content is.
    """

    content: bytes
    media_type: str
    etag: str


def language_of(accept_language: str | None) -> str:
    """Return the language of the page for a browser's header Accept-Language.

    The page itself remembers another choice; this is what its first moment looks like.

    >>> language_of("zh-CN,zh;q=0.9,en;q=0.8"), language_of("de-DE, en;q=0.5"), language_of(None)
    ('zh', 'en', 'en')
    """
    weighed = []
    for position, part in enumerate((accept_language or "").split(",")):
        tag, _, parameters = part.strip().partition(";")
        language = tag.split("-")[0].lower()
        weight = _weight(parameters)
        if language in LANGUAGES and weight > 0:
            weighed.append((-weight, position, language))
    return min(weighed, default=(0.0, 0, "en"))[2]


def _weight(parameters: str) -> float:
    """Return q of an entry of Accept-Language; 0 where it is no number."""
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


@cache
def render(language: str = "en") -> str:
    """Return the page as HTML, its words in a language of :data:`LANGUAGES`."""
    texts: dict[str, str] = json.loads(
        _folder().joinpath(f"translations/{language}.json").read_text("utf-8")
    )
    environment = Environment(
        loader=PackageLoader("fprnet.serving.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["say"] = texts.__getitem__
    return environment.get_template("page.html.j2").render(
        language_tag=LANGUAGES[language],
        base=BASE,
        sheets=sorted(name for name in _assets() if name.endswith(".css")),
        tops=MATCHES_SHOWN,
    )


def asset(path: str) -> Asset | None:
    """Return the file at a path below ``page/``; None where there is none."""
    return _assets().get(path)


@cache
def _assets() -> dict[str, Asset]:
    """Read all files once: no request can then name a file outside the page."""
    return {
        f"{folder.name}/{file.name}": _read(file)
        for folder in _folder().iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if _ending(file) in MEDIA_TYPES
    }


def _read(file: Traversable) -> Asset:
    content = file.read_bytes()
    if _ending(file) == "css":
        content = ICON.sub(_embedded, content.decode()).encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content, MEDIA_TYPES[_ending(file)], etag)


def _embedded(icon: re.Match[str]) -> str:
    """Return an icon within a style sheet: no service has to be there when one is first shown."""
    text = _folder().joinpath(icon[1]).read_text("utf-8").strip()
    return f'url("data:image/svg+xml,{quote(text)}")'


def _ending(file: Traversable) -> str:
    return file.name.rpartition(".")[2]


def _folder() -> Traversable:
    return files("fprnet.serving.page")
