"""The records of an SQLite gallery as columns in memory, loaded once, following every change.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, LargeBinary, Row, func, select, type_coerce

from fprnet.gallery.conditions import condition
from fprnet.gallery.database import Database
from fprnet.gallery.records import Best, Filters

__all__ = ["Coded", "Columns", "FollowedColumns"]

PAGE = 20_000  # rows that are read at a time
GROWTH = 1.25
UNKNOWN = -1  # code of NULL; texts have codes from 0 on
NO_TIME = np.iinfo(np.int64).min
GATHERED = 0.12  # share of the records up to which those that pass are copied before the product
BLOCK = 128  # scores of which only the largest is looked at first

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Coded:
    """A column of texts ``(n,)``, each held as a number; understands what conditions ask.

    Attributes:
        codes: ``(n,)`` int32; -1 where unknown.
        known: Text -> code; grows.
    """

    codes: NDArray[np.int32]
    known: dict[str, int]

    def __eq__(self, text: object) -> Mask:  # type: ignore[override]
        """Return ``(n,)``, True where the value is the text."""
        equal: Mask = self.codes == self.known.get(str(text), UNKNOWN - 1)
        return equal

    def __ne__(self, text: object) -> Mask:  # type: ignore[override]
        """Return ``(n,)``, True where the value is another text, or unknown."""
        return ~(self == text)

    __hash__ = None  # type: ignore[assignment]

    def is_(self, nothing: None) -> Mask:
        """Return ``(n,)``, True where the value is unknown."""
        unknown: Mask = self.codes == UNKNOWN
        return unknown

    def is_not(self, nothing: None) -> Mask:
        """Return ``(n,)``, True where the value is known."""
        return ~self.is_(nothing)


@dataclass(frozen=True, eq=False)
class Times:
    """A column of times ``(n,)`` in milliseconds; understands what conditions ask."""

    values: NDArray[np.int64]

    def __le__(self, limit: int) -> Mask:
        """Return ``(n,)``, True up to the limit."""
        before: Mask = self.values <= limit
        return before

    def __ge__(self, limit: int) -> Mask:
        """Return ``(n,)``, True from the limit on."""
        after: Mask = self.values >= limit
        return after

    def is_not(self, nothing: None) -> Mask:
        """Return ``(n,)``, True where the time is known."""
        known: Mask = self.values != NO_TIME
        return known


@dataclass(frozen=True, eq=False)
class Columns:
    """One state of the gallery.

    Attributes:
        state: Newest change and newest record in it; it only grows.
        numbers: ``(n,)`` int64, of the records, ascending.
        vectors: ``(n, D)`` float32.
        modality: ``(n,)``.
        camera: ``(n,)``.
        location: ``(n,)``.
        identity: ``(n,)``.
        time: ``(n,)``.
        hidden: ``(n,)`` bool; erased records count as hidden.
    """

    state: tuple[int, int]
    numbers: NDArray[np.int64]
    vectors: NDArray[np.float32]
    modality: Coded
    camera: Coded
    location: Coded
    identity: Coded
    time: Times
    hidden: Mask

    def search(
        self, queries: NDArray[np.float32], filters: Filters, top: int
    ) -> tuple[Best, int, float]:
        """Find the records of largest inner product with each of ``(q, D)`` queries, exactly.

        Returns:
            For each query up to ``top`` numbers of records and their products, largest first; how
            many records pass the filters; and how many of them an identified person has usually.
        """
        passes: Mask = condition(filters, self)
        count = int(passes.sum())
        share = count / max(int((~self.hidden).sum()), 1)
        images = max(1.0, self._images_per_person() * share)
        if count <= GATHERED * len(passes):
            rows = np.flatnonzero(passes)
            scores = _products(queries, self.vectors[rows])
        else:
            rows = None
            scores = _products(queries, self.vectors)
            scores[:, ~passes] = -np.inf
        best = []
        for row in scores:
            places = largest(row, min(top, count))
            best.append((self.numbers[places if rows is None else rows[places]], row[places]))
        return best, count, images

    def _images_per_person(self) -> float:
        codes = self.identity.codes[~self.hidden]
        images = np.bincount(codes[codes != UNKNOWN])
        return float(images.sum() / max(int((images > 0).sum()), 1))


def _products(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(q, n)`` inner products.

    Of one query NumPy's own loops are as fast as BLAS, whose threads wait for one another where
    others compute: memory is the limit.
    """
    if len(queries) == 1:
        return np.asarray(np.einsum("nd,d->n", vectors, queries[0]))[None]
    return np.asarray(queries @ vectors.T)


