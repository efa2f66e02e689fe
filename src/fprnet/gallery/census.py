"""What stands in the records, as columns in memory: counts that no vector search can give.

Milvus Lite takes a third of a second to count 100,000 records, and every answer needs the number
of records that were searched. Shapes: n records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import MODALITIES
from fprnet.gallery.records import UNKNOWN, Contents, Filters
from fprnet.gallery.rows import NO_TIME, milliseconds, moment_of

__all__ = ["COLUMNS", "Census"]

COLUMNS = ("id", "camera", "location", "timestamp", "identity", "modality", "hidden")
NUMBERS = ("camera", "location", "timestamp", "identity", "visible", "hidden")


class Census:
    """Columns of all records, hidden ones, too; not thread-safe.

    Args:
        rows: With the fields ``COLUMNS``.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows: dict[str, int] = {}
        self._table = np.empty((0, len(NUMBERS)), dtype=np.int64)
        self._contents: Contents | None = None
        self.put(rows)

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add records, or replace those of the same id."""
        self._contents = None
        new, values = [], []
        for row in rows:
            numbers = (
                int(row["camera"]),
                int(row["location"]),
                int(row["timestamp"]),
                int(row["identity"]),
                int(row["modality"] == MODALITIES[0]),
                int(row["hidden"]),
            )
            place = self._rows.get(row["id"])
            if place is None:
                new.append(row["id"])
                values.append(numbers)
            else:
                self._table[place] = numbers
        if new:
            start = len(self._table)
            self._rows.update((id, start + place) for place, id in enumerate(new))
            self._table = np.concatenate((self._table, np.array(values, dtype=np.int64)))

    def contents(self) -> Contents:
        """Return what the records are; counted once after each change."""
        if self._contents is None:
            hidden = self._table[:, NUMBERS.index("hidden")] != 0
            camera, location, when, identity, visible, _ = self._table[~hidden].T
            modalities = dict(
                zip(MODALITIES, (int(visible.sum()), int((visible == 0).sum())), strict=True)
            )
            known = identity[identity != UNKNOWN]
            people = len(np.unique(known))
            timed = when[when != NO_TIME]
            self._contents = Contents(
                records=len(camera),
                hidden=int(hidden.sum()),
                cameras=_counts(camera),
                locations=_counts(location),
                modalities={name: count for name, count in modalities.items() if count},
                known_identities=people,
                first=moment_of(int(timed.min())) if len(timed) else None,
                last=moment_of(int(timed.max())) if len(timed) else None,
                images_per_person=len(known) / people if people else 1.0,
            )
        return self._contents

    def count(self, filters: Filters) -> int:
        """Return how many records a search with these filters goes through."""
        return int((self._passed(filters) & (self._table[:, NUMBERS.index("hidden")] == 0)).sum())

    def ids(self, filters: Filters, identities: tuple[int, ...] = ()) -> list[str]:
        """Return the records, hidden ones, too, that pass, and show one of the identities."""
        passed = self._passed(filters)
        if identities:
            passed &= np.isin(self._table[:, NUMBERS.index("identity")], identities)
        return [id for id, place in self._rows.items() if passed[place]]

    def _passed(self, filters: Filters) -> NDArray[np.bool_]:
        camera, location, when, identity, visible, _ = self._table.T
        passed: NDArray[np.bool_] = np.ones(len(camera), dtype=bool)
        if filters.cameras:
            passed &= np.isin(camera, filters.cameras)
        if filters.locations:
            passed &= np.isin(location, filters.locations)
        if filters.exclude_location not in (None, UNKNOWN):
            passed &= location != filters.exclude_location
        if filters.since is not None or filters.until is not None:
            passed &= when != NO_TIME
        if filters.since is not None:
            passed &= when >= milliseconds(filters.since)
        if filters.until is not None:
            passed &= when <= milliseconds(filters.until)
        if filters.identity != "any":
            passed &= (identity >= 0) == (filters.identity == "known")
        if filters.modality is not None:
            passed &= visible == int(filters.modality == MODALITIES[0])
        return passed


def _counts(column: NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(column, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
