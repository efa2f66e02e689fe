"""Folders, a table or a gallery become the unlabelled crops of a site.

Shapes: N crops, P pairs of tracklets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.data.data_set import open_data_set
from fprnet.data.image_formats import find_images
from fprnet.data.manifest import manifest_file
from fprnet.data.records import MODALITIES, Modality, Records
from fprnet.data.tables import TableKind
from fprnet.errors import DataError
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord
from fprnet.gallery.times import table_times
from fprnet.gallery.tracklet_rows import tracklet_numbers
from fprnet.gallery.tracklets import stored_image
from fprnet.gallery.upgrading import Picture, picture_of

__all__ = [
    "Site",
    "check_enough",
    "different_people",
    "labelled_crops",
    "of_folders",
    "of_gallery",
    "of_manifest",
    "together",
]

TABLE = TableKind(
    needed=("path", "modality"),
    optional=("camera", "location", "time", "timestamp", "tracklet"),
    fault=DataError,
)
NOT_LOOKED_AT = ("identity", "split", "role", "id", "hidden")  # of manifests and of a gallery
UNKNOWN = -1
LEAST = 32  # crops of a modality

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Site:
    """What is known of N crops; row i of every column is crop i.

    Attributes:
        path: ``(N,)`` absolute paths.
        infrared: ``(N,)`` bool.
        camera: ``(N,)``; -1 where unknown.
        location: ``(N,)``; cameras that see one place share it; -1 where unknown.
        time: ``(N,)`` float64, seconds since 1970; NaN where unknown.
        tracklet: ``(N,)``, one person each; -1 for a crop of none.
        person: ``(N,)`` number of a person who is known from a labelled data set; -1: not known.
    """

    path: NDArray[np.str_]
    infrared: NDArray[np.bool_]
    camera: Numbers
    location: Numbers
    time: NDArray[np.float64]
    tracklet: Numbers
    person: Numbers

    def __len__(self) -> int:
        return len(self.path)

    @property
    def sha256(self) -> str:
        """Digest of everything that is known."""
        digest = hashlib.sha256("\n".join(self.path.tolist()).encode())
        for item in fields(self)[1:]:
            digest.update(np.ascontiguousarray(getattr(self, item.name)).tobytes())
        return digest.hexdigest()

    @property
    def units(self) -> Numbers:
        """``(N,)`` the tracklet, and a number of its own for each crop that is of none."""
        own = np.arange(len(self)) + self.tracklet.max(initial=UNKNOWN) + 1
        return np.where(self.tracklet >= 0, self.tracklet, own)

    def where(self, rows: NDArray[Any]) -> Site:
        """Return some of the crops."""
        return Site(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def records(self, identity: Numbers) -> Records:
        """Return the crops as a data set whose people are ``identity`` ``(N,)``."""
        return Records(
            root=Path("/"),
            path=self.path,
            identity=identity,
            camera=self.camera,
            modality=np.where(self.infrared, MODALITIES[1], MODALITIES[0]),
            location=self.location,
            index=np.arange(1, len(self) + 1),
        )


def of_folders(visible: Sequence[Path], infrared: Sequence[Path]) -> Site:
    """Return all images under folders; each folder counts as one camera.

    Raises:
        DataError: A folder holds no images.
    """
    folders: list[tuple[Path, bool]] = [(folder, False) for folder in visible]
    folders += [(folder, True) for folder in infrared]
    found = [(file, number) for number, (folder, _) in enumerate(folders) for file in _all(folder)]
    camera = np.array([number for _, number in found], dtype=np.int64)
    dark = np.array([one for _, one in folders], dtype=np.bool_)
    unknown = np.full(len(found), UNKNOWN, dtype=np.int64)
    # Folders say how crops were sorted, not which camera took them, unless there are several.
    several = len(visible) > 1 or len(infrared) > 1
    return Site(
        path=np.array([str(file) for file, _ in found]),
        infrared=dark[camera],
        camera=camera if several else unknown,
        location=unknown,
        time=np.full(len(found), np.nan),
        tracklet=unknown,
        person=unknown,
    )


def of_manifest(root: Path, *, pattern: str | None = None) -> Site:
    """Return the crops of a table: a CSV or Parquet file, or the folder of ``manifest.csv``.

    Columns: ``path`` (from the table's folder, or absolute) and ``modality``; and where they are
    known ``camera``, ``location``, ``time`` or ``timestamp`` (ISO 8601) and ``tracklet`` (any text;
    one person seen by one camera). Identities are not looked at. Columns that are left alone are
    named on stderr.

    Args:
        root: The table, or its folder.
        pattern: How the table writes times, see `fprnet.gallery.times.table_times`.

    Raises:
        DataError: The table cannot be understood: the message names the row.
    """
    file = manifest_file(root)
    table = TABLE.read(file)
    if not table.length:
        raise DataError(f"{file} lists no crops; write one row for each")
    TABLE.mention_others(table, but=NOT_LOOKED_AT)
    words = table.words("modality", MODALITIES)
    cameras, locations = table.names("camera"), table.names("location")
    both = list(zip(cameras, locations, strict=True))
    return Site(
        path=np.array([str((file.parent / path).resolve()) for path in table.paths()]),
        infrared=np.array([word == MODALITIES[1] for word in words]),
        camera=_coded(cameras),
        location=_coded([camera if place is None else place for camera, place in both]),
        time=np.array([_stamp(time) for time in table_times(table, pattern=pattern)]),
        tracklet=_coded(table.names("tracklet")),
        person=np.full(table.length, UNKNOWN, dtype=np.int64),
    )


def of_gallery(
    uri: str, folder: Path, *, name: str = "gallery", picture: Picture = picture_of
) -> tuple[Site, int]:
    """Return the visible records of a gallery whose pictures are still to be had.

    Args:
        uri: Where the gallery is.
        folder: Where copies of the pictures are written, each under its record's number.
        name: Name of the gallery in a database.
        picture: Bytes of a record's picture, or None where it is not there; it is not asked for
            crops of tracklets, which the gallery itself keeps.

    Returns:
        The crops, and how many records have no picture any more.

    Raises:
        GalleryError: The gallery cannot be opened.
        DataError: None of the pictures is there, or the copies cannot be written.
    """
    with Gallery.open(uri, name=name) as gallery:
        ids = sorted(set(gallery.select()))
        hidden = gallery.hidden(ids)
        records = gallery.get([id for id in ids if id not in hidden])
        with gallery.database.reading() as connection:
            tracklets = tracklet_numbers(connection, gallery.database.tables, ids)

        def content(record: GalleryRecord) -> bytes | None:
            return stored_image(gallery, record.id) or picture(record)

        there = [record for record in records if _copied(content(record), folder / record.id)]
    if not there:
        raise DataError(
            f"none of the {len(records)} pictures of gallery {uri} is where it was; give the crops "
            "with --visible and --infrared"
        )
    places = [record.location or record.camera for record in there]
    site = Site(
        path=np.array([str((folder / record.id).resolve()) for record in there]),
        infrared=np.array([record.modality == MODALITIES[1] for record in there]),
        camera=_coded([record.camera for record in there]),
        location=_coded(places),
        time=np.array([_stamp(record.time) for record in there]),
        tracklet=_coded([_text(tracklets.get(record.id)) for record in there]),
        person=np.full(len(there), UNKNOWN, dtype=np.int64),
    )
    return site, len(records) - len(there)


def labelled_crops(root: Path) -> Site:
    """Return the training images of a data set, whose people are known."""
    data_set = open_data_set(root, needed=("train",))
    records = data_set.records().of(data_set.train)
    return Site(
        path=np.array([str(file.resolve()) for file in records.files()]),
        infrared=records.modality == MODALITIES[1],
        camera=records.camera,
        location=records.location,
        time=np.full(len(records), np.nan),
        tracklet=np.full(len(records), UNKNOWN, dtype=np.int64),
        person=records.identity,
    )


def together(site: Site, other: Site) -> Site:
    """Return the crops of both; their cameras, places and tracklets are not the same ones."""
    columns = {}
    for item in fields(Site):
        one, two = getattr(site, item.name), getattr(other, item.name)
        if item.name in ("camera", "location", "tracklet"):
            two = np.where(two >= 0, two + one.max(initial=UNKNOWN) + 1, two)
        columns[item.name] = np.concatenate([one, two])
    return Site(**columns)


def different_people(site: Site) -> Numbers:
    """Return ``(P, 2)`` pairs of `Site.units` that one camera saw at the same time.

    A tracklet lasts from its first to its last crop; a crop of none lasts one moment.
    """
    units = site.units
    known = np.flatnonzero((site.camera >= 0) & ~np.isnan(site.time))
    pairs: list[tuple[int, int]] = []
    for camera in np.unique(site.camera[known]).tolist():
        rows = known[site.camera[known] == camera]
        names, place = np.unique(units[rows], return_inverse=True)
        begin, end = np.full(len(names), np.inf), np.full(len(names), -np.inf)
        np.minimum.at(begin, place, site.time[rows])
        np.maximum.at(end, place, site.time[rows])
        order = np.argsort(begin, kind="stable")
        for position, one in enumerate(order.tolist()):
            for two in order[position + 1 :].tolist():
                if begin[two] > end[one]:
                    break
                pairs.append((int(names[one]), int(names[two])))
    return np.array(sorted({(min(p), max(p)) for p in pairs}), dtype=np.int64).reshape(-1, 2)


def check_enough(site: Site) -> None:
    """Refuse crops that nobody could learn from.

    Raises:
        DataError: A modality is missing, or there are too few crops of it.
    """
    modality: Modality
    for modality, count in (
        ("visible", int((~site.infrared).sum())),
        ("infrared", int(site.infrared.sum())),
    ):
        if count < LEAST:
            raise DataError(
                f"there are {count} {modality} crops; a model is adapted from {LEAST} of each "
                "modality at least, and is good from a hundred people on; give more crops"
            )


def _all(folder: Path) -> list[Path]:
    return [file.resolve() for file in find_images(folder)]


def _copied(content: bytes | None, file: Path) -> bool:
    """Write a copy of a picture; returns whether there is one."""
    if content is None:
        return False
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise DataError(
            f"a copy of a picture cannot be written to {file.parent} ({error.strerror}); free "
            "space there, or give another folder with --out"
        ) from error
    return True


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _coded(names: Sequence[str | None]) -> Numbers:
    """Return numbers for names in their order; -1 where there is none."""
    codes = {name: code for code, name in enumerate(sorted({n for n in names if n is not None}))}
    return np.array([UNKNOWN if name is None else codes[name] for name in names], dtype=np.int64)


def _stamp(time: datetime | None) -> float:
    return float("nan") if time is None else time.timestamp()
