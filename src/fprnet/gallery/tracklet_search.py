"""A tracklet, or crops of one, becomes a ranking of tracklets: who else is this person?

Shapes: q crops of the query, n tracklets, D numbers per embedding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from fprnet.data.records import MODALITIES, Modality
from fprnet.errors import UsageError
from fprnet.gallery.calibration import NO_TRACKLETS
from fprnet.gallery.conditions import condition
from fprnet.gallery.gallery import MAX_MATCHES
from fprnet.gallery.records import NO_FILTERS, Filters, RecordId
from fprnet.gallery.searcher import Searcher
from fprnet.gallery.tracklet_rows import TrackletRecord
from fprnet.gallery.tracklets import template, templates, tracklets_with

__all__ = ["TrackletAnswer", "TrackletMatch", "search_tracklets"]

CROPS = 8  # records that are looked at for each tracklet that is wanted


class TrackletMatch(BaseModel):
    """A tracklet in the ranking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(ge=1, description="1 is the most alike")
    similarity: float = Field(description="Cosine of both templates, -1 to 1", examples=[0.83])
    probability: float | None = Field(
        description="Probability that it is the same person, 0 to 1; null without a calibration, "
        "and for a tracklet of the query's own modality, of which none is measured"
    )
    accepted: bool | None = Field(
        description="Whether it reaches the threshold; null without a calibration"
    )
    best: RecordId = Field(description="The crop that is most like the query")
    tracklet: TrackletRecord


class TrackletAnswer(BaseModel):
    """What a search for a tracklet found; the most similar first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: int = Field(description="Crops of the query")
    candidates: int = Field(description="Tracklets that the filters leave")
    filters: Filters
    false_match_rate: float | None = Field(description="Null without a calibration")
    thresholds: dict[Modality, float] = Field(
        description="Modality of a tracklet -> similarity from which on it is accepted; empty "
        "without a calibration"
    )
    matches: list[TrackletMatch]
    warnings: list[str] = Field(description="What the user should know, a sentence each")

    @property
    def found(self) -> bool | None:
        """Whether a tracklet was accepted; None without a calibration."""
        return any(match.accepted for match in self.matches) if self.thresholds else None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return self.model_dump(mode="json")


def search_tracklets(
    searcher: Searcher,
    vectors: NDArray[np.float32],
    modality: Modality,
    *,
    filters: Filters = NO_FILTERS,
    top: int = 20,
    false_match_rate: float = 0.01,
    without: int | None = None,
) -> TrackletAnswer:
    """Search for the tracklets that show the person of some crops.

    The records that are most like the query's template say which tracklets are compared, by their
    templates: of crops that pass the filters or not.

    Args:
        searcher: Model, gallery and calibration.
        vectors: ``(q, D)`` embeddings of crops of one tracklet.
        modality: Modality of the crops.
        filters: A tracklet is found by a crop that passes.
        top: At most so many.
        false_match_rate: Share of the searches for somebody who is nowhere else that may find a
            stranger; sets the thresholds.
        without: The query itself, where it is in the gallery.

    Raises:
        UsageError: There is no crop.
        GalleryError: The rate is no share, or the gallery fails.
    """
    if not len(vectors):
        raise UsageError("there is no query crop; give one or several of one tracklet")
    gallery = searcher.gallery
    query = template(vectors)
    depth = min(MAX_MATCHES, CROPS * (top + 1))
    records = gallery.search(query[None], filters=filters, top=depth).matches[0]
    best: dict[int, str] = {}
    of_record = tracklets_with(gallery, [match.record.id for match in records])
    tracklets: dict[int, TrackletRecord] = {}
    for match in records:
        tracklet = of_record.get(match.record.id)
        if tracklet is not None and tracklet.id != without:
            tracklets.setdefault(tracklet.id, tracklet)
            best.setdefault(tracklet.id, match.record.id)
    candidates = _count(searcher, filters, without)
    thresholds = _thresholds(searcher, modality, false_match_rate, candidates)
    chosen = list(tracklets.values())
    similarities = templates(gallery, chosen) @ query
    order = np.argsort(-similarities, kind="stable")[:top]
    calibration = None if searcher.calibration is None else searcher.calibration.tracklets
    matches = []
    for rank, place in enumerate(order, start=1):
        tracklet, similarity = chosen[place], float(similarities[place])
        limit = thresholds.get(tracklet.modality)
        probability = None
        if calibration is not None and tracklet.modality != modality:
            probability = calibration.probability(similarity, candidates)
        matches.append(
            TrackletMatch.model_construct(
                rank=rank,
                similarity=similarity,
                probability=probability,
                accepted=None if limit is None else similarity >= limit,
                best=best[tracklet.id],
                tracklet=tracklet,
            )
        )
    return TrackletAnswer(
        queries=len(vectors),
        candidates=candidates,
        filters=filters,
        false_match_rate=false_match_rate if thresholds else None,
        thresholds=thresholds,
        matches=matches,
        warnings=_warnings(searcher, candidates),
    )


def _count(searcher: Searcher, filters: Filters, without: int | None) -> int:
    """Return how many tracklets have a crop that passes, without one of them."""
    tables = searcher.gallery.database.tables
    record, crop = tables.record, tables.crop
    passing = (
        select(func.count(crop.c.tracklet.distinct()))
        .join(record, record.c.number == crop.c.record)
        .where(condition(filters, record.c))
    )
    if without is not None:
        passing = passing.where(crop.c.tracklet != without)
    with searcher.gallery.database.reading() as connection:
        return connection.scalar(passing) or 0


def _thresholds(
    searcher: Searcher, modality: Modality, rate: float, candidates: int
) -> dict[Modality, float]:
    calibration = None if searcher.calibration is None else searcher.calibration.tracklets
    if calibration is None:
        return {}
    return {
        other: calibration.threshold_between(modality, other, rate, candidates)
        for other in MODALITIES
    }


def _warnings(searcher: Searcher, candidates: int) -> list[str]:
    warnings = []
    if candidates == 0:
        warnings.append("no other tracklet of the gallery passes the filters")
    if searcher.calibration is not None and searcher.calibration.tracklets is None:
        warnings.append(NO_TRACKLETS)
    return warnings
