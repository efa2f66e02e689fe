"""Text files of a data set's split become identities, or listed images; faults are one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fprnet.errors import DataError

__all__ = [
    "ListedImage",
    "check_apart",
    "check_labels",
    "checked_identities",
    "read_identity_list",
    "read_image_list",
    "read_text",
]


@dataclass(frozen=True)
class ListedImage:
    """One line of a list, e.g. ``Visible/1/male_front_v_00007_1.bmp 0``.

    Attributes:
        path: POSIX, relative to the data set's folder.
        label: The person's number within the list.
    """

    path: str
    label: int


def read_text(file: Path) -> str:
    """Read a text file.

    Raises:
        DataError: It is missing, may not be read, or is no text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing; copy it from the data set again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no readable text; copy it from the data set again") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); check its rights") from error


def read_identity_list(file: Path) -> tuple[int, ...]:
    """Read identities with commas or spaces between them; the result is sorted.

    Raises:
        DataError: Something else stands there, or one identity twice.
    """
    words = re.findall(r"[^,\s]+", read_text(file))
    wrong = [word for word in words if not (word.isascii() and word.isdecimal())]
    if wrong:
        raise DataError(
            f"{file} holds {wrong[0]!r}, which is no identity; "
            "write whole numbers with commas between them"
        )
    return checked_identities(file, [int(word) for word in words])


def checked_identities(file: Path, identities: list[int]) -> tuple[int, ...]:
    """Return the identities sorted; they must be different and from 1 on."""
    if len(set(identities)) != len(identities) or min(identities, default=1) < 1:
        raise DataError(f"{file} must list different identities from 1 on; correct the file")
    return tuple(sorted(identities))


def read_image_list(file: Path) -> list[ListedImage]:
    """Read lines of a path and a label.

    Raises:
        DataError: A line is something else, an image is listed twice, or there is none.
    """
    listed: dict[str, ListedImage] = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        path, _, label = line.strip().rpartition(" ")
        path = path.strip().replace("\\", "/")
        if not path or not label.isdecimal():
            raise DataError(
                f"{file} line {number} is {line.strip()!r}; expected a path and a label, such as "
                "Visible/1/male_front_v_00007_1.bmp 0"
            )
        if path in listed:
            raise DataError(f"{file} lists {path} twice; copy it from the data set again")
        listed[path] = ListedImage(path, int(label))
    if not listed:
        raise DataError(f"{file} lists no images; copy it from the data set again")
    return list(listed.values())


def check_labels(file: Path, images: list[ListedImage], identities: list[int]) -> None:
    """Refuse a list in which a label stands for two people or a person has two labels.

    Raises:
        DataError: There is such a label or person.
    """
    identity_of: dict[int, int] = {}
    label_of: dict[int, int] = {}
    for image, identity in zip(images, identities, strict=True):
        if identity_of.setdefault(image.label, identity) != identity:
            raise DataError(
                f"{file} gives label {image.label} to identities {identity_of[image.label]} and "
                f"{identity}; copy it from the data set again"
            )
        if label_of.setdefault(identity, image.label) != image.label:
            raise DataError(
                f"{file} gives labels {label_of[identity]} and {image.label} to identity "
                f"{identity}; copy it from the data set again"
            )


def check_apart(parts: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse an identity in two parts of a split.

    Raises:
        DataError: There is one.
    """
    seen: dict[int, str] = {}
    for name, identities in parts.items():
        for identity in identities:
            if identity in seen:
                raise DataError(
                    f"identity {identity} is in the {seen[identity]} and in the {name} list; "
                    "an identity may be in one of them only, so correct the id files"
                )
            seen[identity] = name
