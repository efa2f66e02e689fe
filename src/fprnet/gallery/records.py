"""What a gallery keeps and gives back, as values: records, filters, counts, the model's identity.

A camera, a location and an identity are names: any text. A whole number written plainly (``12``,
not ``012``) is the same name as a text and as a number, and JSON holds it as a number.
Unknown is None everywhere, never a value that somebody could type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fprnet.data.records import Modality
from fprnet.errors import FilterError, GalleryError

if TYPE_CHECKING:
    from fprnet.config.schema import Scale
    from fprnet.embeddings.embedder import Embedder

__all__ = [
    "NAME_PATTERN",
    "NO_FILTERS",
    "Added",
    "Best",
    "Counted",
    "Facts",
    "Filters",
    "Found",
    "GalleryInfo",
    "GalleryRecord",
    "ImageFacts",
    "Match",
    "ModelIdentity",
    "Name",
    "RecordId",
    "Time",
    "check_id",
    "plain",
]

Best = list[tuple[NDArray[np.int64], NDArray[np.float32]]]
"""For each query the numbers of the most alike records, and their products, largest first."""

MAX_NUMBER = 999_999_999  # of a name in JSON; longer ones are texts
NAME_PATTERN = r"^[^\x00-\x1f\x7f]{1,200}$"
ID_PATTERN = r"^[0-9a-f]{64}$"
NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
RECORD_ID = "5f0c6f7f6c1d4f7f8f9b1c2d3e4f5a6b5f0c6f7f6c1d4f7f8f9b1c2d3e4f5a6b"


def _name(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON 3.0 and 3 are the same number
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER:
        return str(value)
    if isinstance(value, str) and re.fullmatch(NAME_PATTERN, value):
        return value
    raise PydanticCustomError(
        "name",
        "Input should be a whole number from 0 to 999999999, or a text of 1 to 200 letters",
    )


def plain(name: str) -> int | str:
    """Return a name as JSON holds it.

    >>> plain("12"), plain("012"), plain("dock 3")
    (12, '012', 'dock 3')
    """
    return int(name) if NUMBER.fullmatch(name) else name


def _utc(time: datetime) -> datetime:
    try:
        utc = time.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("time", "Input should be a time from year 1 to 9999") from error
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


Name = Annotated[
    str,
    BeforeValidator(_name),
    PlainSerializer(plain, return_type=int | str, when_used="json-unless-none"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER},
                {"type": "string", "pattern": NAME_PATTERN},
            ]
        }
    ),
]
Time = Annotated[AwareDatetime, AfterValidator(_utc)]
RecordId = Annotated[str, Field(pattern=ID_PATTERN, description="SHA-256 of the image's file")]


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made the embeddings of a gallery; two are the same if their hashes are.

    Attributes:
        checkpoint_sha256: Hash of the checkpoint file, whatever runs it.
        preset: Name of its preset.
        embedding_size: D, as the gallery holds it.
        path: Where the checkpoint was when the gallery was made; a hint, no part of the identity.
        projection_sha256: Hash of the projection that makes the embeddings compact; "" without.
    """

    checkpoint_sha256: str
    preset: str
    embedding_size: int
    path: str = ""
    projection_sha256: str = ""

    @classmethod
    def of(cls, embedder: Embedder, path: str = "") -> ModelIdentity:
        """Return the identity of a loaded model.

        An untrained preset has no checkpoint; its name and scale stand for it.
        """
        about = embedder.about
        sha256 = about["checkpoint_sha256"] or f"untrained:{about['preset']}:{about['scale']}"
        projection = about.get("projection_sha256", "")
        return cls(sha256, about["preset"], embedder.embedding_size, path, projection)

    @property
    def scale(self) -> Scale:
        """Scale of an untrained preset: "tiny" or "full"; a checkpoint knows its own."""
        return "tiny" if self.checkpoint_sha256.endswith(":tiny") else "full"

    def __str__(self) -> str:
        return (
            f"{self.preset} {self.checkpoint_sha256[:12]} ({self.embedding_size} numbers per image)"
        )

    def same_as(self, other: ModelIdentity) -> bool:
        """Whether embeddings of both can be compared."""
        return (self.checkpoint_sha256, self.projection_sha256, self.embedding_size) == (
            other.checkpoint_sha256,
            other.projection_sha256,
            other.embedding_size,
        )


