"""A tracklet becomes records of a gallery that belong together, and comes back.

Its crops are records like others, with their images beside them in the gallery: every search,
filter, retention and erasing holds for them. Shapes: n tracklets, D numbers per embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, and_, insert, select

from fprnet.errors import GalleryMissingError
from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.reading import GalleryReader
from fprnet.gallery.records import GalleryRecord
from fprnet.gallery.rows import rows_of
from fprnet.gallery.times import milliseconds
from fprnet.gallery.tracklet_rows import (
    TrackletRecord,
    path_of,
    path_text,
    tracklet_numbers,
    tracklets_of,
)
from fprnet.tracklets import PathPoint, Tracklet, TrackletCrop

__all__ = [
    "TrackletRecord",
    "add_tracklet",
    "get_tracklets",
    "latest_tracklets",
    "stored_image",
    "template",
    "templates",
    "tracklet_path",
    "tracklets_with",
]

LONGEST_SOURCE = 2000


class _PresentError(Exception):
    """The tracklet is there already."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def add_tracklet(
    gallery: Gallery,
    tracklet: Tracklet,
    *,
    location: str | None = None,
    audit: Sequence[AuditEntry] = (),
    also: Callable[[Connection, int], None] | None = None,
) -> TrackletRecord:
    """Add a tracklet; all of it is on the disk, or nothing.

    One that is there already (the same source, camera, number and start, or the same images) stays
    as it is. A crop whose image is a record of its own becomes part of the tracklet; one that is
    part of another tracklet is left out.

    Args:
        gallery: Writable.
        tracklet: Its embeddings are of the gallery's model.
        location: Where the camera hangs; None is the camera's name.
        audit: Entries for the log, on the disk together with the tracklet.
        also: Writes what belongs to a new tracklet, given its number, in the same transaction.

    Returns:
        The tracklet as the gallery has it; ``new`` is False where it was there.

    Raises:
        GalleryModelError: The embeddings have another size than those of the gallery's model.
        GalleryError: The gallery is read-only, a value cannot be, or the database fails.

    Examples:
        What a camera saw, by hand::

            crop = TrackletCrop(image, time, (40, 30, 64, 128), embedding, quality=0.9)
            path = (PathPoint(time, 0.1, 0.2, 0.1, 0.4),)
            seen = Tracklet("door", "visible", time, time, path, (crop,), "door.mp4", 1)
            print(add_tracklet(gallery, seen).id)
    """
    gallery.check_writable()
    tables = gallery.database.tables
    ids = [hashlib.sha256(crop.image).hexdigest() for crop in tracklet.crops]
    crops = dict(zip(reversed(ids), reversed(tracklet.crops), strict=True))  # the best of equals
    order = list(dict.fromkeys(ids))
    source = tracklet.source[:LONGEST_SOURCE]
    records = [
        GalleryRecord.checked(
            id=id,
            path=f"{source}#{tracklet.number}",
            modality=tracklet.modality,
            camera=tracklet.camera,
            location=tracklet.camera if location is None else location,
            time=crops[id].time,
        )
        for id in order
    ]
    row = {
        "camera": records[0].camera,
        "location": records[0].location,
        "modality": tracklet.modality,
        "start_time": milliseconds(tracklet.start),
        "end_time": milliseconds(tracklet.end),
        "source": source,
        "source_number": tracklet.number,
        "path": path_text(tracklet.path),
    }

    numbers: list[int] = []

    def write(connection: Connection) -> None:
        key = ("source", "camera", "source_number", "start_time")
        table = tables.tracklet
        same = and_(*[table.c[name] == row[name] for name in key])
        if (number := connection.scalar(select(table.c.number).where(same))) is not None:
            raise _PresentError(number)
        present = tracklet_numbers(connection, tables, order)
        own = [id for id in order if present[id] is None]
        if not own:
            raise _PresentError(next(number for number in present.values() if number is not None))
        inserted = connection.execute(insert(table).values(row)).inserted_primary_key
        assert inserted is not None
        numbers.append(inserted[0])
        of_record = {id: one.number for id, one in rows_of(connection, tables, own).items()}
        connection.execute(
            insert(tables.crop),
            [
                _crop_row(crops[id], record=of_record[id], tracklet=inserted[0], rank=rank)
                for rank, id in enumerate(own)
            ],
        )
        kept = set(
            connection.scalars(
                select(tables.image.c.record).where(tables.image.c.record.in_(of_record.values()))
            )
        )
        images = [
            {"record": number, "content": crops[id].image}
            for id, number in of_record.items()
            if number not in kept
        ]
        if images:
            connection.execute(insert(tables.image), images)
        if also is not None:
            also(connection, inserted[0])

    vectors = np.stack([np.asarray(crops[id].embedding, np.float32) for id in order])
    try:
        gallery.add(vectors, records, audit=audit, also=write)
    except _PresentError as present:
        return get_tracklets(gallery, [present.number])[0]
    return get_tracklets(gallery, numbers)[0].model_copy(update={"new": True})


