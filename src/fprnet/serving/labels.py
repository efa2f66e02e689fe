"""Feedback becomes labels: a table, or a data set that ``fprnet train`` takes."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from fprnet.data.records import Modality
from fprnet.errors import FprnetError
from fprnet.gallery.verdicts import Feedback
from fprnet.serving.service import Service

__all__ = ["as_csv", "as_data_set", "groups"]

COLUMNS = (
    "query_sha256",
    "query_modality",
    "match",
    "verdict",
    "similarity",
    "time",
    "by",
    "note",
)


def as_csv(given: Iterable[Feedback]) -> str:
    """Return a table with one row for each query image and match."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for feedback in given:
        for query in feedback.query_sha256:
            writer.writerow(
                [
                    query,
                    feedback.query_modality,
                    feedback.match,
                    feedback.verdict,
                    feedback.similarity,
                    feedback.time.isoformat(),
                    feedback.by,
                    _plain(feedback.note or ""),
                ]
            )
    return buffer.getvalue()


def groups(pairs: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return which images are of one person, if those named together are.

    >>> groups([("a", "b"), ("c", "d"), ("b", "e")])
    [['a', 'b', 'e'], ['c', 'd']]
    """
    group: dict[str, list[str]] = {}
    for names in pairs:
        together: list[str] = []
        for name in names:
            for member in group.get(name, [name]):
                if member not in together:
                    together.append(member)
        for member in together:
            group[member] = together
    unique = {id(members): sorted(members) for members in group.values()}
    return sorted(unique.values())


@dataclass(frozen=True)
class _Picture:
    """An image of the data set."""

    content: bytes
    suffix: str
    modality: Modality
    camera: str | None
    location: str | None


def as_data_set(service: Service, given: Sequence[Feedback]) -> bytes:
    """Return a ZIP file with ``manifest.csv`` and the images of everybody who was marked right.

    Identities are numbered anew. Images that are no longer there are listed in ``left-out.csv``.
    """
    right = [feedback for feedback in given if feedback.verdict == "right"]
    pictures, left_out = _pictures(service, right)
    manifest = io.StringIO()
    writer = csv.writer(manifest, lineterminator="\n")
    writer.writerow(("path", "identity", "modality", "camera", "location", "split"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        pairs = [(*feedback.query_sha256, feedback.match) for feedback in right]
        for identity, members in enumerate(groups(pairs)):
            for id in members:
                if (picture := pictures.get(id)) is None:
                    continue
                path = f"images/{id}{picture.suffix}"
                archive.writestr(path, picture.content)
                names = [_plain(name or "") for name in (picture.camera, picture.location)]
                writer.writerow((path, identity, picture.modality, *names, "train"))
        archive.writestr("manifest.csv", manifest.getvalue())
        if left_out:
            rows = "".join(f"{id},{reason}\n" for id, reason in left_out.items())
            archive.writestr("left-out.csv", f"sha256,reason\n{rows}")
    return buffer.getvalue()


def _pictures(
    service: Service, right: Sequence[Feedback]
) -> tuple[dict[str, _Picture], dict[str, str]]:
    """Return the images by their SHA-256, and why others are missing."""
    found: dict[str, _Picture] = {}
    missing: dict[str, str] = {}
    for feedback in right:
        try:
            [record] = service.searcher.gallery.get([feedback.match])
            content = service.pictures.content(record)
        except FprnetError as error:
            missing[feedback.match] = _plain(str(error).replace(",", " "))
        else:
            suffix = service.pictures.place(record.id, content).suffix
            found[record.id] = _Picture(
                content, suffix, record.modality, record.camera, record.location
            )
        for id, name in zip(feedback.query_sha256, feedback.query_files, strict=True):
            if id in found:
                continue
            try:
                content = (service.feedback.folder / name).read_bytes()
            except OSError as error:
                missing[id] = f"the copy of the query image cannot be read ({error.strerror})"
            else:
                suffix = PurePosixPath(name).suffix
                found[id] = _Picture(content, suffix, feedback.query_modality, None, None)
    return found, {id: reason for id, reason in missing.items() if id not in found}


def _plain(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
