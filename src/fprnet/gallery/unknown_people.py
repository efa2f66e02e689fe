"""Tracklets and images that nobody has identified become people without a name.

Shapes: n units, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, func, select

from fprnet.data.records import MODALITIES
from fprnet.errors import GalleryError, GalleryModelError
from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.grouping import NEW, UNKNOWN, Units, alike_people, group_units
from fprnet.gallery.people_rows import Change, Step, apply_changes, new_people
from fprnet.gallery.schema import Tables
from fprnet.gallery.tracklets import template

__all__ = ["Alike", "Grouped", "group_unknown", "link_thresholds"]

TRIES = 3  # of grouping while others change who is together
PAGE = 5000  # records that are read at a time


@dataclass(frozen=True)
class Alike:
    """Two people who could be one: only a user joins people who have numbers.

    Attributes:
        people: Their numbers.
        margin: How far they are above the threshold on average, a difference of cosines.
    """

    people: tuple[int, int]
    margin: float


@dataclass(frozen=True)
class Grouped:
    """What grouping did.

    Attributes:
        step: To be undone by; None where nothing was new.
        units: Tracklets and images that were in no group.
        joined: How many of them joined people who were there.
        people: Numbers of the people who are new, ascending.
        alike: People who could be one, the most alike first.
        thresholds: Kinds of both sides, e.g. "visible tracklet, infrared tracklet" -> similarity
            from which on two are one person.
    """

    step: Step | None
    units: int
    joined: int
    people: tuple[int, ...]
    alike: tuple[Alike, ...]
    thresholds: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class _Read:
    """What there is to group: units, their records' numbers, and the last step before."""

    units: Units
    records: list[list[int]]
    last_step: int


def group_unknown(
    gallery: Gallery,
    calibration: Calibration,
    *,
    false_link_rate: float = 0.01,
    by: str,
    audit: Sequence[AuditEntry] = (),
) -> Grouped:
    """Group the tracklets, and the images of none, that have neither identity nor group.

    Who has a number keeps it: new units join people, or become new ones; two people are never
    joined, but named as alike. A unit like no other is a person by itself. Hidden records do not
    count, but go where the rest of their tracklet goes.

    Args:
        gallery: Writable.
        calibration: Calibration of the gallery's model.
        false_link_rate: Share of the units showing somebody who is nowhere else that may be linked
            to a stranger, above 0 and below 1; sets the thresholds.
        by: Who groups.
        audit: Entries for the log.

    Raises:
        GalleryModelError: The calibration is of another model.
        GalleryError: The rate is no share, the calibration has no thresholds for tracklets, or the
            gallery cannot be written.
    """
    gallery.check_writable()
    model = gallery.model
    of = (calibration.checkpoint_sha256, calibration.projection_sha256)
    if of != (model.checkpoint_sha256, model.projection_sha256):
        raise GalleryModelError(
            f"the calibration is not of the embeddings of gallery {gallery.uri}; make one with "
            "'fprnet calibrate'"
        )
    tables = gallery.database.tables
    for _ in range(TRIES):
        with gallery.database.reading() as connection:
            read = _read(connection, tables, model.embedding_size)
        thresholds = link_thresholds(calibration, false_link_rate, len(read.units) - 1)
        groups = group_units(read.units, thresholds)
        with gallery.database.writing() as connection:
            if _last_step(connection, tables) != read.last_step:
                continue  # somebody has joined or split people meanwhile
            return _store(connection, tables, read, groups, thresholds, by, audit)
    raise GalleryError(
        f"gallery {gallery.uri} changes while it is grouped; nothing was changed, try again later"
    )


def link_thresholds(
    calibration: Calibration, false_link_rate: float, candidates: int
) -> NDArray[np.float64]:
    """Return the similarities ``(4, 4)`` from which two units are one person.

    Rows and columns: visible image, infrared image, visible tracklet, infrared tracklet. A pair
    with a tracklet takes the tracklets' threshold.

    Args:
        calibration: How far similarities of images and of tracklets can be trusted.
        false_link_rate: Above 0 and below 1.
        candidates: Other units that each is compared with.

    Raises:
        GalleryError: The rate is no share, or the calibration lacks a kind of pairs.
    """
    if not 0 < false_link_rate < 1:
        raise GalleryError(
            f"false-link rate {false_link_rate} is no share between 0 and 1; give e.g. 0.01, for "
            "one in 100 that is linked to a stranger"
        )
    of_tracklets = calibration.of_tracklets
    thresholds = np.empty((4, 4))
    for row in range(4):
        for column in range(4):
            of_images = max(row, column) < 2
            chosen = calibration if of_images else of_tracklets
            one, other = MODALITIES[row % 2], MODALITIES[column % 2]
            thresholds[row, column] = chosen.threshold_between(
                one, other, false_link_rate, max(candidates, 1)
            )
    return thresholds


