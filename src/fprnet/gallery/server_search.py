"""Searches in a PostgreSQL server: through pgvector's graph, or exactly where few records pass.

Shapes: q queries, D numbers per embedding.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Float, func, select

from fprnet.gallery.conditions import condition
from fprnet.gallery.database import Database
from fprnet.gallery.postgres import MAX_INDEXED, SETTINGS
from fprnet.gallery.records import Best, Filters
from fprnet.gallery.schema import Tables

__all__ = ["ServerSearch"]

EXPLORED = 100  # candidates that a search in the graph compares, at least
PER_CANDIDATE = 400  # records that pass, for each candidate
MAX_EXPLORED = 1000  # candidates of one pass through the graph that pgvector allows
SCANNING = {  # of a search that goes on after one pass, until it has its candidates
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "100000",
    "hnsw.scan_mem_multiplier": "16",  # times work_mem; with one, it ends before 2,000 candidates
    "enable_sort": "off",  # the graph has an order; plans that read and sort everything have none
}
EXACT = 20_000  # records that pass, up to which all of them are compared
COUNTED = 100  # filters whose number of records is kept
CONTENT_REST = 60.0  # seconds for which the usual number of a person's images is kept
NEGATIVE_PRODUCT = "<#>"  # pgvector's; it sorts ascending, so that the index can


class ServerSearch:
    """Searches in the server: through the graph, or exactly where few records pass the filters."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._content: tuple[float, int, float] | None = None  # good until; records, images
        self._counts = FollowedCounts(database.tables)
        self.index = "HNSW" if size <= MAX_INDEXED else "FLAT"
        self.settings: Mapping[str, int] = SETTINGS if size <= MAX_INDEXED else {}

    def __call__(
        self, queries: NDArray[np.float32], filters: Filters, top: int
    ) -> tuple[Best, int, float]:
        """Search; all queries see one state."""
        table = self._database.tables.record
        passes = condition(filters, table.c)
        best: Best = []
        with self._database.reading() as connection:
            count = self._counts.of(connection, filters)
            exact = count <= EXACT or self.index == "FLAT"
            if not exact:
                explored = max(EXPLORED, 2 * top, count // PER_CANDIDATE)
                settings = {**SCANNING, "hnsw.ef_search": min(MAX_EXPLORED, explored)}
                for name, value in settings.items():
                    connection.exec_driver_sql(f"SET LOCAL {name} = {value}")
            chosen = select(table.c.number, table.c.embedding).where(passes)
            passing = chosen.cte("passing").prefix_with("MATERIALIZED").c if exact else table.c
            for query in queries:
                distance = passing.embedding.op(NEGATIVE_PRODUCT, return_type=Float())(query)
                nearest = select(passing.number, distance.label("distance")).order_by(distance)
                if not exact:
                    candidates = nearest.where(passes).limit(explored).cte("candidates")
                    found = candidates.prefix_with("MATERIALIZED").c
                    # Without "+ 0" the server takes them for sorted, and stops at the first.
                    nearest = select(found.number, found.distance).order_by(found.distance + 0)
                rows = connection.execute(nearest.limit(top)).all()
                numbers = np.array([row.number for row in rows], dtype=np.int64)
                best.append((numbers, -np.array([row.distance for row in rows], np.float32)))
            records, images = self._contents(connection)
        return best, count, max(1.0, images * count / max(records, 1))

    def _contents(self, connection: Connection) -> tuple[int, float]:
        """Return how many records there are, and the images of an identified person."""
        with self._lock:
            if self._content is None or self._content[0] < time.monotonic():
                record = self._database.tables.record
                named = record.c.identity
                row = connection.execute(
                    select(func.count(), func.count(named), func.count(named.distinct())).where(
                        ~record.c.hidden
                    )
                ).one()
                images = row[1] / max(row[2], 1)
                self._content = (time.monotonic() + CONTENT_REST, row[0], images)
            return self._content[1:]


class FollowedCounts:
    """How many records pass filters, counted once and followed. Thread-safe.

    Counting reads the whole table, so it is done again only where a record has changed since; new
    ones alone are counted and added. Other processes may write at any time.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._lock = threading.Lock()
        self._known: OrderedDict[Filters, tuple[int, int, int]] = OrderedDict()
        self._newest = select(
            select(func.max(tables.change.c.number)).scalar_subquery(),
            select(func.max(tables.record.c.number)).scalar_subquery(),
        )

    def of(self, connection: Connection, filters: Filters) -> int:
        """Return the number of records that pass in the state that a connection sees."""
        table = self._tables.record
        changed, newest = (number or 0 for number in connection.execute(self._newest).one())
        counting = select(func.count()).where(condition(filters, table.c))
        with self._lock:
            known = self._known.get(filters)
        # A connection may see less than another thread's, which has counted meanwhile.
        if known is not None and known[0] == changed and known[1] <= newest:
            count = known[2]
            if known[1] < newest:
                count += connection.scalar(counting.where(table.c.number > known[1])) or 0
        else:
            count = connection.scalar(counting) or 0
        with self._lock:
            self._known[filters] = (changed, newest, count)
            self._known.move_to_end(filters)
            while len(self._known) > COUNTED:
                self._known.popitem(last=False)
        return count
