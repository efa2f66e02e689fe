"""A data set, a folder or a table of anybody's images becomes a list of images to add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fprnet.data.image_formats import find_images
from fprnet.data.records import MODALITIES, Modality, Records
from fprnet.data.tables import TableKind
from fprnet.errors import DataError, FilterError
from fprnet.gallery.moments import TimeReader, parse_moment
from fprnet.gallery.records import UNKNOWN

__all__ = ["SourceImage", "of_folder", "of_manifest", "of_records", "only"]

COLUMNS = ("modality", "camera", "location", "timestamp", "identity")
NUMBERS = (0, 2**31 - 1)


@dataclass(frozen=True)
class SourceImage:
    """An image file and what is known of it; -1 and None where nothing is.

    Attributes:
        path: The file.
        modality: "visible" or "infrared".
        camera: Number.
        location: Cameras that see one place share it.
        timestamp: When it was taken.
        identity: Who it shows.
    """

    path: Path
    modality: Modality
    camera: int = UNKNOWN
    location: int = UNKNOWN
    timestamp: datetime | None = None
    identity: int = UNKNOWN


def of_records(records: Records, times: TimeReader | None = None) -> list[SourceImage]:
    """Return the images of a data set."""
    files = records.files()
    return [
        SourceImage(
            path=file,
            modality=_modality(str(records.modality[row])),
            camera=int(records.camera[row]),
            location=int(records.location[row]),
            timestamp=None if times is None else times(file),
            identity=int(records.identity[row]),
        )
        for row, file in enumerate(files)
    ]


def of_folder(
    folder: Path,
    modality: Modality,
    *,
    camera: int = UNKNOWN,
    location: int = UNKNOWN,
    times: TimeReader | None = None,
) -> list[SourceImage]:
    """Return all images under a folder, sorted; they share camera, location and modality.

    Raises:
        DataError: There is none.
    """
    return [
        SourceImage(file, modality, camera, location, None if times is None else times(file))
        for file in find_images(folder)
    ]


def of_manifest(
    file: Path, *, modality: Modality = "visible", times: TimeReader | None = None
) -> list[SourceImage]:
    """Return the images of a CSV table.

    Columns: ``path`` (from the table's folder, or absolute); and where they are known
    ``modality``, ``camera``, ``location`` (the camera itself where there is no such column),
    ``timestamp`` (ISO 8601) and ``identity``.

    Args:
        file: The table.
        modality: Of rows that do not say.
        times: For rows without a timestamp.

    Raises:
        DataError: The table cannot be understood: the message names the row.
    """
    table = TableKind(needed=("path",), optional=COLUMNS, fault=DataError).read_csv(file)
    camera = table.whole_numbers("camera", empty=UNKNOWN, limits=NUMBERS).tolist()
    location = table.whole_numbers("location", empty=UNKNOWN, limits=NUMBERS).tolist()
    identity = table.whole_numbers("identity", empty=UNKNOWN, limits=NUMBERS).tolist()
    paths = table.texts("path").tolist()
    empty = [""] * table.length
    words = table.texts("modality", empty=True).tolist() if "modality" in table.columns else empty
    moments = (
        table.texts("timestamp", empty=True).tolist() if "timestamp" in table.columns else empty
    )
    images = []
    for row, path in enumerate(paths):
        if words[row] and words[row] not in MODALITIES:
            raise DataError(
                f"{file} row {row} has modality {words[row]!r}; give visible or infrared"
            )
        try:
            moment = parse_moment(moments[row]) if moments[row] else None
        except FilterError as error:
            raise DataError(f"{file} row {row}: {error}") from error
        image = file.parent / path
        images.append(
            SourceImage(
                path=image,
                modality=_modality(words[row]) if words[row] else modality,
                camera=camera[row],
                location=location[row] if location[row] != UNKNOWN else camera[row],
                timestamp=times(image) if moment is None and times is not None else moment,
                identity=identity[row],
            )
        )
    if not images:
        raise DataError(f"{file} lists no images; write one row for each")
    return images


def only(images: Sequence[SourceImage], modality: Modality) -> list[SourceImage]:
    """Return the images of one modality.

    Raises:
        DataError: There is none.
    """
    chosen = [image for image in images if image.modality == modality]
    if not chosen:
        raise DataError(f"none of the {len(images)} images is {modality}")
    return chosen


def _modality(text: str) -> Modality:
    return "visible" if text == "visible" else "infrared"
