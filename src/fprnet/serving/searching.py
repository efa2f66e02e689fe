"""A request's options become a search of the gallery.

Shapes: Q query images, D numbers per embedding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fprnet.gallery.answers import Answer
from fprnet.serving.answers import Warning
from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import SearchOptions
from fprnet.serving.service import Service

__all__ = ["run_search", "unit_rows", "warnings_of"]


def run_search(service: Service, vectors: NDArray[np.float32], options: SearchOptions) -> Answer:
    """Search for the person of ``(Q, D)`` embeddings of unit length.

    Raises:
        GalleryError: The gallery refuses; see :class:`fprnet.gallery.searcher.Searcher`.
    """
    filters = options.filters
    facts = service.facts(stale=True)
    known = {one.value for one in facts.cameras}, {one.value for one in facts.locations}
    if not (set(filters.cameras) <= known[0] and set(filters.locations) <= known[1]):
        service.searcher.gallery.check_filters(filters)  # counts anew, so it is slow
    return service.searcher.search_embeddings(
        vectors,
        options.modality,
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


def warnings_of(found: Answer) -> list[Warning]:
    """Return what the operator should know."""
    warnings = [Warning(code="gallery", message=text) for text in found.warnings]
    if found.decision is None:
        warnings.append(
            Warning(
                code="not_calibrated",
                message="the model has no calibration, so there is no probability and no threshold",
            )
        )
    return warnings
