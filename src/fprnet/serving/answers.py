"""What answers hold: the other half of the vocabulary of the HTTP interface."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fprnet.data.records import Modality
from fprnet.gallery.answers import Decision, Person, RankedMatch
from fprnet.gallery.records import RECORD_ID, Counted, GalleryRecord, RecordId
from fprnet.gallery.verdicts import Verdict
from fprnet.serving.requests import SEARCH_ID, SearchId

__all__ = [
    "Added",
    "Changed",
    "Counted",
    "Decision",
    "Erased",
    "ErrorAnswer",
    "Explanation",
    "FeedbackAnswer",
    "FeedbackEntry",
    "GalleryFacts",
    "Health",
    "HeatMaps",
    "Limits",
    "Match",
    "Me",
    "Part",
    "Permission",
    "Person",
    "Problem",
    "QueryImage",
    "Record",
    "Role",
    "SearchAnswer",
    "Verdict",
    "Warning",
]

Role = Literal["monitor", "search", "write", "admin"]
Permission = Literal["metrics", "search", "mark", "add", "hide", "group", "export", "erase"]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Answer):
    """What is wrong."""

    code: str = Field(description="A stable word for programs", examples=["image_damaged"])
    message: str = Field(description="What, and which value", examples=["a.jpg is empty"])
    next: str = Field(description="What to do about it", examples=["copy it again or remove it"])


class ErrorAnswer(_Answer):
    """Every 4xx and 5xx answer."""

    error: Problem


class Warning(_Answer):
    """Something that the operator should know, though the search was made."""

    code: Literal[
        "other_modality",
        "no_contrast",
        "wide",
        "small",
        "animation",
        "not_calibrated",
        "gallery",
    ]
    message: str


class QueryImage(_Answer):
    """What was searched for."""

    name: str = Field(description="Name of the uploaded file", examples=["night-0001.jpg"])
    sha256: str | None = Field(
        default=None, description="SHA-256 of the uploaded file; null for an embedding"
    )
    width: int | None = Field(default=None, examples=[144])
    height: int | None = Field(default=None, examples=[288])
    warnings: list[Warning] = Field(default_factory=list)


class Match(RankedMatch):
    """A gallery record in the ranking, and what this service knows of it."""

    confirmed: bool = Field(description="It was among the request's ``confirmed``")
    marked: Verdict | None = Field(description="Earlier feedback about the same query images")
    tracklet: int | None = Field(description="Number of the tracklet that it is a crop of")
    image: str | None = Field(
        description="Address of the image on this service; null where it may not be shown",
        examples=[f"/v1/gallery/images/{RECORD_ID}/content"],
    )


class SearchAnswer(_Answer):
    """Ranked matches, the most similar first."""

    search: SearchId = Field(
        description="Names this search for explanations, feedback and refining, for a while",
        examples=[SEARCH_ID],
    )
    modality: Modality
    queries: list[QueryImage]
    matches: list[Match]
    people: list[Person] = Field(description="Empty unless ``group`` was asked for")
    candidates: int = Field(description="Records that the filters leave")
    decision: Decision | None = Field(description="Null without a calibration")
    warnings: list[Warning]
    confirmed: list[RecordId] = Field(description="Gallery records that refined the query")
    milliseconds: dict[str, float] = Field(
        examples=[{"decode": 1.2, "embed": 21.0, "search": 14.5}]
    )


class Added(_Answer):
    """One line of the answer to an upload: what became of one image."""

    index: int = Field(ge=0, description="Position among the images of the request")
    name: str | None = Field(description="Name of the uploaded file")
    status: Literal["added", "updated", "known", "refused"] = Field(
        description="updated: the record was corrected, as asked; known: the gallery had it "
        "already, nothing changed"
    )
    id: RecordId | None = Field(default=None, description="Null if refused")
    error: Problem | None = None
    warnings: list[Warning] = Field(default_factory=list)


class Erased(_Answer):
    """A record that is gone from the gallery's files."""

    id: RecordId
    erased: Literal[True] = True
    image_erased: bool = Field(description="The service kept a copy of the image, now gone too")


class Record(GalleryRecord):
    """What the gallery knows about one image."""

    image: str | None = Field(
        description="Address of the image on this service; null where it may not be shown"
    )


class Changed(_Answer):
    """A record after a change."""

    id: RecordId
    hidden: bool
    changed: bool = Field(description="False: it was so before")
    record: Record


class Limits(_Answer):
    """What the service accepts."""

    images_per_search: int
    bytes_per_image: int
    pixels_per_image: int
    images_per_upload: int
    matches: int


class GalleryFacts(_Answer):
    """What is in the gallery; fills the form of filters."""

    records: int = Field(description="Searchable ones")
    hidden: int
    identities: int = Field(description="Different known people")
    tracklets: int = Field(description="Tracklets with a searchable crop")
    anonymous_identities: int = Field(description="People whom grouping made")
    cameras: list[Counted]
    locations: list[Counted]
    modalities: list[Counted]
    since: AwareDatetime | None = Field(description="Time of the earliest record that has one")
    until: AwareDatetime | None
    model: str = Field(description="SHA-256 of the checkpoint whose embeddings these are")
    preset: str = Field(description="Preset of the model", examples=["fprnet"])
    embedding_size: int
    index: str = Field(description="FLAT is exact search", examples=["FLAT"])
    recall: float | None = Field(description="Recall@10 of the index against exact search")
    calibrated: bool = Field(description="Whether matches come with a probability")
    writable: bool
    limits: Limits


class Part(_Answer):
    """What one part of the embedding says: the main head, or a level of the pyramid."""

    name: str = Field(examples=["level3"])
    cosine: float = Field(description="Cosine of this part alone, -1 to 1")
    share: float = Field(description="What it adds to the similarity; the shares add up to it")
    query_stripes: list[float] = Field(
        description="What each horizontal stripe of the query adds, head to feet"
    )
    match_stripes: list[float] = Field(description="The same for the match")


class HeatMaps(_Answer):
    """Pictures of what matched, as addresses "data:image/png;base64,..." that a page can show."""

    query: str
    match: str


class Explanation(_Answer):
    """Which parts of the two images are alike."""

    match: RecordId
    query: int
    similarity: float
    parts: list[Part]
    heat_maps: HeatMaps


class FeedbackAnswer(_Answer):
    """The judgement is on the disk."""

    match: RecordId
    verdict: Literal["right", "wrong", "none"]


class FeedbackEntry(_Answer):
    """A stored judgement."""

    time: AwareDatetime
    by: str = Field(description="Name of the key")
    query_sha256: list[str] = Field(description="SHA-256 of the query images")
    query_modality: Modality
    match: RecordId
    verdict: Verdict
    similarity: float
    note: str | None


class Me(_Answer):
    """Who the service takes the caller for."""

    name: str = Field(examples=["ward-3"])
    role: Role
    keys_required: bool
    may: list[Permission] = Field(examples=[["search", "mark", "metrics"]])


class Health(_Answer):
    """Whether the service can answer searches."""

    status: Literal["ready", "not ready"]
    model: bool
    gallery: bool
    accepting: bool = Field(description="False while it shuts down")
