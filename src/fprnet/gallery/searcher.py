"""A model, a gallery and a calibration become answers: who is this, how surely, and why.

Shapes: q query images of one person, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.data.image_doubts import doubts_about
from fprnet.data.images import facts_of_pixels
from fprnet.data.records import MODALITIES, Modality
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.explanation import Explanation, Picture, explain
from fprnet.errors import GalleryModelError, UsageError
from fprnet.evaluation.reranking import rerank as rerank_distances
from fprnet.gallery.answers import Answer, Decision, Person, RankedMatch
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import NO_FILTERS, Filters, Found, Match, ModelIdentity

__all__ = ["Searcher", "image_warnings"]

RERANKED = 100  # best matches among which re-ranking finds its order
NOT_MEASURED = (
    "the calibration has not compared images of one modality with each other, so nothing says "
    "whether matches of the query's own modality are the person; make it again with "
    "'fprnet calibrate'"
)


class Searcher:
    """Answers questions about one gallery. Thread-safe as far as its embedder is.

    :meth:`search_embeddings` never touches the model, so that a service can embed the images of
    several requests in one batch and search for each by itself.

    Args:
        embedder: The gallery's model.
        gallery: Open; the searcher does not close it.
        calibration: Calibration of the model; None gives answers without probability and threshold.

    Raises:
        GalleryModelError: The gallery or the calibration is of another model.
    """

    def __init__(
        self, embedder: Embedder, gallery: Gallery, calibration: Calibration | None = None
    ) -> None:
        model = ModelIdentity.of(embedder)
        gallery.require(model)
        if calibration is not None and calibration.checkpoint_sha256 != model.checkpoint_sha256:
            raise GalleryModelError(
                f"the calibration is of model {calibration.checkpoint_sha256[:12]}, the gallery's "
                f"is {model.checkpoint_sha256[:12]}; make one with 'fprnet calibrate'"
            )
        if calibration is not None and calibration.projection_sha256 != model.projection_sha256:
            raise GalleryModelError(
                "the calibration is of embeddings of another size or projection than the "
                f"gallery's {model.embedding_size} numbers; make a gallery with the model as it "
                "is calibrated now, or leave the calibration out"
            )
        self.embedder = embedder
        self.gallery = gallery
        self.calibration = calibration

    def search(
        self,
        images: Sequence[Picture],
        modality: Modality = "infrared",
        *,
        filters: Filters = NO_FILTERS,
        top: int = 20,
        group: bool = False,
        rerank: bool = False,
        false_match_rate: float = 0.01,
        confirmed: Sequence[str] = (),
    ) -> Answer:
        """Search for the person whom all the images show.

        Args:
            images: Images of one person and one modality, each a path, a Pillow image or an
                ``(H, W, 3)`` uint8 array.
            modality: Modality of all images.
            filters: Which records may be found.
            top: At most so many matches.
            group: Fill ``people``, too.
            rerank: Order the best matches by k-reciprocal re-ranking.
            false_match_rate: For the threshold.
            confirmed: Ids of records that somebody confirmed to be the person; their embeddings
                refine the query.

        Raises:
            DataError: An image cannot be read.
            GalleryError: The search fails; see :class:`fprnet.gallery.gallery.Gallery`.
        """
        if len(images) == 0:
            raise UsageError("there is no query image; give one or several of one person")
        pixels = self.embedder.fit(images, modality)
        answer = self.search_embeddings(
            self.embedder.embed(pixels, modality),
            modality,
            filters=filters,
            top=top,
            group=group,
            rerank=rerank,
            false_match_rate=false_match_rate,
            confirmed=confirmed,
        )
        warnings = [*image_warnings(images, pixels, modality), *answer.warnings]
        return answer.model_copy(update={"warnings": warnings})

    def search_embeddings(
        self,
        vectors: NDArray[np.float32],
        modality: Modality = "infrared",
        *,
        filters: Filters = NO_FILTERS,
        top: int = 20,
        group: bool = False,
        rerank: bool = False,
        false_match_rate: float = 0.01,
        confirmed: Sequence[str] = (),
    ) -> Answer:
        """Search for the person of ``(q, D)`` embeddings of unit length, as :meth:`search`.

        Two people by day, or two by night, are more alike than one by day and one by night: such
        matches have a threshold of their own, and no probability.
        """
        if not len(vectors):
            raise UsageError("there is no query embedding; give one or several of one person")
        queries = len(vectors)
        if len(confirmed):
            vectors = np.concatenate((vectors, self.gallery.embeddings(confirmed)))
        # Its product with a record is the mean of the cosines: what one image would have.
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        depth = max(top, RERANKED) if rerank else top
        found = self.gallery.search(mean[None], filters=filters, top=depth)
        ranked = found.matches[0]
        if rerank:
            ranked = self._reranked(vectors, ranked)[:top]
        thresholds = self._thresholds(modality, false_match_rate, found.candidates)
        matches = [
            RankedMatch.model_construct(
                **vars(match.record),
                rank=rank,
                similarity=match.similarity,
                probability=self._probability(match, modality, found),
                accepted=None
                if (limit := thresholds.get(match.record.modality)) is None
                else match.similarity >= limit,
            )
            for rank, match in enumerate(ranked, start=1)
        ]
        unjudged = [match for match in matches if match.accepted is None]
        return Answer(
            queries=queries,
            modality=modality,
            candidates=found.candidates,
            filters=filters,
            decision=None
            if not thresholds or (matches and len(unjudged) == len(matches))
            else Decision(
                false_match_rate=false_match_rate,
                threshold=thresholds[_other(modality)],
                same_modality_threshold=thresholds.get(modality),
                in_gallery=any(match.accepted for match in matches),
            ),
            reranked=rerank,
            matches=matches,
            people=_people(matches) if group else [],
            warnings=[
                *self._disagreement(vectors[:queries]),
                *([NOT_MEASURED] if thresholds and unjudged else []),
                *([] if found.candidates else [self._nobody(filters)]),
            ],
        )

    def _thresholds(
        self, modality: Modality, rate: float, candidates: int
    ) -> dict[Modality, float]:
        """Return modality of a record -> similarity from which on it is accepted, as measured."""
        calibration = self.calibration
        if calibration is None:
            return {}
        return {
            other: calibration.threshold_between(modality, other, rate, candidates)
            for other in MODALITIES
            if other != modality or other in calibration.same_modality
        }

    def _probability(self, match: Match, modality: Modality, found: Found) -> float | None:
        if self.calibration is None or match.record.modality == modality:
            return None
        return self.calibration.probability(match.similarity, found.candidates, found.images)

    def _disagreement(self, vectors: NDArray[np.float32]) -> list[str]:
        """Say where the query's images are no more alike than most of two people are."""
        if self.calibration is None or len(vectors) < 2:
            return []
        least = float((vectors @ vectors.T).min())
        if least > self.calibration.stranger_quantiles[-1]:
            return []
        return [
            f"two of the query images are no more alike ({least:.2f}) than images of different "
            "people; search for each by itself if they may show several"
        ]

    def _nobody(self, filters: Filters) -> str:
        if filters != NO_FILTERS and len(self.gallery):
            return "no image of the gallery passes the filters"
        return "the gallery is empty; fill it with 'fprnet gallery add'"

    def explain(
        self,
        query: Picture,
        match: Picture,
        *,
        query_modality: Modality = "infrared",
        match_modality: Modality = "visible",
    ) -> Explanation:
        """Say why two images are as alike as they are: levels, stripes, heat maps.

        Args:
            query: Query image.
            match: Gallery image (a record's ``path``, or its content).
            query_modality: Modality of the query.
            match_modality: Modality of the gallery image.

        Raises:
            DataError: An image cannot be read.
        """
        return explain(self.embedder, (query, query_modality), (match, match_modality))

    def _reranked(self, vectors: NDArray[np.float32], found: list[Match]) -> list[Match]:
        """Order matches by their mean re-ranked distance to the query's ``(q, D)`` embeddings."""
        if len(found) < 2:
            return found
        shown = self.gallery.embeddings([match.record.id for match in found])
        query, gallery = (torch.from_numpy(side.astype(np.float64)) for side in (vectors, shown))
        distance = rerank_distances(query, gallery).mean(dim=0).numpy()
        return [found[place] for place in np.argsort(distance, kind="stable")]


