"""Filters become one condition that a database evaluates, or columns in memory.

The same expression runs on both: SQLAlchemy's columns and :class:`fprnet.gallery.columns.Columns`
understand ``==``, ``<=``, ``>=``, ``&``, ``|``, ``~``, ``is_(None)`` and ``is_not(None)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from fprnet.gallery.records import Filters
from fprnet.gallery.times import milliseconds

__all__ = ["condition"]


def condition(filters: Filters, columns: Any, *, hidden: bool = False) -> Any:  # noqa: ANN401
    """Return which records pass.

    Args:
        filters: As of a search.
        columns: Has ``hidden``, ``camera``, ``location``, ``modality``, ``time`` (milliseconds)
            and ``identity``.
        hidden: Let hidden records pass, too.

    Returns:
        An SQL expression for the columns of a table; for columns in memory ``(n,)`` bool.
    """
    passes = columns.hidden | ~columns.hidden if hidden else ~columns.hidden
    if filters.cameras:
        passes = passes & _any_of(columns.camera, filters.cameras)
    if filters.locations:
        passes = passes & _any_of(columns.location, filters.locations)
    if filters.exclude_location is not None:
        elsewhere = columns.location != filters.exclude_location
        passes = passes & (columns.location.is_(None) | elsewhere)
    if filters.since is not None:
        known = columns.time.is_not(None)
        passes = passes & known & (columns.time >= milliseconds(filters.since))
    if filters.until is not None:
        known = columns.time.is_not(None)
        passes = passes & known & (columns.time <= milliseconds(filters.until))
    if filters.identity == "known":
        passes = passes & columns.identity.is_not(None)
    elif filters.identity == "unknown":
        passes = passes & columns.identity.is_(None)
    if filters.modality is not None:
        passes = passes & (columns.modality == filters.modality)
    return passes


def _any_of(column: Any, values: Sequence[str]) -> Any:  # noqa: ANN401 - as above
    return reduce(or_, [column == value for value in values])
