"""What answers hold: the other half of the vocabulary of the HTTP interface."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fprnet.data.records import Modality
from fprnet.serving.requests import RECORD_ID, SEARCH_ID, RecordId, SearchId

__all__ = [
    "Added",
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
    "Hidden",
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
Permission = Literal["metrics", "search", "mark", "add", "hide", "export", "erase"]
Verdict = Literal["right", "wrong"]


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

    name: str = Field(description="Of the uploaded file", examples=["night-0001.jpg"])
    sha256: str | None = Field(
        default=None, description="Of the uploaded file; null for an embedding"
    )
    width: int | None = Field(default=None, examples=[144])
    height: int | None = Field(default=None, examples=[288])
    warnings: list[Warning] = Field(default_factory=list)


class Match(_Answer):
    """A gallery record in the ranking."""

    rank: int = Field(ge=1)
    id: RecordId
    similarity: float = Field(description="Cosine of the embeddings, -1 to 1", examples=[0.83])
    probability: float | None = Field(
        description="That it is the same person, 0 to 1; null without a calibration"
    )
    accepted: bool | None = Field(
        description="Whether it reaches the threshold; null without a calibration"
    )
    camera: int | None = Field(examples=[3])
    location: int | None
    modality: Modality
    time: AwareDatetime | None
    identity: int | None = Field(description="If the gallery knows it")
    path: str = Field(description="Of the original, as the gallery has it")
    confirmed: bool = Field(description="It was among the request's ``confirmed``")
    marked: Verdict | None = Field(description="Earlier feedback about the same query images")
    image: str | None = Field(
        description="Address of the image on this service; null where it may not be shown",
        examples=[f"/v1/gallery/images/{RECORD_ID}/content"],
    )


class Person(_Answer):
    """The matches of one identity; records without one are a person each."""

    identity: int | None
    similarity: float = Field(description="Of the best match")
    probability: float | None
    matches: list[int] = Field(description="Ranks", examples=[[1, 4]])


class Decision(_Answer):
    """Is the person in the gallery at all?"""

    false_match_rate: float = Field(examples=[0.01])
    threshold: float = Field(description="Similarity from which on a match is accepted")
    in_gallery: bool = Field(description="False: nobody in the gallery is alike enough")


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
    name: str | None = Field(description="Of the uploaded file")
    status: Literal["added", "known", "refused"] = Field(
        description="known: the gallery had it already, nothing changed"
    )
    id: RecordId | None = Field(default=None, description="Null if refused")
    error: Problem | None = None
    warnings: list[Warning] = Field(default_factory=list)


class Erased(_Answer):
    """A record that is gone from the gallery's files."""

    id: RecordId
    erased: Literal[True] = True
    image_erased: bool = Field(description="The service kept a copy of the image, now gone too")


class Record(_Answer):
    """What the gallery knows about one image."""

    id: RecordId
    camera: int | None
    location: int | None
    modality: Modality
    time: AwareDatetime | None
    identity: int | None
    path: str
    image: str | None


class Hidden(_Answer):
    """A record's visibility after the change."""

    id: RecordId
    hidden: bool
    changed: bool = Field(description="False: it was so before")


class Counted(_Answer):
    """A camera, location or modality, and how many searchable records it has."""

    value: int | str | None = Field(description="Null: records where it is not known")
    records: int


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
    cameras: list[Counted]
    locations: list[Counted]
    modalities: list[Counted]
    since: AwareDatetime | None = Field(description="Of the earliest record with a time")
    until: AwareDatetime | None
    model: str = Field(description="SHA-256 of the checkpoint whose embeddings these are")
    preset: str = Field(description="Of the model", examples=["fprnet"])
    embedding_size: int
    index: str = Field(description="FLAT is exact search", examples=["FLAT"])
    recall: float | None = Field(description="Of the index against exact search, at 10")
    calibrated: bool = Field(description="Whether matches come with a probability")
    writable: bool
    limits: Limits


class Part(_Answer):
    """What one part of the embedding says: the main head, or a level of the pyramid."""

    name: str = Field(examples=["level3"])
    cosine: float = Field(description="Of this part alone, -1 to 1")
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
    query_sha256: list[str] = Field(description="Of the query images")
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
