"""A tracklet is compared with everybody on the watch list: who matches above the threshold.

Each identity is compared by its templates, the mean embedding of its records of one modality at one
location, because that is what the calibration of tracklets was measured on. Shapes: t templates, D
numbers per embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from fprnet.data.records import Modality
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.reading import GalleryReader
from fprnet.gallery.tracklets import template
from fprnet.tracklets import Tracklet

__all__ = ["Match", "Matcher"]


@dataclass(frozen=True)
class Match:
    """Somebody on the watch list whom a tracklet shows, above the threshold.

    Attributes:
        identity: Who.
        record: Number of the record of them that is most like the tracklet.
        similarity: Cosine of the tracklet's template and the most similar one of theirs.
        probability: That it is the same person; None where both are of one modality, for which
            none is calibrated.
        threshold: Similarity from which on it is a match.
    """

    identity: str
    record: int
    similarity: float
    probability: float | None
    threshold: float


class Matcher:
    """Compares tracklets with the watch list of a gallery as it is at that moment.

    Args:
        gallery: Gallery whose watch list it is.
        calibration: Calibration of the gallery's model, measured on tracklets, too.
        false_match_rate: Share of the tracklets of people who are not on the list that may match,
            above 0 and below 1.

    Raises:
        GalleryError: The rate is no such share, or the calibration knows no tracklets.
    """

    def __init__(
        self, gallery: GalleryReader, calibration: Calibration, false_match_rate: float
    ) -> None:
        self.false_match_rate = false_match_rate
        self._gallery, self._calibration = gallery, calibration.of_tracklets
        self._calibration.threshold(false_match_rate, 1)

    def matches(self, tracklet: Tracklet) -> list[Match]:
        """Return who of the list the tracklet shows, the most similar first."""
        query = template(np.stack([crop.embedding for crop in tracklet.crops]))
        people = self._people()
        found: dict[str, Match] = {}
        for (identity, modality, _), (numbers, vectors) in people.items():
            similarity = float(template(vectors) @ query)
            same = modality == tracklet.modality
            threshold = self._calibration.threshold_between(
                modality, tracklet.modality, self.false_match_rate, len(people)
            )
            if similarity < threshold:
                continue
            best = numbers[int(np.argmax(vectors @ query))]
            probability = None if same else self._calibration.probability(similarity, len(people))
            match = Match(identity, best, similarity, probability, threshold)
            if identity not in found or found[identity].similarity < similarity:
                found[identity] = match
        return sorted(found.values(), key=lambda match: -match.similarity)

    def _people(
        self,
    ) -> dict[tuple[str, Modality, str | None], tuple[list[int], np.ndarray]]:
        """Return identity, modality, location -> record numbers and their embeddings (n, D)."""
        tables = self._gallery.database.tables
        record = tables.record
        chosen = (
            select(
                record.c.number,
                record.c.identity,
                record.c.modality,
                record.c.location,
                record.c.embedding,
            )
            .join(tables.watched, tables.watched.c.identity == record.c.identity)
            .where(~record.c.hidden)
            .order_by(record.c.number)
        )
        groups: dict[tuple[str, Modality, str | None], tuple[list[int], list[np.ndarray]]] = {}
        with self._gallery.database.reading() as connection:
            for row in connection.execute(chosen):
                key = (row.identity, row.modality, row.location)
                numbers, vectors = groups.setdefault(key, ([], []))
                numbers.append(row.number)
                vectors.append(np.asarray(row.embedding, np.float32))
        return {key: (numbers, np.stack(vectors)) for key, (numbers, vectors) in groups.items()}
