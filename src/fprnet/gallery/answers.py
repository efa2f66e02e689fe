"""What a search answers, as values: ranked matches, people, and whether anybody is there at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fprnet.gallery.records import UNKNOWN, Filters, GalleryRecord

__all__ = ["Answer", "Person", "RankedMatch"]


@dataclass(frozen=True)
class RankedMatch:
    """One line of an answer.

    Attributes:
        rank: 1 is the first.
        record: The gallery image.
        similarity: Cosine of the embeddings, -1 to 1; with several query images the mean of theirs.
        probability: That it shows the query's person, 0 to 1 (see
            :meth:`fprnet.gallery.calibration.Calibration.probability`); None without a calibration.
        accepted: Whether the similarity reaches the threshold; None without one.
    """

    rank: int
    record: GalleryRecord
    similarity: float
    probability: float | None
    accepted: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "rank": self.rank,
            **self.record.as_dict(),
            "similarity": self.similarity,
            "probability": self.probability,
            "accepted": self.accepted,
        }


@dataclass(frozen=True)
class Person:
    """The matches of one identity; images without a known identity are a person each.

    Attributes:
        identity: -1 where unknown.
        matches: Best first; the first one's similarity and probability are the person's.
    """

    identity: int
    matches: tuple[RankedMatch, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        first = self.matches[0]
        return {
            "identity": None if self.identity == UNKNOWN else self.identity,
            "similarity": first.similarity,
            "probability": first.probability,
            "matches": [match.rank for match in self.matches],
        }


@dataclass(frozen=True)
class Answer:
    """What a search found.

    Attributes:
        matches: Most alike first.
        people: The same matches by identity, best person first; empty unless asked for.
        candidates: Records that passed the filters: among so many was searched.
        queries: Query images.
        filters: Those that were applied.
        threshold: Similarity from which a match is accepted; None without a calibration.
        false_match_rate: That the threshold was made for.
        in_gallery: Whether a match was accepted: False is the answer "not in the gallery". None
            without a calibration.
        reranked: Whether the order is that of re-ranking and not that of the similarities.
        warnings: What the user should know, a sentence each.
    """

    matches: tuple[RankedMatch, ...]
    people: tuple[Person, ...]
    candidates: int
    queries: int
    filters: Filters
    threshold: float | None = None
    false_match_rate: float | None = None
    in_gallery: bool | None = None
    reranked: bool = False
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "format": 1,
            "queries": self.queries,
            "candidates": self.candidates,
            "filters": self.filters.as_dict(),
            "threshold": self.threshold,
            "false_match_rate": self.false_match_rate,
            "in_gallery": self.in_gallery,
            "reranked": self.reranked,
            "matches": [match.as_dict() for match in self.matches],
            "people": [person.as_dict() for person in self.people],
            "warnings": list(self.warnings),
        }