def image_warnings(
    images: Sequence[Picture], pixels: NDArray[np.uint8], modality: Modality
) -> list[str]:
    """Say what is odd about query images: the other modality, no contrast, a whole frame.

    Args:
        images: As they were given; an image is named by its path or its number.
        pixels: Decoded query images, ``(q, H, W, 3)`` uint8 RGB, in the order of ``images``.
        modality: What they are said to be.
    """
    warnings = []
    for number, (image, row) in enumerate(zip(images, pixels, strict=True), start=1):
        named = isinstance(image, (str, Path))
        facts = facts_of_pixels(row, Path(image) if isinstance(image, (str, Path)) else image)
        name = str(image) if named else f"query image {number}"
        warnings += [
            f"{name} {doubt.what}; {doubt.next_step}" for doubt in doubts_about(facts, modality)
        ]
    return warnings


def _other(modality: Modality) -> Modality:
    return MODALITIES[1] if modality == MODALITIES[0] else MODALITIES[0]


def _people(matches: Sequence[RankedMatch]) -> list[Person]:
    of_person: dict[tuple[str | None, int], list[RankedMatch]] = {}
    for match in matches:
        alone = match.rank if match.identity is None else 0
        of_person.setdefault((match.identity, alone), []).append(match)
    return [
        Person(
            identity=identity,
            similarity=found[0].similarity,
            probability=next(
                (match.probability for match in found if match.probability is not None), None
            ),
            matches=[match.rank for match in found],
        )
        for (identity, _), found in of_person.items()
    ]
