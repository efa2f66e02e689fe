"""What requests and answers hold: the vocabulary of the HTTP interface.

Shapes: Q query images; D numbers per embedding. Times are RFC 3339 with a time zone. Requests may
not hold fields that are unknown here: an option that is ignored would be a lie.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from fprnet.data.records import Modality

__all__ = [
    "MOST_MATCHES",
    "MOST_QUERIES",
    "AddMetadata",
    "Added",
    "Counted",
    "Decision",
    "Erased",
    "ErrorAnswer",
    "Explanation",
    "ExplanationRequest",
    "FeedbackAnswer",
    "FeedbackEntry",
    "FeedbackRequest",
    "Filters",
    "GalleryFacts",
    "Health",
    "Hidden",
    "Limits",
    "Match",
    "Me",
    "QueryImage",
    "RecordId",
    "Role",
    "SearchAnswer",
    "SearchByJson",
    "SearchOptions",
    "Visibility",
    "Warning",
    "components",
]

MOST_QUERIES = 8  # images of one person in a search
MOST_MATCHES = 200
MOST_CONFIRMED = 32

Role = Literal["monitor", "search", "write", "admin"]
Permission = Literal["metrics", "search", "mark", "add", "hide", "export", "erase"]
Verdict = Literal["right", "wrong"]
RecordId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the image's file")
]
SearchId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="Of an answer")]
Number = Annotated[int, Field(ge=0, le=999_999_999)]  # of a camera, location or identity

RECORD_ID = "5f0c6f7f6c1d4f7f8f9b1c2d3e4f5a6b5f0c6f7f6c1d4f7f8f9b1c2d3e4f5a6b"
SEARCH_ID = "kT3xW0q5m1YcZr8VhJt2Lw"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


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


class Filters(_Request):
    """Which gallery records a search may return; applied inside the vector search."""

    cameras: list[Number] = Field(
        default_factory=list, max_length=100, description="Only of these; empty: of any"
    )
    locations: list[Number] = Field(
        default_factory=list, max_length=100, description="Only at these; empty: at any"
    )
    exclude_location: Number | None = Field(None, description="The query's own")
    modality: Modality | None = Field(None, description="Of the gallery's images")
    since: AwareDatetime | None = Field(None, examples=["2026-03-01T00:00:00Z"])
    until: AwareDatetime | None = Field(None, examples=["2026-03-02T00:00:00Z"])
    identity: Literal["any", "known", "unknown"] = Field(
        "any", description="Only people whose identity is known, or only others"
    )


class SearchOptions(_Request):
    """How to search; the part ``options`` of an upload."""

    modality: Modality = Field("infrared", description="Of the query images")
    top: int = Field(20, ge=1, le=MOST_MATCHES, description="Matches to return")
    filters: Filters = Field(default_factory=Filters)
    confirmed: list[RecordId] = Field(
        default_factory=list,
        max_length=MOST_CONFIRMED,
        description="Gallery records known to show the person: they refine the query",
    )
    false_match_rate: float | None = Field(
        None, gt=0, le=0.5, description="Accepted share of false matches; needs a calibration"
    )
    group_by_identity: bool = Field(False, description="At most one match for each known identity")
    rerank: bool = Field(False, description="k-reciprocal re-ranking of the top candidates")


class SearchByJson(SearchOptions):
    """A search without an upload: by embeddings, or an earlier search again with other options."""

    embeddings: list[Annotated[list[float], Field(min_length=1, max_length=8192)]] | None = Field(
        None, min_length=1, max_length=MOST_QUERIES, description="(Q, D), of one person"
    )
    search: SearchId | None = Field(
        None, description="An earlier answer's ``search``: its query images are used again"
    )

    @model_validator(mode="after")
    def _one_source(self) -> SearchByJson:
        if (self.embeddings is None) == (self.search is None):
            raise ValueError("give either embeddings or search")
        return self


class Warning(_Answer):
    """Something that the operator should know, though the search was made."""

    code: Literal["other_modality", "animation", "not_calibrated", "no_explanation"]
    message: str


class QueryImage(_Answer):
    """What was searched for."""

    name: str = Field(description="Of the uploaded file", examples=["night-0001.jpg"])
    sha256: str | None = Field(None, description="Of the uploaded file; null for an embedding")
    width: int | None = Field(None, examples=[144])
    height: int | None = Field(None, examples=[288])
    warnings: list[Warning] = Field(default_factory=list)


class Match(_Answer):
    """A gallery record in the ranking."""

    rank: int = Field(ge=1)
    id: RecordId
    similarity: float = Field(description="Cosine of the embeddings, -1 to 1", examples=[0.83])
    probability: float | None = Field(
        description="That it is the same person, 0 to 1; null without a calibration"
    )
    above_threshold: bool | None = Field(
        description="Of ``false_match_rate``; null if none was asked for"
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


class Decision(_Answer):
    """Is the person in the gallery at all?"""

    false_match_rate: float
    threshold: float = Field(description="Similarity above which a match is accepted")
    in_gallery: bool = Field(description="Whether any match is accepted")


class SearchAnswer(_Answer):
    """Ranked matches, the most similar first."""

    search: SearchId = Field(
        description="Names this search for explanations, feedback and refining, for a while",
        examples=[SEARCH_ID],
    )
    modality: Modality
    queries: list[QueryImage]
    matches: list[Match]
    decision: Decision | None = Field(description="Null if no ``false_match_rate`` was given")
    warnings: list[Warning]
    confirmed: list[RecordId] = Field(description="Gallery records that refined the query")
    milliseconds: dict[str, float] = Field(
        examples=[{"decode": 1.2, "embed": 21.0, "search": 14.5}]
    )


class AddMetadata(_Request):
    """What is known about an image to add: the part ``metadata`` before each part ``image``."""

    modality: Modality
    camera: Number | None = Field(None, examples=[3])
    location: Number | None = None
    time: AwareDatetime | None = Field(None, examples=["2026-03-01T08:30:00+01:00"])
    identity: Number | None = None
    path: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        None, description="Path or address of the original; the service's own copy if left out"
    )


class Added(_Answer):
    """One line of the answer to an upload: what became of one image."""

    index: int = Field(ge=0, description="Position among the images of the request")
    name: str | None = Field(description="Of the uploaded file")
    status: Literal["added", "known", "refused"] = Field(
        description="known: the gallery had it already, nothing changed"
    )
    id: RecordId | None = Field(None, description="Null if refused")
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


class Visibility(_Request):
    """Whether searches may find a record; hiding can be undone, erasing cannot."""

    hidden: bool


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
    model: str = Field(description="Identifier of the model whose embeddings these are")
    embedding_size: int
    calibrated: bool = Field(description="Whether matches come with a probability")
    takes_images: bool = Field(description="False: no model is loaded, search by embeddings only")
    writable: bool
    limits: Limits


class ExplanationRequest(_Request):
    """Why is this a match?"""

    search: SearchId
    match: RecordId
    query: int = Field(0, ge=0, lt=MOST_QUERIES, description="Which of the query images")


class Stripe(_Answer):
    """A horizontal band of the body."""

    top: float = Field(description="Where it begins, 0 (head) to 1 (feet)")
    bottom: float
    similarity: float = Field(description="Cosine, -1 to 1")


class Level(_Answer):
    """A part of the embedding: a level of the pyramid, or one stripe of a level."""

    name: str = Field(examples=["level 3"])
    similarity: float = Field(description="Cosine of this part alone, -1 to 1")
    share: float = Field(description="What it adds to the similarity; the shares add up to it")
    stripes: list[Stripe]


class HeatMaps(_Answer):
    """Pictures of what matched, as addresses "data:image/png;base64,..." that a page can show."""

    query: str
    match: str


class Explanation(_Answer):
    """Which parts of the two images are alike."""

    match: RecordId
    query: int
    similarity: float
    levels: list[Level]
    heat_maps: HeatMaps | None = Field(description="Null where the match's image may not be read")
    warnings: list[Warning] = Field(default_factory=list)


class FeedbackRequest(_Request):
    """An operator's judgement about a match; a later one replaces it."""

    search: SearchId
    match: RecordId
    verdict: Literal["right", "wrong", "none"] = Field(description="none takes a mark back")
    note: Annotated[str, Field(max_length=500)] | None = None


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


def components(*models: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schemas of models that routes read by hand, as OpenAPI's components."""
    from pydantic.json_schema import models_json_schema

    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = schema["$defs"]
    return found
