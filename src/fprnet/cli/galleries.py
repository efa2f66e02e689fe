"""What commands on galleries share: where the gallery is, and who did it, for the audit log."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fprnet.cli.arguments import add_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from fprnet.cli.arguments import Subcommands
    from fprnet.gallery.audit import AuditEntry
    from fprnet.gallery.records import GalleryRecord
    from fprnet.gallery.upgrading import Picture

__all__ = [
    "COMMAND_LINE",
    "add_action",
    "add_address",
    "add_service_folder",
    "audit_entry",
    "named",
    "picture_finder",
    "user_name",
]

NAMED = 3  # images that a message names
COMMAND_LINE = "command line"
"""The role of whoever uses it, in the audit log."""


def add_address(parser: argparse.ArgumentParser, option: str) -> None:
    """Declare where a gallery is."""
    parser.add_argument(
        option,
        dest="uri",
        required=True,
        metavar="URI",
        help="SQLite file, or postgresql://USER@HOST/DATABASE (its password: $PGPASSWORD)",
    )
    parser.add_argument(
        "--name",
        default="gallery",
        help="name of the gallery in a PostgreSQL database (default: %(default)s)",
    )


def add_action(
    subcommands: Subcommands, name: str, summary: str, example: str
) -> argparse.ArgumentParser:
    """Declare an action of ``fprnet gallery``, with the gallery's address."""
    parser = add_command(subcommands, name, summary=summary, example=example)
    add_address(parser, "--uri")
    return parser


def user_name() -> str:
    """Return who uses the command line."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def audit_entry(event: str, **values: Any) -> AuditEntry:  # noqa: ANN401 - those of an AuditEntry
    """Return an entry for the log about what the user of the command line does.

    Args:
        event: What is done.
        values: ``details`` and ``images`` of the entry.
    """
    from fprnet.gallery.audit import AuditEntry

    return AuditEntry(event, user_name(), COMMAND_LINE, **values)


def add_service_folder(parser: argparse._ActionsContainer, use: str) -> None:
    """Declare the folder of a gallery's service, and what it is used for."""
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help=f"folder of the gallery's service: {use} (default: the gallery's file with .service; "
        "of a server, fprnet-service)",
    )


def named(images: Sequence[str]) -> str:
    """Return one image's name, or how many there are with the first names."""
    if len(images) == 1:
        return images[0]
    return f"{len(images)} images ({', '.join(images[:NAMED])}{', ...' if images[NAMED:] else ''})"


def picture_finder(uri: str, folder: Path | None = None) -> Picture:
    """Return what finds a record's picture: where it was, or among the copies of a service.

    Args:
        uri: Address of the gallery whose records are meant.
        folder: Folder of the gallery's service, with copies of images; None: the default one.

    Raises:
        UsageError: There is no such folder.
    """
    from fprnet.errors import UsageError
    from fprnet.gallery.upgrading import picture_of
    from fprnet.serving.folder import default_folder
    from fprnet.serving.pictures import Pictures

    if folder is not None and not folder.is_dir():
        raise UsageError(f"--folder {folder} is no folder; give the one of the gallery's service")
    copies = Pictures((folder or default_folder(uri)) / "images", (), 0)

    def find(record: GalleryRecord) -> bytes | None:
        kept = copies.kept(record.id)
        return picture_of(record) if kept is None else kept.read_bytes()

    return find
