"""What a search answers, as values: ranked matches, people, and whether anybody is there at all."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fprnet.data.records import Modality
from fprnet.gallery.records import Filters, GalleryRecord, Name

__all__ = ["Answer", "Decision", "Person", "RankedMatch"]

LIKELY = 0.5  # probability of a match from which on absence is not called probable


class RankedMatch(GalleryRecord):
    """A gallery record in the ranking."""

    rank: int = Field(ge=1, description="1 is the most alike")
    similarity: float = Field(
        description="Cosine of the embeddings, -1 to 1; with several query images the mean of "
        "theirs",
        examples=[0.83],
    )
    probability: float | None = Field(
        description="Probability that it is the same person, 0 to 1; null without a calibration, "
        "and for an image of the query's own modality, of which none is measured"
    )
    accepted: bool | None = Field(
        description="Whether it reaches the threshold of its modality; null without one"
    )

    @property
    def record(self) -> GalleryRecord:
        """What the gallery has of the image."""
        fields = GalleryRecord.model_fields
        return GalleryRecord.model_construct(**{name: getattr(self, name) for name in fields})


class Person(BaseModel):
    """The matches of one identity; records without one are a person each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: Name | None
    similarity: float = Field(description="Similarity of the person's best match")
    probability: float | None
    matches: list[int] = Field(description="Ranks of the person's matches", examples=[[1, 4]])


class Decision(BaseModel):
    """Is the person in the gallery at all?"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_match_rate: float = Field(examples=[0.01])
    threshold: float = Field(
        description="Similarity from which on a match of the other modality is accepted"
    )
    same_modality_threshold: float | None = Field(
        default=None,
        description="Likewise for a match of the query's own modality: two people are more alike "
        "there; null: the calibration has not measured it",
    )
    in_gallery: bool = Field(description="False: nobody in the gallery is alike enough")


class Answer(BaseModel):
    """What a search found; matches are ranked, the most similar first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: int = Field(description="Query images")
    modality: Modality = Field(default="infrared", description="Of the query images")
    candidates: int = Field(description="Records that the filters leave")
    filters: Filters
    decision: Decision | None = Field(
        description="Null without a calibration, or one that has measured no such pair"
    )
    reranked: bool = Field(description="The order is re-ranking's, not the similarities'")
    matches: list[RankedMatch]
    people: list[Person] = Field(description="Empty unless people were asked for")
    warnings: list[str] = Field(description="What the user should know, a sentence each")

    @property
    def in_gallery(self) -> bool | None:
        """Whether a match was accepted; None without a calibration."""
        return None if self.decision is None else self.decision.in_gallery

    @property
    def best_probability(self) -> float | None:
        """Probability of the match that is most likely right; None without any, or calibration."""
        known = [match.probability for match in self.matches if match.probability is not None]
        return max(known, default=None)

    @property
    def verdict(self) -> str | None:
        """Whether the person is in the gallery, in words; None without a calibration.

        Many people who are there do not reach a threshold that few absent people reach. So it is
        "perhaps" where the best match would more likely be right than wrong if the person is there.
        """
        if self.in_gallery is None:
            return None
        if self.in_gallery:
            return "in the gallery"
        likely = (self.best_probability or 0) >= LIKELY
        return "perhaps in the gallery" if likely else "probably not in the gallery"

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"format": 1, **self.model_dump(mode="json")}
