"""A request's options become a search, and its answer becomes that of the interface.

Shapes: Q query images, D numbers per embedding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fprnet.gallery.answers import Answer, RankedMatch
from fprnet.gallery.records import UNKNOWN, GalleryRecord
from fprnet.gallery.records import Filters as GalleryFilters
from fprnet.serving.answers import Decision, Match, Person, Record, Verdict, Warning
from fprnet.serving.pictures import Pictures
from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import SearchOptions
from fprnet.serving.service import Service

__all__ = [
    "decision_of",
    "match_of",
    "person_of",
    "record_of",
    "run_search",
    "unit_rows",
    "warnings_of",
]


def run_search(service: Service, vectors: NDArray[np.float32], options: SearchOptions) -> Answer:
    """Search for the person of ``(Q, D)`` embeddings of unit length.

    Raises:
        GalleryError: The gallery refuses; see :class:`fprnet.gallery.searcher.Searcher`.
    """
    asked = options.filters
    filters = GalleryFilters(
        cameras=tuple(asked.cameras),
        locations=tuple(asked.locations),
        since=asked.since,
        until=asked.until,
        exclude_location=asked.exclude_location,
        identity=asked.identity,
        modality=asked.modality,
    )
    there = service.facts(stale=True)
    if not (set(filters.cameras) <= set(there.cameras)) or not (
        set(filters.locations) <= set(there.locations)
    ):
        service.searcher.gallery.check_filters(filters)  # counts anew, so it is slow
    return service.searcher.search_embeddings(
        vectors,
        filters=filters,
        top=options.top,
        group=options.group,
        rerank=options.rerank,
        false_match_rate=options.false_match_rate,
        confirmed=options.confirmed,
    )


def unit_rows(rows: list[list[float]], size: int) -> NDArray[np.float32]:
    """Return embeddings that somebody sent as ``(Q, D)`` rows of unit length.

    Raises:
        ProblemError: They have another D, or one is zero.
    """
    wrong = next((len(row) for row in rows if len(row) != size), None)
    if wrong is not None:
        raise ProblemError(
            422,
            "embedding",
            f"an embedding has {wrong} numbers, but the gallery's have {size}",
            "embed with the gallery's model (GET /v1/gallery names it)",
        )
    vectors = np.array(rows, dtype=np.float64)
    # Divided by the largest number first: squares of very large or small ones leave float64.
    vectors /= np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if (lengths < 0.5).any():
        raise ProblemError(
            422, "embedding", "an embedding consists of zeros", "send what the model gave"
        )
    rows_of_unit_length: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return rows_of_unit_length


def match_of(
    match: RankedMatch,
    pictures: Pictures,
    marks: dict[str, Verdict],
    confirmed: list[str],
) -> Match:
    """Return a line of the ranking."""
    record = match.record
    return Match(
        rank=match.rank,
        id=record.id,
        similarity=match.similarity,
        probability=match.probability,
        accepted=match.accepted,
        camera=_known(record.camera),
        location=_known(record.location),
        modality=record.modality,
        time=record.timestamp,
        identity=_known(record.identity),
        path=record.path,
        confirmed=record.id in confirmed,
        marked=marks.get(record.id),
        image=pictures.address(record),
    )


def record_of(record: GalleryRecord, pictures: Pictures) -> Record:
    """Return what the gallery knows about an image."""
    return Record(
        id=record.id,
        camera=_known(record.camera),
        location=_known(record.location),
        modality=record.modality,
        time=record.timestamp,
        identity=_known(record.identity),
        path=record.path,
        image=pictures.address(record),
    )


def person_of(found: Answer) -> list[Person]:
    """Return the matches by identity."""
    return [
        Person(
            identity=_known(person.identity),
            similarity=person.matches[0].similarity,
            probability=person.matches[0].probability,
            matches=[match.rank for match in person.matches],
        )
        for person in found.people
    ]


def decision_of(found: Answer) -> Decision | None:
    """Return whether anybody is alike enough; None without a calibration."""
    if found.threshold is None or found.false_match_rate is None or found.in_gallery is None:
        return None
    return Decision(
        false_match_rate=found.false_match_rate,
        threshold=found.threshold,
        in_gallery=found.in_gallery,
    )


def warnings_of(found: Answer) -> list[Warning]:
    """Return what the operator should know."""
    warnings = [Warning(code="gallery", message=text) for text in found.warnings]
    if found.threshold is None:
        warnings.append(
            Warning(
                code="not_calibrated",
                message="the model has no calibration, so there is no probability and no threshold",
            )
        )
    return warnings


def _known(number: int) -> int | None:
    return None if number == UNKNOWN else number
