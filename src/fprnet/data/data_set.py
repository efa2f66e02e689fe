"""A folder in any known layout becomes one object: who trains, validates and tests, which images.

Training, extraction and evaluation ask this object and never look at a layout's files themselves.
Shapes: N images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from fprnet.data import llcm, manifest, regdb, sysu_mm01
from fprnet.data.llcm import LlcmSplit
from fprnet.data.manifest import ManifestSplit
from fprnet.data.records import Records
from fprnet.data.regdb import RegdbSplit
from fprnet.data.sysu_mm01 import ALL_CAMERAS, VISIBLE_CAMERAS, Part, SysuSplit
from fprnet.errors import DataError, UsageError

__all__ = [
    "LAYOUTS",
    "DataSet",
    "Layout",
    "Split",
    "open_data_set",
    "read_records",
    "recognise",
    "signs_of",
]

Layout = Literal["sysu-mm01", "regdb", "llcm", "manifest"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
Split: TypeAlias = SysuSplit | RegdbSplit | LlcmSplit | ManifestSplit

# What a folder of each layout holds, as patterns; split files alone, in the root itself, will do.
SIGNS: dict[Layout, tuple[str, ...]] = {
    "sysu-mm01": ("exp", "cam[1-6]", "rand_perm_cam.mat", "test_id.mat"),
    "regdb": tuple(
        f"{folder}{part}_visible_*.txt" for folder in ("idx/", "") for part in ("train", "test")
    ),
    "llcm": ("idx/train_vis.txt", "idx/test_id.txt", "train_vis.txt"),
    "manifest": manifest.FILES,
}
EXAMPLES = (
    "SYSU-MM01 (cam1 to cam6 and exp), RegDB (idx/train_visible_1.txt ...), "
    "LLCM (idx/train_vis.txt ...), a manifest (manifest.csv or manifest.parquet)"
)
VALIDATION_EVERY = 8  # every so many-th training identity validates where no list says who does


@dataclass(frozen=True)
class DataSet:
    """A data set on disk. Making this object reads lists, never images.

    Attributes:
        layout: Of its files.
        root: Its folder (a manifest: or the table).
        train: Sorted identities; no two of the three parts share one.
        validation: Likewise. Where the layout has no such list: every 8th training identity, which
            ``train`` then lacks.
        test: Likewise.
        split: What the layout's files say.
    """

    layout: Layout
    root: Path
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    split: Split

    @property
    def number(self) -> int | None:
        """Number of the split, 1 to 10, where there are several (RegDB); else None."""
        return self.split.number if isinstance(self.split, RegdbSplit) else None

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
        match self.split:
            case SysuSplit() as split:
                sysu_mm01.check_split(records, split)
            case RegdbSplit() as split:
                regdb.check_split(records, split)
            case LlcmSplit() as split:
                llcm.check_split(records, split)
            case ManifestSplit():
                pass  # the list is the records


def read_records(
    root: Path, *, layout: Layout | Literal["auto"] = "auto", visible_only: bool = False
) -> Records:
    """List all images of a data set, sorted; split files may be missing.

    Args:
        root: Its folder, or a manifest.
        layout: "auto" recognises it by what is there.
        visible_only: Infrared images are left out; SYSU-MM01 needs no infrared cameras then.

    Raises:
        DataError: Folders or listed images are missing, or the layout is not recognised.
    """
    root = Path(root)
    match recognise(root) if layout == "auto" else layout:
        case "sysu-mm01":
            return sysu_mm01.read_records(
                root, cameras=VISIBLE_CAMERAS if visible_only else ALL_CAMERAS
            )
        case "regdb":
            records = regdb.read_records(root)
        case "llcm":
            records = llcm.read_records(root)
        case "manifest":
            records = manifest.read_manifest(root).listed
    return records.where(records.modality == "visible") if visible_only else records


def open_data_set(
    root: Path,
    *,
    layout: Layout | Literal["auto"] = "auto",
    split: int | None = None,
    needed: Sequence[Part] = ("train", "validation", "test"),
) -> DataSet:
    """Read who trains, validates and tests.

    Args:
        root: The data set's folder, a folder with its split files, or a manifest.
        layout: "auto" recognises it by what is there.
        split: Which of RegDB's ten splits; the other layouts have one.
        needed: Parts whose lists must be there. Scoring features needs ("test",) only.

    Raises:
        DataError: The layout is not recognised, or its lists are not what they should be.
        UsageError: There is no such layout, RegDB's split is not said, or another layout's is.
    """
    root = Path(root)
    if layout == "auto":
        layout = recognise(root)
    if layout not in LAYOUTS:
        raise UsageError(f"layout {layout!r} is unknown; choose {', '.join(LAYOUTS)} or auto")
    if layout == "regdb" and split is None:
        raise UsageError(f"{root} is RegDB, which has ten splits; give --split 1 to 10")
    if layout != "regdb" and split is not None:
        raise UsageError(f"{root} is {layout}, which has one split; leave --split out")
    read: dict[Layout, Callable[[], Split]] = {
        "sysu-mm01": lambda: sysu_mm01.read_split(root, needed=needed),
        "regdb": lambda: regdb.read_split(root, split or 0, needed=needed),
        "llcm": lambda: llcm.read_split(root, needed=needed),
        "manifest": lambda: manifest.read_manifest(root),
    }
    found = read[layout]()
    for part in needed:
        if part != "validation" and not getattr(found, part):
            raise DataError(
                f"{root} lists nobody for the part {part}; a manifest says so in its column split"
            )
    train, validation = found.train, found.validation
    if layout != "sysu-mm01" and not validation:
        validation = train[VALIDATION_EVERY - 1 :: VALIDATION_EVERY]
        train = tuple(identity for identity in train if identity not in set(validation))
    return DataSet(layout, root, train, validation, found.test, found)


def signs_of(root: Path) -> list[Layout]:
    """Return the layouts of which a folder holds something."""
    return [
        layout
        for layout, patterns in SIGNS.items()
        if any(next(root.glob(pattern), None) is not None for pattern in patterns)
    ]


def recognise(root: Path) -> Layout:
    """Return the layout of a folder (or of a manifest) by what is there.

    Raises:
        DataError: It is none of those known, or there are signs of several.
    """
    if root.is_file():
        return "manifest"
    if not root.is_dir():
        raise DataError(f"{root} is no folder; give the folder of a data set")
    found = signs_of(root)
    if len(found) > 1:
        raise DataError(
            f"{root} looks like {' and like '.join(found)}; say which with --layout {found[0]}"
        )
    if found:
        return found[0]
    if (root / "test_id.txt").is_file():  # of SYSU-MM01 or of LLCM, whose lists stand in idx/
        return "sysu-mm01"
    raise DataError(f"{root} holds none of the known layouts: {EXAMPLES}; give another folder")
