"""A folder in any known layout becomes one object: who trains, validates and tests, which images.

Training, extraction and evaluation ask this object and never look at a layout's files themselves;
what the layouts differ in is known to their readers (`fprnet.data.readers.READERS`).
Shapes: N images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fprnet.data import manifest
from fprnet.data.reader import PARTS, Part, Reader, Split
from fprnet.data.readers import READERS, layout_component, readers_of_plugins
from fprnet.data.records import Records
from fprnet.errors import DataError, UsageError

__all__ = ["AUTO", "DataSet", "open_data_set", "read_records", "recognise", "signs_of"]

AUTO = "auto"  # the layout is recognised by what is there
VALIDATION_EVERY = 8  # every so many-th training identity validates where no list says who does


@dataclass(frozen=True)
class DataSet:
    """A data set on disk. Making this object reads lists, never images.

    Attributes:
        layout: Name of its reader, or import path of a reader of somebody else's.
        root: The data set's folder, or the table of a manifest.
        train: Sorted identities; no two of the three parts share one.
        validation: Sorted identities. Where the layout has no such list: every 8th training
            identity, which ``train`` then lacks.
        test: Sorted identities.
        split: What the layout's files say.
        number: Number of the split where there are several (RegDB); else None.
        source: Whose code the reader is; None: fprnet's.
    """

    layout: str
    root: Path
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    split: Split
    number: int | None = None
    source: str | None = None

    @property
    def reader(self) -> Reader:
        """What knows the layout's files and its protocol."""
        return _reader(self.layout)[0]

    @property
    def folder(self) -> Path:
        """The folder that image paths start from."""
        return self.root.parent if self.root.is_file() else self.root

    def records(self, *, visible_only: bool = False) -> Records:
        """List all images, sorted, as `read_records` does."""
        return read_records(self.root, layout=self.layout, visible_only=visible_only)

    def check(self, records: Records) -> None:
        """Compare the lists with the images that were read.

        Raises:
            DataError: A listed identity or image is missing, or a folder holds others than the
                lists count.
        """
        self.reader.check_split(records, self.split)


def read_records(root: Path, *, layout: str = AUTO, visible_only: bool = False) -> Records:
    """List all images of a data set, sorted; split files may be missing.

    Args:
        root: The data set's folder, or a manifest.
        layout: A reader's name or import path; "auto" recognises it by what is there.
        visible_only: Infrared images are left out; SYSU-MM01 needs no infrared cameras then.

    Raises:
        DataError: Folders or listed images are missing, or the layout is not recognised.
        UsageError: There is no such layout.
    """
    root = Path(root)
    reader, _ = _reader(recognise(root) if layout == AUTO else layout)
    return reader.read_records(root, visible_only=visible_only)


def open_data_set(
    root: str | Path,
    *,
    layout: str = AUTO,
    split: int | None = None,
    needed: Sequence[Part] = PARTS,
) -> DataSet:
    """Read who trains, validates and tests.

    Args:
        root: The data set's folder, a folder with its split files, or a manifest.
        layout: A reader's name or import path; "auto" recognises it by what is there.
        split: Number of the split for layouts with several (RegDB); the others have one.
        needed: Parts whose lists must be there. Scoring features needs ("test",) only.

    Raises:
        DataError: The layout is not recognised, or its lists are not what they should be.
        UsageError: There is no such layout, or the number of the split is missing or too much.
        ConfigError: The reader is code of somebody else that was not allowed.

    Examples:
        Who is tested, and their images::

            data_set = fprnet.open_data_set("SYSU-MM01")
            records = data_set.records().of(data_set.test)
    """
    root = Path(root)
    layout = recognise(root) if layout == AUTO else layout
    reader, source = _reader(layout)
    if reader.splits and split is None:
        raise UsageError(
            f"{root} is {layout}, which has {len(reader.splits)} splits; "
            f"give --split {reader.splits[0]} to {reader.splits[-1]}"
        )
    if not reader.splits and split is not None:
        raise UsageError(f"{root} is {layout}, which has one split; leave --split out")
    found = reader.read_split(root, split, needed)
    for part in needed:
        if part != "validation" and not getattr(found, part):
            raise DataError(
                f"{root} lists nobody for the part {part}; a manifest says so in its column split"
            )
    train, validation = found.train, found.validation
    if not reader.has_validation_list and not validation:
        validation = train[VALIDATION_EVERY - 1 :: VALIDATION_EVERY]
        train = tuple(identity for identity in train if identity not in set(validation))
    return DataSet(layout, root, train, validation, found.test, found, split, source)


def signs_of(root: Path) -> list[str]:
    """Return the layouts of which a folder holds a sign."""
    return [layout for layout, reader in READERS.items() if _holds(root, reader.signs)]


def recognise(root: Path) -> str:
    """Return the layout of a folder (or of a manifest) by what is there.

    Raises:
        DataError: It is none of those known, or there are signs of several.
    """
    if root.is_file():
        takers = [layout for layout, reader in READERS.items() if reader().takes_file(root)]
        if not takers:
            raise DataError(f"{root} is no data set; give a folder, or a .csv or .parquet manifest")
        return takers[0]
    if not root.is_dir():
        raise DataError(f"{root} is no folder; give the folder of a data set")
    found = signs_of(root)
    if len(found) > 1:
        raise DataError(
            f"{root} looks like {' and like '.join(found)}; say which with --layout {found[0]}"
        )
    if not found:
        found = [name for name, reader in READERS.items() if _holds(root, reader.weak_signs)]
    if found:
        return found[0]
    examples = ", ".join(reader.example for reader in READERS.values())
    own = readers_of_plugins()
    such = f"e.g. {own[0]}" if own else "one of these, or a reader of your own with --plugin"
    raise DataError(
        f"{root} holds none of the known layouts: {examples}; give another folder, say with "
        f"--layout which it should be ({such}), or list its images in {root / manifest.FILES[0]}, "
        f"a table with the columns {', '.join(manifest.MANIFEST.needed)}"
    )


def _holds(root: Path, patterns: Sequence[str]) -> bool:
    return any(next(root.glob(pattern), None) is not None for pattern in patterns)


def _reader(layout: str) -> tuple[Reader, str | None]:
    """Return the reader, and whose code it is."""
    component = layout_component(layout)
    return component.build(), component.source
