"""Searches of the last hour, in memory: what explanations, feedback and refining go back to.

Nothing goes back to a search from before an erasing, whoever erased: its images or matches may be
what was erased. Shapes: Q query images, D numbers per embedding.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import Modality
from fprnet.serving.images import Upload
from fprnet.serving.problems import ProblemError

__all__ = ["RecentSearch", "RecentSearches", "expired"]

SECONDS = 3600.0
MOST_BYTES = 256 * 1024 * 1024
OVERHEAD = 100_000  # bytes counted for a search besides its images: embeddings, pixels, matches


@dataclass(frozen=True)
class RecentSearch:
    """A search that was answered.

    Attributes:
        owner: Name of the key; nobody else may go back to it.
        modality: Modality of the query images.
        uploads: Query images; empty for a search by embeddings.
        embeddings: ``(Q, D)``.
        change: Number of the gallery's newest change when the search began.
        similarities: Similarities of the records that were found.
        id: Cannot be guessed.
    """

    owner: str
    modality: Modality
    uploads: tuple[Upload, ...]
    embeddings: NDArray[np.float32]
    change: int
    similarities: Mapping[str, float] = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return OVERHEAD + sum(len(upload.content) for upload in self.uploads)


class RecentSearches:
    """Remembers searches for a time, the oldest are forgotten first. Thread-safe.

    Args:
        erased: Tells whether anybody has erased a record since the change of that number.
        seconds: How long a search is remembered.
        most_bytes: Bytes of memory that all remembered searches together may take.
        clock: Seconds from any moment on.
    """

    def __init__(
        self,
        erased: Callable[[int], bool],
        seconds: float = SECONDS,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._erased = erased
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._searches: OrderedDict[str, tuple[float, RecentSearch]] = OrderedDict()
        self._bytes = 0

    def remember(self, search: RecentSearch) -> None:
        """Keep a search."""
        with self._lock:
            self._searches[search.id] = (self._clock(), search)
            self._bytes += search.size
            self._forget()

    def find(self, id: str, owner: str) -> RecentSearch:
        """Return a search; this asks the gallery.

        Raises:
            ProblemError: It is too old, somebody else's, or from before an erasing.
        """
        with self._lock:
            self._forget()
            found = self._searches.get(id)
        if found is None or found[1].owner != owner:
            raise expired(id)
        if self._erased(found[1].change):
            self.sweep()
            raise expired(id)
        return found[1]

    def sweep(self) -> None:
        """Forget the searches from before an erasing; this asks the gallery."""
        with self._lock:
            changes = sorted({search.change for _, search in self._searches.values()}, reverse=True)
        newest = next((change for change in changes if self._erased(change)), None)
        with self._lock:
            for _, search in list(self._searches.values()):
                if newest is not None and search.change <= newest:
                    self._drop(search)

    def _drop(self, search: RecentSearch) -> None:
        del self._searches[search.id]
        self._bytes -= search.size

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        while self._searches:
            when, search = next(iter(self._searches.values()))
            if when >= oldest and self._bytes <= self._most_bytes:
                return
            self._drop(search)


def expired(id: str) -> ProblemError:
    """Return the answer to who goes back to a search that is not remembered."""
    return ProblemError(
        404, "search_expired", f"search {id} is not known (any more)", "send the images again"
    )
