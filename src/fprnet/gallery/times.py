"""Texts and files become times: when an image was taken, and the limits of a time window."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from PIL import ExifTags, Image

from fprnet.data.tables import Table
from fprnet.errors import FilterError, UsageError

__all__ = [
    "TimeReader",
    "from_milliseconds",
    "milliseconds",
    "parse_time",
    "parse_zone",
    "table_times",
    "time_reader",
]

TimeReader = Callable[[Path], datetime | None]

DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "f": 6, "j": 3}  # of strptime's letters
EXIF_TIME = "%Y:%m:%d %H:%M:%S"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970 in UTC, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(count: int) -> datetime:
    """Return the time in UTC that is so many milliseconds after 1970 began."""
    return EPOCH + timedelta(milliseconds=count)


def parse_time(text: str, *, end: bool = False, zone: tzinfo = UTC) -> datetime:
    """Read a time in ISO 8601, e.g. ``2026-11-25``, ``2026-11-25T18:30`` or with ``+08:00``.

    Args:
        text: Date, or date and time.
        end: Whether a date alone means the end of that day and not its beginning.
        zone: Time zone of a text that names none.

    Raises:
        FilterError: It is no time, or none that UTC can express.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text)
            last = timedelta(days=1, milliseconds=-1) if end else timedelta(0)
            return _aware(datetime.combine(day, time()) + last, zone)
        return _aware(datetime.fromisoformat(text), zone)
    except ValueError as error:
        raise FilterError(
            f"time {text!r} is no date or time; write e.g. 2026-11-25 or 2026-11-25T18:30+08:00"
        ) from error


def table_times(
    table: Table, *, zone: tzinfo = UTC, pattern: str | None = None
) -> list[datetime | None]:
    """Read the column ``time`` or ``timestamp`` of N rows.

    Args:
        table: Table with a row for each image, as it was read.
        zone: Time zone of the times that name none.
        pattern: How the times are written, in the letters of ``strptime``, e.g.
            ``%d.%m.%Y %H:%M:%S``; None: as ISO 8601 says.

    Returns:
        N times, None where the row does not say.

    Raises:
        FprnetError: A row has another text; the class is the table's ``fault``.
    """
    name = "time" if "time" in table.columns else "timestamp"
    times: list[datetime | None] = []
    for row, text in enumerate(table.moments(name)):
        try:
            if not text:
                times.append(None)
            elif pattern is None:
                times.append(parse_time(text, zone=zone))
            else:
                times.append(_aware(datetime.strptime(text, pattern), zone))
        except FilterError as error:
            raise table.fault(
                f"{table.file} row {row}: {error}, or say with --time-format how the table writes "
                "it, e.g. '%d.%m.%Y %H:%M:%S'"
            ) from error
        except ValueError as error:
            raise table.fault(
                f"{table.file} row {row}: time {text!r} is not written as --time-format "
                f"{pattern!r} says; correct one of them"
            ) from error
    return times


def _aware(moment: datetime, zone: tzinfo) -> datetime:
    """Return a moment with a time zone, its own or this one; ValueError: none that UTC has."""
    aware = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
    try:
        aware.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{aware} is out of range in UTC") from error
    return aware


def parse_zone(text: str) -> tzinfo:
    """Read a time zone by its name, e.g. ``UTC`` or ``Asia/Shanghai``.

    Raises:
        UsageError: There is none of that name.
    """
    try:
        return UTC if text == "UTC" else ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"time zone {text!r} is unknown; write e.g. UTC or Asia/Shanghai") from (
            error
        )


def time_reader(source: str, zone: tzinfo = UTC) -> TimeReader:
    """Return what tells when an image was taken.

    Args:
        source: "mtime" (when the file was last written), "exif" (what the camera wrote into it),
            or a pattern of the file's name in the letters of ``strptime``, e.g.
            ``%Y%m%d_%H%M%S``, which may stand anywhere in the name.
        zone: Time zone of cameras that do not say theirs.

    Returns:
        Path -> time, None where the file does not say.

    Raises:
        UsageError: The pattern has no year, month and day, or an unknown letter.
    """
    if source == "mtime":
        return _of_file
    if source == "exif":
        return lambda path: _of_exif(path, zone)
    pattern = _expression(source)

    def read(path: Path) -> datetime | None:
        found = pattern.search(path.name)
        if found is None:
            return None
        try:
            return datetime.strptime(found.group(), source).replace(tzinfo=zone)
        except ValueError:  # the 31st of February
            return None

    return read


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"%(.)", pattern)
    letters = parts[1::2]
    if not {"Y", "m", "d"} <= set(letters) and not {"Y", "j"} <= set(letters):
        raise UsageError(
            f"time pattern {pattern!r} names no day; write mtime, exif, or e.g. %Y%m%d_%H%M%S"
        )
    expression = re.escape(parts[0])
    for letter, literal in zip(letters, parts[2::2], strict=True):
        if letter not in DIGITS:
            raise UsageError(
                f"time pattern {pattern!r} has %{letter}; it may have "
                f"{', '.join(f'%{known}' for known in DIGITS)}"
            )
        expression += rf"\d{{{DIGITS[letter]}}}" + re.escape(literal)
    return re.compile(rf"(?<!\d){expression}(?!\d)")


def _of_file(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except OSError:  # reading the image says what is wrong with it
        return None


def _of_exif(path: Path, zone: tzinfo) -> datetime | None:
    try:
        with Image.open(path) as image:
            block = image.getexif()
            inner = block.get_ifd(ExifTags.IFD.Exif)
    except OSError:  # reading the image says what is wrong with it
        return None
    text = inner.get(ExifTags.Base.DateTimeOriginal) or block.get(ExifTags.Base.DateTime)
    offset = inner.get(ExifTags.Base.OffsetTimeOriginal)
    try:
        taken = datetime.strptime(str(text).strip("\0 "), EXIF_TIME)
        if offset:
            moment = datetime.strptime(str(offset).strip("\0 ").replace(":", ""), "%z")
            return taken.replace(tzinfo=moment.tzinfo)
    except ValueError:
        return None
    return taken.replace(tzinfo=zone)
