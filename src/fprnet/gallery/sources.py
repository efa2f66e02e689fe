"""A data set, a folder or a table of anybody's images becomes a list of images to add."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path

from fprnet.data.image_formats import find_images
from fprnet.data.records import MODALITIES, Modality, Records
from fprnet.data.tables import TableKind
from fprnet.errors import DataError, GalleryError
from fprnet.gallery.records import ImageFacts
from fprnet.gallery.times import TimeReader, table_times

__all__ = ["LISTED", "TABLE", "of_folder", "of_records", "of_table", "only"]

TABLE = TableKind(
    needed=("path",),
    optional=("modality", "camera", "location", "time", "timestamp", "identity"),
    fault=DataError,
)
LISTED = ("tracklet", "id", "hidden")  # columns that 'fprnet gallery list' adds, and nobody reads


def of_records(records: Records, times: TimeReader | None = None) -> list[ImageFacts]:
    """Return the images of a data set."""
    return [
        ImageFacts(
            path=str(file),
            modality="visible" if records.modality[row] == "visible" else "infrared",
            camera=_known(int(records.camera[row])),
            location=_known(int(records.location[row])),
            time=None if times is None else times(file),
            identity=_known(int(records.identity[row])),
        )
        for row, file in enumerate(records.files())
    ]


def of_folder(
    folder: Path,
    modality: Modality,
    *,
    camera: str | None = None,
    location: str | None = None,
    times: TimeReader | None = None,
) -> list[ImageFacts]:
    """Return all images under a folder, sorted; they share camera, location and modality.

    Raises:
        DataError: There is none.
        GalleryError: Camera or location cannot be a name.
    """
    return [
        ImageFacts.checked(
            path=str(file),
            modality=modality,
            camera=camera,
            location=location,
            time=None if times is None else times(file),
        )
        for file in find_images(folder)
    ]


def of_table(
    file: Path,
    *,
    modality: Modality = "visible",
    times: TimeReader | None = None,
    zone: tzinfo = UTC,
    pattern: str | None = None,
) -> list[ImageFacts]:
    """Return the images of a CSV or Parquet table; on stderr, which columns are left alone.

    Columns: ``path`` (from the table's folder, or absolute); and where they are known
    ``modality``, ``camera``, ``location`` (the camera itself where there is no such column),
    ``time`` or ``timestamp`` (ISO 8601, or as ``pattern`` says) and ``identity``.

    Args:
        file: The table.
        modality: Modality of rows that do not say.
        times: Reads the time of rows that do not say.
        zone: Time zone of times in the table that name none.
        pattern: How the table writes times, see `fprnet.gallery.times.table_times`.

    Raises:
        DataError: The table cannot be understood: the message names the row.
    """
    table = TABLE.read(file)
    TABLE.mention_others(table, but=LISTED)
    columns = zip(
        table.paths(),
        table.words("modality", MODALITIES, empty=True),
        table.names("camera"),
        table.names("location"),
        table.names("identity"),
        table_times(table, zone=zone, pattern=pattern),
        strict=True,
    )
    images = []
    for row, (path, word, camera, location, identity, time) in enumerate(columns):
        image = file.parent / path
        try:
            if time is None and times is not None:
                time = times(image)
            images.append(
                ImageFacts.checked(
                    path=str(image),
                    modality=word or modality,
                    camera=camera,
                    location=camera if location is None else location,
                    time=time,
                    identity=identity,
                )
            )
        except GalleryError as error:
            raise DataError(f"{file} row {row}: {error}") from error
    if not images:
        raise DataError(f"{file} lists no images; write one row for each")
    return images


def only(images: Sequence[ImageFacts], modality: Modality) -> list[ImageFacts]:
    """Return the images of one modality.

    Raises:
        DataError: There is none.
    """
    chosen = [image for image in images if image.modality == modality]
    if not chosen:
        raise DataError(f"none of the {len(images)} images is {modality}")
    return chosen


def _known(number: int) -> str | None:
    """Return a data set's number as a name; data sets write -1 for what they do not know."""
    return None if number < 0 else str(number)