def _crop_row(crop: TrackletCrop, **keys: int) -> dict[str, float]:
    left, top, width, height = crop.box
    return {
        **keys,
        "box_left": left,
        "box_top": top,
        "box_width": width,
        "box_height": height,
        "quality": crop.quality,
    }


def get_tracklets(gallery: GalleryReader, numbers: Sequence[int]) -> list[TrackletRecord]:
    """Return tracklets by their numbers, in that order.

    Raises:
        GalleryMissingError: One of them is not in the gallery.
    """
    with gallery.database.reading() as connection:
        found = tracklets_of(connection, gallery.database.tables, numbers)
    for number in numbers:
        if number not in found:
            raise GalleryMissingError(f"there is no tracklet {number} in gallery {gallery.uri}")
    return [found[number] for number in numbers]


def tracklets_with(gallery: GalleryReader, ids: Sequence[str]) -> dict[str, TrackletRecord]:
    """Return the tracklets that records belong to, by the records' ids; others are left out."""
    tables = gallery.database.tables
    with gallery.database.reading() as connection:
        numbers = tracklet_numbers(connection, tables, ids)
        chosen = [number for number in numbers.values() if number is not None]
        found = tracklets_of(connection, tables, chosen)
    return {id: found[number] for id, number in numbers.items() if number is not None}


def latest_tracklets(
    gallery: GalleryReader, *, before: int | None = None, limit: int = 50
) -> list[TrackletRecord]:
    """Return the tracklets that were added last, newest first.

    Args:
        gallery: Open.
        before: Only those of smaller numbers: the next page.
        limit: At most so many.
    """
    tables = gallery.database.tables
    number = tables.tracklet.c.number
    chosen = select(number).order_by(number.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(number < before)
    with gallery.database.reading() as connection:
        numbers = list(connection.scalars(chosen))
        return list(tracklets_of(connection, tables, numbers).values())


def tracklet_path(gallery: GalleryReader, number: int) -> tuple[PathPoint, ...]:
    """Return where the person of a tracklet was, in the order of time.

    Raises:
        GalleryMissingError: It is not in the gallery.
    """
    table = gallery.database.tables.tracklet
    with gallery.database.reading() as connection:
        text = connection.scalar(select(table.c.path).where(table.c.number == number))
    if text is None:
        raise GalleryMissingError(f"there is no tracklet {number} in gallery {gallery.uri}")
    return path_of(text)


def stored_image(gallery: GalleryReader, id: str) -> bytes | None:
    """Return the image of a record that the gallery itself keeps: a crop's; None of others."""
    tables = gallery.database.tables
    image, record = tables.image, tables.record
    with gallery.database.reading() as connection:
        return connection.scalar(
            select(image.c.content)
            .join(record, record.c.number == image.c.record)
            .where(record.c.id == id)
        )


def templates(gallery: GalleryReader, tracklets: Sequence[TrackletRecord]) -> NDArray[np.float32]:
    """Return the templates ``(n, D)`` of tracklets: means of their crops' embeddings, of length 1.

    Hidden crops count only where a tracklet has no others.

    Raises:
        GalleryMissingError: A crop was erased meanwhile.
    """
    shown = [[crop.id for crop in one.crops if not crop.hidden] for one in tracklets]
    ids = [
        own or [crop.id for crop in one.crops] for own, one in zip(shown, tracklets, strict=True)
    ]
    embeddings = gallery.embeddings([id for own in ids for id in own])
    result = np.empty((len(tracklets), gallery.model.embedding_size), np.float32)
    first = 0
    for row, own in enumerate(ids):
        result[row] = template(embeddings[first : first + len(own)])
        first += len(own)
    return result


def template(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean ``(D,)`` of ``(n, D)`` embeddings, of unit length again."""
    mean = embeddings.mean(axis=0, dtype=np.float64)
    unit: NDArray[np.float32] = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return unit