def largest(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the places of the largest of ``(n,)`` scores, largest first; ties by their place.

    The ``count``-th largest of the blocks' largest scores is no larger than the ``count``-th
    largest score, so only scores from there on are sorted.
    """
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    whole = len(scores) // BLOCK * BLOCK
    tops = scores[:whole].reshape(-1, BLOCK).max(axis=1)
    if len(tops) > 2 * count:
        limit = np.partition(tops, len(tops) - count)[len(tops) - count]
        places = np.flatnonzero(scores >= limit)
    else:
        places = np.arange(len(scores))
    order = np.argsort(-scores[places], kind="stable")[:count]
    return places[order]


class FollowedColumns:
    """The newest columns of a database. Thread-safe; other processes may write at any time."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._size = size
        self._lock = threading.Lock()
        self._columns: Columns | None = None
        table = database.tables.record
        self._newest = select(
            select(func.max(database.tables.change.c.number)).scalar_subquery(),
            select(func.max(table.c.number)).scalar_subquery(),
        )
        self._read = select(
            table.c.number,
            type_coerce(table.c.embedding, LargeBinary),
            table.c.modality,
            table.c.camera,
            table.c.location,
            table.c.identity,
            table.c.time,
            table.c.hidden,
        )

    def newest(self) -> Columns:
        """Return the columns as the database is now."""
        with self._database.reading() as connection:
            state = self._state(connection)
            columns = self._columns
            if columns is not None and columns.state == state:
                return columns
            with self._lock:
                columns = self._columns
                # Another thread may have read a newer state meanwhile: it is as good.
                if columns is None or columns.state < state:
                    columns = self._follow(connection, columns, state)
                    self._columns = columns
                return columns

    def _state(self, connection: Connection) -> tuple[int, int]:
        row = connection.execute(self._newest).one()
        return row[0] or 0, row[1] or 0

    def _follow(
        self, connection: Connection, old: Columns | None, state: tuple[int, int]
    ) -> Columns:
        table, change = self._database.tables.record, self._database.tables.change
        if old is not None:
            first = connection.scalar(select(func.min(change.c.number))) or 0
            if state[0] != old.state[0] and first > old.state[0] + 1:
                old = None  # the log of changes no longer goes back so far
        if old is None:
            count = connection.scalar(select(func.count()).select_from(table)) or 0
            return self._appended(_empty(self._size, int(count)), connection, 0, state)
        changed = connection.scalars(
            select(change.c.record).where(change.c.number > old.state[0]).distinct()
        ).all()
        last = int(old.numbers[-1]) if len(old.numbers) else 0
        columns = self._changed(old, connection, [number for number in changed if number <= last])
        return self._appended(columns, connection, last, state)

    def _appended(
        self, old: Columns, connection: Connection, after: int, state: tuple[int, int]
    ) -> Columns:
        """Append the records whose number is above ``after``, page by page."""
        table = self._database.tables.record
        rows = connection.execute(
            self._read.where(table.c.number > after).order_by(table.c.number),
            execution_options={"yield_per": PAGE},
        )
        columns = old
        for page in rows.partitions(PAGE):
            columns = _append(columns, page)
        return Columns(**{**vars(columns), "state": state})

    def _changed(self, old: Columns, connection: Connection, numbers: Sequence[int]) -> Columns:
        """Take over the records that changed; vectors in place, all else in copies."""
        if not numbers:
            return old
        table = self._database.tables.record
        hidden, time = old.hidden.copy(), old.time.values.copy()
        coded = {name: getattr(old, name).codes.copy() for name in CODED}
        for start in range(0, len(numbers), 500):
            some = numbers[start : start + 500]
            rows = connection.execute(self._read.where(table.c.number.in_(some))).all()
            present = {row[0]: row for row in rows}
            for number in some:
                place = int(np.searchsorted(old.numbers, number))
                if place >= len(old.numbers) or old.numbers[place] != number:
                    continue
                row = present.get(number)
                hidden[place] = row is None or row[7]
                if row is None:
                    old.vectors[place] = 0  # an erased embedding is not kept in memory, either
                    continue
                old.vectors[place] = np.frombuffer(row[1], dtype="<f2")
                time[place] = NO_TIME if row[6] is None else row[6]
                for name, value in zip(CODED, row[2:6], strict=True):
                    coded[name][place] = _code(getattr(old, name).known, value)
        changed = {name: Coded(coded[name], getattr(old, name).known) for name in CODED}
        return Columns(**{**vars(old), **changed, "hidden": hidden, "time": Times(time)})


CODED = ("modality", "camera", "location", "identity")


def _empty(size: int, room: int) -> Columns:
    coded = {name: Coded(np.empty(room, np.int32)[:0], {}) for name in CODED}
    return Columns(
        state=(0, 0),
        numbers=np.empty(room, np.int64)[:0],
        vectors=np.empty((room, size), np.float32)[:0],
        time=Times(np.empty(room, np.int64)[:0]),
        hidden=np.empty(room, np.bool_)[:0],
        **coded,
    )


def _append(old: Columns, page: Sequence[Row[Any]]) -> Columns:
    numbers, vectors, *texts, times, hidden = zip(*page, strict=True)
    halves = np.frombuffer(b"".join(vectors), dtype="<f2").reshape(len(page), -1)
    coded = {}
    for name, values in zip(CODED, texts, strict=True):
        column: Coded = getattr(old, name)
        codes = np.array([_code(column.known, value) for value in values], dtype=np.int32)
        coded[name] = Coded(_joined(column.codes, codes), column.known)
    milliseconds = [NO_TIME if value is None else value for value in times]
    return Columns(
        state=old.state,
        numbers=_joined(old.numbers, np.array(numbers, dtype=np.int64)),
        vectors=_joined(old.vectors, halves),
        time=Times(_joined(old.time.values, np.array(milliseconds, dtype=np.int64))),
        hidden=_joined(old.hidden, np.array(hidden, dtype=np.bool_)),
        **coded,
    )


def _code(known: dict[str, int], text: str | None) -> int:
    return UNKNOWN if text is None else known.setdefault(text, len(known))


def _joined(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    """Return both, one after the other, in the room behind ``old`` where there is enough.

    ``old`` is the beginning of its base. Whoever holds it does not see the room behind it, which
    only the newest columns may fill.
    """
    whole = old if old.base is None else old.base
    count = len(old) + len(new)
    if len(whole) < count:
        whole = np.empty((max(count, int(GROWTH * len(old))), *old.shape[1:]), dtype=old.dtype)
        whole[: len(old)] = old
    whole[len(old) : count] = new
    return whole[:count]
