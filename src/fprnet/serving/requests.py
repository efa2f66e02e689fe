"""What requests hold: half of the vocabulary of the HTTP interface.

Shapes: Q query images; D numbers per embedding. Times are RFC 3339 with a time zone. Requests may
not hold fields that are unknown here: an option that is ignored would be a lie.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fprnet.data.records import Modality

__all__ = [
    "MOST_CONFIRMED",
    "MOST_MATCHES",
    "MOST_QUERIES",
    "RECORD_ID",
    "SEARCH_ID",
    "AddMetadata",
    "ExplanationRequest",
    "FeedbackRequest",
    "Filters",
    "RecordId",
    "SearchByJson",
    "SearchId",
    "SearchOptions",
    "Visibility",
    "components",
]

MOST_QUERIES = 8  # images of one person in a search
MOST_MATCHES = 200
MOST_CONFIRMED = 32

RecordId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the image's file")
]
SearchId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="Of an answer")]


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return 3.0 as 3: to JSON, and so to our description, they are the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[Whole, Field(ge=0, le=999_999_999)]  # of a camera, location or identity

RECORD_ID = "5f0c6f7f6c1d4f7f8f9b1c2d3e4f5a6b5f0c6f7f6c1d4f7f8f9b1c2d3e4f5a6b"
SEARCH_ID = "kT3xW0q5m1YcZr8VhJt2Lw"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Filters(_Request):
    """Which gallery records a search may return; applied inside the vector search."""

    cameras: list[Number] = Field(
        default_factory=list, max_length=100, description="Only of these; empty: of any"
    )
    locations: list[Number] = Field(
        default_factory=list, max_length=100, description="Only at these; empty: at any"
    )
    exclude_location: Number | None = Field(default=None, description="The query's own")
    modality: Modality | None = Field(default=None, description="Of the gallery's images")
    since: AwareDatetime | None = Field(default=None, examples=["2026-03-01T00:00:00Z"])
    until: AwareDatetime | None = Field(default=None, examples=["2026-03-02T00:00:00Z"])
    identity: Literal["any", "known", "unknown"] = Field(
        default="any", description="Only people whose identity is known, or only others"
    )


class SearchOptions(_Request):
    """How to search; the part ``options`` of an upload."""

    modality: Modality = Field(default="infrared", description="Of the query images")
    top: Whole = Field(default=20, ge=1, le=MOST_MATCHES, description="Matches to return")
    filters: Filters = Filters()
    confirmed: list[RecordId] = Field(
        default_factory=list,
        max_length=MOST_CONFIRMED,
        description="Gallery records known to show the person: they refine the query",
    )
    false_match_rate: float = Field(
        default=0.01,
        gt=0,
        le=0.5,
        description="Share of strangers' searches that may be answered with a match; sets the "
        "threshold where the model has a calibration",
    )
    group: bool = Field(default=False, description="Fill ``people`` of the answer, too")
    rerank: bool = Field(default=False, description="k-reciprocal re-ranking of the top candidates")


NULL = {"type": "null"}


def _either(one: str, other: str) -> dict[str, Any]:
    """Say in a JSON schema that a field is given and another is not."""
    return {"required": [one], "properties": {one: {"not": NULL}, other: NULL}}


class SearchByJson(SearchOptions):
    """A search without an upload: by embeddings, or an earlier search again with other options."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [_either("embeddings", "search"), _either("search", "embeddings")]
        }
    )

    embeddings: list[Annotated[list[float], Field(min_length=1, max_length=8192)]] | None = Field(
        default=None, min_length=1, max_length=MOST_QUERIES, description="(Q, D), of one person"
    )
    search: SearchId | None = Field(
        default=None, description="An earlier answer's ``search``: its query images are used again"
    )

    @model_validator(mode="after")
    def _one_source(self) -> SearchByJson:
        if (self.embeddings is None) == (self.search is None):
            raise ValueError("give either embeddings or search")
        return self


class AddMetadata(_Request):
    """What is known about an image to add: the part ``metadata`` beside each part ``image``."""

    modality: Modality
    camera: Number | None = Field(default=None, examples=[3])
    location: Number | None = None
    time: AwareDatetime | None = Field(default=None, examples=["2026-03-01T08:30:00+01:00"])
    identity: Number | None = None
    path: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None,
        description="Path or address of the original; the service's own copy if left out",
    )


class Visibility(_Request):
    """Whether searches may find a record; hiding can be undone, erasing cannot."""

    hidden: bool


class ExplanationRequest(_Request):
    """Why is this a match?"""

    search: SearchId
    match: RecordId
    query: Whole = Field(default=0, ge=0, lt=MOST_QUERIES, description="Which of the query images")


class FeedbackRequest(_Request):
    """An operator's judgement about a match; a later one replaces it."""

    search: SearchId
    match: RecordId
    verdict: Literal["right", "wrong", "none"] = Field(description="none takes a mark back")
    note: Annotated[str, Field(max_length=500)] | None = None


def components(*models: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schemas of models that routes read by hand, as OpenAPI's components."""
    from pydantic.json_schema import models_json_schema

    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = schema["$defs"]
    return found
