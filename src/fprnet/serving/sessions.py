"""Searches of the last hour, in memory: what explanations, feedback and refining go back to.

Shapes: Q query images, D numbers per embedding.
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

__all__ = ["RecentSearch", "RecentSearches"]

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
        similarities: Similarities of the records that were found.
        id: Cannot be guessed.
    """

    owner: str
    modality: Modality
    uploads: tuple[Upload, ...]
    embeddings: NDArray[np.float32]
    similarities: Mapping[str, float] = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return OVERHEAD + sum(len(upload.content) for upload in self.uploads)


class RecentSearches:
    """Remembers searches for a time, the oldest are forgotten first. Thread-safe."""

    def __init__(
        self,
        seconds: float = SECONDS,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
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
        """Return a search.

        Raises:
            ProblemError: It is too old, or somebody else's.
        """
        with self._lock:
            self._forget()
            found = self._searches.get(id)
        if found is None or found[1].owner != owner:
            raise ProblemError(
                404,
                "search_expired",
                f"search {id} is not known (any more)",
                "send the images again",
            )
        return found[1]

    def erase(self, image: str) -> None:
        """Forget all searches for an image, by its SHA-256."""
        with self._lock:
            for _, search in list(self._searches.values()):
                if any(upload.sha256 == image for upload in search.uploads):
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
