"""What a gallery keeps and gives back, as values: records, filters, matches, counts.

Shapes: n records, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from fprnet.data.records import MODALITIES, Modality
from fprnet.errors import FilterError, GalleryError

if TYPE_CHECKING:
    from fprnet.config.schema import Scale
    from fprnet.embeddings.embedder import Embedder

__all__ = [
    "NO_FILTERS",
    "UNKNOWN",
    "Added",
    "Contents",
    "Filters",
    "GalleryInfo",
    "GalleryRecord",
    "Match",
    "ModelIdentity",
]

UNKNOWN = -1  # of camera, location and identity, as in data sets
HEX_DIGITS = 64  # of a SHA-256


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made the embeddings of a gallery; two are the same if their hashes are.

    Attributes:
        checkpoint_sha256: Of the checkpoint file, whatever runs it.
        preset: Name of its preset.
        embedding_size: D.
        path: Where the checkpoint lay when the gallery was made; a hint, no part of the identity.
    """

    checkpoint_sha256: str
    preset: str
    embedding_size: int
    path: str = ""

    @classmethod
    def of(cls, embedder: Embedder, path: str = "") -> ModelIdentity:
        """Return the identity of a loaded model.

        An untrained preset has no checkpoint; its name and scale stand for it.
        """
        about = embedder.about
        sha256 = about["checkpoint_sha256"] or f"untrained:{about['preset']}:{about['scale']}"
        return cls(sha256, about["preset"], embedder.embedding_size, path)

    @property
    def scale(self) -> Scale:
        """Of an untrained preset: "tiny" or "full"; a checkpoint knows its own."""
        return "tiny" if self.checkpoint_sha256.endswith(":tiny") else "full"

    def __str__(self) -> str:
        return (
            f"{self.preset} {self.checkpoint_sha256[:12]} ({self.embedding_size} numbers per image)"
        )

    def same_as(self, other: ModelIdentity) -> bool:
        """Whether embeddings of both can be compared."""
        return (self.checkpoint_sha256, self.embedding_size) == (
            other.checkpoint_sha256,
            other.embedding_size,
        )


