"""What requests hold: half of the vocabulary of the HTTP interface.

Shapes: Q query images; D numbers per embedding. Times are RFC 3339 with a time zone. Requests may
not hold fields that are unknown here: an option that is ignored would be a lie.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fprnet.data.records import Modality
from fprnet.gallery.records import RECORD_ID, Facts, Filters, Name, RecordId, Time

__all__ = [
    "MOST_CONFIRMED",
    "MOST_MATCHES",
    "MOST_QUERIES",
    "RECORD_ID",
    "SEARCH_ID",
    "AddMetadata",
    "Correction",
    "ExplanationRequest",
    "FeedbackRequest",
    "Filters",
    "GroupRequest",
    "MergeRequest",
    "NameRequest",
    "RecordId",
    "SearchByJson",
    "SearchId",
    "SearchOptions",
    "SplitRequest",
    "TrackletSearch",
    "components",
]

MOST_QUERIES = 8  # images of one person in a search
MOST_MATCHES = 200
MOST_CONFIRMED = 32
MOST_TRACKLETS = 100
MAX_NUMBER = 2**53 - 1  # that JavaScript can count to

SearchId = Annotated[
    str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="Name of an earlier search")
]


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return 3.0 as 3: to JSON, and so to our description, they are the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]

SEARCH_ID = "kT3xW0q5m1YcZr8VhJt2Lw"
Path = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class SearchOptions(_Request):
    """How to search; the part ``options`` of an upload."""

    modality: Modality = Field(default="infrared", description="Modality of the query images")
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


class AddMetadata(Facts):
    """What is known about an image to add: the part ``metadata`` beside each part ``image``."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    path: Path | None = Field(
        default=None,
        description="Path or address of the original; the service's own copy if left out",
    )
    update: bool = Field(
        default=False,
        description="Correct the record of an image that is there and says something else; "
        "without it such an image is refused",
    )


class Correction(_Request):
    """What to change of a record; what is left out stays. Hiding can be undone, erasing cannot."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    hidden: bool | None = Field(
        default=None, description="Whether searches may find the record; null changes nothing"
    )
    modality: Modality | None = Field(
        default=None,
        description="The image is embedded anew, so the service must be able to show it; null "
        "changes nothing",
    )
    camera: Name | None = Field(default=None, description="Null: unknown")
    location: Name | None = Field(default=None, description="Null: unknown")
    time: Time | None = Field(default=None, description="When it was taken; null: unknown")
    identity: Name | None = Field(default=None, description="Whom it shows; null: unknown")
    path: Path | None = Field(default=None, description="Null changes nothing")

    @model_validator(mode="after")
    def _something(self) -> Correction:
        if not self.model_fields_set:
            raise ValueError("the body names no field; give at least one")
        return self

    @property
    def values(self) -> dict[str, Any]:
        """The fields of the record that change, and their new values."""
        lasting = {"hidden", "modality", "path"}  # these are never unknown
        return {
            name: getattr(self, name)
            for name in self.model_fields_set - {"hidden"}
            if name not in lasting or getattr(self, name) is not None
        }


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


Number = Annotated[Whole, Field(ge=1, le=MAX_NUMBER)]  # of a tracklet, a person or a step


class TrackletSearch(_Request):
    """Which tracklets show the person of another, or of the images of an earlier search?"""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [_either("tracklet", "search"), _either("search", "tracklet")]}
    )

    tracklet: Number | None = Field(default=None, description="Number of a tracklet of the gallery")
    search: SearchId | None = Field(
        default=None, description="An earlier answer's ``search``: its images are crops of one"
    )
    top: Whole = Field(default=20, ge=1, le=MOST_TRACKLETS, description="Tracklets to return")
    filters: Filters = Filters()
    false_match_rate: float = Field(
        default=0.01, gt=0, le=0.5, description="Sets the thresholds, as of a search for images"
    )

    @model_validator(mode="after")
    def _one_source(self) -> TrackletSearch:
        if (self.tracklet is None) == (self.search is None):
            raise ValueError("give either tracklet or search")
        return self


class GroupRequest(_Request):
    """Group what has neither identity nor group."""

    false_link_rate: float = Field(
        default=0.01,
        gt=0,
        le=0.5,
        description="Share of the tracklets of somebody who is nowhere else that may be linked to "
        "a stranger",
    )


class MergeRequest(_Request):
    """These people are one."""

    others: list[Number] = Field(
        min_length=1, max_length=100, description="People who become the one of the address"
    )


class SplitRequest(_Request):
    """This is somebody else."""

    tracklets: list[Number] = Field(default_factory=list, max_length=1000)
    images: list[RecordId] = Field(
        default_factory=list, max_length=1000, description="Records that are part of no tracklet"
    )

    @model_validator(mode="after")
    def _something(self) -> SplitRequest:
        if not self.tracklets and not self.images:
            raise ValueError("the body names nothing to take out; give tracklets or images")
        return self


class NameRequest(_Request):
    """Who it is."""

    name: Name | None = Field(description="Identity of all that shows the person; null: unknown")


def components(*models: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schemas of models that routes read by hand, as OpenAPI's components."""
    from pydantic.json_schema import models_json_schema

    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = schema["$defs"]
    return found
