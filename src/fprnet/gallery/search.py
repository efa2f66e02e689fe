"""A query becomes the numbers of the most alike records: exactly in memory, or by a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fprnet.gallery.columns import FollowedColumns
from fprnet.gallery.database import Database
from fprnet.gallery.records import Best, Filters

__all__ = ["Search", "open_search"]


class Search(Protocol):
    """Finds the records of largest inner product with queries ``(q, D)``. Thread-safe."""

    @property
    def index(self) -> str:
        """Name of the index; FLAT is exact search."""

    @property
    def settings(self) -> Mapping[str, int]:
        """Settings of the index."""

    def __call__(
        self, queries: NDArray[np.float32], filters: Filters, top: int
    ) -> tuple[Best, int, float]:
        """Search.

        Returns:
            For each query up to ``top`` numbers of records and their products, largest first; how
            many records pass the filters; and how many of them an identified person has usually.
        """


class ExactSearch:
    """Compares with every record that passes, in memory."""

    index = "FLAT"
    settings: Mapping[str, int] = {}

    def __init__(self, database: Database, size: int) -> None:
        self._columns = FollowedColumns(database, size)

    def __call__(
        self, queries: NDArray[np.float32], filters: Filters, top: int
    ) -> tuple[Best, int, float]:
        """Search the gallery as it is now."""
        return self._columns.newest().search(queries, filters, top)


def open_search(database: Database, size: int) -> Search:
    """Return what searches a database of embeddings of ``size`` numbers."""
    if database.server:
        from fprnet.gallery.server_search import ServerSearch

        return ServerSearch(database, size)
    return ExactSearch(database, size)