@dataclass(frozen=True)
class GalleryRecord:
    """One image of the gallery, without its embedding. Checked when it is made.

    Attributes:
        id: SHA-256 of the image file's bytes, 64 hexadecimal digits: the same image is the same
            record, wherever it lies.
        path: Path or URI of the image.
        modality: "visible" or "infrared".
        camera: -1 where unknown.
        location: Cameras that see one place share it; -1 where unknown.
        timestamp: When it was taken, with a time zone, kept to the millisecond in UTC; None where
            unknown.
        identity: Who it shows; -1 where unknown.

    Raises:
        GalleryError: The id is no SHA-256, the modality unknown, a number below -1 or too large,
            or the time has no zone.
    """

    id: str
    path: str
    modality: Modality
    camera: int = UNKNOWN
    location: int = UNKNOWN
    timestamp: datetime | None = None
    identity: int = UNKNOWN

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.modality not in MODALITIES:
            raise GalleryError(
                f"modality {self.modality!r} of {self.path} is unknown; "
                "write 'visible' or 'infrared'"
            )
        for name in ("camera", "location", "identity"):
            value = getattr(self, name)
            if not UNKNOWN <= value < 2**62:
                raise GalleryError(
                    f"{name} {value} of {self.path} is no number from 0 on; leave it out where it "
                    "is not known"
                )
        if self.timestamp is not None:
            if self.timestamp.tzinfo is None:
                raise GalleryError(
                    f"time {self.timestamp} of {self.path} has no time zone; write e.g. "
                    f"{self.timestamp.isoformat()}+00:00"
                )
            utc = self.timestamp.astimezone(UTC)
            kept = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
            object.__setattr__(self, "timestamp", kept)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: unknown is None, the time ISO 8601 in UTC."""
        numbers = {
            name: None if getattr(self, name) == UNKNOWN else getattr(self, name)
            for name in ("camera", "location", "identity")
        }
        when = None if self.timestamp is None else self.timestamp.isoformat().replace("+00:00", "Z")
        return {
            "id": self.id,
            "path": self.path,
            "modality": self.modality,
            "timestamp": when,
            **numbers,
        }


@dataclass(frozen=True)
class Filters:
    """Which records a search may return; applied inside the vector search. Checked when it is made.

    Attributes:
        cameras: Only of these; empty: of any.
        locations: Only at these; empty: at any.
        since: Taken then or later, with a time zone. Images of unknown time fail both limits.
        until: Taken then or before.
        exclude_location: Not at this one (the query's own); unknown locations stay.
        identity: "known" or "unknown" people only, or "any".
        modality: Only of this one; None: of any.

    Raises:
        FilterError: A time without a zone, or a window that ends before it begins.
    """

    cameras: tuple[int, ...] = ()
    locations: tuple[int, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    exclude_location: int | None = None
    identity: Literal["any", "known", "unknown"] = "any"
    modality: Modality | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise FilterError(
                    f"{name} {moment} has no time zone; write e.g. {moment.isoformat()}+00:00"
                )
        if self.since is not None and self.until is not None and self.since > self.until:
            raise FilterError(
                f"the time window is upside down: since {self.since.isoformat()} is later than "
                f"until {self.until.isoformat()}; swap them"
            )
        if self.identity not in ("any", "known", "unknown"):
            raise FilterError(
                f"identity filter {self.identity!r} is unknown; write any, known or unknown"
            )
        if self.modality is not None and self.modality not in MODALITIES:
            raise FilterError(
                f"modality {self.modality!r} is unknown; write 'visible' or 'infrared'"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "cameras": list(self.cameras),
            "locations": list(self.locations),
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "exclude_location": self.exclude_location,
            "identity": self.identity,
            "modality": self.modality,
        }


NO_FILTERS = Filters()


@dataclass(frozen=True)
class Added:
    """What happened to each record that was given to ``add``.

    Attributes:
        new: Records that were not there before and are now.
        already: Records that were there; they stay as they are (same image, same record).
        hidden: How many of ``already`` are hidden, and stay so.
    """

    new: int
    already: int
    hidden: int = 0


@dataclass(frozen=True)
class Match:
    """A record that a search found, and the cosine of its embedding and the query's, -1 to 1."""

    record: GalleryRecord
    similarity: float


@dataclass(frozen=True)
class Contents:
    """What the records of a gallery are, counted.

    Attributes:
        records: Those that a search can find.
        hidden: Those that ``remove`` has hidden.
        cameras: Camera -> records that can be found.
        locations: Location -> records that can be found.
        modalities: Modality -> records that can be found.
        known_identities: Different people among the records that name one.
        first: Time of the oldest record that has one; None without any.
        last: Time of the newest.
        images_per_person: Records that name somebody, for each whom they name; 1 without any.
    """

    records: int
    hidden: int
    cameras: Mapping[int, int]
    locations: Mapping[int, int]
    modalities: Mapping[str, int]
    known_identities: int
    first: datetime | None
    last: datetime | None
    images_per_person: float


@dataclass(frozen=True)
class GalleryInfo(Contents):
    """What a gallery holds, and what it is.

    Attributes:
        uri: Its address, without the token.
        name: Of the gallery at that address.
        model: Whose embeddings it holds.
        index: "FLAT" (exact), or the approximate index's name.
        index_settings: Of that index, e.g. ``{"M": 16, "efConstruction": 200, "ef": 256}``.
        recall: Measured recall@10 of the index against exact search; None where nothing was
            measured, 1.0 for exact search.
        size_bytes: Of the files; None on a server.
    """

    uri: str
    name: str
    model: ModelIdentity
    index: str
    index_settings: Mapping[str, int]
    recall: float | None
    size_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; numbers as keys become text."""
        return {
            "uri": self.uri,
            "name": self.name,
            "model": {
                "checkpoint_sha256": self.model.checkpoint_sha256,
                "preset": self.model.preset,
                "embedding_size": self.model.embedding_size,
                "path": self.model.path,
            },
            "records": self.records,
            "hidden": self.hidden,
            "cameras": {str(key): count for key, count in self.cameras.items()},
            "locations": {str(key): count for key, count in self.locations.items()},
            "modalities": dict(self.modalities),
            "known_identities": self.known_identities,
            "first": None if self.first is None else self.first.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
            "index": self.index,
            "index_settings": dict(self.index_settings),
            "recall": self.recall,
            "size_bytes": self.size_bytes,
        }


def check_id(text: str) -> None:
    """Refuse what is no SHA-256 in small hexadecimal digits.

    Raises:
        GalleryError: It is none.
    """
    if len(text) != HEX_DIGITS or not set(text) <= set("0123456789abcdef"):
        raise GalleryError(
            f"{text!r} is no id of a record; it is the SHA-256 of an image, {HEX_DIGITS} digits "
            "0-9 and a-f"
        )