def _store(
    connection: Connection,
    tables: Tables,
    read: _Read,
    groups: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    by: str,
    audit: Sequence[AuditEntry],
) -> Grouped:
    old = read.units.person
    new = np.flatnonzero(old == NEW)
    # Numbers follow the order in which people were added first.
    fresh = list(dict.fromkeys(groups[new][~np.isin(groups[new], old)].tolist()))
    step = None
    numbers: list[int] = []
    if len(new):
        numbers = new_people(connection, tables, len(fresh))
        number_of = dict(zip(fresh, numbers, strict=True))
        groups = np.array([number_of.get(group, group) for group in groups.tolist()])
        # Records may have been erased or identified since they were read.
        record = tables.record
        rows = connection.execute(select(record.c.number, record.c.identity))
        identity = {row.number: row.identity for row in rows}
        changes = [
            Change(number, (None, int(groups[unit])), (identity[number], identity[number]))
            for unit in new
            for number in read.records[unit]
            if number in identity
        ]
        step = apply_changes(connection, tables, "group", by, changes, audit)
    alike = alike_people(read.units, groups, thresholds)
    return Grouped(
        step=step,
        units=len(new),
        joined=int(np.isin(groups[new], old[old != NEW]).sum()),
        people=tuple(numbers),
        alike=tuple(Alike((one, other), margin) for one, other, margin in alike),
        thresholds={
            f"{one}, {other}": float(thresholds[row, column])
            for row, one in enumerate(KINDS)
            for column, other in enumerate(KINDS)
            if row <= column
        },
    )


KINDS = tuple(f"{modality} {what}" for what in ("image", "tracklet") for modality in MODALITIES)


def _last_step(connection: Connection, tables: Tables) -> int:
    return connection.scalar(select(func.max(tables.grouping.c.number))) or 0


def _read(connection: Connection, tables: Tables, size: int) -> _Read:
    record, member, crop, tracklet = tables.record, tables.member, tables.crop, tables.tracklet
    rows = connection.execute(
        select(record.c.number, record.c.embedding, record.c.modality, record.c.camera)
        .add_columns(record.c.location, record.c.time, record.c.identity, record.c.hidden)
        .add_columns(member.c.person, crop.c.tracklet, tracklet.c.start_time, tracklet.c.end_time)
        .outerjoin(member, member.c.record == record.c.number)
        .outerjoin(crop, crop.c.record == record.c.number)
        .outerjoin(tracklet, tracklet.c.number == crop.c.tracklet)
        .order_by(record.c.number),
        execution_options={"yield_per": PAGE},
    )
    gathered: dict[tuple[bool, int], list[tuple[Row[Any], NDArray[np.float32]]]] = {}
    for row in rows:
        single = row.tracklet is None
        unit = (single, row.number if single else row.tracklet)
        gathered.setdefault(unit, []).append((row, row.embedding.astype(np.float32)))
    kept = [members for members in gathered.values() if _counts(members)]
    names: dict[str, dict[str, int]] = {"camera": {}, "location": {}}

    def code(column: str, row: Row[Any]) -> int:
        name = getattr(row, column)
        known = names[column]
        return UNKNOWN if name is None else known.setdefault(name, len(known))

    count = len(kept)
    templates = np.empty((count, size), np.float32)
    whole = {
        name: np.empty(count, np.int64)
        for name in ("kind", "camera", "location", "start", "end", "person")
    }
    timed = np.empty(count, np.bool_)
    for place, members in enumerate(kept):
        row = members[0][0]
        shown = [vector for one, vector in members if not one.hidden]
        templates[place] = shown[0] if row.tracklet is None else template(np.stack(shown))
        start, end = (
            (row.time, row.time) if row.tracklet is None else (row.start_time, row.end_time)
        )
        timed[place] = start is not None
        values = {
            "kind": MODALITIES.index(row.modality) + 2 * (row.tracklet is not None),
            "camera": code("camera", row),
            "location": code("location", row),
            "start": start or 0,
            "end": end or 0,
            "person": next((one.person for one, _ in members if one.person is not None), NEW),
        }
        for name, value in values.items():
            whole[name][place] = value
    units = Units(templates=templates, timed=timed, **whole)
    records = [[row.number for row, _ in members] for members in kept]
    return _Read(units, records, _last_step(connection, tables))


def _counts(members: Sequence[tuple[Row[Any], Any]]) -> bool:
    """Whether a unit takes part: somebody can see it, and it is grouped or nobody's."""
    if all(row.hidden for row, _ in members):
        return False
    grouped = any(row.person is not None for row, _ in members)
    return grouped or all(row.identity is None for row, _ in members)
