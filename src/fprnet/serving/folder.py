"""The folder of a service: where it is, and of which gallery it holds images.

A service erases from its folder what its gallery does not know, so two galleries must not share
one. The folder says whose it is, by the moment in which its gallery was made.
"""

from __future__ import annotations

import json
from pathlib import Path

from fprnet.errors import UsageError
from fprnet.files import write_text
from fprnet.gallery.addresses import is_server
from fprnet.gallery.reading import GalleryReader

__all__ = ["check_owner", "claim", "default_folder", "owner_of"]

MARK = "gallery.json"
FORMAT = 1
OF_SERVER = "fprnet-service"


def default_folder(uri: str) -> Path:
    """Return the folder of the service of a gallery where nobody names another.

    >>> [str(default_folder(uri)) for uri in ("people.db", "postgresql://a@b/people")]
    ['people.db.service', 'fprnet-service']
    """
    return Path(OF_SERVER if is_server(uri) else f"{uri.rstrip('/')}.service")


def owner_of(folder: Path) -> int | None:
    """Return when the gallery of a folder was made, in milliseconds since 1970; None: not said."""
    try:
        made = json.loads((folder / MARK).read_text(encoding="utf-8"))["made"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{folder / MARK} does not say whose images lie there ({error}); correct its rights, "
            "or remove it if they are this gallery's"
        ) from error
    return int(made)


def check_owner(folder: Path, gallery: GalleryReader) -> None:
    """Refuse the folder of another gallery's service.

    Raises:
        UsageError: It is.
    """
    owner = owner_of(folder)
    if owner is not None and owner != gallery.created:
        raise UsageError(
            f"{folder} holds the images of another gallery's service, which would be erased; give "
            "another --folder, or remove this one if that gallery is gone"
        )


def claim(folder: Path, gallery: GalleryReader) -> None:
    """Make a folder the one of a gallery's service.

    Raises:
        UsageError: It is another gallery's, or cannot be written.
    """
    check_owner(folder, gallery)
    if owner_of(folder) is None:
        text = json.dumps({"format": FORMAT, "gallery": gallery.uri, "made": gallery.created})
        try:
            write_text(folder / MARK, f"{text}\n")
        except OSError as error:
            raise UsageError(
                f"--folder {folder} cannot be written ({error.strerror}); correct its rights, or "
                "give another"
            ) from error