class Facts(BaseModel):
    """What is known of an image; None is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality
    camera: Name | None = Field(default=None, examples=[3])
    location: Name | None = Field(
        default=None, description="Cameras that see one place share their location"
    )
    time: Time | None = Field(default=None, description="When the image was taken")
    identity: Name | None = Field(default=None, description="Whom the image shows, if known")

    @classmethod
    def checked(cls, **values: Any) -> Self:  # noqa: ANN401 - checked here
        """Make one of values that somebody gave.

        Raises:
            GalleryError: One of them cannot be; the message names it.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise GalleryError(f"{values.get('path')!s:.200}: {first_fault(error)}") from error

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: unknown is None, the time ISO 8601 in UTC."""
        return self.model_dump(mode="json")


class ImageFacts(Facts):
    """An image and what is known of it."""

    path: str = Field(description="Path or address of the original, as the gallery has it")


class GalleryRecord(ImageFacts):
    """One image of the gallery, without its embedding."""

    id: RecordId


class Filters(BaseModel):
    """Which gallery records a search may return; applied inside the vector search.

    Raises:
        FilterError: The time window ends before it begins.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    cameras: tuple[Name, ...] = Field(
        default=(), max_length=100, description="Only images of these cameras; empty: of any"
    )
    locations: tuple[Name, ...] = Field(
        default=(), max_length=100, description="Only images of these locations; empty: of any"
    )
    exclude_location: Name | None = Field(
        default=None, description="No images of this location; usually the query's own"
    )
    modality: Modality | None = Field(default=None, description="Only gallery images of it")
    since: Time | None = Field(
        default=None,
        description="Only images taken then or later; images of unknown time fail both limits",
        examples=["2026-03-01T00:00:00Z"],
    )
    until: Time | None = Field(
        default=None,
        description="Only images taken then or before",
        examples=["2026-03-02T00:00:00Z"],
    )
    identity: Literal["any", "known", "unknown"] = Field(
        default="any", description="Only people whose identity is known, or only others"
    )

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise FilterError(
                f"the time window is upside down: since {self.since.isoformat()} is later than "
                f"until {self.until.isoformat()}; swap them"
            )
        return self

    @classmethod
    def checked(cls, **values: Any) -> Self:  # noqa: ANN401 - checked here
        """Make filters of values that somebody gave.

        Raises:
            FilterError: One of them cannot be; the message names it.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise FilterError(f"filter {first_fault(error)}") from error


NO_FILTERS = Filters()


@dataclass(frozen=True)
class Added:
    """What happened to each record that was given to ``add``.

    Attributes:
        new: Ids that were not there before and are now.
        updated: Ids whose record was corrected.
        already: Ids whose record was there and says the same, or more.
        differing: Ids whose record says something else and was left as it is -> what differs.
        hidden: Those of all these that are hidden, and stay so.
    """

    new: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    differing: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Match:
    """A record that a search found, and the similarity of its embedding and the query's."""

    record: GalleryRecord
    similarity: float


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        matches: For each query, most alike first.
        candidates: Records that passed the filters.
        images: How many of them are expected to show the query's person, if somebody identified
            shows there at all: an identified person's usual share. At least 1.
    """

    matches: list[list[Match]]
    candidates: int
    images: float


class Counted(BaseModel):
    """A camera, location or modality, and how many searchable records it has."""

    model_config = ConfigDict(extra="forbid")

    value: Name | None = Field(default=None, description="Null: records where it is not known")
    records: int


@dataclass(frozen=True)
class GalleryInfo:
    """What a gallery holds, and what it is.

    Attributes:
        uri: Its address, without a password.
        name: Name of the gallery at that address.
        model: Whose embeddings it holds.
        records: Records that a search can find.
        hidden: Records that ``remove`` has hidden.
        cameras: Searchable records of each camera; unknown is None and last.
        locations: Searchable records of each location.
        modalities: Searchable records of each modality.
        known_identities: Different people among the records that name one.
        tracklets: Tracklets with a searchable crop.
        anonymous_identities: People whom grouping made of searchable records.
        first: Time of the oldest searchable record that has one; None without any.
        last: Time of the newest.
        index: "FLAT" (exact), or "HNSW".
        index_settings: Settings of the index, e.g. ``{"m": 16, "ef_construction": 64}``.
        recall: Measured recall@10 of the index against exact search; None where nothing was
            measured, 1.0 for exact search.
        size_bytes: Size of the files.
        keep_days: Age in days at which records are erased; None keeps them.
    """

    uri: str
    name: str
    model: ModelIdentity
    records: int
    hidden: int
    cameras: tuple[Counted, ...]
    locations: tuple[Counted, ...]
    modalities: tuple[Counted, ...]
    known_identities: int
    tracklets: int
    anonymous_identities: int
    first: datetime | None
    last: datetime | None
    index: str
    index_settings: Mapping[str, int]
    recall: float | None
    size_bytes: int
    keep_days: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        counted = {
            name: [one.model_dump(mode="json") for one in getattr(self, name)]
            for name in ("cameras", "locations", "modalities")
        }
        return {
            **vars(self),
            **counted,
            "model": dict(vars(self.model)),
            "first": None if self.first is None else self.first.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
            "index_settings": dict(self.index_settings),
        }


def first_fault(error: ValidationError) -> str:
    """Return the first complaint of pydantic as one line: which field, what is wrong, the value."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place} {first.get('input')!r:.80} cannot be; {first['msg']}"


def check_id(text: str) -> None:
    """Refuse what is no SHA-256 in small hexadecimal digits.

    Raises:
        GalleryError: It is none.
    """
    if not re.fullmatch(ID_PATTERN, text):
        raise GalleryError(
            f"{text!r} is no id of a record; it is the SHA-256 of an image, 64 digits 0-9 and a-f"
        )
