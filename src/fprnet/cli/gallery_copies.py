"""Actions of ``fprnet gallery`` that take out what is in it: a table of its records, a backup."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_json
from fprnet.cli.galleries import add_action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fprnet.cli.arguments import Subcommands
    from fprnet.gallery.gallery import Gallery

__all__ = ["add_parser"]

LIST = "Print what the gallery knows of each image as a CSV table, which 'add --table' reads."
LIST_EXAMPLE = """\
  fprnet gallery list --uri people.db > records.csv
  fprnet gallery list --uri people.db --json

Correct the table, and give it back: fprnet gallery add --uri people.db --table records.csv --update
(from the folder where the paths are right; they are absolute for images that 'add' took)."""
BACKUP = "Copy a gallery in a file as it is at one moment, while others read and write it."
BACKUP_EXAMPLE = "  fprnet gallery backup --uri people.db --out copies/people-2026-11-30.db"
CHUNK = 1000  # records that are read at a time


def add_parser(subcommands: Subcommands) -> None:
    """Declare the actions, each with its gallery's address."""
    listing = add_action(subcommands, "list", LIST, LIST_EXAMPLE)
    listing.add_argument("--json", action="store_true", help="print one JSON object a line instead")
    listing.set_defaults(run=run_list)
    backup = add_action(subcommands, "backup", BACKUP, BACKUP_EXAMPLE)
    backup.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    add_json(backup)
    backup.set_defaults(run=run_backup)


def run_list(args: argparse.Namespace) -> int:
    """Print the records in the order in which they were added, hidden ones, too."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.sources import LISTED, TABLE

    columns = [*(name for name in TABLE.needed + TABLE.optional if name != "timestamp"), *LISTED]
    with Gallery.open(args.uri, name=args.name) as gallery:
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        if not args.json:
            writer.writeheader()
        for values in _records(gallery):
            if args.json:
                print(json.dumps(values))
            else:
                writer.writerow({**values, "hidden": "yes" if values["hidden"] else ""})
    return 0


def _records(gallery: Gallery) -> Iterator[dict[str, object]]:
    """Yield what is known of each record; one that is erased meanwhile is left out."""
    from fprnet.gallery.rows import record_of, rows_of
    from fprnet.gallery.tracklet_rows import tracklet_numbers

    ids = gallery.select()
    with gallery.database.reading() as connection:
        tables = gallery.database.tables
        numbers: dict[str, int] = {}
        for start in range(0, len(ids), CHUNK):
            found = rows_of(connection, tables, ids[start : start + CHUNK])
            numbers |= {id: row.number for id, row in found.items()}
        ordered = sorted(numbers, key=numbers.__getitem__)
        for start in range(0, len(ordered), CHUNK):
            some = ordered[start : start + CHUNK]
            rows = rows_of(connection, tables, some)
            tracklets = tracklet_numbers(connection, tables, some)
            for row in (rows[id] for id in some if id in rows):
                own = {"tracklet": tracklets.get(row.id), "hidden": bool(row.hidden)}
                yield {**record_of(row).as_dict(), **own}


def run_backup(args: argparse.Namespace) -> int:
    """Write the copy."""
    from fprnet.errors import UsageError
    from fprnet.gallery.addresses import is_server
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.sqlite import SqliteFile
    from fprnet.serving.folder import default_folder

    if is_server(args.uri):
        raise UsageError(
            f"a server makes its own backups; take pg_dump --schema {args.name} of its database"
        )
    with Gallery.open(args.uri) as gallery:
        assert isinstance(gallery.database, SqliteFile)
        gallery.database.back_up(args.out)
    with Gallery.open(str(args.out)) as copy:
        count = len(copy)
    if args.json:
        print(json.dumps({"backup": str(args.out), "records": count}))
    else:
        print(
            f"{args.out} is a copy of {args.uri}, where {count} images can be found; back up "
            f"{default_folder(args.uri)}, too, where a service has made that folder"
        )
    return 0
