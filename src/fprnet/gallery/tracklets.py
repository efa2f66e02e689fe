"""A tracklet becomes records of a gallery that belong together, and comes back."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from fprnet.data.records import Modality
from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Name, RecordId
from fprnet.tracklets import Tracklet

__all__ = ["TrackletRecord", "add_tracklet"]


class TrackletRecord(BaseModel):
    """What a gallery has of a tracklet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(description="Number of the tracklet in the gallery; never used again")
    camera: Name
    modality: Modality
    start: datetime
    end: datetime
    source: str
    number: int = Field(description="Of the tracklet in its source")
    crops: tuple[RecordId, ...] = Field(description="Records of its images, best first")
    new: bool = Field(default=True, description="False: the gallery had the tracklet already")


def add_tracklet(
    gallery: Gallery,
    tracklet: Tracklet,
    *,
    location: str | None = None,
    audit: tuple[AuditEntry, ...] = (),
) -> TrackletRecord:
    """Add a tracklet; one that is there already stays as it is, and comes back with ``new`` False.

    Args:
        gallery: Writable.
        tracklet: Its embeddings are of the gallery's model.
        location: Of the camera; None is the camera's name.
        audit: Entries for the log, on the disk together with the tracklet.

    Raises:
        GalleryError: The gallery is read-only, its model has embeddings of another size, or the
            database fails.
    """
    raise NotImplementedError
