"""Records and filters in the words of Milvus: rows, fields, filter expressions.

Unknown is -1 there, too; a time is milliseconds since 1970 in UTC, and one that is not known lies
outside of every window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.gallery.records import UNKNOWN, Filters, GalleryRecord

__all__ = [
    "FIELDS",
    "NO_TIME",
    "expression",
    "id_expression",
    "milliseconds",
    "moment_of",
    "record_of",
    "row_of",
]

FIELDS = ("id", "path", "modality", "camera", "location", "timestamp", "identity")
NO_TIME = -(2**62)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def row_of(
    record: GalleryRecord, embedding: NDArray[np.float32], *, hidden: bool
) -> dict[str, Any]:
    """Return the row that Milvus keeps of a record and its embedding ``(D,)``."""
    return {
        "id": record.id,
        "embedding": embedding,
        "path": record.path,
        "modality": record.modality,
        "camera": record.camera,
        "location": record.location,
        "timestamp": NO_TIME if record.timestamp is None else milliseconds(record.timestamp),
        "identity": record.identity,
        "hidden": hidden,
    }


def record_of(row: Mapping[str, Any]) -> GalleryRecord:
    """Return the record of a row."""
    return GalleryRecord(
        id=row["id"],
        path=row["path"],
        modality=row["modality"],
        camera=int(row["camera"]),
        location=int(row["location"]),
        timestamp=moment_of(int(row["timestamp"])),
        identity=int(row["identity"]),
    )


def expression(filters: Filters) -> str:
    """Return the filter as Milvus evaluates it during the search; hidden rows never pass."""
    terms = ["hidden == false"]
    if filters.cameras:
        terms.append(f"camera in {_numbers(filters.cameras)}")
    if filters.locations:
        terms.append(f"location in {_numbers(filters.locations)}")
    if filters.exclude_location is not None and filters.exclude_location != UNKNOWN:
        terms.append(f"location != {filters.exclude_location}")
    if filters.since is not None:
        terms.append(f"timestamp >= {milliseconds(filters.since)}")
    if filters.until is not None:
        terms.append(f"timestamp <= {milliseconds(filters.until)}")
        if filters.since is None:
            terms.append(f"timestamp > {NO_TIME}")
    if filters.identity == "known":
        terms.append("identity >= 0")
    elif filters.identity == "unknown":
        terms.append("identity < 0")
    if filters.modality is not None:
        terms.append(f'modality == "{filters.modality}"')
    return " and ".join(terms)


def id_expression(ids: Iterable[str]) -> str:
    """Return the filter that lets some records pass; ids are hexadecimal digits, nothing else."""
    quoted = ", ".join(f'"{id}"' for id in ids)
    return f"id in [{quoted}]"


def moment_of(milliseconds_since: int) -> datetime | None:
    """Return the time in UTC; None for the mark of an unknown one."""
    if milliseconds_since == NO_TIME:
        return None
    return EPOCH + timedelta(milliseconds=milliseconds_since)


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _numbers(values: Sequence[int]) -> str:
    return f"[{', '.join(str(int(value)) for value in values)}]"
