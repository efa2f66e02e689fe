"""Rows of tracklets and their crops become values; what has lost its last record is forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, and_, delete, exists, select

from fprnet.data.records import Modality
from fprnet.gallery.records import Name, RecordId, Time
from fprnet.gallery.rows import ASKED_ROWS
from fprnet.gallery.schema import Tables
from fprnet.gallery.times import from_milliseconds, milliseconds
from fprnet.tracklets import PathPoint

__all__ = [
    "CropRecord",
    "TrackletRecord",
    "forget_empty",
    "path_of",
    "path_text",
    "tracklet_numbers",
    "tracklets_of",
]

POINTS = 64  # of a path that are kept


class CropRecord(BaseModel):
    """One image of a tracklet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: RecordId
    time: Time
    box: tuple[int, int, int, int] = Field(
        description="Left, top, width and height in the frame, pixels", examples=[[40, 30, 64, 128]]
    )
    quality: float = Field(ge=0, le=1, description="0 is useless")
    hidden: bool = Field(description="Searches do not find it")


class TrackletRecord(BaseModel):
    """What a gallery has of a tracklet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(description="Number of the tracklet in the gallery; never used again")
    camera: Name
    location: Name
    modality: Modality
    start: Time = Field(description="When the person appeared")
    end: Time = Field(description="When the person vanished")
    source: str = Field(description="Address of the video")
    number: int = Field(description="Of the tracklet in its source")
    crops: tuple[CropRecord, ...] = Field(description="Its images, best first; at least one")
    identity: Name | None = Field(description="Whom it shows, if somebody has said so")
    person: int | None = Field(description="Anonymous identity that it was grouped into")
    new: bool = Field(default=False, description="It has just been added")


def tracklets_of(
    connection: Connection, tables: Tables, numbers: Sequence[int]
) -> dict[int, TrackletRecord]:
    """Return those of the tracklets that are there, by their numbers."""
    tracklet, crop, record, member = tables.tracklet, tables.crop, tables.record, tables.member
    unique = list(dict.fromkeys(numbers))
    found: dict[int, Row[Any]] = {}
    crops: dict[int, list[Row[Any]]] = {}
    for start in range(0, len(unique), ASKED_ROWS):
        some = unique[start : start + ASKED_ROWS]
        rows = connection.execute(select(tracklet).where(tracklet.c.number.in_(some)))
        found |= {row.number: row for row in rows}
        images = connection.execute(
            select(crop, record.c.id, record.c.time, record.c.hidden, record.c.identity)
            .add_columns(member.c.person)
            .join(record, record.c.number == crop.c.record)
            .outerjoin(member, member.c.record == crop.c.record)
            .where(crop.c.tracklet.in_(some))
            .order_by(crop.c.tracklet, crop.c.rank)
        )
        for image in images:
            crops.setdefault(image.tracklet, []).append(image)
    return {number: _record(found[number], crops[number]) for number in unique if number in found}


def _record(row: Row[Any], crops: Sequence[Row[Any]]) -> TrackletRecord:
    # What was checked when it was stored is not checked again.
    return TrackletRecord.model_construct(
        id=row.number,
        camera=row.camera,
        location=row.location,
        modality=row.modality,
        start=from_milliseconds(row.start_time),
        end=from_milliseconds(row.end_time),
        source=row.source,
        number=row.source_number,
        crops=tuple(
            CropRecord.model_construct(
                id=one.id,
                time=from_milliseconds(one.time if one.time is not None else row.start_time),
                box=(one.box_left, one.box_top, one.box_width, one.box_height),
                quality=one.quality,
                hidden=one.hidden,
            )
            for one in crops
        ),
        identity=next((one.identity for one in crops if one.identity is not None), None),
        person=next((one.person for one in crops if one.person is not None), None),
        new=False,
    )


def tracklet_numbers(
    connection: Connection, tables: Tables, ids: Sequence[str]
) -> dict[str, int | None]:
    """Return the tracklet of each record that is there; None where it is in none."""
    record, crop = tables.record, tables.crop
    numbers: dict[str, int | None] = {}
    unique = list(dict.fromkeys(ids))
    for start in range(0, len(unique), ASKED_ROWS):
        rows = connection.execute(
            select(record.c.id, crop.c.tracklet)
            .outerjoin(crop, crop.c.record == record.c.number)
            .where(record.c.id.in_(unique[start : start + ASKED_ROWS]))
        )
        numbers |= {row.id: row.tracklet for row in rows}
    return numbers


def path_text(path: Sequence[PathPoint]) -> str:
    """Return a path as the table holds it, thinned out evenly to at most 64 points."""
    last = len(path) - 1
    places = (
        range(len(path))
        if len(path) <= POINTS
        else [round(place * last / (POINTS - 1)) for place in range(POINTS)]
    )
    points = []
    for place in places:
        one = path[place]
        sizes = [round(value, 4) for value in (one.x, one.y, one.width, one.height)]
        points.append([milliseconds(one.time), *sizes])
    return json.dumps(points, separators=(",", ":"))


def path_of(text: str) -> tuple[PathPoint, ...]:
    """Return the path that the table holds."""
    return tuple(
        PathPoint(from_milliseconds(time), *(float(size) for size in sizes))
        for time, *sizes in json.loads(text)
    )


def forget_empty(connection: Connection, tables: Tables) -> None:
    """Erase tracklets without crops, people without members or history, steps without changes."""
    tracklet, step, change = tables.tracklet, tables.grouping, tables.grouping_change
    person, member = tables.person, tables.member
    connection.execute(
        delete(tracklet).where(~exists().where(tables.crop.c.tracklet == tracklet.c.number))
    )
    connection.execute(delete(step).where(~exists().where(change.c.step == step.c.number)))
    number = person.c.number
    connection.execute(
        delete(person).where(
            and_(
                ~exists().where(member.c.person == number),
                ~exists().where((change.c.old_person == number) | (change.c.new_person == number)),
            )
        )
    )
